/** What every entry must be, whatever line it was read from: worked out from the protocol's types alone. */
import type { LogEntry } from "../../src/protocol.js";
import { UNKNOWN_FIELD } from "./line-grammar.js";

const TEXT = (value: unknown): boolean => typeof value === "string";
const AMOUNT = (value: unknown): boolean => typeof value === "number" && value >= 0 && Number.isFinite(value);
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)$/;

const oneOf =
  (...words: unknown[]) =>
  (value: unknown): boolean =>
    words.includes(value);

/** Every field that an entry may have → what it may hold. */
const FIELDS: Readonly<Record<keyof LogEntry, (value: unknown) => boolean>> = {
  index: (value) => Number.isSafeInteger(value),
  timestamp: (value) => value === null || (TEXT(value) && ISO.test(value as string)),
  level: oneOf("debug", "info", "warn", "error"),
  source: oneOf("structured", "structured_embedded", "text"),
  message: TEXT,
  event: TEXT,
  job_id: TEXT,
  layer: TEXT,
  layer_name: TEXT,
  status: TEXT,
  duration_ms: AMOUNT,
  error: TEXT,
  backend: TEXT,
  model: TEXT,
  tier: TEXT,
  cost_usd: (value) => AMOUNT(value) && (value as number) <= 1_000_000,
  cost_source: oneOf("provider", "local", "unknown"),
  cost_model: TEXT,
  step_name: TEXT,
  input_tokens: AMOUNT,
  output_tokens: AMOUNT,
  total_tokens: AMOUNT,
  cached_tokens: AMOUNT,
  cache_write_tokens: AMOUNT,
  reasoning_tokens: AMOUNT,
  traceback: TEXT,
  module: TEXT,
  component: TEXT,
  context: TEXT,
  prefix: TEXT,
  stream: TEXT,
  raw: TEXT,
  truncated: oneOf(true),
  dropped: (value) => typeof value === "number",
  reason: TEXT,
  prompt_preview: TEXT,
  system_prompt_preview: TEXT,
  user_prompt_preview: TEXT,
  result_preview: TEXT,
  prompt_length: AMOUNT,
  result_length: AMOUNT,
  session_id: TEXT,
  raw_output: TEXT,
  stderr: TEXT,
  metadata: (value) => typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype,
};

/** An entry as JSON is at most so many times as long as its line: its message and its text, each escaped. */
const GROWTH = 14;

/** What is wrong with the entry that was read from `line`, and with its JSON text; undefined for nothing. */
export function entryFault(line: string, index: number, entry: LogEntry, json: string): string | undefined {
  if (entry.index !== index) return "another index";
  for (const name of ["index", "timestamp", "level", "source", "message", "metadata"]) {
    if (!Object.hasOwn(entry, name)) return `no ${name}`;
  }
  for (const [name, value] of Object.entries(entry)) {
    const fits = Object.hasOwn(FIELDS, name) ? FIELDS[name as keyof LogEntry] : undefined;
    if (fits === undefined) return `a field ${name}`;
    if (!fits(value)) return `${name}: ${JSON.stringify(value)}`;
  }
  if ((entry.metadata as { polluted?: unknown }).polluted !== undefined && !Object.hasOwn(entry.metadata, "polluted")) {
    return "polluted metadata";
  }
  if (/[\n\r]/.test(json) || !json.isWellFormed()) return "not on one line";
  if (json.length > GROWTH * line.length + 2000) return `${json.length} characters out of ${line.length}`;
  if (entry.message.trim() === "" && /[!-~]/.test(line) && !saysNothing(line)) return "an empty message";
  return unknownFault(line, entry);
}

/** A field that nobody knows is kept under `metadata`. */
function unknownFault(line: string, entry: LogEntry): string | undefined {
  if (entry.source !== "structured" || !line.includes(`"${UNKNOWN_FIELD}":7`)) return undefined;
  return entry.metadata[UNKNOWN_FIELD] === 7 ? undefined : "an unknown field is gone";
}

/** Whether the line is an object whose writer has said nothing readable in its message. */
function saysNothing(line: string): boolean {
  try {
    const { message, msg } = JSON.parse(line) as { message?: unknown; msg?: unknown };
    const said = [message, msg].filter((one) => typeof one === "string");
    return said.some((one) => one.trim() === "" || saysNothing(one));
  } catch {
    return false;
  }
}
