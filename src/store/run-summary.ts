import type { RunSummary } from "../protocol.js";
import { isoTime } from "../run-state.js";
import type { RunRecord } from "../store.js";

/** The summary of a stored run: what `run:{id}` holds and a list answers. */
export function runSummary(run: RunRecord): RunSummary {
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
    error: run.error || null,
    error_code: run.errorCode || null,
    created_at: isoTime(run.createdAt),
    started_at: isoTime(run.startedAt),
    finished_at: isoTime(run.finishedAt),
  };
}
