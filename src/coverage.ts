/**
 * Which endpoints of a service are slow, and which of them anybody can watch: every route's durations, how many of its
 * requests had a run, and what these runs told.
 */

import { sumTotals } from "./backend-stats.js";
import { type Clock, systemClock } from "./clock.js";
import { Durations } from "./durations.js";
import { parseLayers } from "./layers.js";
import { parseLine } from "./line.js";
import type { MeasuredRequest } from "./measured-request.js";
import type { CoverageAnswer, CoverageGap, RouteCoverage } from "./protocol.js";
import { isTerminal } from "./protocol.js";
import type { LogStore } from "./store.js";

/** The measurements of a process. */
export interface Coverage {
  /** A request begins. */
  begin(): MeasuredRequest;
  /**
   * It is answered: `route` is its method and pattern (`POST /jobs/:id/import`). What was refused (a status from 400 to
   * 499) is not counted: there was nothing to watch.
   */
  end(request: MeasuredRequest, route: string, status: number): void;
  /** What was measured since the start, the longest first. Rejects with `STORE_UNAVAILABLE`. */
  report(): Promise<CoverageAnswer>;
}

/** Beyond these, requests count for the route `other`. */
const MAX_ROUTES = 500;
/** The newest runs of a route are looked at. */
const SAMPLES = 10;
/** The newest lines of a run are looked at for events. */
const SAMPLE_LINES = 200;
const OTHER = "other";

/** What a run told, as far as it is known. */
interface Sample {
  runId: string;
  /** null until its run has ended. */
  told: Told | null;
}

interface Told {
  missing: CoverageGap[];
  /** Milliseconds; 0 for a run that goes on. */
  durationMs: number;
}

interface RouteRecord {
  durations: Durations;
  runs: number;
  samples: Sample[];
}

/** Creates it. Costs a request two readings of the clock and a counter. */
export function createCoverage(store: LogStore, clock: Clock = systemClock): Coverage {
  const since = clock.now();
  const routes = new Map<string, RouteRecord>();

  const recordOf = (route: string): RouteRecord => {
    const known = routes.get(route);
    if (known !== undefined) return known;
    if (routes.size >= MAX_ROUTES && route !== OTHER) return recordOf(OTHER);
    const record: RouteRecord = { durations: new Durations(), runs: 0, samples: [] };
    routes.set(route, record);
    return record;
  };

  /** What a run has told so far; null when it is gone. */
  const ask = async (runId: string): Promise<{ told: Told; ended: boolean } | null> => {
    const from = { kind: "tail", count: SAMPLE_LINES } as const;
    const answer = await store.read({ runId, from, limit: SAMPLE_LINES, known: null });
    if (answer === null) return null;
    const { run, lines, state } = answer;
    const missing: CoverageGap[] = [];
    if (!lines.some((line, at) => parseLine(line, at).event !== undefined)) missing.push("events");
    if (Object.keys(parseLayers(state?.layers ?? "")).length === 0) missing.push("layers");
    if (sumTotals(state?.totals ?? []).total.calls === 0) missing.push("cost");
    // From its creation: whoever waits for it waits while it is queued, too.
    const durationMs = run.finishedAt > 0 ? run.finishedAt - run.createdAt : 0;
    return { told: { missing, durationMs }, ended: isTerminal(run.status) };
  };

  const toldBy = async (sample: Sample): Promise<Told | null> => {
    if (sample.told !== null) return sample.told;
    const asked = await ask(sample.runId);
    if (asked?.ended) sample.told = asked.told;
    return asked?.told ?? null;
  };

  const cover = async (route: string, { durations, runs, samples }: RouteRecord): Promise<RouteCoverage> => {
    const told = (await Promise.all(samples.map(toldBy))).filter((one) => one !== null);
    const requests = durations.count;
    const missing = (["events", "layers", "cost"] as const).filter((gap) =>
      told.some((one) => one.missing.includes(gap)),
    );
    // An endpoint that answers 202 takes as long as its run does.
    const inRuns = told.map(({ durationMs }) => durationMs).sort((a, b) => a - b);
    const middle = inRuns[Math.floor(inRuns.length / 2)] ?? 0;
    const longest = inRuns.at(-1) ?? 0;
    const typicalMs = Math.max(durations.percentile(0.5), middle);
    const blind = runs < requests;
    const full = !blind && told.length > 0 && !missing.includes("events") && !missing.includes("layers");
    return {
      route,
      requests,
      p50_ms: Math.round(typicalMs),
      p95_ms: Math.round(Math.max(durations.percentile(0.95), longest)),
      max_ms: Math.round(Math.max(durations.max, longest)),
      runs,
      visibility: runs === 0 ? "none" : full ? "full" : "partial",
      missing: blind ? ["run", ...(runs === 0 ? [] : missing)] : missing,
      priority: Math.round((typicalMs * requests) / 1000),
    };
  };

  return {
    begin: () => ({ begunAt: performance.now(), runId: null }),

    end({ begunAt, runId }, route, status) {
      if (status >= 400 && status < 500) return;
      const record = recordOf(route);
      record.durations.add(performance.now() - begunAt);
      if (runId === null) return;
      record.runs++;
      record.samples.push({ runId, told: null });
      if (record.samples.length > SAMPLES) record.samples.shift();
    },

    async report() {
      const covered = await Promise.all([...routes].map(([route, record]) => cover(route, record)));
      covered.sort((a, b) => b.priority - a.priority || b.p95_ms - a.p95_ms || (a.route < b.route ? -1 : 1));
      return { since: new Date(since).toISOString(), routes: covered };
    },
  };
}
