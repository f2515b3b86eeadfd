/** Searches the job sites, all at once, and lets a model rank what they have. */
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
export async function searchJobs(search: Search, tools: Tools): Promise<SearchResult> {
  const { titles, sources = ["indeed", "bayt", "himalayas"] } = search;
  const listed = await Promise.all(sources.map((source) => searchSource(source, titles, tools)));
  // Many are listed in two places.
  const jobs = [...new Map(listed.flat().map((job) => [job.id, job])).values()];

  const { ranking } = JSON.parse(await tools.models.gpt("rank", { titles, jobs }));
  return { found: jobs.length, ranking };
}

async function searchSource(source: Source, titles: string[], { sites, cache }: Tools): Promise<FoundJob[]> {
  const jobs: FoundJob[] = [];
  for (const title of titles) {
    let found = await cache.get(`${source} ${title}`);
    if (found === undefined) {
      found = [];
      for await (const page of sites.search(source, title)) found.push(...page);
      await cache.set(`${source} ${title}`, found);
    }
    jobs.push(...found);
  }
  return jobs;
}
