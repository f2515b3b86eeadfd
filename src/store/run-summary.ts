import { sumTotals } from "../backend-stats.js";
import { isTerminal, type RunSummary } from "../protocol.js";
import { isoTime } from "../run-state.js";
import type { ListRequest, RunRecord } from "../store.js";

/** The summary of a stored run and its producers' totals: what `run:{id}` holds and a list answers. */
export function runSummary(run: RunRecord, totals: readonly string[]): RunSummary {
  return {
    run_id: run.runId,
    status: run.status,
    operation: run.operation || null,
    subject_id: run.subjectId || null,
    parent_id: run.parentId || null,
    owner: run.owner || null,
    owner_url: run.ownerUrl || null,
    attempt: run.attempt,
    total_count: run.next,
    cost: sumTotals(totals).total,
    error: run.error || null,
    error_code: run.errorCode || null,
    created_at: isoTime(run.createdAt),
    started_at: isoTime(run.startedAt),
    finished_at: isoTime(run.finishedAt),
  };
}

/** Whether a run is among those that a list asks for by status. */
export function hasStatus(run: RunSummary, status: ListRequest["status"]): boolean {
  return status === undefined || (status === "open" ? !isTerminal(run.status) : run.status === status);
}
