/**
 * What somebody logs → the text of one stored line: an envelope (time, level, event), the value inside it, the cap.
 */
import {
  addFields,
  addFieldsOf,
  addMember,
  addWritten,
  errorMessage,
  errorText,
  errorTrace,
  extraErrorFields,
  kindOf,
  type ObjectKind,
  readMember,
  startAgain,
  startWriting,
  type Writing,
  writeMember,
  writeString,
  writeThrown,
  writeValue,
} from "./json.js";
import type { LogLevel } from "./protocol.js";
import { createKeyTable, inOnePiece } from "./redact.js";
import { createKeyWatch, createSecretSearch, hideAndCut } from "./secrets.js";
import { shortenJson } from "./shorten.js";
import { parseObject } from "./text-line.js";

/** What an encoder keeps to. */
export interface LineEncoderOptions {
  /** Longest line in UTF-8 bytes, at least 1,024. Default 16,384, which is the protocol's. */
  maxLineBytes?: number;
  /** Names of fields whose values are secrets, besides those of the protocol; case, `_` and `-` do not count. */
  redactKeys?: readonly string[];
  /** What is a secret in the words of any text, besides the known kinds; `false`: nothing is. Default: the known kinds. */
  redactPatterns?: readonly RegExp[] | false;
  /** The clock, milliseconds since 1970. Default `Date.now`. */
  now?: () => number;
}

/**
 * Makes stored lines. Every method returns valid JSON of one line of at most `maxLineBytes`, whatever it is handed,
 * and never throws. A line that lost something is marked `"truncated": true`.
 */
export interface LineEncoder {
  /**
   * What `run.log(value, metadata)` stores: a string as `message`; an object's own fields; an Error as `message`,
   * `error` and `traceback` of level `error`; anything else as its text. `metadata` is nested under `metadata`.
   */
  message(value: unknown, metadata?: unknown, bindings?: string): string;
  /** What a StructuredLogger stores: the fields of protocol §9 at the top (also when written in camelCase), others under `metadata`. */
  event(level: LogLevel, event: string, fields: Record<string, unknown> | undefined, bindings?: string): string;
  /** Fields that many lines share, serialised once: hand the result to `message` or `event`. Lines' own fields win. */
  bindings(fields: Record<string, unknown>): string;
  /**
   * A line that somebody printed, without its newline. A JSON object is stored as one, with a timestamp if it has
   * none, and `stream` if it is known; `onFields` then gets its fields, so that nobody parses it again. Else it is a `message`.
   */
  text(line: string, stream?: "stdout" | "stderr", onFields?: (fields: Record<string, unknown>) => void): string;
  /** The line that stands where lines are missing. */
  gap(dropped: number, reason: "burst" | "store_unavailable" | "store_lost"): string;
  /** Whether the line that `message` or `event` made last may tell of a call of a model; most lines do not. */
  readonly toldOfCall: boolean;
  /** A copy of a value as a line would store it: redacted, JSON-safe, at most `maxBytes` (default: a quarter of a line) as JSON. */
  plain(fields: Record<string, unknown>, maxBytes?: number): Record<string, unknown>;
  /** What can be said of any value in plain text, its secrets replaced, at most `length` UTF-16 units. */
  words(value: unknown, length: number): string;
  /** Whether lines that are printed one after the other belong to a private key; each source asks one of its own. */
  keyWatch(): (line: string) => boolean;
}

/** The protocol's cap of a line, in bytes. */
const MAX_LINE_BYTES = 16_384;
const LEAST_LINE_BYTES = 1024;

const TRUNCATED = ',"truncated":true';
const UNWRITABLE = '{"level":"error","message":"a line that could not be written","truncated":true}';

/** Creates an encoder. */
export function createLineEncoder(options: LineEncoderOptions = {}): LineEncoder {
  const { maxLineBytes = MAX_LINE_BYTES, redactKeys, redactPatterns, now = Date.now } = options;
  const maxBytes = Math.max(LEAST_LINE_BYTES, maxLineBytes);
  const partBytes = maxBytes >> 2;
  const secrets = createSecretSearch(redactPatterns);
  const keys = createKeyTable(redactKeys, secrets.hide);
  const head = createHead(now);
  const events = createEventTable();
  let toldOfCall = true;
  /** What the next line is written with; a line that is logged while another is written gets one of its own. */
  let spare: Writing | null = null;

  function start(): Writing {
    const w = spare === null ? startWriting(keys, secrets, maxBytes) : startAgain(spare);
    spare = null;
    return w;
  }

  function finish(w: Writing, open: string, most = maxBytes): string {
    const text = close(w, open, most);
    // Who lost a part of it may have lost that one.
    toldOfCall = w.call || w.lost;
    spare = w;
    return text;
  }

  return {
    message(value, metadata, bindings = "") {
      try {
        const w = start();
        return finish(w, writeMessage(w, head(), bindings, value, metadata));
      } catch {
        // Only an exhausted stack leads here; what can go wrong with a value is written down where it happens.
        toldOfCall = true;
        return UNWRITABLE;
      }
    },

    event(level, event, fields, bindings = "") {
      try {
        const w = start();
        const open = head() + events(w, level, event) + bindings;
        return finish(w, fields === undefined ? open : addEventFields(w, open, fields));
      } catch {
        toldOfCall = true;
        return UNWRITABLE;
      }
    },

    get toldOfCall() {
      return toldOfCall;
    },

    bindings(fields) {
      try {
        const w = start();
        const text = finish(w, place(w, "", fields, "bindings").top || "{", partBytes);
        return text === "{}" ? "" : inOnePiece(`,${text.slice(1, -1)}`);
      } catch {
        return TRUNCATED;
      }
    },

    text(text, stream, onFields) {
      const fields = parseObject(text);
      if (fields !== undefined) onFields?.(fields);
      try {
        const w = start();
        const from = stream === undefined ? "" : `,"stream":"${stream}"`;
        if (fields === undefined) return finish(w, `${head()},"message":${writeString(w, text)}${from}`);
        const open = writeOwn(w, head(), "", fields, undefined);
        return finish(w, Object.hasOwn(fields, "stream") ? open : open + from);
      } catch {
        return UNWRITABLE;
      }
    },

    gap(dropped, reason) {
      return `${head()},"level":"warn","event":"log_gap","dropped":${dropped},"reason":"${reason}"}`;
    },

    plain(fields, most = partBytes) {
      try {
        const w = start();
        const text = finish(w, addFieldsOf(w, "", fields, Object.keys) || "{", Math.max(512, most));
        return JSON.parse(text) as Record<string, unknown>;
      } catch (error) {
        return { error: secrets.hide(errorText(error)), truncated: true };
      }
    },

    words(value, length) {
      return hideAndCut(secrets, errorText(value), length).toWellFormed();
    },

    keyWatch: redactPatterns === false ? () => () => false : createKeyWatch,
  };
}

/**
 * Makes the beginning of every line, `{"timestamp":"…"`. Formatting a time costs as much as the rest of a short line:
 * lines of one millisecond share the text, those of one second all but its end.
 */
function createHead(now: () => number): () => string {
  let at = Number.NaN;
  let second = Number.NaN;
  let upToSecond = "";
  let text = "";
  return () => {
    const ms = now();
    if (ms === at) return text;
    const since = ms - second;
    if (since >= 0 && since < 1000 && Number.isInteger(since)) {
      text = inOnePiece(`${upToSecond}${String(since).padStart(3, "0")}Z"`);
    } else {
      const date = new Date(ms);
      text = `{"timestamp":"${date.toISOString()}"`;
      upToSecond = text.slice(0, -5);
      second = Math.floor(date.getTime() / 1000) * 1000;
    }
    at = ms;
    return text;
  };
}

/** An event's name is written anew when it is longer; shorter ones are few and come again and again. */
const MAX_EVENT = 64;
const MAX_EVENTS = 1024;

/** Writes `,"level":"…","event":"…"`. */
function createEventTable(): (w: Writing, level: LogLevel, event: unknown) => string {
  const known: Record<LogLevel, Map<unknown, string>> = {
    debug: new Map(),
    info: new Map(),
    warn: new Map(),
    error: new Map(),
  };
  return (w, level, event) => {
    const texts = known[level];
    const text = texts.get(event);
    if (text !== undefined) {
      w.room -= (event as string).length + 2;
      return text;
    }
    const name = String(event);
    const made = `,"level":"${level}","event":${writeString(w, name)}`;
    if (name === event && name.length <= MAX_EVENT && !w.lost) {
      if (texts.size >= MAX_EVENTS) texts.clear();
      texts.set(name, inOnePiece(made));
    }
    return made;
  };
}

/** Closes the object whose text begins with `open`, and cuts it to `maxBytes`. */
function close(w: Writing, open: string, maxBytes: number): string {
  const flag = w.lost ? TRUNCATED : "";
  const text = `${open}${open === "{" ? flag.slice(1) : flag}}`;
  // A UTF-16 unit takes at most three bytes: most lines need not be measured.
  if (text.length * 3 > maxBytes && Buffer.byteLength(text) > maxBytes) return shortenJson(text, maxBytes);
  // In one piece, a waiting line is a third as large, and a burst of 10,000 lines half as expensive.
  return inOnePiece(text);
}

/** What an object is written as; undefined for what is none. */
function kindOfAny(value: unknown): ObjectKind | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  try {
    return kindOf(value);
  } catch {
    return "opaque";
  }
}

function writeMessage(w: Writing, head: string, bindings: string, value: unknown, metadata: unknown): string {
  if (typeof value === "string") {
    return `${head}${bindings},"message":${writeString(w, value)}${writeMetadata(w, "", metadata)}`;
  }
  const kind = kindOfAny(value);
  if (kind === "fields") return writeOwn(w, head, bindings, value as object, metadata);
  if (kind === "error") {
    const error = value as object;
    const extras = addFieldsOf(w, "", error, extraErrorFields);
    const message = `,"message":${writeString(w, errorMessage(error))}${writeError(w, error)}`;
    return `${head},"level":"error"${bindings}${message}${writeMetadata(w, extras, metadata)}`;
  }
  const { room } = w;
  const text = writeValue(w, value) ?? "undefined";
  if (kind === "json" && text.startsWith("{")) {
    // A toJSON that answered with fields: they are the line's.
    w.room = room;
    return writeOwn(w, head, bindings, JSON.parse(text) as object, metadata);
  }
  const message = text.startsWith('"') ? text : writeString(w, text);
  return `${head}${bindings},"message":${message}${writeMetadata(w, "", metadata)}`;
}

/** Writes an object as a line of its own: its fields, and the time unless it has one. */
function writeOwn(w: Writing, head: string, bindings: string, fields: object, metadata: unknown): string {
  const { time, top, rest } = place(w, head + bindings, fields, "own");
  const text = time === undefined ? top : `{"timestamp":${time}${top.slice(head.length)}`;
  return text + writeMetadata(w, rest, metadata);
}

function addEventFields(w: Writing, open: string, fields: unknown): string {
  const kind = kindOfAny(fields);
  if (kind !== "fields") return open + writeMetadata(w, "", fields);
  const { top, rest } = place(w, open, fields as object, "event");
  return rest === "" ? top : `${top},"metadata":${rest}}`;
}

/** Writes `,"metadata":…` of the fields in `rest` and of what was given; an Error stands beside it, at the top. */
function writeMetadata(w: Writing, rest: string, given: unknown): string {
  if (given === undefined || given === null) return rest === "" ? "" : `,"metadata":${rest}}`;
  if (kindOfAny(given) === "error") {
    const extended = addFieldsOf(w, rest, given as object, extraErrorFields);
    return writeError(w, given as object) + writeMetadata(w, extended, undefined);
  }
  const fields = addFields(w, rest, given);
  if (fields !== undefined) return writeMetadata(w, fields, undefined);
  const value = writeValue(w, given);
  if (rest === "" && value !== undefined && value !== "{}") return `,"metadata":${value}`;
  return writeMetadata(w, addMetadata(rest, value), undefined);
}

/** Adds the fields of `metadata`, as it was written, to others; what is no object is a field of its own. */
function addMetadata(text: string, metadata: string | undefined): string {
  if (metadata === undefined || metadata === "{}") return text;
  return addWritten(text, metadata.startsWith("{") ? metadata.slice(1, -1) : `"metadata":${metadata}`);
}

function writeError(w: Writing, error: object): string {
  return `,"error":${writeString(w, errorText(error))},"traceback":${writeString(w, errorTrace(error))}`;
}

/** Where fields go: `event` lines keep those of protocol §9 at the top, `own` lines and `bindings` all. */
type Placing = "event" | "own" | "bindings";

/** Fields as text, the objects not closed yet. */
interface Placed {
  time: string | undefined;
  /** What was there before, and the fields that stand at the top. */
  top: string;
  /** What goes under `metadata`; "" for nothing. */
  rest: string;
}

function place(w: Writing, before: string, fields: object, placing: Placing): Placed {
  const placed: Placed = { time: undefined, top: before, rest: "" };
  w.path.push(fields);
  try {
    for (const name of Object.keys(fields)) {
      if (w.room < 0) {
        w.lost = true;
        break;
      }
      const key = w.keys(name);
      if (key.special && placeSpecial(w, placed, fields, name, placing)) continue;
      const label = placing === "own" ? undefined : key.top;
      if (label !== undefined) placed.top = addMember(w, placed.top, fields, name, key, label);
      else if (placing === "event") placed.rest = addMember(w, placed.rest, fields, name, key, key.label);
      else placed.top = addMember(w, placed.top, fields, name, key, key.label);
    }
  } catch (error) {
    placed.top = addWritten(placed.top, `"error":${writeThrown(w, error)}`);
  }
  w.path.pop();
  return placed;
}

/** Places a field that has a meaning of its own; false when it is like any other here. */
function placeSpecial(w: Writing, placed: Placed, fields: object, name: string, placing: Placing): boolean {
  if (name === "error" || name === "err") {
    const error = readMember(fields, name);
    if (kindOfAny(error) !== "error") return false;
    placed.top += writeError(w, error as object);
    placed.rest = addFieldsOf(w, placed.rest, error as object, extraErrorFields);
    return true;
  }
  if (name === "metadata") {
    if (placing === "bindings") placed.top = placeMetadata(w, placed.top, fields);
    else placed.rest = placeMetadata(w, placed.rest, fields);
    return true;
  }
  // The envelope is the line's own: bindings cannot set it, and an event's field of such a name is metadata.
  if (placing !== "own") return placing === "bindings";
  if (name === "timestamp") {
    const value = writeMember(w, fields, name);
    if (value !== "null") placed.time = value;
    return true;
  }
  if (name === "truncated" && readMember(fields, name) === true) {
    w.lost = true;
    return true;
  }
  return false;
}

/** Adds the fields of the field `metadata` to others. */
function placeMetadata(w: Writing, text: string, holder: { metadata?: unknown }): string {
  let metadata: unknown;
  try {
    metadata = holder.metadata;
  } catch (error) {
    return addMetadata(text, writeThrown(w, error));
  }
  return addFields(w, text, metadata) ?? addMetadata(text, writeValue(w, metadata));
}
