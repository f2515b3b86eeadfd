/** What the operations of the service work with. */
import { type Database, openDatabase } from "./database.js";
import { type JobPages, openJobPages } from "./job-pages.js";
import { type JobSites, openJobSites } from "./job-sites.js";
import type { ServiceOptions } from "./options.js";
import { openSearchCache, type SearchCache } from "./search-cache.js";
import type { Task } from "./tasks.js";

/** The models: each resolves to the text of an answer, and rejects as its SDK does. */
export interface Models {
  gpt(task: Task, material: object): Promise<string>;
  claude(task: Task, material: object): Promise<string>;
  /** Claude's answer; GPT's when Claude is overloaded. */
  claudeOrGpt(task: Task, material: object): Promise<string>;
}

/** All of it. */
export interface Tools {
  sites: JobSites;
  pages: JobPages;
  models: Models;
  database: Database;
  cache: SearchCache;
}

/** Opens all but the models. */
export function openTools({ boardUrl, folder }: ServiceOptions, models: Models): Tools {
  return {
    sites: openJobSites(boardUrl),
    pages: openJobPages(boardUrl),
    models,
    database: openDatabase(folder),
    cache: openSearchCache(folder),
  };
}
