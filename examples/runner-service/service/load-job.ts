import type { Asking } from "./ask-site.js";
import type { Job } from "./database.js";
import type { Tools } from "./tools.js";

/** A job as it was stored, else as its page shows it. Rejects when there is none. */
export async function loadJob(id: string, { database, pages }: Tools, asking?: Asking): Promise<Job> {
  return (await database.jobs.find(id)) ?? (await pages.posting(id, asking)).posting;
}
