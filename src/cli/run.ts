/** `livetail run`: any command as an operation. */
import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";
import { basename } from "node:path";
import { getSystemErrorMap, parseArgs } from "node:util";
import { captureOutput } from "../capture/child-process.js";
import type { Clock } from "../clock.js";
import { LivetailError } from "../errors.js";
import { createLivetail } from "../livetail.js";
import type { Run } from "../run.js";
import { memoryStore } from "../store/memory.js";
import { wholeNumber } from "./arguments.js";
import { harmlessJson } from "./harmless.js";
import { aborted, type CliIo, processIo, write } from "./io.js";
import { type Linger, type RunServer, startRunServer } from "./run-server.js";

/** What `livetail run --help` prints. */
export const RUN_HELP = `Usage: livetail run [options] -- COMMAND [ARGUMENTS…]

Runs a command as an operation: what it prints still reaches this terminal, and
can be watched at the URL that is printed first. Exits with the command's code.

  --name OPERATION  what the run is called (default: the command's name)
  --subject ID      what it works on (default: the name of this folder)
  --port N          port of the view on 127.0.0.1 (default: a free one)
  --linger S        how long the view stays after the end, in seconds (default: 10
                    while somebody is watching who has not seen the end, else 0)
  --redis URL       keep the run in Redis, so that other machines can watch it
  --no-view         no server on this machine
  -h, --help

The newest 10,000 lines are kept. The command gets LIVETAIL_RUN, which names the
run (with --redis, and REDIS_URL set to the same, joinRun() in it finds the run),
and FORCE_COLOR=1 if stdout is a terminal and neither NO_COLOR nor FORCE_COLOR is set.
Exits with 125 if livetail itself fails, 126 and 127 if the command cannot be
run or found, 128 + n if signal n ended it.
`;

/** How `livetail run` was called. */
export interface RunCall {
  command: string;
  args: string[];
  operation: string;
  subject: string;
  port: number;
  linger: Linger;
  redis: string | null;
  view: boolean;
}

/** Reads the arguments after `run`; throws `INVALID_OPTION` or what `parseArgs` throws. null: help is wanted. */
export function readRunCall(argv: readonly string[]): RunCall | null {
  const end = argv.indexOf("--");
  const { values } = parseArgs({
    args: end === -1 ? [...argv] : argv.slice(0, end),
    options: {
      name: { type: "string" },
      subject: { type: "string" },
      port: { type: "string", default: "0" },
      linger: { type: "string" },
      redis: { type: "string" },
      "no-view": { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return null;
  const [command, ...args] = end === -1 ? [] : argv.slice(end + 1);
  if (command === undefined || command === "") {
    throw new LivetailError("INVALID_OPTION", "There is no command: livetail run -- COMMAND");
  }
  return {
    command,
    args,
    operation: values.name ?? basename(command),
    subject: values.subject ?? (basename(process.cwd()) || "/"),
    port: wholeNumber("--port", values.port, 0, 65_535),
    linger: {
      seconds: wholeNumber("--linger", values.linger ?? "10", 0, 86_400),
      untilSeen: values.linger !== undefined,
    },
    redis: values.redis ?? null,
    view: !values["no-view"],
  };
}

/** A command's output comes in bursts, and whoever watches it wants all of it. */
const LIMITS = { maxLines: 10_000, maxBufferBytes: 8_388_608 };

/** Exit codes as those of env, nohup and timeout. */
const OWN_FAILURE = 125;
const NOT_EXECUTABLE = 126;
const NOT_FOUND = 127;

/** After its end, a command's pipes may be held open by something that it started; for so long, in milliseconds. */
const PIPE_GRACE_MS = 2000;

/** A command waits so long for the store to have its run, in milliseconds. */
const CLAIM_MS = 250;

/** A store that has not taken the end of the run after so long is worth a word, in milliseconds. */
const PATIENT_MS = 2000;

/** Runs a command as an operation; resolves to the exit code. */
export async function runCommand(call: RunCall, io: CliIo = processIo): Promise<number> {
  const say = (text: string): void => void io.stderr.write(`livetail: ${harmlessJson(text)}\n`);
  const livetail = createLivetail({
    ...(call.redis === null ? { store: memoryStore(LIMITS) } : { redis: call.redis }),
    ...LIMITS,
    onError: (error) => say(`${error.code}: ${error.message}`),
  });
  const run = livetail.createOperationRun(call.subject, call.operation);
  let server: RunServer | null = null;
  try {
    if (call.view) server = await startRunServer(livetail, run.id, call.port, io.clock);
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    await run.fail(error);
    await livetail.close();
    return OWN_FAILURE;
  }
  say(server === null ? `run ${run.id}` : `watch ${server.viewUrl}`);

  await claimed(run, io.clock);
  const quit = new AbortController();
  const outcome = await execute(call, run, io, quit);
  // From here on a signal means that nobody wants to wait any more.
  const ended = (async () => {
    const cancel = io.clock.after(PATIENT_MS, () => say("waiting for the store; Ctrl-C ends it"));
    const { stored } = await (outcome.code === 0 ? run.complete({ exit_code: 0 }) : run.fail(outcome.reason));
    cancel();
    if (!stored) say("the end of the run could not be stored");
    await server?.linger(call.linger, quit.signal);
    await server?.close();
    await livetail.close();
  })();
  await Promise.race([ended, aborted(quit.signal)]);
  return outcome.code;
}

/** Resolves when the store has the run, so that its fence is known; a store that is away holds the command up no longer. */
function claimed(run: Run, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.after(CLAIM_MS, resolve);
    run.ready.then(cancel, cancel).then(resolve);
  });
}

interface Outcome {
  code: number;
  /** Why it is not 0. */
  reason: string;
}

/** Spawns the command and resolves when it has ended and its output was logged. Signals go to it while it lives. */
async function execute(call: RunCall, run: Run, io: CliIo, quit: AbortController): Promise<Outcome> {
  let child: ChildProcess | null = null;
  let outcome: Outcome | null = null;
  for (const [signal, fromTerminal] of SIGNALS) {
    io.signals.on(signal, () => {
      if (outcome !== null) quit.abort();
      else if (!(fromTerminal && hasTerminal(io))) child?.kill(signal);
    });
  }
  run.signal.addEventListener("abort", () => {
    if (run.cancelRequested) child?.kill("SIGTERM");
  });
  run.start();
  try {
    child = spawn(call.command, call.args, {
      stdio: ["inherit", "pipe", "pipe"],
      env: { ...io.env, ...colorsOf(io), ...run.env },
    });
  } catch (error) {
    // Some errors of starting are thrown, the others are events.
    outcome = notStarted(call.command, error as NodeJS.ErrnoException);
    io.stderr.write(`livetail: ${outcome.reason}\n`);
    return outcome;
  }
  const ended = outcomeOf(child, call.command);

  let chunks = 0;
  const captured = captureOutput(child, run, {
    async onChunk(chunk, stream) {
      await write(io[stream], chunk);
      chunks += 1;
    },
  });
  outcome = await ended;
  if (child.pid === undefined) io.stderr.write(`livetail: ${outcome.reason}\n`);
  const progress = (): number => (run.waitingLines > 0 ? BUSY : chunks);
  await Promise.race([untilQuiet(captured, child, progress, io.clock), aborted(quit.signal)]);
  return outcome;
}

function outcomeOf(child: ChildProcess, command: string): Promise<Outcome> {
  return new Promise((resolve) => {
    child.once("error", (error: NodeJS.ErrnoException) => {
      if (child.pid === undefined) resolve(notStarted(command, error));
    });
    child.once("exit", (code, signal) => resolve(exited(code, signal)));
  });
}

/** Signals that are passed on; those that a terminal's keys send reach the command without us. */
const SIGNALS: readonly (readonly [NodeJS.Signals, fromTerminal: boolean])[] = [
  ["SIGINT", true],
  ["SIGQUIT", true],
  ["SIGTERM", false],
  ["SIGHUP", false],
];

function hasTerminal({ stdin, stdout, stderr }: CliIo): boolean {
  return [stdin, stdout, stderr].some((stream) => stream.isTTY === true);
}

function colorsOf({ stdout, env }: CliIo): NodeJS.ProcessEnv {
  const decided = env.FORCE_COLOR !== undefined || (env.NO_COLOR !== undefined && env.NO_COLOR !== "");
  return stdout.isTTY === true && !decided ? { FORCE_COLOR: "1" } : {};
}

function notStarted(command: string, error: NodeJS.ErrnoException): Outcome {
  if (error.code === "ENOENT") return { code: NOT_FOUND, reason: `${command}: command not found` };
  if (error.code === "EACCES") return { code: NOT_EXECUTABLE, reason: `${command}: not executable` };
  const [, text] = getSystemErrorMap().get(error.errno ?? 0) ?? [];
  return { code: NOT_EXECUTABLE, reason: `${command}: ${text ?? error.message}` };
}

function exited(code: number | null, signal: NodeJS.Signals | null): Outcome {
  if (signal !== null) return { code: 128 + constants.signals[signal], reason: `was ended by ${signal}` };
  return { code: code ?? OWN_FAILURE, reason: `exited with code ${code}` };
}

/** Lines wait for the store: a pipe that was paused is not one that is quiet. */
const BUSY = -1;

/**
 * Resolves when the pipes have ended. They are cut when something that the command started holds them open and says
 * nothing: when two looks at `progress` find the same.
 */
async function untilQuiet(
  captured: Promise<void>,
  child: ChildProcess,
  progress: () => number,
  clock: Clock,
): Promise<void> {
  let seen = BUSY;
  let cancel = (): void => {};
  const look = (): void => {
    const found = progress();
    if (found !== BUSY && found === seen) {
      child.stdout?.destroy();
      child.stderr?.destroy();
    }
    seen = found;
    cancel = clock.after(PIPE_GRACE_MS, look);
  };
  look();
  await captured;
  cancel();
}
