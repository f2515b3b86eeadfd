/** Running totals of calls, errors and cost, protocol §10. */
import type { BackendStats } from "./protocol.js";

/** The running totals of one producer. */
export interface Totals {
  /** Counts a line's fields if they tell of a finished call. Never throws. */
  count(fields: Record<string, unknown>): void;
  /** Whether anything was ever counted. */
  readonly changed: boolean;
  /** The totals as JSON text of at most 8 KiB. */
  text(): string;
}

/** Creates totals that are zero. */
export function createTotals(): Totals {
  return { count: () => {}, changed: false, text: () => "" };
}

/** Adds up the texts of a run's producers; malformed ones are skipped. */
export function sumTotals(_texts: readonly string[]): BackendStats {
  return { backends: {}, total: { calls: 0, errors: 0, cost_usd: 0, unpriced_calls: 0 } };
}
