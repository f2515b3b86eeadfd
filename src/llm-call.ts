/**
 * A call of a model, told to the run that it belongs to: when it began, how it ended, how long it took, its tokens and
 * its cost. What is handed in may be rubbish: what can be read of it is told, and nothing throws.
 */
import { type CallSink, type CurrentRun, currentRun } from "./context.js";
import { isCost } from "./fields.js";
import { errorText, isError, readMember } from "./json.js";
import { isTokens, type LlmUsage } from "./llm-usage.js";
import type { CostSource } from "./protocol.js";

/** What is known when a call begins. */
export interface LlmCallInfo {
  /** Who answers, such as `openrouter`: calls, errors and cost are counted by it. */
  backend: string;
  /** The model that is asked; the one that answered stands in its place once it is known. */
  model?: string;
  /** The step that calls, such as `grader`. */
  step?: string;
  tier?: string | number;
  /** Whose prices count, such as `anthropic`, when the backend's name does not say it. */
  provider?: string;
  /** The layer of the run that the call is a part of. */
  layer?: string;
  /** The backend whose call failed, if this one stands in for it: counts as a fallback, beside the call itself. */
  fallbackOf?: string;
}

/** What is known when a call has ended. What is no number of tokens, and no cost, is as if it were not there. */
export interface LlmOutcome {
  /** The model that answered. */
  model?: string;
  usage?: LlmUsage;
  /** Dollars, 0 to a million; leave it out when nobody knows. */
  costUsd?: number;
  /** Who said what it cost. Default `provider`. */
  costSource?: CostSource;
  /** Goes along in the line. */
  [field: string]: unknown;
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

/** Logs `llm_call_start` in a run, by default the current one, and measures from now. Outside of a run it does nothing. */
export function openLlmCall(info: LlmCallInfo, run: CurrentRun | undefined = currentRun()): OpenLlmCall {
  return run === undefined ? NO_CALL : new LlmCallUnderWay(run.calls, info);
}

type Fields = Record<string, unknown>;

class LlmCallUnderWay implements OpenLlmCall {
  readonly #calls: CallSink;
  readonly #known: Fields;
  readonly #provider: string | undefined;
  readonly #startedAt: number;
  #ended = false;

  constructor(calls: CallSink, info: LlmCallInfo) {
    this.#calls = calls;
    const { step, fallbackOf, ...known } = copyOf(info);
    this.#known = step === undefined ? known : { step_name: step, ...known };
    this.#provider = textOf(known.provider);
    if (typeof fallbackOf === "string") calls.log("fallback", { ...this.#known, fallback_of: fallbackOf });
    this.#startedAt = calls.now();
    calls.log("start", this.#known);
  }

  complete(outcome?: LlmOutcome): void {
    this.#end("complete", {}, outcome);
  }

  fail(error: unknown, outcome?: LlmOutcome): void {
    const failure: Fields = { error: isError(error) ? error : errorText(error) };
    if (isAbort(error)) failure.aborted = true;
    this.#end("error", failure, outcome);
  }

  #end(event: "complete" | "error", failure: Fields, outcome: LlmOutcome | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    const durationMs = Math.max(0, this.#calls.now() - this.#startedAt);
    const { model, usage, costUsd, costSource, ...others } = copyOf(outcome);
    const answered = textOf(model) ?? textOf(this.#known.model);
    const tokens = usageIn(usage);
    this.#calls.log(event, {
      ...this.#known,
      ...(answered === undefined ? {} : { model: answered }),
      duration_ms: durationMs,
      ...tokenFields(tokens),
      ...(isCost(costUsd) && costSource !== "unknown"
        ? { cost_usd: costUsd, cost_source: costSource === "local" ? "local" : "provider" }
        : this.#priced(answered, tokens)),
      ...others,
      ...failure,
    });
  }

  #priced(model: string | undefined, usage: LlmUsage): Fields {
    const known = model !== undefined && Object.keys(usage).length > 0;
    const price = known ? this.#calls.price(this.#priceQuestion(model, usage)) : null;
    if (price === null) return { cost_source: "unknown" };
    return { cost_usd: price.costUsd, cost_source: "local", cost_model: price.model };
  }

  #priceQuestion(model: string, usage: LlmUsage): Parameters<CallSink["price"]>[0] {
    const call = { backend: textOf(this.#known.backend) ?? "unknown", model, usage };
    return this.#provider === undefined ? call : { ...call, provider: this.#provider };
  }
}

const TOKEN_FIELDS = [
  ["inputTokens", "input_tokens"],
  ["outputTokens", "output_tokens"],
  ["cachedTokens", "cached_tokens"],
  ["cacheWriteTokens", "cache_write_tokens"],
  ["cacheWrite1hTokens", "cache_write_1h_tokens"],
  ["reasoningTokens", "reasoning_tokens"],
] as const satisfies readonly (readonly [keyof LlmUsage, string])[];

/** The numbers of tokens in a usage, without what is none. */
function usageIn(value: unknown): LlmUsage {
  const usage: LlmUsage = {};
  if (typeof value !== "object" || value === null) return usage;
  for (const [name] of TOKEN_FIELDS) {
    const tokens = readMember(value, name);
    if (isTokens(tokens)) usage[name] = tokens;
  }
  return usage;
}

function tokenFields(usage: LlmUsage): Fields {
  const fields: Fields = {};
  for (const [name, field] of TOKEN_FIELDS) {
    if (usage[name] !== undefined) fields[field] = usage[name];
  }
  return fields;
}

/** A copy of the fields of an object; those whose getters throw are left out. */
function copyOf(value: unknown): Fields {
  const copy: Fields = {};
  if (typeof value !== "object" || value === null) return copy;
  for (const name of namesOf(value)) {
    const field = readMember(value, name);
    if (field !== undefined && name !== "__proto__") copy[name] = field;
  }
  return copy;
}

function namesOf(value: object): string[] {
  try {
    return Object.keys(value);
  } catch {
    // A proxy that tells nothing has no fields.
    return [];
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** The SDKs' own, whose name is only that of their class. */
const ABORT_CLASSES = ["APIUserAbortError", "ModelAbortError"];

/** Whether somebody asked for this end: an AbortError of the platform or of an SDK, or a cancelled run. */
function isAbort(error: unknown): boolean {
  if (typeof error !== "object" || error === null) return false;
  if (readMember(error, "name") === "AbortError" || readMember(error, "code") === "CANCELLED") return true;
  const made = readMember(error, "constructor");
  return typeof made === "function" && ABORT_CLASSES.includes(made.name);
}
