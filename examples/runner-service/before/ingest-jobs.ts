/** Ingests the newest jobs of a feed: reads those that are new, lets a model score each, and stores them. */
import type { Job } from "../service/database.js";
import type { Source } from "../service/job-sites.js";
import { PROFILE } from "../service/profile.js";
import type { Tools } from "../service/tools.js";

/** Which jobs, and how many. */
export interface Feed {
  source: Source;
  limit: number;
}

/** What became of the newest jobs. */
export interface Ingested {
  ingested: number;
  duplicates: number;
  /** The ids of those that could not be read or scored; the next ingest tries them again. */
  failed: string[];
  scores: Record<string, number>;
}

/** Resolves to what became of them. One that fails does not end it. */
export async function ingestJobs({ source, limit }: Feed, tools: Tools): Promise<Ingested> {
  const { sites, pages, models, database } = tools;
  const newest = await sites.newest(source, limit);
  const ids = new Set<string>();
  for (const { id } of newest) if ((await database.jobs.find(id)) === undefined) ids.add(id);

  const scored: Job[] = [];
  const failed: string[] = [];
  for (const id of ids) {
    try {
      const { posting } = await pages.posting(id);
      const { score } = JSON.parse(await models.gpt("score", { job: posting, profile: PROFILE }));
      scored.push({ ...posting, score });
    } catch {
      failed.push(id);
    }
  }

  for (const job of scored) await database.jobs.save(job);
  return {
    ingested: scored.length,
    duplicates: newest.length - ids.size,
    failed,
    scores: Object.fromEntries(scored.map(({ id, score = 0 }) => [id, score])),
  };
}
