/** How a call of a model ended, read and checked: what can be read of it counts, and nothing throws. */
import type { CallSink } from "./context.js";
import { NANO, toNano } from "./cost.js";
import { isCost } from "./fields.js";
import { readMember } from "./json.js";
import { isTokens, type LlmUsage } from "./llm-usage.js";
import type { CostSource } from "./protocol.js";

/** What is known when a call has ended. What is no number of tokens, and no cost, is as if it were not there. */
export interface LlmOutcome {
  /** The model that answered. */
  model?: string;
  /** The tokens of the call. */
  usage?: LlmUsage;
  /** Dollars, 0 to a million; leave it out when nobody knows. */
  costUsd?: number;
  /** Who said what it cost. Default `provider`. */
  costSource?: CostSource;
  /** Goes along in the line. */
  [field: string]: unknown;
}

/** Fields of a line, or of what is known of a call. */
export type Fields = Record<string, unknown>;

/** An outcome that was read. */
export interface Outcome {
  model: string | undefined;
  usage: LlmUsage;
  /** null: unknown. */
  cost: Cost | null;
  /** What else goes along in the line. */
  others: Fields;
}

/** What a call cost, in whole nano-dollars. */
export interface Cost {
  nano: number;
  source: "provider" | "local";
  /** The model whose price it is. */
  model?: string;
}

/** Reads an outcome of a call of which `known` was told before. The cost is the given one, else that of the prices. */
export function readOutcome(calls: CallSink, known: Fields, outcome: unknown): Outcome {
  const { model: answered, usage: told, costUsd, costSource, ...others } = copyOf(outcome);
  const model = textOf(answered) ?? textOf(known.model);
  const usage = usageIn(told);
  if (isCost(costUsd) && costSource !== "unknown") {
    const source = costSource === "local" ? "local" : "provider";
    return { model, usage, cost: { nano: toNano(costUsd), source }, others };
  }
  if (model === undefined || Object.keys(usage).length === 0) return { model, usage, cost: null, others };
  const call = { backend: textOf(known.backend) ?? "unknown", model, usage };
  const provider = textOf(known.provider);
  const price = calls.price(provider === undefined ? call : { ...call, provider });
  const cost = price && ({ nano: toNano(price.costUsd), source: "local", model: price.model } as const);
  return { model, usage, cost, others };
}

/** Two outcomes of one call as one: what the later one says counts, field by field. */
export function mergeOutcomes(earlier: LlmOutcome, later: unknown): LlmOutcome {
  const more = copyOf(later);
  const usage = { ...earlier.usage, ...usageIn(more.usage) };
  const merged: LlmOutcome = { ...earlier };
  // A cost comes with its source.
  if (more.costUsd !== undefined) {
    delete merged.costSource;
    delete merged.cost_model;
  }
  return Object.assign(merged, more, Object.keys(usage).length === 0 ? {} : { usage });
}

/** The outcome of a call that has parts, with one more; a part without a cost adds none. */
export function addOutcome(sum: LlmOutcome, { model, usage, cost }: Outcome): LlmOutcome {
  const added: LlmOutcome = { ...sum };
  if (model !== undefined) added.model = model;
  added.usage = addUsage(sum.usage ?? {}, usage);
  if (cost !== null) {
    const before = sum.costUsd ?? 0;
    added.costUsd = (toNano(before) + cost.nano) / NANO;
    // What was computed in part was not said by the provider.
    added.costSource = sum.costSource === "local" ? "local" : cost.source;
    if (cost.model !== undefined) added.cost_model = cost.model;
  }
  return added;
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

function addUsage(a: LlmUsage, b: LlmUsage): LlmUsage {
  const sum: LlmUsage = { ...a };
  for (const [name] of TOKEN_FIELDS) {
    const tokens = b[name];
    if (tokens !== undefined) sum[name] = (a[name] ?? 0) + tokens;
  }
  return sum;
}

/** What a line says of an outcome. */
export function outcomeFields({ model, usage, cost, others }: Outcome): Fields {
  const fields: Fields = model === undefined ? {} : { model };
  for (const [name, field] of TOKEN_FIELDS) {
    if (usage[name] !== undefined) fields[field] = usage[name];
  }
  // Unknown is not 0.
  fields.cost_source = cost?.source ?? "unknown";
  if (cost !== null) fields.cost_usd = cost.nano / NANO;
  if (cost?.model !== undefined) fields.cost_model = cost.model;
  return Object.assign(fields, others);
}

/** A copy of the fields of an object; what is undefined, or throws when it is read, is left out. */
export function copyOf(value: unknown): Fields {
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
