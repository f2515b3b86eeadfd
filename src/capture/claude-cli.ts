/**
 * A run of Claude Code's command, `claude -p --output-format stream-json --verbose` → a call of the run that it is made
 * in: how it began and ended, its tokens and its cost, and as lines what it said and did.
 */
import type { Readable } from "node:stream";
import { type CurrentRun, currentRun } from "../context.js";
import { errorText } from "../json.js";
import { type LlmCallInfo, type LlmOutcome, openLlmCall } from "../llm-call.js";
import { type ChildOutputSink, captureOutput } from "./child-process.js";
import { createClaudeStream } from "./claude-stream.js";
import { createLineSplitter } from "./line-splitter.js";

/** A command that was started: what `spawn` of `node:child_process` returns. */
export interface ClaudeProcess {
  /** What the command prints; must be a pipe. */
  readonly stdout: Readable | null;
  /** What it complains of; its end tells why the command failed. */
  readonly stderr: Readable | null;
  /** Its exit code; null while it runs, or when a signal ended it. */
  readonly exitCode: number | null;
  /** The signal that ended it; null for none. */
  readonly signalCode: string | null;
  /** Whether a signal was sent to it by this process. */
  readonly killed: boolean;
  /** Hears that it could not be started. */
  once(event: "error", listener: (error: Error) => void): unknown;
  /** Hears of its end, when its pipes are closed, too. */
  once(event: "close", listener: () => void): unknown;
}

/** What `captureClaude` takes: where it is logged, and what is known of the call. */
export interface ClaudeCaptureOptions extends Partial<LlmCallInfo> {
  /** Who answers, as calls, errors and cost are counted. Default `claude_cli`. */
  backend?: string;
  /** Default: the current run. Outside of one the output is read, and nothing is logged. */
  run?: CurrentRun;
}

/** How the command ended. */
export interface ClaudeAnswer {
  /** What its last result says. Absent when it failed. */
  text?: string;
  /** Why it failed. Absent when it did not. */
  error?: string;
  /** The last result as it was printed, such as with its `session_id`. Absent when there was none. */
  result?: Record<string, unknown>;
}

/** How a command that printed something ended, as far as that is a failure. */
interface End {
  error?: unknown;
  /** Whether it was told to end. */
  aborted?: boolean;
}

type Source = AsyncIterable<string | Uint8Array>;

/** Reading pauses while more lines than this wait, as in `captureOutput`. */
const MAX_WAITING_LINES = 5000;

/**
 * Logs what a `claude` prints, and the call that it is. Takes the process, whose stderr and exit are looked at as well,
 * or what it prints on stdout: its bytes, or its lines as texts. Resolves when that has ended (a process: when it is
 * gone), and never rejects. A failure is what the last result calls one, an exit code that is not 0, or an end without
 * a result.
 */
export async function captureClaude(
  source: ClaudeProcess | Source,
  options: ClaudeCaptureOptions = {},
): Promise<ClaudeAnswer> {
  const { run = currentRun(), backend = "claude_cli", ...info } = options;
  const call = openLlmCall({ ...info, backend }, run);
  const stream = createClaudeStream();
  let lastWords = "";
  const sink = sinkOf(run, (line, pipe) => {
    if (pipe === "stderr" && line.trim() !== "") lastWords = line;
    const told = pipe === "stdout" ? stream.read(line) : null;
    if (told === null) run?.logOutput(line, pipe);
    else for (const fields of told) run?.log(fields);
  });

  const end = "stdout" in source ? await readProcess(source, sink) : await readLines(source, sink);
  const { result } = stream;
  const error = stream.failure() ?? withWords(end.error, lastWords) ?? (stream.isComplete ? undefined : NO_RESULT);
  const outcome: LlmOutcome = stream.outcome();
  if (end.aborted === true) outcome.aborted = true;
  if (error === undefined) call.complete(outcome);
  else call.fail(error, outcome);

  const answer: ClaudeAnswer = error === undefined ? {} : { error: errorText(error) };
  if (error === undefined && typeof result?.result === "string") answer.text = result.result;
  if (result !== undefined) answer.result = result;
  return answer;
}

const NO_RESULT = "claude ended without a result";

/** An exit code says little: what was printed last on stderr says why. */
function withWords(error: unknown, lastWords: string): unknown {
  return typeof error === "string" && lastWords !== "" ? `${error}: ${lastWords}` : error;
}

async function readProcess(process: ClaudeProcess, sink: ChildOutputSink): Promise<End> {
  let error: Error | undefined;
  const gone = new Promise<void>((resolve) => {
    process.once("close", resolve);
    // It could not be started, or was aborted by a signal of its owner's.
    process.once("error", (said) => {
      error = said;
      resolve();
    });
  });
  await captureOutput(process, sink);
  if (process.exitCode === null && process.signalCode === null) await gone;
  const { exitCode, signalCode, killed } = process;
  if (error !== undefined) return { error };
  if (signalCode !== null) return { error: `claude was ended by ${signalCode}`, aborted: killed };
  return exitCode === 0 ? {} : { error: `claude ended with exit code ${exitCode}` };
}

async function readLines(source: Source, sink: ChildOutputSink): Promise<End> {
  const splitter = createLineSplitter();
  const log = async (lines: Iterable<string>): Promise<void> => {
    for (const line of lines) {
      sink.logOutput(line, "stdout");
      if (sink.waitingLines > MAX_WAITING_LINES) await sink.flush();
    }
  };
  let end: End = {};
  try {
    for await (const piece of source) await log(typeof piece === "string" ? [piece] : splitter.push(piece));
  } catch (error) {
    end = { error };
  }
  await log(splitter.end());
  return end;
}

/** A sink for `captureOutput` that waits as the run does, where the run says how much waits. */
function sinkOf(
  run: (CurrentRun & Partial<ChildOutputSink>) | undefined,
  logOutput: ChildOutputSink["logOutput"],
): ChildOutputSink {
  return {
    logOutput,
    get waitingLines() {
      return run?.waitingLines ?? 0;
    },
    flush: async () => run?.flush?.(),
  };
}
