/**
 * The random run. `LIVETAIL_FAULTS_SECONDS` sets how long it goes on, `LIVETAIL_FAULTS_SEED` what happens. Timers
 * and sockets have a will of their own, so a seed gives the same faults, not the same microseconds.
 */
import { afterAll, expect, it } from "vitest";
import { seededRandom } from "../support/seeded-random.js";
import { type EpisodeReport, playEpisode } from "./episode.js";
import { FAULTS, type FaultName } from "./fault-kinds.js";
import { openStage } from "./scene.js";

const SECONDS = Number(process.env.LIVETAIL_FAULTS_SECONDS ?? 15);
// The short form plays the same faults each time: what is new there is what was changed.
const ANY_SEED = process.env.LIVETAIL_FAULTS_SECONDS === undefined ? 434308112 : Math.floor(Math.random() * 1e9);
const SEED = Number(process.env.LIVETAIL_FAULTS_SEED || ANY_SEED);
const FAULTS_AN_EPISODE = 4;
const HISTORY_SHOWN = 400;

const stage = await openStage();
afterAll(() => stage.close());

it(
  `keeps every promise of order, loss and end through ${SECONDS} s of faults at random (seed ${SEED})`,
  async () => {
    const random = seededRandom(SEED);
    const fired = new Map<FaultName, number>();
    const total: EpisodeReport = { broken: [], logged: 0, late: 0, announced: 0, viewers: 0, epochs: 0, seen: 0 };
    const kinds = Object.keys(FAULTS) as FaultName[];
    const deadline = performance.now() + SECONDS * 1000;
    let waiting: FaultName[] = [];
    let episodes = 0;
    let turns = { takeOvers: 0, cancels: 0 };
    const everyKind = (): boolean => fired.size === kinds.length && turns.takeOvers > 0 && turns.cancels > 0;
    while (performance.now() < deadline || !everyKind()) {
      if (waiting.length < FAULTS_AN_EPISODE) waiting = [...waiting, ...random.shuffle(kinds)];
      const next = waiting.splice(0, FAULTS_AN_EPISODE);
      for (const kind of next) fired.set(kind, (fired.get(kind) ?? 0) + 1);
      const takeOver = episodes % 2 === 0;
      const cancel = episodes % 3 === 1;
      turns = { takeOvers: turns.takeOvers + Number(takeOver), cancels: turns.cancels + Number(cancel) };
      const began = stage.history.length;
      const report = { broken: [] as string[], logged: 0, late: 0, announced: 0, viewers: 0, epochs: 0, seen: 0 };
      await playEpisode(stage, random, `${SEED}-${episodes}`, next, { takeOver, cancel }, report).catch((error) => {
        report.broken.push(`op_faults_${SEED}-${episodes}-a op_faults_${SEED}-${episodes}-b ${String(error)}`);
      });
      episodes += 1;
      for (const key of ["logged", "late", "announced", "viewers", "epochs", "seen"] as const)
        total[key] += report[key];
      total.broken.push(...report.broken);
      if (report.broken.length > 0) {
        console.error(
          `seed ${SEED}\n${report.broken.join("\n")}\n${around(stage.history.slice(began), report.broken)}`,
        );
        break;
      }
    }
    console.log(
      `faults: seed ${SEED}, ${episodes} episodes, ${total.logged} lines logged, ${total.seen} seen in ` +
        `${total.epochs} epochs by ${total.viewers} viewers, ${total.announced} announced as lost, ${total.late} late; ` +
        `${turns.takeOvers} takeovers, ${turns.cancels} cancels, ${[...fired].map((each) => each.join(": ")).join(", ")}`,
    );
    expect(total.broken).toEqual([]);
    expect([...fired.keys()].sort()).toEqual([...kinds].sort());
  },
  SECONDS * 1000 + 90_000,
);

/** What concerns the runs that were broken, and every fault, of the last part of a history. */
function around(history: readonly string[], broken: readonly string[]): string {
  const ids = new Set(broken.flatMap((fault) => fault.match(/op_faults_[\w-]+/) ?? []));
  const shown = history.filter((line) => {
    const id = line.match(/op_faults_[\w-]+/)?.[0];
    return id === undefined || ids.has(id);
  });
  const plain = shown.filter((line, at) => !line.includes('→ {"code":"OK"') || !shown[at + 1]?.includes('"code":"OK"'));
  return plain.slice(-HISTORY_SHOWN).join("\n");
}
