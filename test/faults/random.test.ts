/**
 * The random run. `LIVETAIL_FAULTS_SECONDS` sets how long it goes on, `LIVETAIL_FAULTS_SEED` what happens. Timers
 * and sockets have a will of their own, so a seed gives the same faults, not the same microseconds.
 */
import { afterAll, expect, it } from "vitest";
import { length } from "../support/length.js";
import { type SeededRandom, seededRandom } from "../support/seeded-random.js";
import { playEpisode } from "./episode.js";
import { FAULTS, type FaultName } from "./fault-kinds.js";
import { emptyReport, type Report } from "./judge.js";
import { openStage } from "./scene.js";

const SECONDS = Number(process.env.LIVETAIL_FAULTS_SECONDS || length(300, 40));
// The short form plays the same faults each time: what is new there is what was changed.
const ANY_SEED = length(Math.floor(Math.random() * 1e9), 434308112);
const SEED = Number(process.env.LIVETAIL_FAULTS_SEED || ANY_SEED);
const FAULTS_AN_EPISODE = 4;
const HISTORY_SHOWN = 400;

const KINDS = Object.keys(FAULTS) as FaultName[];

const stage = await openStage();
afterAll(() => stage.close());

it(
  `keeps every promise of order, loss and end through ${SECONDS} s of faults at random (seed ${SEED})`,
  async () => {
    const random = seededRandom(SEED);
    const deal = dealer(random);
    const fired = new Map<FaultName, number>();
    const report = emptyReport();
    const deadline = performance.now() + SECONDS * 1000;
    let episodes = 0;
    while (report.broken.length === 0 && (performance.now() < deadline || fired.size < KINDS.length)) {
      const kinds = new Set(deal());
      if (episodes % 2 === 0) kinds.add("takeover");
      if (episodes % 3 === 1) kinds.add("cancel");
      const name = `${SEED}-${episodes}`;
      const began = stage.history.length;
      await playEpisode(stage, random, name, random.shuffle([...kinds]), fired, report).catch((error) => {
        if (String(error).includes("in vain")) report.hung += 1;
        report.broken.push(`op_faults_${name}-a op_faults_${name}-b op_faults_${name}-c ${String(error)}`);
      });
      episodes += 1;
      if (report.broken.length > 0) {
        console.error(
          `seed ${SEED}\n${report.broken.join("\n")}\n${around(stage.history.slice(began), report.broken)}`,
        );
      }
    }
    console.log(summary(episodes, fired, report));
    const { lostUnannounced, doubled, outOfOrder, reused, hung, broken } = report;
    expect({ lostUnannounced, doubled, outOfOrder, reused, hung, broken }).toEqual({
      ...{ lostUnannounced: 0, doubled: 0, outOfOrder: 0, reused: 0, hung: 0, broken: [] },
    });
    expect([...fired.keys()].sort()).toEqual([...KINDS].sort());
  },
  SECONDS * 1000 + 180_000,
);

/** Deals different faults for each episode, none again before all have been dealt. */
function dealer(random: SeededRandom): () => FaultName[] {
  let waiting: FaultName[] = [];
  return () => {
    if (waiting.length < FAULTS_AN_EPISODE) {
      waiting = [...waiting, ...random.shuffle(KINDS.filter((kind) => !waiting.includes(kind)))];
    }
    return waiting.splice(0, FAULTS_AN_EPISODE);
  };
}

/** The figures, in one piece. */
function summary(episodes: number, fired: ReadonlyMap<FaultName, number>, report: Report): string {
  const { viewers, logged, seen, epochs, announced, late } = report;
  const list = (counts: ReadonlyMap<string, number>): string =>
    [...counts]
      .sort(([a], [b]) => a.localeCompare(b))
      .map((each) => each.join(": "))
      .join(", ");
  return [
    `faults: seed ${SEED}, ${episodes} episodes`,
    `lines: ${logged} written, ${seen} seen in ${epochs} epochs, ${announced} announced as lost, ${late} late`,
    `viewers: ${list(viewers)}`,
    `takeovers: ${fired.get("takeover") ?? 0}, cancels: ${fired.get("cancel") ?? 0}`,
    `${fired.size} kinds of faults: ${list(fired)}`,
    `lost unannounced: ${report.lostUnannounced}, doubled: ${report.doubled}, out of order: ${report.outOfOrder}, ` +
      `index reused: ${report.reused}, hung: ${report.hung}`,
  ].join("\n  ");
}

/** What concerns the runs that were broken, and every fault, of the last part of a history. */
function around(history: readonly string[], broken: readonly string[]): string {
  const ids = new Set(broken.flatMap((fault) => fault.match(/op_faults_[\w-]+/g) ?? []));
  const shown = history.filter((line) => {
    const id = line.match(/op_faults_[\w-]+/)?.[0];
    return id === undefined || ids.has(id);
  });
  const plain = shown.filter((line, at) => !line.includes('→ {"code":"OK"') || !shown[at + 1]?.includes('"code":"OK"'));
  return plain.slice(-HISTORY_SHOWN).join("\n");
}
