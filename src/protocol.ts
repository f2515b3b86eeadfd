/**
 * The wire contract: what a run, a layer, an entry and every answer look like, and the limits that
 * both sides keep. Names are snake_case because services in other languages write and read them.
 * This file imports nothing, so that a browser can have it.
 */

/** Where a run stands. The last three are terminal and never change. */
export type RunStatus = "queued" | "running" | "completed" | "failed" | "cancelled";

/** A status that ends a run for good. */
export type TerminalStatus = "completed" | "failed" | "cancelled";

/** Where a layer stands. Older writers' `processing` and `error` are read as `running` and `failed`. */
export type LayerStatus = "pending" | "running" | "success" | "failed" | "skipped";

/** The level of a line; anything else that a writer used is read as `info`. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** How a line was understood: a JSON object, a JSON object inside a text line, or text. */
export type EntrySource = "structured" | "structured_embedded" | "text";

/** Who said what a call cost: the provider, a local price table, or nobody. */
export type CostSource = "provider" | "local" | "unknown";

/** Whether the process that executes a run is alive, as the lease tells. */
export type OwnerState = "live" | "stalled" | "lost" | "none";

/** A named stage of a run. Times are ISO 8601 in UTC; `duration_ms` is in milliseconds. */
export interface Layer {
  /** Where it stands. */
  status: LayerStatus;
  /** Position among the layers of the run, from 0. */
  order: number;
  /** What it does now, or did last. */
  message?: string;
  /** How many of `total` are done. */
  current?: number;
  /** How many there are to do. */
  total?: number;
  /** When it began. */
  started_at?: string;
  /** When it ended. */
  finished_at?: string;
  /** How long it took. */
  duration_ms?: number;
  /** What its writer added. */
  metadata?: Record<string, unknown>;
}

/** Layers by name. */
export type LayerMap = Record<string, Layer>;

/** One line as a viewer gets it. Every entry has an `index` and a readable `message`. */
export interface LogEntry {
  /** Position in the run, from 0; never changes within an epoch. */
  index: number;
  /** ISO 8601, or null when the writer gave none. */
  timestamp: string | null;
  /** How grave it is. */
  level: LogLevel;
  /** How the line was understood. */
  source: EntrySource;
  /** What to show: the line's own message, else one made of its event. */
  message: string;
  /** What happened, such as `layer_start`. */
  event?: string;
  /** The subject, as the writer names it. */
  job_id?: string;
  /** The layer that the line is about, by its key. */
  layer?: string;
  /** The layer by its name. */
  layer_name?: string;
  /** What the writer says of it. */
  status?: string;
  /** How long what it tells of took, in milliseconds. */
  duration_ms?: number;
  /** What went wrong. */
  error?: string;
  /** Who answered, such as `openrouter`. */
  backend?: string;
  /** The model that answered. */
  model?: string;
  /** The writer's class of the model. */
  tier?: string;
  /** What the call cost, in dollars. */
  cost_usd?: number;
  /** Who said so. */
  cost_source?: CostSource;
  /** The model whose price a `local` cost was computed with. */
  cost_model?: string;
  /** The step that called. */
  step_name?: string;
  /** All that went in, cached tokens included. */
  input_tokens?: number;
  /** All that came out, reasoning included. */
  output_tokens?: number;
  /** All that went in and came out. */
  total_tokens?: number;
  /** Of the input: read from a cache. */
  cached_tokens?: number;
  /** Of the input: written to a cache. */
  cache_write_tokens?: number;
  /** Of the output: reasoning. */
  reasoning_tokens?: number;
  /** The stack of an error. */
  traceback?: string;
  /** The module of `2026-01-14 10:22:33 [INFO] module.name: message`. */
  module?: string;
  /** The first half of `[Component:context] message`. */
  component?: string;
  /** The second half of it. */
  context?: string;
  /** What stood before an embedded JSON object. */
  prefix?: string;
  /** `stdout` or `stderr` when the line was printed by a child process. */
  stream?: string;
  /** The whole text of the line, when `message` is only a part of it. */
  raw?: string;
  /** True when the stored line was cut or altered to fit. */
  truncated?: boolean;
  /** Of a `log_gap` line: how many lines are missing here. */
  dropped?: number;
  /** Of a `log_gap` line: `burst`, `store_unavailable` or `store_lost`. */
  reason?: string;
  /** The beginning of what a model was asked. */
  prompt_preview?: string;
  /** The beginning of its system prompt. */
  system_prompt_preview?: string;
  /** The beginning of its user prompt. */
  user_prompt_preview?: string;
  /** The beginning of what it answered. */
  result_preview?: string;
  /** Characters of the prompt. */
  prompt_length?: number;
  /** Characters of the answer. */
  result_length?: number;
  /** The session of a tool that has such. */
  session_id?: string;
  /** What a tool printed, as it was. */
  raw_output?: string;
  /** What it printed there. */
  stderr?: string;
  /** Every field that livetail does not know. */
  metadata: Record<string, unknown>;
}

/** What a backend, a model or a layer did in a run. Money is in US dollars. What is optional is left out when it is 0. */
export interface BackendStat {
  /** Finished calls, failed and fallback ones included. */
  calls: number;
  /** Calls that failed. */
  errors: number;
  /** What the calls cost whose cost is known. */
  cost_usd: number;
  /** Calls whose cost nobody knows; they are not in `cost_usd`. */
  unpriced_calls: number;
  /** How often it stood in for another one whose call had failed. */
  fallbacks?: number;
  /** All that went in, cached tokens included. */
  input_tokens?: number;
  /** All that came out, reasoning included. */
  output_tokens?: number;
  /** Of the input: read from a cache. */
  cached_tokens?: number;
  /** Of the input: written to a cache. */
  cache_write_tokens?: number;
  /** Of the output: reasoning. */
  reasoning_tokens?: number;
}

/** Calls, errors, tokens and cost by name and in total. At most 32 names each, the rest as `other`. */
export interface BackendStats {
  /** By who answered. */
  backends: Record<string, BackendStat>;
  /** Of all together. */
  total: BackendStat;
  /** By model, of the calls that named one; absent when none did. */
  models?: Record<string, BackendStat>;
  /** By layer, of the calls that named one; absent when none did. */
  layers?: Record<string, BackendStat>;
}

/** The handle that executes a run. */
export interface OwnerInfo {
  /** Its process; null while nobody executes the run. */
  id: string | null;
  /** Where that process can be reached; null if it does not say. */
  url: string | null;
  /** Whether it lives. */
  state: OwnerState;
  /** How often the run was claimed. */
  attempt: number;
}

/** Lines that existed and can no longer be had: `from` to `to`, both included, `lost` of them. */
export interface Gap {
  /** The first index that is missing. */
  from: number;
  /** The last index that is missing. */
  to: number;
  /** How many lines that are. */
  lost: number;
  /** `trimmed`: older than what a run keeps. `lost`: the store lost them. */
  reason: "trimmed" | "lost";
}

/** The numbering began anew: the viewer clears what it shows and goes on from `first_index`. */
export interface Reset {
  /** `epoch`: the cursor is of another epoch. `ahead`: it lies beyond what is stored. `cursor`: it is no cursor. */
  reason: "epoch" | "ahead" | "cursor";
  /** Where the numbering goes on. */
  first_index: number;
}

/** What is true of a run at one moment, without its lines. The `state` frame of a stream is this plus `store`. */
export interface RunState {
  /** Where the run stands. */
  status: RunStatus;
  /** Its layers by name. */
  layer_status: LayerMap;
  /** What its calls of models did and cost. */
  backend_stats: BackendStats;
  /** Who executes it. */
  owner: OwnerInfo;
  /** Why it failed; null if it did not. */
  error: string | null;
  /** The code of that, such as `OWNER_LOST` or the `code` of the error; null for none. */
  error_code: string | null;
  /** Whether somebody asked for a cancel. */
  cancel_requested: boolean;
  /** Lines that came after the end and were refused. */
  late_lines: number;
  /** The position at which a viewer has seen everything; null while the run is open. */
  expected_log_count: number | null;
}

/** The answer to a poll: `GET /{run_id}`. */
export interface PollAnswer extends RunState {
  /** The id of the run. */
  run_id: string;
  /** What is done; null where its writer did not say. */
  operation: string | null;
  /** What it is done to; null where its writer did not say. */
  subject_id: string | null;
  /** The lines from the position asked for, at most `limit`. */
  logs: LogEntry[];
  /** `{epoch}.{N}.{version}`: store it whole, send it back whole. */
  cursor: string;
  /** The index after the last of them. */
  next_index: number;
  /** The oldest index that can be had. */
  first_index: number;
  /** Lines ever accepted. */
  total_count: number;
  /** What is missing before them; null if nothing is. */
  gap: Gap | null;
  /** Whether the viewer has to begin anew; null if not. */
  reset: Reset | null;
  /** When the server would like to be asked again, in milliseconds. */
  next_poll_ms: number;
}

/** Children of a run by status. */
export type ChildCounts = Record<RunStatus, number> & {
  /** All of them. */
  total: number;
};

/** The answer to `GET /{run_id}/status` and `/progress`. Times are ISO 8601. */
export interface StatusAnswer extends RunState {
  /** The id of the run. */
  run_id: string;
  /** What is done; null where its writer did not say. */
  operation: string | null;
  /** What it is done to; null where its writer did not say. */
  subject_id: string | null;
  /** The run that it is a part of; null for none. */
  parent_id: string | null;
  /** What the run was created with. */
  metadata: Record<string, unknown>;
  /** Lines ever accepted. */
  total_count: number;
  /** The oldest index that can be had. */
  first_index: number;
  /** Layers that are `success` or `skipped`, and all of them. */
  layers_done: number;
  /** All layers. */
  layers_total: number;
  /** Runs that are parts of this one, by status. */
  children: ChildCounts;
  /** When it was created; null if nobody said. */
  created_at: string | null;
  /** When it began to work; null before that. */
  started_at: string | null;
  /** When it ended; null before that. */
  finished_at: string | null;
}

/** One row of `GET /`, and what `run:{id}` holds. */
export interface RunSummary {
  /** The id of the run. */
  run_id: string;
  /** Where the run stands. */
  status: RunStatus;
  /** What is done; null where its writer did not say. */
  operation: string | null;
  /** What it is done to; null where its writer did not say. */
  subject_id: string | null;
  /** The run that it is a part of; null for none. */
  parent_id: string | null;
  /** The process that executes it; null for none. */
  owner: string | null;
  /** Where that can be reached; null if it does not say. */
  owner_url: string | null;
  /** How often it was claimed. */
  attempt: number;
  /** Lines ever accepted. */
  total_count: number;
  /** Calls, errors and cost of all backends together. */
  cost: BackendStat;
  /** Why it failed; null if it did not. */
  error: string | null;
  /** The code of that, such as `OWNER_LOST` or the `code` of the error; null for none. */
  error_code: string | null;
  /** When it was created; null if nobody said. */
  created_at: string | null;
  /** When it began to work; null before that. */
  started_at: string | null;
  /** When it ended; null before that. */
  finished_at: string | null;
}

/** The answer to `GET /`. */
export interface ListAnswer {
  /** The newest first. */
  runs: RunSummary[];
}

/** The body of an error answer (RFC 9457), `application/problem+json`. */
export interface Problem {
  /** No page describes it: the code does. */
  type: "about:blank";
  /** What it means, in general. */
  title: string;
  /** The status of the answer. */
  status: number;
  /** What it means here. */
  detail: string;
  /** One of `ErrorCode`. */
  code: string;
}

/** The `hello` frame, the first of every stream. */
export interface HelloFrame {
  /** The id of the run. */
  run_id: string;
  /** What is done; null where its writer did not say. */
  operation: string | null;
  /** What it is done to; null where its writer did not say. */
  subject_id: string | null;
  /** The oldest index that can be had. */
  first_index: number;
  /** The index after the newest line. */
  next_index: number;
}

/**
 * The `state` frame; `store` says whether the server can reach the store at this moment. While the run could never be
 * read, `store` is its only field.
 */
export interface StateFrame extends RunState {
  /** Whether the server can reach the store. */
  store: "ok" | "unavailable";
}

/** The names of the frames of a stream. */
export type FrameName = "hello" | "state" | "log" | "gap" | "reset" | "end";

/** Limits and defaults of the wire. Durations carry their unit in the name. */
export const LIMITS = {
  /** Lines of a page, unless `limit` says otherwise. */
  pageDefault: 500,
  /** The highest `limit` of a page. */
  pageMax: 1000,
  /** The highest `wait`. */
  waitMaxSeconds: 30,
  /** Runs of a list, unless `limit` says otherwise. */
  listDefault: 50,
  /** The highest `limit` of a list. */
  listMax: 1000,
  /** `next_poll_ms` while lines flow, and when nothing has come for a while. */
  pollBusyMs: 200,
  /** The same when nothing has come for a while. */
  pollIdleMs: 1000,
  /** When a stream that broke is to be asked for again. */
  streamRetryMs: 2000,
  /** How often a stream says that it lives. */
  streamPingMs: 15_000,
  /** When the server ends a stream, for the viewer to come back. */
  streamMaxMs: 300_000,
} as const;

/** How long whoever has seen a run waits for it when it is gone: one lease and one grace. Its owner may create it again. */
export const GONE_RUN_MS = 60_000;

const RUN_ID = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/;

/** Whether `id` may name a run: 1 to 128 of `[A-Za-z0-9._:-]`, beginning with a letter or digit, not with `owner:`. */
export function isRunId(id: unknown): id is string {
  return typeof id === "string" && RUN_ID.test(id) && !id.startsWith("owner:");
}

/** Whether a status is terminal. */
export function isTerminal(status: string): status is TerminalStatus {
  return status === "completed" || status === "failed" || status === "cancelled";
}

/** A cursor taken apart: `{epoch}.{N}` or `{epoch}.{N}.{version}`. */
export interface Cursor {
  /** The numbering that it belongs to. */
  epoch: string;
  /** The index of the line that the viewer wants next. */
  next: number;
  /** The version of the state that the viewer has; null: none yet, answer at once. */
  version: number | null;
}

const CURSOR = /^([a-z0-9]{1,12})\.(0|[1-9]\d{0,14})(?:\.(0|[1-9]\d{0,14}))?$/;

/** Takes a cursor apart; null when it is none. */
export function parseCursor(text: string): Cursor | null {
  const match = CURSOR.exec(text);
  if (match === null) return null;
  return {
    epoch: match[1] as string,
    next: Number(match[2]),
    version: match[3] === undefined ? null : Number(match[3]),
  };
}

/** Builds the text of a cursor. */
export function formatCursor(epoch: string, next: number, version?: number): string {
  return version === undefined ? `${epoch}.${next}` : `${epoch}.${next}.${version}`;
}

/** What an endpoint does not tell whoever waits for it: a run at all, structured events, layers, what calls cost. */
export type CoverageGap = "run" | "events" | "layers" | "cost";

/** What was measured of one route. */
export interface RouteCoverage {
  /** Method and pattern: `POST /jobs/:id/import`. */
  route: string;
  /** Requests that were not refused. */
  requests: number;
  /** Milliseconds that half of them, and 95 %, did not exceed, and the longest; of the runs, if these took longer. */
  p50_ms: number;
  /** The same of 95 %. */
  p95_ms: number;
  /** The longest. */
  max_ms: number;
  /** Requests that had a run. */
  runs: number;
  /** `none`: no run; `full`: every request had a run with structured events and layers; `partial`: what is between. */
  visibility: "none" | "partial" | "full";
  /** What is missing; `cost` where no call of a model was counted, which may be right. */
  missing: CoverageGap[];
  /** Seconds that users waited in all: the typical duration times the requests. */
  priority: number;
}

/** The answer to `GET /-/coverage`: the routes of one process, those that users waited for longest first. */
export interface CoverageAnswer {
  /** Since when it is measured, ISO 8601. */
  since: string;
  /** Those with the highest `priority` first. */
  routes: RouteCoverage[];
}
