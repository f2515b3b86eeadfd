/**
 * Any value → JSON text that says what it was: secrets redacted, nothing thrown, its size bounded while it is
 * written. Each property is read once. What JSON has no word for is described in one; what is lost is noted.
 */
import { HIDDEN, type Key, type KeyTable, type Label, REDACTED } from "./redact.js";
import {
  arePlainLines,
  hideAndCut,
  isPlain,
  type SecretSearch,
  TO_ESCAPE,
  TO_ESCAPE_BUT_LINE_ENDS,
} from "./secrets.js";

/** Objects within objects beyond this are not written: nobody reads them, and readers recurse. */
const MAX_DEPTH = 32;

/** Strings count with at most this much against `room`; see `shorten.ts`, which cuts them to it before it drops a field. */
const STRING_SHARE = 64;

/** Added, it is known to be a string; each part of a template would be asked for its text. */
const QUOTE = '"';

/** Longer strings are counted against `units`. */
const SHORT_STRING = 256;

/** All long strings of a text may have so many times its bytes before it is cut. */
const UNITS = 32;

/** One value being written. */
export interface Writing {
  readonly keys: KeyTable;
  readonly secrets: SecretSearch;
  /** Bytes left for fields; below 0 the text cannot fit any more, however short its strings are cut. */
  room: number;
  /** UTF-16 units left for long strings, so that the text has an end. */
  units: number;
  /** A string is cut to this at once. */
  readonly maxUnits: number;
  /** What was written does not say everything that the value said. */
  lost: boolean;
  /** A field was written that tells of a call of a model; see `Key.call`. */
  call: boolean;
  /** The objects that are being written, outermost first. */
  readonly path: object[];
}

/** Begins to write a value whose text shall have at most `maxBytes`; it may come out longer, by a factor. */
export function startWriting(keys: KeyTable, secrets: SecretSearch, maxBytes: number): Writing {
  const rooms = { room: maxBytes, units: UNITS * maxBytes, maxUnits: maxBytes };
  return { keys, secrets, ...rooms, lost: false, call: false, path: [] };
}

/** Makes a Writing whose value is written ready for another one: what it consists of need not be made for each line. */
export function startAgain(w: Writing): Writing {
  w.room = w.maxUnits;
  w.units = UNITS * w.maxUnits;
  w.lost = false;
  w.call = false;
  return w;
}

/** Writes a string. */
export function writeString(w: Writing, text: string): string {
  return takesQuotesOnly(w, text) ? `"${text}"` : writeOtherString(w, text);
}

/** Counts a string against the room; whether it is a short one that is JSON as it is, but for its quotes. */
function takesQuotesOnly(w: Writing, text: string): boolean {
  const { length } = text;
  w.room -= length < STRING_SHARE ? length + 2 : STRING_SHARE + 2;
  return length <= SHORT_STRING && isPlain(w.secrets, text);
}

function writeOtherString(w: Writing, text: string): string {
  let kept: string;
  if (text.length <= SHORT_STRING) kept = w.secrets.hide(text);
  else {
    const most = w.units > 0 ? w.maxUnits : STRING_SHARE;
    if (text.length <= most && arePlainLines(w.secrets, text)) {
      w.units -= text.length;
      return `"${escapeLineEnds(text)}"`;
    }
    kept = hideAndCut(w.secrets, text, most);
    w.units -= kept.length;
    if (text.length > most) w.lost = true;
  }
  if (!TO_ESCAPE.test(kept)) return `"${kept}"`;
  // Most of what is left are lines: they take less time so (`npm run bench -- log-call`).
  if (!TO_ESCAPE_BUT_LINE_ENDS.test(kept)) return `"${escapeLineEnds(kept)}"`;
  if (kept.isWellFormed()) return JSON.stringify(kept);
  w.lost = true;
  return JSON.stringify(kept.toWellFormed());
}

/** The engine puts the text together at once for a pattern, and only later for a string to be replaced. */
function escapeLineEnds(text: string): string {
  return text.includes("\n") ? text.replace(/\n/g, "\\n") : text;
}

/** Writes a value; undefined where JSON leaves a field out. Throws only when the stack is exhausted. */
export function writeValue(w: Writing, value: unknown): string | undefined {
  switch (typeof value) {
    case "string":
      return writeString(w, value);
    case "number": {
      const text = String(value);
      w.room -= text.length;
      return Number.isFinite(value) ? text : `"${text}"`;
    }
    case "boolean":
      w.room -= 4;
      return value ? "true" : "false";
    case "undefined":
      return undefined;
    case "bigint":
      return writeString(w, String(value));
    case "symbol":
      w.lost = true;
      return writeString(w, String(value));
    case "function":
      w.lost = true;
      return writeString(w, `[function ${value.name}]`);
    case "object":
      return value === null ? writeNull(w) : writeObject(w, value);
  }
}

function writeNull(w: Writing): string {
  w.room -= 4;
  return "null";
}

/** What an object is written as. `json`: it has a toJSON. `opaque`: it has no fields to show. */
export type ObjectKind = "fields" | "array" | "error" | "date" | "bytes" | "map" | "set" | "json" | "opaque";

/** Tells what an object is written as; throws what a proxy throws. */
export function kindOf(value: object): ObjectKind {
  if (Array.isArray(value)) return "array";
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    if (value instanceof Error || Object.prototype.toString.call(value) === "[object Error]") return "error";
    if (value instanceof Date) return "date";
    if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return "bytes";
    if (value instanceof Map) return "map";
    if (value instanceof Set) return "set";
    if (!hasToJson(value) && Object.keys(value).length === 0) return "opaque";
  }
  return hasToJson(value) ? "json" : "fields";
}

/** Whether a value is an Error, of this realm or another. Never throws: a proxy that does is none. */
export function isError(value: unknown): value is Error {
  try {
    return typeof value === "object" && value !== null && kindOf(value) === "error";
  } catch {
    return false;
  }
}

function hasToJson(value: object): boolean {
  return typeof (value as { toJSON?: unknown }).toJSON === "function";
}

function writeObject(w: Writing, value: object): string | undefined {
  if (w.path.includes(value)) {
    w.lost = true;
    return writeString(w, "[circular]");
  }
  if (w.path.length >= MAX_DEPTH) {
    w.lost = true;
    return writeString(w, "[too deep]");
  }
  w.path.push(value);
  try {
    return writeKind(w, value, kindOf(value));
  } catch (error) {
    return writeThrown(w, error);
  } finally {
    w.path.pop();
  }
}

function writeKind(w: Writing, value: object, kind: ObjectKind): string | undefined {
  switch (kind) {
    case "array":
      return writeItems(w, value as unknown[], (value as unknown[]).length);
    case "error":
      return closeObject(writeFields(w, "", value, errorFields(value)));
    case "date":
      return writeString(w, dateText(value as Date));
    case "bytes":
      return writeString(w, bytesText(w, value as ArrayBufferView | ArrayBuffer));
    case "map":
      return writeMap(w, value as Map<unknown, unknown>);
    case "set":
      return writeItems(w, value as Set<unknown>, (value as Set<unknown>).size);
    case "json":
      return writeJson(w, value);
    case "opaque":
      return writeOpaque(w, value);
    case "fields":
      return closeObject(writeFields(w, "", value, Object.keys(value)));
  }
}

/*
 * An object's text grows field by field, and is never cut again, because V8 would have to copy it for that: `text` is
 * what there is of it, without the closing brace; "" before its first field.
 */

function closeObject(text: string): string {
  return text === "" ? "{}" : `${text}}`;
}

/** Adds a field that is written already: `"name":value`. */
export function addWritten(text: string, field: string): string {
  return text === "" ? `{${field}` : `${text},${field}`;
}

/** Adds the fields of an object that `namesOf` names. Never throws. */
export function addFieldsOf(
  w: Writing,
  text: string,
  holder: object,
  namesOf: (holder: object) => readonly string[],
): string {
  w.path.push(holder);
  try {
    return writeFields(w, text, holder, namesOf(holder));
  } catch (error) {
    return addWritten(text, `"error":${writeThrown(w, error)}`);
  } finally {
    w.path.pop();
  }
}

/** Adds the fields of a value that is written as fields; undefined for any other, of which nothing is written. */
export function addFields(w: Writing, text: string, value: unknown): string | undefined {
  if (typeof value !== "object" || value === null || w.path.includes(value) || w.path.length >= MAX_DEPTH) {
    return undefined;
  }
  let names: string[];
  try {
    if (kindOf(value) !== "fields") return undefined;
    names = Object.keys(value);
  } catch {
    return undefined;
  }
  w.path.push(value);
  const more = writeFields(w, text, value, names);
  w.path.pop();
  return more;
}

function writeFields(w: Writing, before: string, holder: object, names: readonly string[]): string {
  let text = before;
  for (const name of names) {
    if (w.room < 0) {
      w.lost = true;
      break;
    }
    const key = w.keys(name);
    text = addMember(w, text, holder, name, key, key.label);
  }
  return text;
}

/** Adds a field; the text as it is where JSON leaves the field out. Never throws. */
export function addMember(w: Writing, text: string, holder: object, name: string, key: Key, label: Label): string {
  let json: string | undefined;
  if (key.call) w.call = true;
  try {
    const value = (holder as Record<string, unknown>)[name];
    if (key.secret) json = value === undefined ? undefined : REDACTED;
    else if (typeof value !== "string") json = writeValue(w, value);
    else if (!takesQuotesOnly(w, value)) json = writeOtherString(w, value);
    else {
      // Most fields: written out of as few pieces as can be.
      if (key.altered) w.lost = true;
      w.room -= label.text.length;
      return (text === "" ? label.firstQuote : text + label.quote) + value + QUOTE;
    }
  } catch (error) {
    json = writeThrown(w, error);
  }
  if (json === undefined) return text;
  if (key.altered) w.lost = true;
  w.room -= label.text.length;
  return text === "" ? label.first + json : text + label.text + json;
}

/** Writes one property's value; undefined where JSON leaves it out. A getter that throws becomes what it threw. */
export function writeMember(w: Writing, holder: object, name: string): string | undefined {
  try {
    return writeValue(w, (holder as Record<string, unknown>)[name]);
  } catch (error) {
    return writeThrown(w, error);
  }
}

/** Reads a property; undefined when its getter throws. */
export function readMember(holder: object, name: string): unknown {
  try {
    return (holder as Record<string, unknown>)[name];
  } catch {
    return undefined;
  }
}

function writeItems(w: Writing, items: Iterable<unknown>, count: number): string {
  let text = "";
  let written = 0;
  for (const item of items) {
    if (w.room < 0) {
      w.lost = true;
      text += `${text === "" ? "[" : ","}"[${count - written} more]"`;
      break;
    }
    w.room -= 1;
    text += (text === "" ? "[" : ",") + (writeValue(w, item) ?? writeNull(w));
    written++;
  }
  return text === "" ? "[]" : `${text}]`;
}

function writeMap(w: Writing, map: Map<unknown, unknown>): string {
  let named = true;
  for (const key of map.keys()) {
    if (typeof key !== "string") {
      named = false;
      break;
    }
  }
  if (!named) return writeItems(w, pairsOf(w, map), map.size);
  let text = "";
  for (const [name, member] of map as Map<string, unknown>) {
    if (w.room < 0) {
      w.lost = true;
      break;
    }
    text = writeFields(w, text, { [name]: member }, [name]);
  }
  return closeObject(text);
}

/** The entries of a map without its secrets. */
function* pairsOf(w: Writing, map: Map<unknown, unknown>): Generator<readonly [unknown, unknown]> {
  for (const [key, member] of map) yield [key, typeof key === "string" && w.keys(key).secret ? HIDDEN : member];
}

function writeJson(w: Writing, value: object): string | undefined {
  const replacement = (value as { toJSON(key: string): unknown }).toJSON("");
  if (typeof replacement !== "object" || replacement === null) return writeValue(w, replacement);
  // A toJSON is asked once, as JSON.stringify does; it may answer with the object itself.
  if (!hasToJson(replacement)) return writeValue(w, replacement);
  return closeObject(writeFields(w, "", replacement, Object.keys(replacement)));
}

function writeOpaque(w: Writing, value: object): string {
  const text = String(value);
  if (!text.startsWith("[object ")) return writeString(w, text);
  w.lost = true;
  const name: unknown = value.constructor?.name;
  return writeString(w, typeof name === "string" && name !== "" ? `[${name}]` : text);
}

/** Writes what a getter, a toJSON or a proxy threw, in place of the value. */
export function writeThrown(w: Writing, error: unknown): string {
  w.lost = true;
  return writeString(w, `[threw ${errorText(error)}]`);
}

function dateText(date: Date): string {
  // A date may have a toISOString of its own that answers with something else.
  return Number.isNaN(date.getTime()) ? "Invalid Date" : String(date.toISOString());
}

function bytesText(w: Writing, bytes: ArrayBufferView | ArrayBuffer): string {
  const name = bytes.constructor.name;
  if (bytes instanceof ArrayBuffer || bytes instanceof DataView) {
    w.lost = true;
    return `[${name} of ${bytes.byteLength} bytes]`;
  }
  const items = bytes as unknown as {
    length: number;
    subarray(from: number, to: number): { join(by: string): string };
  };
  const shown = items.subarray(0, 16).join(", ");
  if (items.length <= 16) return `${name} [${shown}]`;
  w.lost = true;
  return `${name} [${shown}, … ${items.length - 16} more]`;
}

const ERROR_FIELDS = ["name", "message", "stack", "cause", "errors"];

function errorFields(error: object): string[] {
  return [...ERROR_FIELDS, ...extraErrorFields(error)];
}

/** Names of the fields that an error carries beyond what every error has; throws what a proxy throws. */
export function extraErrorFields(error: object): string[] {
  return Object.keys(error).filter((name) => !ERROR_FIELDS.includes(name));
}

/** The message of an error, or all that can be said of it when it has none. Never throws. */
export function errorMessage(error: object): string {
  const message = readMember(error, "message");
  return typeof message === "string" && message !== "" ? message : errorText(error);
}

/** `TypeError: no such thing`, of whatever was thrown. Never throws. */
export function errorText(error: unknown): string {
  try {
    if (typeof error !== "object" || error === null) return String(error);
    const { name, message } = error as { name?: unknown; message?: unknown };
    if (typeof message !== "string") return String(error);
    return typeof name === "string" && name !== "" ? `${name}: ${message}` : message;
  } catch {
    return "an unreadable error";
  }
}

/** The stack of an error, of its causes, and of the first errors that an AggregateError holds. Never throws. */
export function errorTrace(error: unknown, depth = 0): string {
  let text = errorText(error);
  if (typeof error !== "object" || error === null || depth >= 8) return text;
  try {
    const { stack, cause, errors } = error as { stack?: unknown; cause?: unknown; errors?: unknown };
    if (typeof stack === "string") text = stack;
    if (Array.isArray(errors)) {
      for (const one of errors.slice(0, 8)) text += `\nOne of: ${errorTrace(one, depth + 4)}`;
    }
    if (cause !== undefined && cause !== error) text += `\nCaused by: ${errorTrace(cause, depth + 1)}`;
  } catch {
    // What could be read of it has to do.
  }
  return text;
}
