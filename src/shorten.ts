/**
 * A JSON object's text that is too long → one that fits: its longest strings are cut. Only over-long lines come here.
 */

/** Strings are cut to this many bytes before fields are dropped. */
const SHORTEST = 64;
const FLAG = ',"truncated":true'.length;

/** Shortens the JSON text of an object to at most `maxBytes` (512 or more) UTF-8 bytes and adds `"truncated": true`. */
export function shortenJson(text: string, maxBytes: number): string {
  const { truncated: _, ...fields } = JSON.parse(text) as Record<string, unknown>;
  let tree: unknown = fields;
  const room = maxBytes - FLAG;
  let limit = stringLimit(tree, room);
  if (limit < SHORTEST) {
    tree = prune(tree, { room, full: false });
    limit = stringLimit(tree, room);
  }
  const flagged = { ...(tree as object), truncated: true };
  return JSON.stringify(flagged, (_, value: unknown) => (typeof value === "string" ? cutString(value, limit) : value));
}

/** The bytes that a string may have at most so that all of it fits into `room`; Infinity when it fits as it is. */
function stringLimit(tree: unknown, room: number): number {
  const sizes: number[] = [];
  const whole = JSON.stringify(tree, (_, value: unknown) => {
    if (typeof value === "string") sizes.push(jsonBytes(value) - 2);
    return value;
  });
  let left = room - Buffer.byteLength(whole);
  for (const size of sizes) left += size;
  sizes.sort((a, b) => a - b);
  for (let i = 0; i < sizes.length; i++) {
    const share = left / (sizes.length - i);
    const size = sizes[i] as number;
    if (size > share) return Math.max(0, Math.floor(share));
    left -= size;
  }
  return left < 0 ? 0 : Number.POSITIVE_INFINITY;
}

interface Budget {
  /** Bytes left. */
  room: number;
  /** Something did not fit: nothing more is kept. */
  full: boolean;
}

/** A copy with as many fields and items, from the front, as fit with strings cut to `SHORTEST`; undefined for none. */
function prune(value: unknown, budget: Budget): unknown {
  const container = typeof value === "object" && value !== null;
  const bytes = container ? 2 : Math.min(jsonBytes(value), SHORTEST + 2);
  if (bytes > budget.room) {
    budget.full = true;
    return undefined;
  }
  budget.room -= bytes;
  if (!container) return value;
  const kept: [string, unknown][] = [];
  for (const [name, member] of Object.entries(value)) {
    if (budget.full) break;
    budget.room -= Array.isArray(value) ? 1 : jsonBytes(name) + 2;
    const copy = prune(member, budget);
    if (copy !== undefined) kept.push([name, copy]);
  }
  return Array.isArray(value) ? kept.map(([, item]) => item) : Object.fromEntries(kept);
}

function jsonBytes(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}

/** The longest beginning of a text that takes at most `maxBytes` inside a JSON string. */
function cutString(text: string, maxBytes: number): string {
  let bytes = 0;
  for (let i = 0; i < text.length; ) {
    const code = text.codePointAt(i) as number;
    bytes += encodedBytes(code);
    if (bytes > maxBytes) return text.slice(0, i);
    i += code > 0xffff ? 2 : 1;
  }
  return text;
}

function encodedBytes(code: number): number {
  if (code === 0x22 || code === 0x5c) return 2;
  if (code < 0x20) return code === 8 || code === 9 || code === 10 || code === 12 || code === 13 ? 2 : 6;
  if (code < 0x80) return 1;
  if (code < 0x800) return 2;
  if (code >= 0xd800 && code <= 0xdfff) return 6;
  return code < 0x10000 ? 3 : 4;
}
