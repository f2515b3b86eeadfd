/** What the scripts answer, in the words of the store seam. */
import { LivetailError } from "../errors.js";
import { isTerminal, type TerminalStatus } from "../protocol.js";
import type { EndAnswer, Hint, RunRecord } from "../store.js";
import { runStatus } from "./foreign-run.js";
import { META_FIELDS } from "./scripts/read.js";

/** What most scripts answer: a code and what belongs to it. */
export type Reply = (string | number | null)[];

/** A text, "" for what is none. */
export const text = (value: unknown): string => (typeof value === "string" ? value : "");
/** A whole number, 0 for what is none. */
export const integer = (value: unknown): number => Math.floor(Number(value)) || 0;

type Fields = Record<(typeof META_FIELDS)[number], string | null>;

function toFields(values: readonly (string | null)[]): Fields {
  const fields = {} as Fields;
  META_FIELDS.forEach((name, i) => {
    fields[name] = values[i] ?? null;
  });
  return fields;
}

/** The record of a run of ours, from the fields that a read answers. */
export function toRecord(runId: string, values: readonly (string | null)[], next: number, first: number): RunRecord {
  const fields = toFields(values);
  const status = runStatus(text(fields.status));
  return {
    runId,
    status,
    epoch: text(fields.epoch),
    base: integer(fields.base),
    first,
    next,
    version: integer(fields.version),
    expectedLogCount: isTerminal(status) ? integer(fields.expected_log_count) : null,
    lateLines: integer(fields.late_lines),
    owner: text(fields.owner),
    ownerUrl: text(fields.owner_url),
    leaseUntil: integer(fields.lease_until),
    stalledSweeps: integer(fields.stalled_sweeps),
    attempt: integer(fields.attempt),
    cancelRequested: fields.cancel_requested === "1",
    subjectId: text(fields.subject_id),
    operation: text(fields.operation),
    parentId: text(fields.parent_id),
    metadata: text(fields.metadata),
    error: text(fields.error),
    errorCode: text(fields.error_code),
    createdAt: integer(fields.created_at),
    startedAt: integer(fields.started_at),
    finishedAt: integer(fields.finished_at),
  };
}

/** The refusals that every write may meet; null when the write was done. */
export function toRefusal(reply: Reply): Exclude<EndAnswer, { code: "OK" }> | null {
  switch (reply[0]) {
    case "OK":
      return null;
    case "RUN_ENDED":
      return { code: "RUN_ENDED", status: endedAs(text(reply[1])) };
    case "EPOCH":
      return { code: "EPOCH", epoch: text(reply[1]), have: integer(reply[2]), next: integer(reply[3]) };
    case "ORDER":
      return { code: "ORDER", have: integer(reply[1]) };
    case "GONE":
    case "FENCED":
    case "TOO_MANY_PRODUCERS":
      return { code: reply[0] };
    default:
      throw new LivetailError("STORE_REFUSED", `Redis gave an answer that no script gives: ${String(reply[0])}`);
  }
}

/** The status of a run that has ended; what nobody knows has failed. */
function endedAs(status: string): TerminalStatus {
  return isTerminal(status) ? status : "failed";
}

/** What HGETALL answers, as an object. */
export function fromPairs(pairs: readonly string[]): Record<string, string> {
  const record: Record<string, string> = Object.create(null);
  for (let i = 0; i + 1 < pairs.length; i += 2) record[pairs[i] as string] = pairs[i + 1] as string;
  return record;
}

/**
 * What a hint says: `next` and `version`, and behind them, after small appends, `epoch`, `first` and `from`, and the
 * lines. A hint without numbers (after a lost connection) says that anything may have come.
 */
export function toHint(message: string | null): Hint {
  const text = message ?? "";
  const end = text.indexOf("\n");
  const [next, version, epoch = "", first, from] = (end === -1 ? text : text.slice(0, end)).split(" ");
  const hint = { next: integer(next), version: integer(version) };
  if (end === -1) return hint;
  const lines = text.slice(end + 1).split("\n");
  // A text that is no line of JSON may have line breaks of its own.
  if (integer(from) + lines.length !== hint.next) return hint;
  return { ...hint, appended: { epoch, first: integer(first), from: integer(from), lines } };
}
