/** The parameters of a read, strictly: what is malformed is named, never guessed at. */
import { LivetailError } from "./errors.js";
import type { PollAsk } from "./poll.js";
import { LIMITS, parseCursor } from "./protocol.js";
import { remembered } from "./remembered.js";
import { BEGINNING, type From } from "./run-view.js";

/** What a poll asks, from its query and its `Last-Event-ID`. Throws `INVALID_PARAMETER`. */
export function readPollAsk(query: string, lastEventId: string | undefined): PollAsk {
  const ask = readQuery(query);
  if (lastEventId === undefined || lastEventId === "") return ask;
  return { ...ask, from: readCursor("Last-Event-ID", lastEventId) };
}

const readQuery = remembered(
  (query): PollAsk => ({
    from: readFrom(query),
    limit: readInteger(query, "limit", 1, LIMITS.pageMax) ?? LIMITS.pageDefault,
    waitMs: readWaitMs(query),
  }),
);

/** Where a stream begins. A `Last-Event-ID` that is no cursor is answered in the stream. Throws `INVALID_PARAMETER`. */
export function readStreamFrom(query: string, lastEventId: string | undefined): From | { kind: "rubbish" } {
  const { from } = readPollAsk(query, undefined);
  if (lastEventId === undefined || lastEventId === "") return from;
  const cursor = parseCursor(lastEventId);
  return cursor === null ? { kind: "rubbish" } : { kind: "cursor", text: lastEventId, cursor };
}

/** `cursor` wins over `since`, `since` over `tail`; all that are given must be well-formed. */
function readFrom(query: string): From {
  if (query === "") return BEGINNING;
  const cursor = parameter(query, "cursor");
  const since = readInteger(query, "since", 0, Number.MAX_SAFE_INTEGER);
  const count = readInteger(query, "tail", 0, Number.MAX_SAFE_INTEGER);
  if (cursor !== null) return readCursor("cursor", cursor);
  if (since !== null) return { kind: "since", index: since };
  return count === null ? BEGINNING : { kind: "tail", count };
}

function readCursor(name: string, text: string): From {
  const cursor = parseCursor(text);
  if (cursor === null) throw invalid(name, "is not a cursor of this server");
  return { kind: "cursor", text, cursor };
}

const INTEGER = /^(?:0|[1-9]\d{0,14})$/;

function readInteger(query: string, name: string, least: number, most: number): number | null {
  const text = parameter(query, name);
  if (text === null) return null;
  const value = INTEGER.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  const upTo = most === Number.MAX_SAFE_INTEGER ? "or more" : `to ${most}`;
  throw invalid(name, `must be a whole number, ${least} ${upTo}`);
}

const SECONDS = /^\d{1,2}(?:\.\d{1,3})?$/;

function readWaitMs(query: string): number {
  const text = parameter(query, "wait");
  if (text === null) return 0;
  const seconds = SECONDS.test(text) ? Number(text) : Number.NaN;
  if (seconds <= LIMITS.waitMaxSeconds) return Math.round(seconds * 1000);
  throw invalid("wait", `must be a number of seconds, 0 to ${LIMITS.waitMaxSeconds}`);
}

/**
 * The decoded value of a parameter; null when it is not there. Throws `INVALID_PARAMETER` when it is there twice or
 * not decodable. By hand, because a poll must not build an object of its query.
 */
export function parameter(query: string, name: string): string | null {
  let found: string | null = null;
  const encoded = query.includes("%");
  for (let at = 0; at < query.length; ) {
    const stop = query.indexOf("&", at);
    const end = stop === -1 ? query.length : stop;
    let named = at + name.length;
    if (!query.startsWith(name, at) || (query[named] !== "=" && named !== end)) {
      named = encoded ? at + encodedLength(query.slice(at, end), name) : at;
    }
    if (named > at) {
      if (found !== null) throw invalid(name, "is given more than once");
      found = decode(query.slice(named + 1, end), name);
    }
    at = end + 1;
  }
  return found;
}

/** How long the name of a pair is if it is `name` percent-encoded, as a proxy may spell it; 0 for any other name. */
function encodedLength(pair: string, name: string): number {
  const key = pair.split("=", 1)[0] as string;
  if (!key.includes("%")) return 0;
  try {
    return decodeURIComponent(key) === name ? key.length : 0;
  } catch {
    return 0;
  }
}

function decode(text: string, name: string): string {
  if (!text.includes("%") && !text.includes("+")) return text;
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    throw invalid(name, "is not well encoded");
  }
}

/** The error that names a parameter and what is wrong with it. */
export function invalid(name: string, fault: string): LivetailError {
  return new LivetailError("INVALID_PARAMETER", `The parameter ${name} ${fault}.`);
}
