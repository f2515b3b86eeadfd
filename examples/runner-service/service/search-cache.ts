/** What the job sites answered lately. */
import { join } from "node:path";
import type { FoundJob } from "./job-sites.js";
import { jsonPath, readJson, writeJson } from "./json-file.js";

const TTL_MS = 10 * 60_000;

/** Search results, kept for ten minutes. */
export interface SearchCache {
  get(key: string): Promise<FoundJob[] | undefined>;
  set(key: string, jobs: FoundJob[]): Promise<void>;
}

/** Keeps a JSON file for each search below `folder`. */
export function openSearchCache(folder: string, now: () => number = Date.now): SearchCache {
  const pathOf = (key: string): string => jsonPath(join(folder, "searches"), key);
  return {
    async get(key) {
      const kept = (await readJson(pathOf(key))) as { until: number; jobs: FoundJob[] } | undefined;
      return kept !== undefined && kept.until > now() ? kept.jobs : undefined;
    },
    set: (key, jobs) => writeJson(pathOf(key), { until: now() + TTL_MS, jobs }),
  };
}
