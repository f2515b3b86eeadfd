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
