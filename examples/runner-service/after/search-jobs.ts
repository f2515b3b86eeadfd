/** Searches the job sites, all at once, and lets a model rank what they have. */
import type { Run } from "livetail";
import type { Asking } from "../service/ask-site.js";
import type { FoundJob, Source } from "../service/job-sites.js";
import type { Tools } from "../service/tools.js";

/** What is searched for. */
export interface Search {
  titles: string[];
  /** Default: all three. */
  sources?: Source[];
}

/** What was found, best first. */
export interface SearchResult {
  found: number;
  ranking: { job_id: string; score: number }[];
}

/** Resolves to the ranking of all jobs that are found. */
export async function searchJobs(run: Run, search: Search, tools: Tools): Promise<SearchResult> {
  const { titles, sources = ["indeed", "bayt", "himalayas"] } = search;
  run.logger.info("search_start", { titles, sources });
  const listed = await Promise.all(sources.map((source) => searchSource(run, source, titles, tools)));
  // Many are listed in two places.
  const jobs = [...new Map(listed.flat().map((job) => [job.id, job])).values()];

  run.logger.layerStart("rank");
  const { ranking } = JSON.parse(await tools.models.gpt("rank", { titles, jobs }));
  run.logger.layerComplete("rank");
  run.logger.info("search_complete", { found: jobs.length, best: ranking[0]?.job_id });
  return { found: jobs.length, ranking };
}

async function searchSource(run: Run, source: Source, titles: string[], { sites, cache }: Tools): Promise<FoundJob[]> {
  const logger = run.logger.child({ layer: source });
  const asking: Asking = { signal: run.signal, onRetry: (retry) => logger.warn("retry_attempt", retry) };
  const jobs: FoundJob[] = [];
  logger.layerStart(source);
  for (const title of titles) {
    let found = await cache.get(`${source} ${title}`);
    if (found === undefined) {
      found = [];
      for await (const page of sites.search(source, title, asking)) {
        found.push(...page);
        run.layer(source, "running", `${found.length} jobs`);
      }
      await cache.set(`${source} ${title}`, found);
    } else {
      logger.info("cache_hit", { title, jobs: found.length });
    }
    jobs.push(...found);
  }
  logger.layerComplete(source);
  logger.info("source_search_complete", { jobs: jobs.length });
  return jobs;
}
