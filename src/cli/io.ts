/** What a command of livetail has to do with the world, so that a test can be the world. */
import type { Writable } from "node:stream";
import { type Clock, systemClock } from "../clock.js";

/** What a command of livetail has to do with the world. */
export interface CliIo {
  stdout: Writable & { isTTY?: boolean };
  stderr: Writable & { isTTY?: boolean };
  stdin: { isTTY?: boolean };
  env: NodeJS.ProcessEnv;
  /** Where signals come from. */
  signals: NodeJS.EventEmitter;
  clock: Clock;
  fetch: typeof globalThis.fetch;
}

/** The real one. */
export const processIo: CliIo = {
  stdout: process.stdout,
  stderr: process.stderr,
  stdin: process.stdin,
  env: process.env,
  signals: process,
  clock: systemClock,
  fetch: globalThis.fetch,
};

/** Resolves when the chunk, and all before it, was taken; rejects when nobody is there to take it. */
export function write(stream: Writable, chunk: Uint8Array | string): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(chunk, (error) => (error ? reject(error) : resolve()));
  });
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
