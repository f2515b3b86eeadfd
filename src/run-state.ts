/** What a stored record says to a viewer: state, owner, times. Pure. */
import {
  type BackendStats,
  isTerminal,
  type LayerMap,
  type OwnerState,
  type RunState,
  type RunStatus,
} from "./protocol.js";
import type { RunRecord } from "./store.js";

/** Whether the owner of a run is alive; `nowMs` is the store's clock, because the lease was written by it. */
export function ownerState(run: RunRecord, nowMs: number): OwnerState {
  if (isTerminal(run.status)) return run.errorCode === "OWNER_LOST" ? "lost" : "none";
  if (run.owner === "") return "none";
  return run.stalledSweeps > 0 || run.leaseUntil <= nowMs ? "stalled" : "live";
}

/** The position at which a viewer of the run has seen everything; null while it is open. */
export function expectedCount(run: RunRecord): number | null {
  return isTerminal(run.status) ? (run.expectedLogCount ?? run.next) : null;
}

/** What is true of a run at one moment, as every answer says it. */
export function runState(run: RunRecord, owner: OwnerState, layers: LayerMap, stats: BackendStats): RunState {
  return {
    status: run.status,
    layer_status: layersAtEnd(layers, run.status),
    backend_stats: stats,
    owner: { id: orNull(run.owner), url: orNull(run.ownerUrl), state: owner, attempt: run.attempt },
    error: orNull(run.error),
    error_code: orNull(run.errorCode),
    cancel_requested: run.cancelRequested,
    late_lines: run.lateLines,
    expected_log_count: expectedCount(run),
  };
}

/** No layer of a run that failed goes on: its owner would have said so, had it lived. */
function layersAtEnd(layers: LayerMap, status: RunStatus): LayerMap {
  if (status !== "failed" && status !== "cancelled") return layers;
  const left = status === "failed" ? "failed" : "skipped";
  return Object.fromEntries(
    Object.entries(layers).map(([name, layer]) => [
      name,
      layer.status === "running" ? { ...layer, status: left } : layer,
    ]),
  );
}

/** The object in a JSON text; an empty one when there is none. Never throws. */
export function jsonObject(text: string): Record<string, unknown> {
  if (text === "") return {};
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
  } catch {
    return {};
  }
}

/** ISO 8601 in UTC of milliseconds since 1970; null for 0 and for what is no time. */
export function isoTime(ms: number): string | null {
  return ms > 0 && ms <= 8.64e15 ? new Date(ms).toISOString() : null;
}

/** null for an empty text. */
export function orNull(text: string): string | null {
  return text === "" ? null : text;
}
