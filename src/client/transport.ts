import type { PollPart } from "./poll-state.js";

/** How a stream is asked for and read. `sseTransport()` of `livetail/client/sse` makes one. */
export interface Transport {
  /** What follows the URL of the run. */
  path: string;
  /** Method and body of the request. */
  init: RequestInit;
  /**
   * Reads a stream to its end and hands over its frames; `onBytes` hears of every chunk. Resolves to the
   * milliseconds after which the viewer comes back; rejects with what `take` throws.
   */
  read(response: Response, take: (part: PollPart) => void, onBytes: () => void): Promise<number>;
}
