/** Prices of calls that nobody named the cost of. */
import { LivetailError } from "./errors.js";
import { isCost } from "./fields.js";
import { errorText } from "./json.js";
import type { LlmUsage } from "./llm-usage.js";

/** A call whose cost is asked for. */
export interface PricedCall {
  /** As the run calls whoever answered, such as `claude_cli`. */
  backend: string;
  /** Whose prices count, such as `anthropic`, if somebody said so. */
  provider?: string;
  /** The model that answered. */
  model: string;
  /** The tokens of the call. */
  usage: LlmUsage;
}

/** What a call costs. */
export interface Price {
  /** Dollars, 0 to a million. */
  costUsd: number;
  /** The model whose price it is: a table may know the one that was called by another name, or only one like it. */
  model: string;
}

/**
 * A price table: asked at the end of a call whose cost the provider did not say. null or undefined: unknown, and the
 * call is unpriced. Called in the log call, so it must not wait; what it throws makes the call unpriced.
 */
export type PriceFn = (call: PricedCall) => Price | null | undefined;

/** The price; null for what is none. Throws what its getters throw. */
function asPrice(value: unknown): Price | null {
  if (typeof value !== "object" || value === null) return null;
  const { costUsd, model } = value as Partial<Record<keyof Price, unknown>>;
  if (!isCost(costUsd) || typeof model !== "string" || model === "") return null;
  return { costUsd, model };
}

/** What a call of a run costs by the table; null when nobody knows. Never throws. */
export type Pricing = (call: PricedCall, runId: string) => Price | null;

/** Models that were reported as without a price, at most. */
const MAX_REPORTED = 100;

/** A table that answers with a price or null, and says once of each model why it has none (`COST_UNKNOWN`). */
export function createPricing(
  price: PriceFn | undefined,
  report: (error: LivetailError, runId: string) => void,
): Pricing {
  if (price === undefined) return () => null;
  const reported = new Set<string>();
  return (call, runId) => {
    let cause: unknown;
    try {
      const answer: unknown = price(call);
      const found = asPrice(answer);
      if (found !== null) return found;
      cause = whyNone(answer);
    } catch (error) {
      cause = error;
    }
    if (!reported.has(call.model) && reported.size < MAX_REPORTED) {
      reported.add(call.model);
      const why = cause === undefined ? "the table does not have it" : errorText(cause);
      report(new LivetailError("COST_UNKNOWN", `The model ${call.model} has no price: ${why}.`, { cause }), runId);
    }
    return null;
  };
}

function whyNone(answer: unknown): unknown {
  if (answer === null || answer === undefined) return undefined;
  if (answer instanceof Promise) {
    // Nobody awaits it, and what it rejects with must not end the process.
    answer.catch(() => {});
    return new TypeError("the table answered with a promise");
  }
  return new TypeError("the table answered with something else than dollars and a model's name");
}
