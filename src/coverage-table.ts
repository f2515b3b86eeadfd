/** The coverage of routes as the rows that a team reads: in a terminal and on a page. */
import type { CoverageAnswer } from "./protocol.js";

/** What stands above the columns. */
export const COVERAGE_HEADS = ["Route", "Requests", "p50", "p95", "Max", "Visibility", "Missing", "Waited"] as const;

/** A row of cells for each route. */
export function coverageRows({ routes }: CoverageAnswer): string[][] {
  return routes.map((one) => [
    one.route,
    String(one.requests),
    shortDuration(one.p50_ms),
    shortDuration(one.p95_ms),
    shortDuration(one.max_ms),
    one.visibility,
    one.missing.join(", ") || "-",
    shortDuration(one.priority * 1000),
  ]);
}

/** Milliseconds as people say them: `850 ms`, `4.2 s`, `3 min`. */
function shortDuration(ms: number): string {
  if (ms < 1000) return `${ms} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  return ms < 3_600_000 ? `${Math.round(ms / 60_000)} min` : `${(ms / 3_600_000).toFixed(1)} h`;
}
