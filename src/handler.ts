/**
 * The handler: a request's plain values → status, headers, body. It knows no framework, no socket and no
 * Request object; `fetch.ts` and `adapters/node.ts` are its two faces.
 */
import type { Authorize, CorsOptions } from "./access.js";
import { ERRORS, type LivetailError } from "./errors.js";
import type { Reader } from "./reader.js";
import type { CancelAnswer, LogStore } from "./store.js";

/** A request as plain values. */
export interface HandlerRequest {
  method: string;
  /** Path below the mount, undecoded, beginning with `/`, without the query. */
  path: string;
  /** What follows `?`, "" for none. */
  query: string;
  /** The URL as it came, for `authorize`. */
  url: string;
  /** A header's value by lower-case name. */
  header(name: string): string | undefined;
  /** Aborts when the viewer is gone. May be made on first use. */
  readonly signal: AbortSignal;
  /** The framework's own request object, for `authorize`. */
  raw: unknown;
  /** The path of the mount as the viewer sees it, without a trailing slash, for links in pages. */
  mount: string;
}

/** Where a live body writes to: one viewer's connection. */
export interface ViewerSink {
  /** False: the viewer is behind; write no more until `onDrain` is called. */
  write(chunk: string | Uint8Array): boolean;
  /** Bytes written and not yet taken by the viewer's connection. */
  readonly pendingBytes: number;
  /** Ends the body properly. */
  end(): void;
  /** Cuts the connection. */
  destroy(): void;
}

/** A body that a viewer is attached to: an event stream. */
export interface LiveBody {
  /** Begins to write; called once. Returns what the face calls when the connection drained or is gone. */
  attach(sink: ViewerSink): { onDrain(): void; onClose(): void };
}

export interface HandlerResponse {
  status: number;
  headers: Record<string, string>;
  body: string | Uint8Array | LiveBody | null;
}

/** Answers at once where it can (an idle poll), else by promise. Never throws, never rejects. */
export type Handle = (request: HandlerRequest) => HandlerResponse | Promise<HandlerResponse>;

export interface Handler {
  handle: Handle;
  /** Ends every stream and answers every held poll now, so that a server can close. */
  closeViewers(): void;
  /** How many viewers are attached (streams and held polls). */
  viewers(): number;
}

/** What the writing side of the process tells `GET /-/health`. */
export interface WriterHealth {
  /** Runs that this process owns and has not ended. */
  openRuns: number;
  /** Lines that the store has not acknowledged yet. */
  waitingLines: number;
  /** Lines that were dropped since the start. */
  droppedLines: number;
}

/** The browser bundles; null while there is none. */
export interface Assets {
  clientJs(): string | null;
  panelJs(): string | null;
}

/** What `createHandler` takes. */
export interface HandlerOptions {
  reader: Reader;
  store: LogStore;
  /** Routes a cancel to the owner of a run. */
  requestCancel(runId: string): Promise<CancelAnswer>;
  /** Without it only reading is possible, and only of runs whose id nobody can guess. */
  authorize?: Authorize;
  /** Without it no CORS header is ever sent. */
  cors?: CorsOptions;
  /** Streams and held polls at a time. Default 10,000. */
  maxViewers?: number;
  /** The same of one run. Default 1,000. */
  maxViewersPerRun?: number;
  health?: () => WriterHealth;
  assets?: Assets;
  /** Hears of what `authorize` threw and of faults that no code foresees. Default: nobody. */
  onError?: (error: LivetailError) => void;
  /** Milliseconds since 1970. Default `Date.now`. */
  now?: () => number;
}

/** Creates the handler of a livetail: every route of the protocol, below whatever mount its faces have. */
export function createHandler(_options: HandlerOptions): Handler {
  return {
    handle: () => ({ status: 503, headers: {}, body: ERRORS.STORE_UNAVAILABLE[1] }),
    closeViewers: () => {},
    viewers: () => 0,
  };
}
