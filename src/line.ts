/**
 * A stored line → an entry, in every format of protocol §9. Any text is understood somehow, in linear time.
 */
import { describeEntry } from "./describe.js";
import { ENTRY_FIELDS, type FieldType, LIFTED_FIELDS, readField } from "./fields.js";
import type { EntrySource, LogEntry, LogLevel } from "./protocol.js";
import { levelOf, parseObject, readText, timeOf } from "./text-line.js";

type Fields = Record<string, unknown>;

/** A line taken apart, before its fields are checked. */
interface Parsed {
  source: EntrySource;
  fields: Fields;
  /** What is left of a text; undefined when the fields have to say it. */
  message?: string;
  /** The text that a message may be a part of; undefined for a line that is a JSON object. */
  text?: string;
}

/** Reads a stored line as the entry at `index` of its run. Never throws. */
export function parseLine(text: string, index: number): LogEntry {
  return entryOf(parseObject(text), text, index);
}

/** The same of a line whose fields were read already; undefined for one that is no JSON object. Never throws. */
export function entryOf(fields: Fields | undefined, text: string, index: number): LogEntry {
  if (fields === undefined) return toEntry(parseText(text), text, index);
  if (isEnvelope(fields)) return toEntry(parseEnvelope(fields), fields.message, index);
  return toEntry({ source: "structured", fields }, text, index);
}

/** Whether an object is only an envelope of text. */
export function isEnvelope(fields: Fields): fields is Fields & { message: string } {
  const { message, event, level, layer, backend } = fields;
  return typeof message === "string" && (event ?? level ?? layer ?? backend ?? undefined) === undefined;
}

/** The fields of an envelope win over what the text in it says. */
function parseEnvelope(envelope: Fields & { message: string }): Parsed {
  const { message: text, ...own } = envelope;
  const object = parseObject(text);
  const inner: Parsed = object === undefined ? parseText(text) : { source: "structured", fields: object, text };
  const fields = { ...inner.fields, ...own };
  if (isObject(inner.fields.metadata) && isObject(own.metadata)) {
    fields.metadata = { ...inner.fields.metadata, ...own.metadata };
  }
  return { ...inner, fields };
}

function parseText(text: string): Parsed {
  const { message, embedded, fields, ...said } = readText(text);
  if (embedded !== undefined) return { source: "structured_embedded", fields: { ...said, ...embedded }, text };
  return { source: "text", fields: { ...said, ...fields }, message, text };
}

function toEntry(line: Parsed, whole: string, index: number): LogEntry {
  const { fields, source, text } = line;
  const entry: LogEntry = { index, timestamp: null, level: "info", source, message: "", metadata: {} };
  const rest: Fields = {};
  takeEnvelope(entry, fields, rest);
  const time = takeTime(entry, fields);
  const said = line.message === undefined ? messageName(entry, fields) : "message";
  for (const name of Object.keys(fields)) {
    if (!OWN_MEANING.has(name) && name !== time && name !== said) take(entry, ENTRY_FIELDS, name, fields[name], rest);
  }
  takeError(entry, fields.error ?? fields.err);
  takeMetadata(entry, fields.metadata, rest);
  entry.message = line.message ?? (said === undefined ? described(entry, whole) : String(fields[said]));
  if (text !== undefined && entry.message !== text) entry.raw = text;
  return entry;
}

/** The message of an entry whose line has none; the line itself where nothing else can be read. */
function described(entry: LogEntry, whole: string): string {
  const text = describeEntry(entry);
  return text.trim() === "" ? whole.trim() : text;
}

/** Fields that are read in a way of their own. */
const OWN_MEANING = new Set(["level", "event", "metadata", "truncated", "dropped", "reason"]);

function takeEnvelope(entry: LogEntry, fields: Fields, rest: Fields): void {
  const { level, event, truncated, dropped, reason } = fields;
  if (typeof event === "string" && event !== "") entry.event = event;
  else keep(rest, "event", event);

  const known = levelOf(level);
  if (known === undefined) keep(rest, "level", level);
  entry.level = known ?? levelOfEvent(entry.event);

  if (truncated === true) entry.truncated = true;
  else keep(rest, "truncated", truncated);

  const isGap = entry.event === "log_gap";
  if (isGap && typeof dropped === "number") entry.dropped = dropped;
  else keep(rest, "dropped", dropped);
  if (isGap && typeof reason === "string") entry.reason = reason;
  else keep(rest, "reason", reason);
}

/** Takes the time from the first field that tells one, and returns its name. */
function takeTime(entry: LogEntry, fields: Fields): string | undefined {
  for (const name of ["timestamp", "time", "ts"]) {
    const time = timeOf(fields[name]);
    if (time === undefined) continue;
    entry.timestamp = time;
    return name;
  }
  return undefined;
}

/** The name of the field that holds the message, if one does. */
function messageName(entry: LogEntry, fields: Fields): "message" | "msg" | undefined {
  for (const name of ["message", "msg"] as const) {
    const value = fields[name];
    // An event says more than an empty message.
    if (typeof value === "string" ? value !== "" || entry.event === undefined : isScalar(value)) return name;
  }
  return undefined;
}

function isScalar(value: unknown): boolean {
  return typeof value === "number" || typeof value === "boolean";
}

function keep(rest: Fields, name: string, value: unknown): void {
  if (value !== undefined && value !== null) rest[name] = value;
}

/** The level of an event whose writer named none. */
export function levelOfEvent(event: string | undefined): LogLevel {
  if (event === undefined) return "info";
  if (event.endsWith("_error") || event === "owner_lost" || event === "never_started") return "error";
  return event === "log_gap" || event === "owner_changed" || event === "llm_call_fallback" ? "warn" : "info";
}

function isSet(entry: LogEntry, name: string): boolean {
  return name !== "message" && entry[name as keyof LogEntry] !== undefined;
}

/** The table of fields says which names and types an entry has; the compiler cannot follow a name in a variable. */
function setField(entry: LogEntry, name: string, value: string | number): void {
  (entry as unknown as Fields)[name] = value;
}

/** Sets a field without ever reaching a prototype. */
function put(target: Fields, name: string, value: unknown): void {
  if (name !== "__proto__") target[name] = value;
  else Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true });
}

/** An error that was logged as an object, as other loggers do: `{"err": {"message": …, "stack": …}}`. */
function takeError(entry: LogEntry, error: unknown): void {
  if (!isObject(error)) return;
  const { message, stack } = error;
  if (typeof message === "string") entry.error ??= message;
  if (typeof stack === "string") entry.traceback ??= stack;
}

/** Lifts what livetail knows out of `metadata`; the rest of it stands with the line's unknown fields. */
function takeMetadata(entry: LogEntry, metadata: unknown, rest: Fields): void {
  entry.metadata = rest;
  if (!isObject(metadata)) {
    keep(rest, "metadata", metadata);
    return;
  }
  for (const name of Object.keys(metadata)) take(entry, LIFTED_FIELDS, name, metadata[name], rest);
}

/** Sets the entry's field of this name if `types` has it, it is not set and the value fits; else it is kept in `rest`. */
function take(
  entry: LogEntry,
  types: ReadonlyMap<string, FieldType>,
  name: string,
  value: unknown,
  rest: Fields,
): void {
  const top = name === "stack_trace" || name === "stack" ? "traceback" : name;
  const type = types.get(top);
  const read = type === undefined || isSet(entry, top) ? undefined : readField(type, value);
  if (read !== undefined) setField(entry, top, read);
  else if (type === undefined || value !== null) put(rest, name, value);
}

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
