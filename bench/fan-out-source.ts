/** How lines come into the world in the fan-out scenarios, whoever tells them. */
import { setTimeout as delay } from "node:timers/promises";
import { seededRandom } from "../test/support/seeded-random.js";
import { type BenchLine, benchLines } from "./inputs.js";

/** All that is ever told: making a line costs more than sending it. */
const LINES = benchLines(2000);

/** So many lines in each turn of the event loop, or one at a time as chance has it. */
export type Pace = { perTurn: number } | { perSecond: number };

/** Some of the lines of a benchmark and how fast they come. */
export interface Telling {
  /** The first one, and the one after the last. */
  from: number;
  to: number;
  pace: Pace;
}

/** What a line is for who has no store that would make an entry of it. */
export type BenchEntry = BenchLine & { index: number; timestamp: string; source: string };

/** The same fields as livetail's entries have, so that all servers send as much. */
export function benchEntries(lines: readonly BenchLine[], from: number): BenchEntry[] {
  const timestamp = new Date().toISOString();
  return lines.map((line, i) => ({ index: from + i, timestamp, source: "structured", ...line }));
}

/** The ids of events where livetail gives none. */
export const BENCH_EPOCH = "k3f9x2mq07ab";

/** Those as the frames of an event stream. */
export function benchFrames(lines: readonly BenchLine[], from: number): string {
  return benchEntries(lines, from)
    .map((entry) => `id: ${BENCH_EPOCH}.${entry.index + 1}\nevent: log\ndata: ${JSON.stringify(entry)}\n\n`)
    .join("");
}

/** Takes lines that are due together; `from` is the index of the first. */
export type Emit = (due: readonly BenchLine[], from: number) => void;

/** Calls `emit` when lines are due; resolves when all were told. */
export async function tell({ from, to, pace }: Telling, emit: Emit): Promise<void> {
  if (to > LINES.length) throw new Error(`There are no more than ${LINES.length} lines.`);
  if ("perTurn" in pace) {
    for (let at = from; at < to; at += pace.perTurn) {
      emit(LINES.slice(at, Math.min(at + pace.perTurn, to)), at);
      await new Promise((resolve) => setImmediate(resolve));
    }
    return;
  }
  const random = seededRandom(from + 1);
  const begun = performance.now();
  let at = from;
  let dueMs = 0;
  while (at < to) {
    const nowMs = performance.now() - begun;
    const first = at;
    while (at < to && dueMs <= nowMs) {
      at += 1;
      dueMs -= (Math.log(1 - random.next()) * 1000) / pace.perSecond;
    }
    if (at > first) emit(LINES.slice(first, at), first);
    else await delay(Math.max(1, dueMs - nowMs));
  }
}
