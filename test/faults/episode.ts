/** One episode of the random run: runs with their writers and viewers, some faults, the ends, a judgement. */
import { setTimeout as delay } from "node:timers/promises";
import type { SeededRandom } from "../support/seeded-random.js";
import { openCast } from "./cast.js";
import type { Fault } from "./fault.js";
import { FAULTS, type FaultName } from "./fault-kinds.js";
import { judge, type Report } from "./judge.js";
import type { Stage } from "./scene.js";

const END_DEADLINE_MS = 20_000;
/** So many lines are trimmed soon enough for a viewer that is slow. */
const FEW_LINES: Partial<Record<FaultName, readonly number[]>> = {
  "viewer that sleeps past the trim": [150],
  "viewer that reads slowly": [150, 1000],
};

/** Faults that may strike while the ends are on their way: servers and networks alone, and nothing is lost. */
const harmless = (Object.keys(FAULTS) as FaultName[]).filter((kind) => {
  const fault: Fault = FAULTS[kind];
  return fault.outside && !fault.loses;
});

/** Plays one episode, counts each fault that was done, and adds what it came to to `report`. */
export async function playEpisode(
  stage: Stage,
  random: SeededRandom,
  name: string,
  kinds: readonly FaultName[],
  fired: Map<FaultName, number>,
  report: Report,
): Promise<void> {
  const few = kinds.map((kind) => FEW_LINES[kind] ?? [150, 1000, 5000]).sort((a, b) => a.length - b.length)[0];
  const limits = { maxLines: random.pick(few ?? [1000]), maxWaitingLines: random.pick([400, 10_000]) };
  stage.note(`episode ${name}: ${JSON.stringify({ ...limits, kinds })}`);
  const cast = openCast(stage, random, name, limits);
  const fire = async (kind: FaultName): Promise<void> => {
    const fault: Fault = FAULTS[kind];
    stage.note(`fault: ${kind}`);
    await fault.fire(cast).catch((error) => {
      throw new Error(`The fault "${kind}" could not be done: ${String(error)}`);
    });
    stage.note(`done: ${kind}`);
    fired.set(kind, (fired.get(kind) ?? 0) + 1);
  };
  try {
    const faults = kinds.map((kind) => [kind, FAULTS[kind] as Fault] as const);
    await Promise.all(faults.map(([, fault]) => fault.prepare?.(cast)));
    await cast.begun();
    const alongside: Promise<void>[] = [];
    for (const [kind, fault] of [...faults].sort(([, a], [, b]) => Number(a.last ?? false) - Number(b.last ?? false))) {
      await delay(random.between(50, 350));
      const firing = fire(kind);
      if (fault.alongside) alongside.push(firing);
      else await firing;
    }
    await Promise.all(alongside);

    stage.note("the ends are sent");
    const began = performance.now();
    await cast.end(async () => {
      if (random.next() < 0.5) await fire(random.pick(harmless));
    });
    if (performance.now() - began > END_DEADLINE_MS) {
      report.hung += 1;
      report.broken.push(`An end of op_faults_${name}-a or op_faults_${name}-b took longer than its time-out.`);
    }
    for (const watched of cast.watched()) await judge(cast, watched, report);
  } finally {
    await cast.close();
  }
}
