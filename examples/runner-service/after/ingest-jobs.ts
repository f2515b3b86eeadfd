/** Ingests the newest jobs of a feed: reads those that are new, lets a model score each, and stores them. */
import type { Run } from "livetail";
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
export async function ingestJobs(run: Run, { source, limit }: Feed, tools: Tools): Promise<Ingested> {
  const { sites, pages, models, database } = tools;
  run.logger.info("ingest_start", { source, limit });
  run.logger.layerStart("fetch");
  const newest = await sites.newest(source, limit, { signal: run.signal });
  const ids = new Set<string>();
  for (const { id } of newest) if ((await database.jobs.find(id)) === undefined) ids.add(id);
  run.logger.layerComplete("fetch", { jobs: newest.length, duplicates: newest.length - ids.size });

  const scored: Job[] = [];
  const failed: string[] = [];
  run.logger.layerStart("score");
  for (const id of ids) {
    try {
      const { posting } = await pages.posting(id, { signal: run.signal });
      const { score } = JSON.parse(await models.gpt("score", { job: posting, profile: PROFILE }));
      scored.push({ ...posting, score });
      run.logger.info("job_scored", { job_id: id, title: posting.title, score });
    } catch (error) {
      run.signal.throwIfAborted();
      failed.push(id);
      run.logger.error("scoring_failed", { job_id: id, error });
    }
    run.layer("score", "running", id, { current: scored.length + failed.length, total: ids.size });
  }
  run.logger.layerComplete("score", { scored: scored.length, failed: failed.length });

  run.logger.layerStart("store");
  for (const job of scored) await database.jobs.save(job);
  run.logger.layerComplete("store");
  run.logger.info("ingest_complete", { ingested: scored.length, failed: failed.length });
  return {
    ingested: scored.length,
    duplicates: newest.length - ids.size,
    failed,
    scores: Object.fromEntries(scored.map(({ id, score = 0 }) => [id, score])),
  };
}
