/** Writes to the people at a job's company who decide about it, or who look for candidates. */
import type { Message } from "../service/database.js";
import type { Contact } from "../service/job-pages.js";
import { loadJob } from "../service/load-job.js";
import { PROFILE } from "../service/profile.js";
import type { Tools } from "../service/tools.js";

/** Resolves to the messages, as they were stored. */
export async function writeOutreach(jobId: string, kind: Contact["kind"], tools: Tools): Promise<Message[]> {
  const { pages, models, database } = tools;
  const job = await loadJob(jobId, tools);
  const { contacts } = await pages.company(job.company_page);
  const chosen = contacts.filter((contact) => contact.kind === kind);

  const messages: Message[] = [];
  for (const contact of chosen) {
    const text = await models.claudeOrGpt("outreach", { kind, contact, job, profile: PROFILE });
    const message = { id: `${jobId} ${contact.email}`, job_id: jobId, to: contact.email, text };
    await database.messages.save(message);
    messages.push(message);
  }
  return messages;
}
