/**
 * The fields of an entry that a writer may set: one table for those who write lines, read them and count their cost.
 */

/**
 * What a field may hold: `text` a string; `name` a string or a number that is read as one; `amount` a finite
 * number of 0 or more; `cost` dollars from 0 to a million; `cost_source` one of three words.
 */
export type FieldType = "text" | "name" | "amount" | "cost" | "cost_source";

/** Fields that stand at the top of an event's line. */
const TOP: Record<string, FieldType> = {
  message: "text",
  job_id: "name",
  layer: "name",
  layer_name: "text",
  status: "text",
  error: "text",
};

/** The same, and they are lifted from `metadata` to the top of an entry. */
const LIFTED: Record<string, FieldType> = {
  duration_ms: "amount",
  backend: "text",
  model: "text",
  tier: "name",
  cost_usd: "cost",
  cost_source: "cost_source",
  cost_model: "text",
  step_name: "text",
  input_tokens: "amount",
  output_tokens: "amount",
  total_tokens: "amount",
  cached_tokens: "amount",
  cache_write_tokens: "amount",
  reasoning_tokens: "amount",
  traceback: "text",
  prompt_preview: "text",
  system_prompt_preview: "text",
  user_prompt_preview: "text",
  result_preview: "text",
  prompt_length: "amount",
  result_length: "amount",
  session_id: "name",
  raw_output: "text",
  stderr: "text",
};

/** Fields that only a text line or livetail itself sets, understood in a JSON line as well. */
const OF_TEXT: Record<string, FieldType> = {
  module: "text",
  component: "text",
  context: "text",
  prefix: "text",
  stream: "text",
};

/** Every field that is copied from a line to its entry, except those with a meaning of their own (time, level, …). */
export const ENTRY_FIELDS: ReadonlyMap<string, FieldType> = new Map(Object.entries({ ...TOP, ...LIFTED, ...OF_TEXT }));

/** The fields that are lifted from `metadata` when the top lacks them. */
export const LIFTED_FIELDS: ReadonlyMap<string, FieldType> = new Map(Object.entries(LIFTED));

/** How a field may be written at the top of an event's line → its stored name: `cost_usd` and `costUsd` → `cost_usd`. */
export const TOP_NAMES: ReadonlyMap<string, string> = new Map(
  [...Object.keys(TOP), ...Object.keys(LIFTED)].flatMap((name) => [
    [name, name],
    [name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()), name],
  ]),
);

/** The largest cost of one call that is believed, in dollars (10^15 nano-dollars). */
const MAX_COST_USD = 1_000_000;

/** Whether a value is a cost in dollars that can be counted. */
export function isCost(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value <= MAX_COST_USD;
}

/** A field's value as an entry has it; undefined when it is not of the field's type. */
export function readField(type: FieldType, value: unknown): string | number | undefined {
  switch (type) {
    case "text":
      return typeof value === "string" ? value : undefined;
    case "name":
      return typeof value === "string" ? value : typeof value === "number" ? String(value) : undefined;
    case "amount":
      return typeof value === "number" && value >= 0 && value < Number.POSITIVE_INFINITY ? value : undefined;
    case "cost":
      return isCost(value) ? value : undefined;
    case "cost_source":
      return value === "provider" || value === "local" || value === "unknown" ? value : undefined;
  }
}
