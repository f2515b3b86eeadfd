/**
 * What the name of a field means to whoever writes it down: how it is spelled in JSON, whether its value is a
 * secret, and whether it stands at the top of an event's line.
 */
import { TOP_NAMES } from "./fields.js";

/** Names whose values are never stored, protocol §7. */
const SECRET_NAMES = [
  "authorization",
  "cookie",
  "set-cookie",
  "password",
  "token",
  "secret",
  "api_key",
  "apikey",
  "access_token",
  "refresh_token",
];

const SPECIAL_NAMES = new Set(["timestamp", "level", "event", "truncated", "metadata", "error", "err"]);

/** Without one of these, or an event `llm_call_*`, a line tells of no call of a model that could be counted. */
const CALL_NAMES = new Set(["event", "cost_usd", "costUsd", "cost_source", "costSource"]);

/** What stands in place of a secret, and the same as JSON text. */
export const HIDDEN = "[redacted]";
export const REDACTED = `"${HIDDEN}"`;

/** A longer name is cut, in UTF-16 units. */
const MAX_NAME = 256;

/** A name as JSON text, as it stands before a value; `,"name":` */
export interface Label {
  readonly text: string;
  /** The same with the quote that begins a string. */
  readonly quote: string;
  /** Both as they begin an object: `{"name":` */
  readonly first: string;
  readonly firstQuote: string;
}

/** A field's name, looked up once. */
export interface Key {
  readonly label: Label;
  /** Its stored name when the field stands at the top of an event's line. */
  readonly top: Label | undefined;
  readonly secret: boolean;
  /** It has a meaning of its own in a line: the envelope's fields, `metadata`, and those that may hold an Error. */
  readonly special: boolean;
  /** The name could not be kept as it was. */
  readonly altered: boolean;
  /** A line with such a field may tell of a call of a model. */
  readonly call: boolean;
}

/** Looks a name up. */
export type KeyTable = (name: string) => Key;

function labelOf(name: string): Label {
  const member = `${JSON.stringify(name)}:`;
  return {
    text: inOnePiece(`,${member}`),
    quote: inOnePiece(`,${member}"`),
    first: inOnePiece(`{${member}`),
    firstQuote: inOnePiece(`{${member}"`),
  };
}

/** `apiKey`, `API_KEY` and `api-key` are one name: people write all of them. */
function fold(name: string): string {
  return name.toLowerCase().replace(/[_-]/g, "");
}

/**
 * Creates the look-up; `redactKeys` are names of secrets besides the protocol's. Case, `_` and `-` do not count.
 * `hide` replaces secrets in the names themselves.
 */
export function createKeyTable(
  redactKeys: readonly string[] = [],
  hide: (text: string) => string = (text) => text,
): KeyTable {
  const secrets = new Set([...SECRET_NAMES, ...redactKeys].map((name) => fold(String(name))));
  // Services use few names again and again; where ids are names, the table begins anew now and then.
  const known = new Map<string, Key>();

  function look(name: string): Key {
    const kept = cutText(hide(name.slice(0, 4 * MAX_NAME)), MAX_NAME).toWellFormed();
    const top = TOP_NAMES.get(name);
    return {
      label: labelOf(kept),
      top: top === undefined ? undefined : labelOf(top),
      secret: secrets.has(fold(name)),
      special: SPECIAL_NAMES.has(name),
      altered: name.length > MAX_NAME || !name.isWellFormed(),
      call: CALL_NAMES.has(name),
    };
  }

  return (name) => {
    let key = known.get(name);
    if (key === undefined) {
      key = look(name);
      if (known.size >= 1024) known.clear();
      if (name.length <= MAX_NAME) known.set(name, key);
    }
    return key;
  };
}

/**
 * The same text. V8 keeps a concatenated text as a tree of its parts until one of its characters is asked for: asking
 * now makes it small, and cheap to put into others.
 */
export function inOnePiece(text: string): string {
  return text.charCodeAt(0) >= 0 ? text : "";
}

/** The first `length` UTF-16 units of a text, one less where a surrogate pair would be cut in two. */
export function cutText(text: string, length: number): string {
  if (text.length <= length) return text;
  const last = text.charCodeAt(length - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? length - 1 : length);
}
