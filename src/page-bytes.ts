/** The answer to a poll as bytes of JSON, put together from what is encoded already. */
import { formatCursor, type Gap, type Reset } from "./protocol.js";
import type { RunView } from "./run-view.js";

/** A `PollAnswer` with these entries; `to` is the position of a viewer that has it. */
export function pageBytes(
  view: RunView,
  entries: readonly string[],
  to: number,
  gap: Gap | null,
  reset: Reset | null,
  nextPollMs: number,
): Buffer {
  const { runId, operation, subjectId, state, epoch, version } = view;
  const cursor = to === view.next ? view.cursor : formatCursor(epoch, to, version);
  return joined(
    `{"run_id":${JSON.stringify(runId)},"operation":${JSON.stringify(operation)},` +
      `"subject_id":${JSON.stringify(subjectId)},${state.slice(1, -1)},"logs":[`,
    entries,
    `],"cursor":"${cursor}","next_index":${to},"first_index":${view.first},"total_count":${view.total},` +
      `"gap":${JSON.stringify(gap)},"reset":${JSON.stringify(reset)},"next_poll_ms":${nextPollMs}}`,
  );
}

const COMMA = 0x2c;

/**
 * `head`, `entries` with commas between them, `tail`. One after the other: a text of all of them would take as long
 * again, and twice the room as soon as one character in it is none of Latin-1 (`npm run bench -- catch-up`).
 */
function joined(head: string, entries: readonly string[], tail: string): Buffer {
  let length = Buffer.byteLength(head) + Buffer.byteLength(tail) + Math.max(0, entries.length - 1);
  for (const entry of entries) length += Buffer.byteLength(entry);
  const bytes = Buffer.allocUnsafe(length);
  let at = bytes.write(head);
  let first = true;
  for (const entry of entries) {
    if (!first) {
      bytes[at] = COMMA;
      at += 1;
    }
    first = false;
    at += bytes.write(entry, at);
  }
  bytes.write(tail, at);
  return bytes;
}
