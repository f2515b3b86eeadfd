/** One episode of the random run: two runs with their writers and viewers, some faults, two ends, a judgement. */
import { setTimeout as delay } from "node:timers/promises";
import type { Livetail, LogCallback } from "../../src/livetail.js";
import type { EndOutcome, Run } from "../../src/run.js";
import { type KnownProducer, Oracle } from "../support/oracle.js";
import { request } from "../support/plain-request.js";
import type { SeededRandom } from "../support/seeded-random.js";
import type { Viewer } from "../support/viewer.js";
import { FAULTS, type Fault, type FaultName } from "./fault-kinds.js";
import { type Stage, until } from "./scene.js";

/** What an episode came to. */
export interface EpisodeReport {
  /** One sentence for each promise that was broken. */
  broken: string[];
  logged: number;
  late: number;
  announced: number;
  viewers: number;
  epochs: number;
  /** Lines that viewers saw, each counted once for an epoch. */
  seen: number;
}

/** What happens to a run besides faults: another process takes over the second one, somebody cancels the first. */
export interface Turns {
  takeOver: boolean;
  cancel: boolean;
}

interface Watched {
  readonly id: string;
  readonly oracle: Oracle;
  readonly viewers: Viewer[];
  readonly owner: KnownProducer;
  run: Run;
}

const END_DEADLINE_MS = 20_000;
const VIEWERS_DEADLINE_MS = 15_000;

/** Plays one episode and adds what it came to to `report`. */
export async function playEpisode(
  stage: Stage,
  random: SeededRandom,
  name: string,
  kinds: readonly FaultName[],
  turns: Turns,
  report: EpisodeReport,
): Promise<void> {
  const limits = { maxLines: random.pick([150, 1000, 5000]), maxWaitingLines: random.pick([400, 10_000]) };
  stage.note(`episode ${name}: ${JSON.stringify({ ...limits, ...turns, kinds })}`);
  const { broken } = report;
  const writers: Promise<void>[] = [];
  const livetails = new Map<string, Livetail>();
  const hours = ["", "owner", "beside", "child", "heir"];
  const livetailOf = (producer: string): Livetail => {
    const known = livetails.get(producer) ?? stage.openWriter(producer, hours.indexOf(producer), limits);
    livetails.set(producer, known);
    return known;
  };

  /** Logs bursts at random, and never waits for anything but time. */
  const write = (oracle: Oracle, producer: string, log: LogCallback, goesOn: () => boolean): KnownProducer => {
    const known = oracle.add(producer, hours.indexOf(producer));
    const loop = async (): Promise<void> => {
      while (goesOn()) {
        const burst = random.next() < 0.03 ? random.between(200, 900) : random.between(1, 12);
        for (let i = 0; i < burst; i++) {
          const padding = random.next() < 0.05 ? "x".repeat(random.between(1000, 6000)) : "";
          log(`${producer} ${known.logged} ${padding}`);
          known.logged += 1;
        }
        // Who is silent for a while learns last what happened meanwhile.
        await delay(random.next() < 0.04 ? random.between(300, 900) : random.between(0, 40));
      }
    };
    writers.push(loop());
    return known;
  };

  let ending = false;
  let ended = false;
  const open = (letter: string): Watched => {
    const id = `op_faults_${name}-${letter}`;
    const run = livetailOf("owner").createOperationRun("subject", "faults", { id });
    const oracle = new Oracle();
    // Those who joined go on after the end: their last lines are late.
    for (const each of ["beside", "child"]) {
      write(oracle, each, livetailOf(each).createLogCallback(id), () => !ended);
    }
    const owner = write(
      oracle,
      "owner",
      (line) => run.log(line),
      () => !ending,
    );
    return { id, oracle, owner, run, viewers: stage.watch(id) };
  };
  const runs = [open("a"), open("b")] as const;
  const viewers = runs.flatMap((watched) => watched.viewers);
  await until(() => viewers.every((viewer) => viewer.seen() > 0), "the first lines");

  const takeOver = async (watched: Watched): Promise<void> => {
    stage.note(`takeover of ${watched.id}`);
    const heir = livetailOf("heir").createOperationRun("subject", "faults", { id: watched.id, takeOver: true });
    watched.owner.fenced = true;
    await heir.ready;
    watched.run = heir;
    write(
      watched.oracle,
      "heir",
      (line) => heir.log(line),
      () => !ending,
    );
  };
  const cancel = async ({ id, run }: Watched): Promise<void> => {
    stage.note(`cancel of ${id}`);
    // A cancel that nobody confirmed is asked for again, as whoever clicks would.
    while (!run.signal.aborted) {
      await stage.viewing.cancelRun(id).catch(() => {});
      await delay(50);
    }
  };

  const turnAt = random.between(0, Math.max(0, kinds.length - 1));
  for (const [at, kind] of kinds.entries()) {
    await delay(random.between(50, 350));
    const both = at === turnAt ? [turns.takeOver && takeOver(runs[1]), turns.cancel && cancel(runs[0])] : [];
    stage.note(`fault: ${kind}`);
    const fault: Fault = FAULTS[kind];
    await fault.fire(
      stage,
      runs.map(({ id }) => id),
      random,
    );
    await Promise.all(both);
  }

  ending = true;
  stage.note("the ends are sent");
  const ends = runs.map(({ run }): Promise<EndOutcome> => (run.cancelRequested ? run.fail("stopped") : run.complete()));
  if (random.next() < 0.5) {
    const last = random.pick(harmless);
    stage.note(`fault: ${last}`);
    await FAULTS[last].fire(stage, [], random);
  }
  const began = performance.now();
  const outcomes = await Promise.all(ends);
  if (performance.now() - began > END_DEADLINE_MS) broken.push("An end took longer than its time-out.");
  await delay(50);
  ended = true;
  await Promise.all(writers);

  for (const [at, watched] of runs.entries()) {
    const expected = turns.cancel && at === 0 ? "cancelled" : "completed";
    const outcome = outcomes[at] as EndOutcome;
    if (!outcome.stored || outcome.status !== expected)
      broken.push(`${watched.id} ended as ${JSON.stringify(outcome)}`);
    const drops = await Promise.all([...livetails.values()].map(droppedBy));
    const dropped = drops.reduce((sum, each) => sum + each, 0);
    await judge(stage, watched, expected, dropped, report);
  }
  await Promise.all([...livetails.values()].map((livetail) => livetail.close()));
}

const harmless = (Object.keys(FAULTS) as FaultName[]).filter((kind) => !FAULTS[kind].loses);

/** What the process of a livetail dropped so far, as its health says. */
async function droppedBy({ handler }: Livetail): Promise<number> {
  const { body } = await handler.handle(request("/-/health"));
  return JSON.parse(String(body)).dropped_lines;
}

async function judge(
  stage: Stage,
  watched: Watched,
  expected: string,
  dropped: number,
  report: EpisodeReport,
): Promise<void> {
  const { id, viewers, oracle } = watched;
  const { broken } = report;
  for (const viewer of viewers) {
    try {
      const { status } = await within(viewer.finished, VIEWERS_DEADLINE_MS);
      if (status !== expected) broken.push(`${viewer.name} of ${id} was told ${status} in place of ${expected}.`);
    } catch (error) {
      broken.push(`${viewer.name} of ${id} at ${viewer.seen()} lines never finished: ${String(error)}`);
      viewer.stop();
    }
  }
  const sights = viewers.flatMap((viewer) => viewer.sights);
  let late = "";
  try {
    await until(
      async () => {
        const answer = await stage.viewing.store
          .read({ runId: id, from: { kind: "none" }, limit: 0, known: null })
          .catch((error) => {
            late = String(error);
            return null;
          });
        if (answer === null) {
          late ||= "not there";
          return false;
        }
        const verdict = oracle.judge(sights, answer.run.epoch, answer.run.next);
        const { rest, fencedRest } = verdict;
        const { lateLines } = answer.run;
        late = `${rest} lines are nowhere, ${lateLines} counted as late, ${dropped} as dropped`;
        // What was dropped just before the end could not be announced any more; it is in the count of the process.
        const counted = rest === null || (lateLines <= rest + fencedRest && rest <= lateLines + dropped);
        if (verdict.faults.length === 0 && !counted) return false;
        broken.push(...verdict.faults.slice(0, 20).map((fault) => `${id}: ${fault}`));
        report.late += answer.run.lateLines;
        report.announced += verdict.announced;
        report.epochs += verdict.epochs;
        report.seen += verdict.lines;
        return true;
      },
      "the late lines to be counted",
      5000,
    );
  } catch (error) {
    broken.push(`${id}: ${late} (${String(error)}).`);
  }
  report.logged += oracle.logged;
  report.viewers += viewers.length;
}

function within<T>(work: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not within ${ms} ms`)), ms);
    void work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
