/** The command line of livetail as a process of its own, from the sources. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { EventEmitter } from "node:events";
import { Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { CliIo } from "../../src/cli/io.js";
import { systemClock } from "../../src/clock.js";
import { createHandClock, type HandClock } from "./hand-clock.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** What starts the command line: program and first arguments. */
export const CLI = [
  process.execPath,
  "--import",
  "tsx",
  fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url)),
] as const;

/** The folder of the programs that tests run. */
export function fixture(name: string): string {
  return fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
}

/** A command that runs. */
export interface CliProcess {
  readonly child: ChildProcessWithoutNullStreams;
  readonly stdout: string;
  readonly stderr: string;
  readonly stdoutBytes: Buffer;
  /** Resolves when `text` stands in what was printed; rejects when the command ends without it. */
  printed(stream: "stdout" | "stderr", text: string): Promise<void>;
  /** Resolves to the exit code, or the signal. */
  readonly ended: Promise<number | string>;
}

/** The environment of a command: ours, without what decides about colours and stores. */
function cleanEnv(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const { FORCE_COLOR, NO_COLOR, REDIS_URL, LIVETAIL_URL, LIVETAIL_RUN, ...env } = process.env;
  return { ...env, ...more };
}

/** Starts `livetail` with arguments. It is killed when the test process ends. */
export function startCli(args: readonly string[], env: NodeJS.ProcessEnv = {}): CliProcess {
  return startProgram([...CLI, ...args], env);
}

/** Starts a program and collects what it prints. */
export function startProgram([program = "", ...args]: readonly string[], env: NodeJS.ProcessEnv = {}): CliProcess {
  const child = spawn(program, args, { cwd: ROOT, env: cleanEnv(env) });
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  const chunks = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  const changes = new EventEmitter();
  changes.setMaxListeners(0);
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream].on("data", (chunk: Buffer) => {
      chunks[stream].push(chunk);
      changes.emit("change");
    });
  }
  // A command that ended does not read any more.
  child.stdin.on("error", () => {});
  let over = false;
  const ended = new Promise<number | string>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      over = true;
      process.off("exit", kill);
      changes.emit("change");
      resolve(code ?? signal ?? "");
    });
  });
  const text = (stream: "stdout" | "stderr"): string => Buffer.concat(chunks[stream]).toString("utf8");
  return {
    child,
    ended,
    get stdout() {
      return text("stdout");
    },
    get stderr() {
      return text("stderr");
    },
    get stdoutBytes() {
      return Buffer.concat(chunks.stdout);
    },
    printed(stream, wanted) {
      return new Promise((resolve, reject) => {
        const look = (): void => {
          if (text(stream).includes(wanted)) resolve();
          else if (over)
            reject(
              new Error(`The command ended without ${JSON.stringify(wanted)}:\n${text("stdout")}${text("stderr")}`),
            );
          else changes.once("change", look);
        };
        look();
      });
    },
  };
}

/** A world for a command inside this process: what it printed, a clock that the test turns, signals that it sends. */
export interface TestIo extends CliIo {
  readonly printed: { stdout: string; stderr: string };
  readonly hands: HandClock;
}

/** Makes such a world; `env` is all that the command sees. With `hands: false` the clock is the real one. */
export function createTestIo(options: { env?: NodeJS.ProcessEnv; realClock?: boolean } = {}): TestIo {
  const printed = { stdout: "", stderr: "" };
  const sink = (name: "stdout" | "stderr"): Writable =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        printed[name] += chunk.toString("utf8");
        done();
      },
    });
  const hands = createHandClock();
  return {
    printed,
    hands,
    stdout: sink("stdout"),
    stderr: sink("stderr"),
    stdin: {},
    env: options.env ?? cleanEnv(),
    signals: new EventEmitter(),
    clock: options.realClock === true ? systemClock : hands,
    fetch: globalThis.fetch,
  };
}

/** Waits until `holds`; the test's own time-out is the deadline. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 5));
}
