/** The state of a run without its lines: `GET /{run_id}/status`. */
import { sumTotals } from "./backend-stats.js";
import { asOpen, isHeldBack } from "./held-end.js";
import { parseLayers } from "./layers.js";
import type { ChildCounts, RunStatus, RunSummary, StatusAnswer } from "./protocol.js";
import { isoTime, jsonObject, orNull, ownerState, runState } from "./run-state.js";
import type { LogStore, ReadAnswer } from "./store.js";

/**
 * Reads it: from the run, or from the summary that outlives it; null when there is neither. Rejects with
 * `STORE_UNAVAILABLE`.
 */
export async function readStatus(store: LogStore, runId: string): Promise<StatusAnswer | null> {
  const [answer, children] = await Promise.all([
    store.read({ runId, from: { kind: "none" }, limit: 0, known: null }),
    store.readChildren(runId),
  ]);
  if (answer !== null) return fromRun(answer, countChildren(children));
  const summary = await store.readSummary(runId);
  return summary === null ? null : fromSummary(summary, countChildren(children));
}

/** Statuses counted. */
function countChildren(children: Record<string, RunStatus>): ChildCounts {
  const counts: ChildCounts = { queued: 0, running: 0, completed: 0, failed: 0, cancelled: 0, total: 0 };
  for (const status of Object.values(children)) {
    if (!Object.hasOwn(counts, status)) continue;
    counts[status] += 1;
    counts.total += 1;
  }
  return counts;
}

function fromRun(answer: ReadAnswer, children: ChildCounts): StatusAnswer {
  // Nobody has watched it end here, so only the writer's own time holds an end back.
  const held = answer.run.finishedAt > 0 && isHeldBack(answer, 0);
  const { run, state, now } = held ? asOpen(answer) : answer;
  const layers = parseLayers(state?.layers ?? "");
  const all = Object.values(layers);
  return {
    run_id: run.runId,
    operation: orNull(run.operation),
    subject_id: orNull(run.subjectId),
    parent_id: orNull(run.parentId),
    metadata: jsonObject(run.metadata),
    ...runState(run, ownerState(run, now), layers, sumTotals(state?.totals ?? [])),
    total_count: run.next,
    first_index: run.first,
    layers_done: all.filter(({ status }) => status === "success" || status === "skipped").length,
    layers_total: all.length,
    children,
    created_at: isoTime(run.createdAt),
    started_at: isoTime(run.startedAt),
    finished_at: isoTime(run.finishedAt),
  };
}

function fromSummary(summary: RunSummary, children: ChildCounts): StatusAnswer {
  const { run_id, operation, subject_id, parent_id, status, error, error_code, total_count } = summary;
  const lost = error_code === "OWNER_LOST";
  return {
    run_id,
    operation,
    subject_id,
    parent_id,
    metadata: {},
    status,
    layer_status: {},
    backend_stats: { backends: {}, total: summary.cost },
    owner: { id: summary.owner, url: summary.owner_url, state: lost ? "lost" : "none", attempt: summary.attempt },
    error,
    error_code,
    cancel_requested: false,
    late_lines: 0,
    expected_log_count: summary.finished_at === null ? null : total_count,
    total_count,
    first_index: total_count,
    layers_done: 0,
    layers_total: 0,
    children,
    created_at: summary.created_at,
    started_at: summary.started_at,
    finished_at: summary.finished_at,
  };
}
