/** How a run is read that something else wrote: a service in another language doing RPUSH and HSET itself. */
import { isTerminal, type RunStatus } from "../protocol.js";
import type { RunRecord } from "../store.js";

/**
 * Makes a record of a run whose meta has no `next`: epoch `0`, from 0 to `length`. Once it is terminal with an
 * expected count above `length`, its lines are the newest of that many: epoch `1`, `next` is the count. `version`
 * is a 32-bit hash of meta, layers and totals. Times may be milliseconds or seconds since 1970, or ISO 8601.
 */
export function foreignRun(
  runId: string,
  meta: Readonly<Record<string, string>>,
  { layers, totals }: { layers: string; totals: readonly string[] },
  length: number,
): RunRecord {
  const status = runStatus(meta.status);
  const ended = isTerminal(status);
  const expected = Math.max(count(meta.expected_log_count), count(meta.expected_count));
  const corrected = ended && expected > length;
  const next = corrected ? expected : length;
  return {
    runId,
    status,
    epoch: corrected ? "1" : "0",
    base: 0,
    first: next - length,
    next,
    version: hash(meta, [layers, ...totals]),
    expectedLogCount: ended ? next : null,
    lateLines: 0,
    owner: meta.owner ?? "",
    ownerUrl: meta.owner_url ?? "",
    leaseUntil: time(meta.lease_until),
    stalledSweeps: 0,
    attempt: count(meta.attempt),
    cancelRequested: count(meta.cancel_requested) === 1,
    subjectId: meta.subject_id ?? "",
    operation: meta.operation ?? "",
    parentId: meta.parent_id ?? "",
    metadata: meta.metadata ?? "",
    error: meta.error ?? "",
    errorCode: meta.error_code ?? "",
    createdAt: time(meta.created_at),
    startedAt: time(meta.started_at),
    finishedAt: time(meta.finished_at),
  };
}

/** The status of a run as any writer put it: older ones say `processing` and `error`; what nobody knows is running. */
export function runStatus(text: string | undefined): RunStatus {
  switch (text) {
    case "queued":
    case "completed":
    case "failed":
    case "cancelled":
      return text;
    case "error":
      return "failed";
    default:
      return "running";
  }
}

function count(text: string | undefined): number {
  const value = Math.floor(Number(text));
  return Number.isSafeInteger(value) && value > 0 ? value : 0;
}

function time(text: string | undefined): number {
  if (text === undefined || text === "") return 0;
  const number = Number(text);
  const ms = Number.isNaN(number) ? Date.parse(text) : Math.floor(number < 1e11 ? number * 1000 : number);
  // Beyond this a Date has no ISO form.
  return ms > 0 && ms <= 8.64e15 ? ms : 0;
}

/** FNV-1a over the UTF-16 units of the fields, sorted by name, and of the texts after them. */
function hash(meta: Readonly<Record<string, string>>, texts: readonly string[]): number {
  let value = 0x811c9dc5;
  const add = (text: string) => {
    for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
    // Ends each text, so that "ab", "c" and "a", "bc" differ.
    value = Math.imul(value ^ 0xffff, 0x01000193);
  };
  for (const name of Object.keys(meta).sort()) {
    add(name);
    add(meta[name] ?? "");
  }
  for (const text of texts) add(text);
  return value >>> 0;
}
