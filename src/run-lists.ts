/** The lists of runs: what is asked for, and one look at the store for all who watch the same list. */
import { createHash } from "node:crypto";
import type { Clock } from "./clock.js";
import type { ListAnswer, RunSummary } from "./protocol.js";
import { invalid, parameter } from "./query.js";
import { listQuery } from "./schema.js";
import type { ListRequest, LogStore } from "./store.js";

/** How old a list may be that is read anew by whoever has it, in milliseconds. */
const FRESH_MS = 1000;
/** Lists that are kept for so long, at most. */
const MOST_KEPT = 100;

/** A list at one moment. */
export interface ListedRuns {
  runs: readonly RunSummary[];
  /** The answer as JSON text. */
  body: string;
  /** The same for the same answer, in any process: its `ETag`. */
  tag: string;
}

/** The lists of a store. */
export interface RunLists {
  /**
   * The list that a query asks for: of this moment, or, for whoever has one and asks what is new, at most a second
   * old. Rejects with `INVALID_PARAMETER` and `STORE_UNAVAILABLE`.
   */
  read(query: string, anew: boolean): Promise<ListedRuns>;
}

/** Makes the lists of a store. */
export function createRunLists(store: LogStore, clock: Clock): RunLists {
  const kept = new Map<string, Promise<ListedRuns>>();
  const look = async (query: string): Promise<ListedRuns> => {
    const runs = await store.list(readListRequest(query));
    const body = JSON.stringify({ runs } satisfies ListAnswer);
    return { runs, body, tag: `"${createHash("sha1").update(body).digest("base64url")}"` };
  };
  return {
    read(query, anew) {
      const known = anew ? kept.get(query) : undefined;
      if (known !== undefined) return known;
      const looking = look(query);
      if (kept.size < MOST_KEPT) {
        kept.set(query, looking);
        const forget = (): void => {
          if (kept.get(query) === looking) kept.delete(query);
        };
        clock.after(FRESH_MS, forget);
        // What could not be read is asked for again.
        looking.catch(forget);
      }
      return looking;
    },
  };
}

function readListRequest(query: string): ListRequest {
  const given: Record<string, string> = {};
  for (const name of Object.keys(listQuery.shape)) {
    const value = parameter(query, name);
    if (value !== null) given[name] = value;
  }
  const { success, data, error } = listQuery.safeParse(given);
  if (!success) throw invalid(String(error.issues[0]?.path[0]), "is not valid");
  const request: ListRequest = { limit: data.limit };
  if (data.status !== undefined) request.status = data.status;
  if (data.operation !== undefined) request.operation = data.operation;
  if (data.subject_id !== undefined) request.subjectId = data.subject_id;
  if (data.parent_id !== undefined) request.parentId = data.parent_id;
  return request;
}
