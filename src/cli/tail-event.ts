/** What a tail shows, whichever way it came. */
import type { Clock } from "../clock.js";
import type { Gap, LayerMap, LogEntry, Reset, RunState } from "../protocol.js";

/** What happens in a run, in order. */
export type TailEvent =
  | { type: "log"; entry: LogEntry }
  | { type: "gap"; gap: Gap }
  | { type: "reset"; reset: Reset }
  | { type: "layers"; layers: LayerMap }
  /** Of the connection: it was lost, it is back. */
  | { type: "news"; text: string }
  /** The last one. */
  | { type: "end"; state: RunState };

/** Where a tail begins. */
export type TailBegin = { kind: "since"; index: number } | { kind: "tail"; count: number };

/** What a source of events is asked for. */
export interface TailRequest {
  runId: string;
  /** Of the mount, or of Redis. */
  url: string;
  begin: TailBegin;
  /** Ends the events. */
  signal: AbortSignal;
  clock: Clock;
  fetch: typeof globalThis.fetch;
}

/** How long a tail tries to reach what it has never reached, in milliseconds. */
export const FIRST_PATIENCE_MS = 10_000;
