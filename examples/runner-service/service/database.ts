/** Where the service keeps its records. */
import { join } from "node:path";
import type { Posting } from "./job-pages.js";
import { jsonPath, readJson, writeJson } from "./json-file.js";

/** A job: its posting, and what is known of it besides. */
export interface Job extends Posting {
  seniority?: string;
  skills?: string[];
  summary?: string;
  /** How well the candidate fits, 0 to 100. */
  score?: number;
}

/** What the profile has for a requirement. */
export interface Annotation {
  requirement: string;
  relevance: "strong" | "partial" | "gap";
  role: string;
  evidence: string;
  keywords: string[];
}

/** The annotations of a job, by its id. */
export interface AnnotatedJob {
  id: string;
  annotations: Annotation[];
}

/** A message to somebody at the company of a job. */
export interface Message {
  id: string;
  job_id: string;
  to: string;
  text: string;
}

/** The CV for a job, by its id. */
export interface Cv {
  id: string;
  text: string;
  /** Of the last review, 0 to 100. */
  score: number;
}

/** Records of one kind. */
export interface Records<Item extends { id: string }> {
  find(id: string): Promise<Item | undefined>;
  /** Takes the place of the one with the same id. */
  save(item: Item): Promise<void>;
}

/** All records. */
export interface Database {
  jobs: Records<Job>;
  annotations: Records<AnnotatedJob>;
  messages: Records<Message>;
  cvs: Records<Cv>;
}

/** Keeps a JSON file for each record below `folder`. */
export function openDatabase(folder: string): Database {
  const records = <Item extends { id: string }>(kind: string): Records<Item> => ({
    find: async (id) => (await readJson(jsonPath(join(folder, kind), id))) as Item | undefined,
    save: (item) => writeJson(jsonPath(join(folder, kind), item.id), item),
  });
  return {
    jobs: records("jobs"),
    annotations: records("annotations"),
    messages: records("messages"),
    cvs: records("cvs"),
  };
}
