/**
 * A stored line → its entry as JSON text. Most lines were written by livetail, and say what their entry says: they are
 * not written out again. Taking them as they stand halves what a late viewer costs (`npm run bench -- catch-up`).
 */
import { describeEntry } from "./describe.js";
import { ENTRY_FIELDS, LIFTED_FIELDS, readField } from "./fields.js";
import { entryOf, isEnvelope, levelOfEvent } from "./line.js";
import type { LogEntry } from "./protocol.js";
import { levelOf, parseObject, timeOf } from "./text-line.js";

/** The entry at `index` as JSON text of one line; it says what `parseLine` says. Never throws. */
export function entryText(line: string, index: number): string {
  const fields = parseObject(line);
  const head = fields === undefined ? undefined : headOf(fields, line);
  if (head === undefined) return JSON.stringify(entryOf(fields, line, index));
  // Joined, it is one piece of memory; added up, it would be four, and keep what the line was cut out of.
  return [`{"index":${index},"source":"structured",`, head, line.slice(1)].join("");
}

/**
 * What the entry of a line has beside its index, its source and what the line itself says, each with a comma after it;
 * undefined for a line that an entry says otherwise.
 */
function headOf(fields: Record<string, unknown>, line: string): string | undefined {
  if (line.charCodeAt(0) !== OPEN_BRACE || isEnvelope(fields)) return undefined;
  for (const name in fields) if (!saysTheSame(name, fields[name])) return undefined;
  // In a frame of a stream a line end would end the line.
  if (line.includes("\n") || line.includes("\r")) return undefined;
  const { event, message, level, timestamp, metadata } = fields as Partial<LogEntry>;
  let head = "";
  if (timestamp === undefined) head += '"timestamp":null,';
  if (level === undefined) head += `"level":"${levelOfEvent(event)}",`;
  if (metadata === undefined) head += '"metadata":{},';
  if (message !== undefined) return head;
  const described = describeEntry(fields as Partial<LogEntry>);
  return described.trim() === "" ? undefined : `${head}"message":${JSON.stringify(described)},`;
}

const OPEN_BRACE = 0x7b;

/** Whether an entry has this field of a line under this name and with this value. */
function saysTheSame(name: string, value: unknown): boolean {
  switch (name) {
    case "timestamp":
      return timeOf(value) === value;
    case "level":
      return typeof value === "string" && levelOf(value) === value;
    case "event":
    case "message":
      return typeof value === "string" && value !== "";
    case "truncated":
      return value === true;
    case "metadata":
      return isOwnMetadata(value);
    default: {
      const type = ENTRY_FIELDS.get(name);
      return type !== undefined && readField(type, value) === value;
    }
  }
}

/** Whether nothing of a line's metadata is lifted to the top of its entry. */
function isOwnMetadata(metadata: unknown): boolean {
  if (typeof metadata !== "object" || metadata === null || Array.isArray(metadata)) return false;
  for (const name in metadata) if (LIFTED_FIELDS.has(name) || name === "stack" || name === "stack_trace") return false;
  return true;
}
