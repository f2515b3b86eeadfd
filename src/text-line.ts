/**
 * What a line of text says beyond its words: the formats that services print, protocol §9. Each format is looked
 * for at a fixed place with `indexOf` or an anchored pattern on a short prefix, so that any text takes linear time.
 */
import type { LogLevel } from "./protocol.js";

/** What was found in a text. Absent: the text does not say. */
export interface TextLine {
  /** The text without what was taken out of it. */
  message: string;
  timestamp?: string;
  level?: LogLevel;
  module?: string;
  component?: string;
  context?: string;
  backend?: string;
  /** The fields of `[event_name] key=value, key=value`, the event among them. */
  fields?: Record<string, unknown>;
  /** The JSON object in the text, and what stood before it. */
  embedded?: Record<string, unknown>;
  prefix?: string;
}

const LEVELS: ReadonlyMap<string, LogLevel> = new Map(
  (
    [
      ["debug", ["debug", "trace", "verbose", "silly"]],
      ["info", ["info", "information", "notice"]],
      ["warn", ["warn", "warning"]],
      ["error", ["error", "err", "fatal", "critical", "crit", "alert", "emerg", "emergency", "panic", "severe"]],
    ] as const
  ).flatMap(([level, words]) => words.map((word): [string, LogLevel] => [word, level])),
);

/** The level that a word (in any case) or a number of pino's scale (10 to 60) means; undefined for none. */
export function levelOf(value: unknown): LogLevel | undefined {
  if (typeof value === "string") return LEVELS.get(value) ?? LEVELS.get(value.slice(0, 16).toLowerCase());
  if (typeof value !== "number" || !(value >= 10 && value <= 60)) return undefined;
  if (value < 30) return "debug";
  if (value < 40) return "info";
  return value < 50 ? "warn" : "error";
}

const DAY = "\\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\\d|3[01])";
const CLOCK = "(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d";
const ZONE = "Z|[+-]\\d\\d:?\\d\\d";
const TIME = new RegExp(`^(${DAY})[T ](${CLOCK})(?:[.,](\\d{1,9}))?\\s?(${ZONE})?$`);
const ISO = new RegExp(`^${DAY}T${CLOCK}(?:\\.\\d{1,9})?(?:${ZONE})$`);

/** ISO 8601 of a time in text (UTC where it names no zone) or of seconds or milliseconds since 1970; else undefined. */
export function timeOf(value: unknown): string | undefined {
  if (typeof value === "number") {
    if (value >= 1e12 && value < 1e13) return new Date(value).toISOString();
    return value >= 1e9 && value < 1e10 ? new Date(value * 1000).toISOString() : undefined;
  }
  if (typeof value !== "string" || value.length > 40) return undefined;
  if (ISO.test(value)) return value;
  const match = TIME.exec(value);
  if (match === null) return undefined;
  const [, day, clock, fraction, zone = "Z"] = match;
  return `${day}T${clock}${fraction === undefined ? "" : `.${fraction}`}${zone}`;
}

const STAMPED = new RegExp(`^(${DAY}[T ]${CLOCK}(?:[.,]\\d{1,9})?(?:${ZONE})?) {1,4}\\[([A-Za-z]{3,11})\\] {0,4}`);
/** As Python's logging prints by its tutorial's format and by its own: a name of up to 128 characters, and the level. */
const DASHED = new RegExp(`^(${DAY}[T ]${CLOCK}(?:[.,]\\d{1,9})?) - ([\\w.-]{1,128}) - ([A-Z]{4,8}) - `);
const BASIC = /^(DEBUG|INFO|WARNING|ERROR|CRITICAL):([\w.-]{1,128}):/;
const MODULE = /^([A-Za-z_][\w.\-/]{0,127}): /;
const LEVELLED = /^\[([A-Za-z]{3,11})\]\s{0,4}/;
const COMPONENT = /^[A-Za-z][\w .-]{0,63}$/;
const EVENT = /^[a-z][a-z0-9_.]{0,63}$/;
const KEY = /^[A-Za-z_][\w.-]{0,63}$/;
const LAYER_KEY = /^[^\w\s{["']{0,4} {0,2}([A-Za-z_][\w.-]{0,63}): {0,2}$/;

/** Reads a line of text. Never throws. */
export function readText(text: string): TextLine {
  const line: TextLine = { message: text };
  readStamp(line);
  readEmbedded(line, text);
  if (line.embedded !== undefined) return line;
  if (line.message.startsWith("[")) readBracket(line);
  if (text.includes("[")) readBackend(line, text);
  return line;
}

/** `2026-01-14 10:22:33 [INFO] module.name: message`, `[ERROR] message`, and the formats of Python's logging */
function readStamp(line: TextLine): void {
  const plain = skipColour(line.message);
  if (readPythonStamp(line, plain)) return;
  const stamped = STAMPED.exec(plain.slice(0, 80));
  const match = stamped ?? LEVELLED.exec(plain.slice(0, 20));
  if (match === null) return;
  const level = levelOf(match[stamped === null ? 1 : 2]);
  const timestamp = stamped === null ? undefined : timeOf(stamped[1]);
  if (level === undefined || (stamped !== null && timestamp === undefined)) return;
  line.level = level;
  if (timestamp !== undefined) line.timestamp = timestamp;
  // A coloured text keeps its beginning: nothing could be taken out of it without breaking the colours.
  if (plain !== line.message) return;
  let rest = plain.slice(match[0].length);
  const module = stamped === null ? null : MODULE.exec(rest.slice(0, 132));
  if (module !== null) {
    line.module = module[1] as string;
    rest = rest.slice(module[0].length);
  }
  // A text that says nothing else is its own message.
  if (rest.trim() !== "") line.message = rest;
}

/** `2026-01-14 10:22:33,123 - module.name - INFO - message`, `INFO:module.name:message` */
function readPythonStamp(line: TextLine, plain: string): boolean {
  const head = plain.slice(0, 190);
  const basic = BASIC.exec(head);
  const [whole = "", time, module, word] =
    basic === null ? (DASHED.exec(head) ?? []) : [basic[0], "", basic[2], basic[1]];
  const level = levelOf(word);
  if (module === undefined || level === undefined) return false;
  line.level = level;
  line.module = module;
  const timestamp = timeOf(time);
  if (timestamp !== undefined) line.timestamp = timestamp;
  const rest = plain.slice(whole.length);
  // As above.
  if (plain === line.message && rest.trim() !== "") line.message = rest;
  return true;
}

/** The text after the colour codes (`ESC [ … m`) that it begins with. */
function skipColour(text: string): string {
  let at = 0;
  while (text.startsWith("\u001b[", at)) {
    const end = text.indexOf("m", at);
    if (end < 0 || end - at > 20) break;
    at = end + 1;
  }
  return at === 0 ? text : text.slice(at);
}

/** `❌ layer_key: {json}`, and a JSON object after a time and a level. */
function readEmbedded(line: TextLine, text: string): void {
  const { message } = line;
  const at = message.slice(0, 100).indexOf("{");
  if (at < 0 || !message.trimEnd().endsWith("}")) return;
  const before = message.slice(0, at);
  const key = LAYER_KEY.exec(before);
  if (key === null && !(at === 0 && message !== text)) return;
  const embedded = parseObject(message.slice(at));
  if (embedded === undefined) return;
  line.embedded = embedded;
  line.prefix = text.slice(0, text.length - message.length + at).trimEnd();
  if (line.level !== undefined) return;
  if (before.includes("❌")) line.level = "error";
  else if (before.includes("⚠")) line.level = "warn";
}

/** `[Component:context] message`, `[event_name] key=value, key=value` */
function readBracket(line: TextLine): void {
  const { message } = line;
  const end = message.slice(0, 200).indexOf("]");
  if (end < 0) return;
  const inside = message.slice(1, end);
  const rest = message.slice(end + 1).trimStart();
  const colon = inside.indexOf(":");
  if (colon > 0) {
    const context = inside.slice(colon + 1).trim();
    if (rest === "" || context === "" || !COMPONENT.test(inside.slice(0, colon))) return;
    line.component = inside.slice(0, colon);
    line.context = context;
    line.message = rest;
  } else if (EVENT.test(inside)) {
    const fields = readPairs(rest);
    if (fields !== undefined) line.fields = { ...fields, event: inside };
  }
}

const MAX_PAIRS = 200;

/** `key=value, key=value`; a part without a key belongs to the value before it. Undefined when it does not begin with a key. */
function readPairs(text: string): Record<string, unknown> | undefined {
  const pairs: [string, string][] = [];
  for (const part of text.split(", ", MAX_PAIRS)) {
    const at = part.indexOf("=");
    const key = at < 0 || at > 64 ? "" : part.slice(0, at);
    const last = pairs.at(-1);
    if (KEY.test(key)) pairs.push([key, part.slice(at + 1)]);
    else if (last === undefined) return undefined;
    else last[1] += `, ${part}`;
  }
  return Object.fromEntries(pairs.map(([key, value]) => [key, scalar(value)]));
}

/** A value in text: a number or a boolean where it is written as one. */
function scalar(text: string): unknown {
  if (text.length > 24) return text;
  if (text === "true" || text === "True") return true;
  if (text === "false" || text === "False") return false;
  const number = Number(text);
  return /^-?\d/.test(text) && String(number) === text ? number : text;
}

const BACKENDS = [
  ["[Claude CLI]", "claude_cli"],
  ["[Fallback]", "langchain"],
  ["[LangChain]", "langchain"],
] as const;

function readBackend(line: TextLine, text: string): void {
  for (const [mark, backend] of BACKENDS) {
    if (!text.includes(mark)) continue;
    line.backend = backend;
    return;
  }
}

/** The fields of a text that is a JSON object; undefined for any other. Never throws. */
export function parseObject(text: string): Record<string, unknown> | undefined {
  if (text.charCodeAt(0) !== 0x7b && !/^\s+\{/.test(text)) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !tooDeep(value, text)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

const MAX_DEPTH = 100;

/** Whether objects are nested so deeply that whoever writes the entry as JSON would exhaust the stack. */
function tooDeep(value: object, text: string): boolean {
  // A short text has no room for it.
  return text.length > 1000 && deeperThan(value, MAX_DEPTH);
}

function deeperThan(value: object, depth: number): boolean {
  if (depth === 0) return true;
  for (const member of Object.values(value)) {
    if (typeof member === "object" && member !== null && deeperThan(member, depth - 1)) return true;
  }
  return false;
}
