/** Reading runs: pages, streams and `follow()`, over one shared feed per run. */
import type { LogStore } from "./store.js";

/** What `createReader` takes. */
export interface ReaderOptions {
  store: LogStore;
  /** Milliseconds since 1970. Default `Date.now`. */
  now?: () => number;
}

/** The reading side of one process. */
export interface Reader {
  /** Ends what it started: feeds, timers, held reads. The store stays open. */
  close(): void;
}

/** Creates the reading side of a process; close it with `close()`. */
export function createReader(_options: ReaderOptions): Reader {
  return { close: () => {} };
}
