/** The judgement of one run of the random run: what its viewers and its store saw, against what its producers logged. */
import { parseLine } from "../../src/line.js";
import type { Counters, Sight, Verdict } from "../support/oracle.js";
import { until } from "../support/until.js";
import type { Cast, Watched } from "./cast.js";

/** What episodes came to. */
export interface Report extends Counters {
  /** One sentence for each promise that was broken, counted or not. */
  broken: string[];
  logged: number;
  late: number;
  announced: number;
  epochs: number;
  /** Lines that viewers saw, each counted once for an epoch. */
  seen: number;
  /** How many there were, by what they read with. */
  viewers: Map<string, number>;
}

const VIEWERS_DEADLINE_MS = 30_000;
const COUNTS_DEADLINE_MS = 10_000;
const FAULTS_SHOWN = 20;

/** A report of nothing. */
export function emptyReport(): Report {
  return {
    ...{ lostUnannounced: 0, doubled: 0, outOfOrder: 0, reused: 0, hung: 0 },
    ...{ broken: [], logged: 0, late: 0, announced: 0, epochs: 0, seen: 0, viewers: new Map() },
  };
}

/** Judges one run and adds what was found to `report`. */
export async function judge({ stage }: Cast, watched: Watched, report: Report): Promise<void> {
  const { id, viewers, oracle, outcome, expected } = watched;
  const { broken } = report;
  if (outcome !== null && (!outcome.stored || outcome.status !== expected)) {
    if (!outcome.stored) report.hung += 1;
    broken.push(`${id} ended as ${JSON.stringify(outcome)} in place of ${expected}`);
  }
  for (const viewer of viewers) {
    report.viewers.set(viewer.name, (report.viewers.get(viewer.name) ?? 0) + 1);
    try {
      const told = await within(viewer.finished, VIEWERS_DEADLINE_MS);
      const work = told.layer_status.work?.status;
      if (told.status !== expected) broken.push(`${viewer.name} of ${id} was told ${told.status}, not ${expected}.`);
      if (expected === "failed" && told.error_code !== "OWNER_LOST") broken.push(`${id} failed as ${told.error_code}.`);
      if (expected !== "failed" && work !== "success")
        broken.push(`${viewer.name} of ${id} was told of work as ${work}.`);
    } catch (error) {
      report.hung += 1;
      broken.push(`${viewer.name} of ${id} at ${viewer.seen()} lines never finished: ${String(error)}`);
      viewer.stop();
    }
  }
  const sights = viewers.flatMap((viewer) => viewer.sights);
  report.logged += oracle.logged;
  let verdict: Verdict | null = null;
  let lateLines = 0;
  let uncounted = 0;
  const isCounted = async (): Promise<boolean> => {
    const stored = await readStored(stage.raw, id);
    verdict = oracle.judge([...sights, stored.sight], stored.sight.epoch, stored.next);
    const { rest, cutOffRest } = verdict;
    lateLines = stored.lateLines;
    // What was dropped just before the end could not be announced any more; it is in the count of the process.
    uncounted = rest === null ? 0 : Math.max(0, rest - lateLines - watched.dropped);
    return uncounted === 0 && (rest === null || lateLines <= rest + cutOffRest);
  };
  await until(isCounted, "the last lines to be counted", COUNTS_DEADLINE_MS).catch((error) => {
    report.lostUnannounced += uncounted;
    broken.push(`${id}: ${uncounted} lines are nowhere, ${lateLines} counted as late (${String(error)}).`);
  });
  if (verdict === null) return;
  const { faults, ...figures }: Verdict = verdict;
  broken.push(...faults.slice(0, FAULTS_SHOWN).map((fault) => `${id}: ${fault}`));
  for (const counter of ["lostUnannounced", "doubled", "outOfOrder", "reused"] as const) {
    report[counter] += figures[counter];
  }
  report.late += lateLines;
  report.announced += figures.announced;
  report.epochs += figures.epochs;
  report.seen += figures.lines;
}

/** What the store holds in the end, read past everything of livetail: one more who saw the lines. */
async function readStored(
  raw: Cast["stage"]["raw"],
  runId: string,
): Promise<{ sight: Sight; next: number; lateLines: number }> {
  const [meta, buffer] = ((await raw
    .multi()
    .hmget(`logs:${runId}:meta`, "epoch", "next", "late_lines")
    .lrange(`logs:${runId}:buffer`, 0, -1)
    .exec()) ?? []) as [unknown, string[]][];
  const [epoch = "", next, lateLines] = meta?.[1] ?? [];
  const texts = buffer?.[1] ?? [];
  const from = Number(next) - texts.length;
  const seen = texts.map((text, at) => parseLine(text, from + at));
  return { sight: { viewer: "the store", epoch, from, seen }, next: Number(next), lateLines: Number(lateLines) };
}

function within<T>(work: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not within ${ms} ms`)), ms);
    void work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
