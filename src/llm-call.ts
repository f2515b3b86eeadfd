/**
 * A call of a model, told to the run that it belongs to: when it began, how it ended, how long it took, its tokens and
 * its cost. What is handed in may be rubbish: what can be read of it is told, and nothing throws.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { type CurrentRun, currentRun } from "./context.js";
import { errorText, isError, readMember } from "./json.js";
import {
  addOutcome,
  copyOf,
  type Fields,
  type LlmOutcome,
  mergeOutcomes,
  outcomeFields,
  readOutcome,
} from "./llm-outcome.js";

export type { LlmOutcome } from "./llm-outcome.js";

/** What is known when a call begins. */
export interface LlmCallInfo {
  /** Who answers, such as `openrouter`: calls, errors and cost are counted by it. */
  backend: string;
  /** The model that is asked; the one that answered stands in its place once it is known. */
  model?: string;
  /** The step that calls, such as `grader`. */
  step?: string;
  /** A class of models of your own, such as `cheap`. */
  tier?: string | number;
  /** Whose prices count, such as `anthropic`, when the backend's name does not say it. */
  provider?: string;
  /** The layer of the run that the call is a part of. */
  layer?: string;
  /** The backend whose call failed, if this one stands in for it: counts as a fallback, beside the call itself. */
  fallbackOf?: string;
}

/** A call that is under way. The first end counts; later ones do nothing. No method throws or waits. */
export interface OpenLlmCall {
  /**
   * Logs `llm_call_complete` with the duration, tokens and cost: the given one, else that of the run's price table
   * (`cost_source` `local`, and the priced model in `cost_model`), else it is unpriced.
   */
  complete(outcome?: LlmOutcome): void;
  /** Logs `llm_call_error`, with `aborted: true` if it was aborted; tokens and cost that are known are counted. */
  fail(error: unknown, outcome?: LlmOutcome): void;
}

const NO_CALL: OpenLlmCall = { complete() {}, fail() {} };

const KEY = Symbol.for("livetail.llm-call");
// On globalThis, because the ESM and the CJS copy of this package can meet in one process.
const shared = globalThis as { [KEY]?: AsyncLocalStorage<CallUnderWay> };
shared[KEY] ??= new AsyncLocalStorage<CallUnderWay>();
const storage = shared[KEY];

/**
 * Logs `llm_call_start` in a run, by default the current one, and measures from now. Outside of a run it does nothing.
 * Inside of `llm` it is a part of that call: its tokens and its cost count there, and it is no call of its own.
 */
export function openLlmCall(info: LlmCallInfo, run: CurrentRun | undefined = currentRun()): OpenLlmCall {
  if (run === undefined) return NO_CALL;
  const whole = storage.getStore();
  return whole?.run === run && whole.open ? new PartOfCall(whole, info) : startCall(info, run);
}

/** The same, but never a part of another call. */
export function startCall(info: LlmCallInfo, run: CurrentRun): CallUnderWay {
  return new CallUnderWay(run, info);
}

/** Runs `fn`, and returns what it returns: calls that are opened below it are parts of `call`. */
export function withinCall<T>(call: CallUnderWay, fn: () => T): T {
  return storage.run(call, fn);
}

/** A call that was begun in a run. */
export class CallUnderWay implements OpenLlmCall {
  readonly run: CurrentRun;
  readonly #known: Fields;
  readonly #startedAt: number;
  /** What the calls inside of it told, added up; null when there was none. */
  #parts: LlmOutcome | null = null;
  #ended = false;

  constructor(run: CurrentRun, info: LlmCallInfo) {
    this.run = run;
    const { step, fallbackOf, ...known } = copyOf(info);
    this.#known = step === undefined ? known : { step_name: step, ...known };
    if (typeof fallbackOf === "string") run.calls.log("fallback", { ...this.#known, fallback_of: fallbackOf });
    this.#startedAt = run.calls.now();
    run.calls.log("start", this.#known);
  }

  get open(): boolean {
    return !this.#ended;
  }

  /** Whether a call inside of it has told tokens or a cost. */
  get hasParts(): boolean {
    const { usage = {}, costUsd } = this.#parts ?? {};
    return costUsd !== undefined || Object.keys(usage).length > 0;
  }

  complete(outcome?: LlmOutcome): void {
    this.#end("complete", {}, outcome);
  }

  fail(error: unknown, outcome?: LlmOutcome): void {
    const failure: Fields = { error: isError(error) ? error : errorText(error) };
    if (isAbort(error)) failure.aborted = true;
    this.#end("error", failure, outcome);
  }

  /** Takes in how a call ended that is a part of this one. */
  addPart(known: Fields, outcome: LlmOutcome | undefined): void {
    this.#parts = addOutcome(this.#parts ?? {}, readOutcome(this.run.calls, known, outcome));
  }

  #end(event: "complete" | "error", failure: Fields, outcome: LlmOutcome | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    const { calls } = this.run;
    const durationMs = Math.max(0, calls.now() - this.#startedAt);
    const whole = this.#parts === null ? outcome : mergeOutcomes(this.#parts, outcome);
    const told = outcomeFields(readOutcome(calls, this.#known, whole));
    calls.log(event, { ...this.#known, duration_ms: durationMs, ...told, ...failure });
  }
}

/** A call inside of another: nothing is logged of it. */
class PartOfCall implements OpenLlmCall {
  readonly #whole: CallUnderWay;
  readonly #info: LlmCallInfo;
  #ended = false;

  constructor(whole: CallUnderWay, info: LlmCallInfo) {
    this.#whole = whole;
    this.#info = info;
  }

  complete(outcome?: LlmOutcome): void {
    // One that ends after the whole, such as a stream that is read later, still has to be paid.
    if (!this.#end(outcome)) startCall(this.#info, this.#whole.run).complete(outcome);
  }

  /** Whether the whole has failed is not said by it: an SDK tries again. */
  fail(error: unknown, outcome?: LlmOutcome): void {
    if (!this.#end(outcome)) startCall(this.#info, this.#whole.run).fail(error, outcome);
  }

  /** False when it comes too late to be a part. */
  #end(outcome: LlmOutcome | undefined): boolean {
    const first = !this.#ended;
    this.#ended = true;
    if (first && this.#whole.open) this.#whole.addPart(copyOf(this.#info), outcome);
    return !first || this.#whole.open;
  }
}

/** The SDKs' own, whose name is only that of their class. */
const ABORT_CLASSES = ["APIUserAbortError", "ModelAbortError"];

/** Whether somebody asked for this end: an AbortError of the platform or of an SDK, a cancelled run, a spent budget. */
function isAbort(error: unknown): boolean {
  if (typeof error !== "object" || error === null) return false;
  const code = readMember(error, "code");
  if (readMember(error, "name") === "AbortError" || code === "CANCELLED" || code === "BUDGET_EXCEEDED") return true;
  const made = readMember(error, "constructor");
  return typeof made === "function" && ABORT_CLASSES.includes(made.name);
}
