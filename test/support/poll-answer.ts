/** Answers of a server as tests write them. */
import type { BackendStats, LogEntry, OwnerInfo, PollAnswer, RunState } from "../../src/protocol.js";

const STAT = { calls: 0, errors: 0, cost_usd: 0, unpriced_calls: 0 };
const OWNER: OwnerInfo = { id: "host_1", url: null, state: "live", attempt: 1 };
const STATS: BackendStats = { backends: {}, total: STAT };

/** The state of a run; open and `running` unless `changes` say otherwise. */
export function runState(changes: Partial<RunState> = {}): RunState {
  return {
    status: "running",
    layer_status: {},
    backend_stats: STATS,
    owner: OWNER,
    error: null,
    error_code: null,
    cancel_requested: false,
    late_lines: 0,
    expected_log_count: null,
    ...changes,
  };
}

/** The entry with this index. */
export function entry(index: number): LogEntry {
  return {
    index,
    timestamp: "2026-01-14T10:00:00.000Z",
    level: "info",
    source: "structured",
    message: `line ${index}`,
    metadata: {},
  };
}

/** The entries from index `from` up to `to`, without `to`. */
export function entries(from: number, to: number): LogEntry[] {
  return Array.from({ length: Math.max(0, to - from) }, (_, i) => entry(from + i));
}

/** An answer with the lines from `from` up to `to` of the epoch `epoch`; nothing more is stored. */
export function answer(from: number, to: number, changes: Partial<PollAnswer> = {}, epoch = "aaaa"): PollAnswer {
  return {
    run_id: "op_test_1",
    operation: "test",
    subject_id: "s",
    ...runState(),
    logs: entries(from, to),
    cursor: `${epoch}.${to}.1`,
    next_index: to,
    first_index: 0,
    total_count: to,
    gap: null,
    reset: null,
    next_poll_ms: 1000,
    ...changes,
  };
}
