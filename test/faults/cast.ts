/** The cast of one episode of the random run: its runs, their writers here and in processes of their own, their viewers. */
import { setTimeout as delay } from "node:timers/promises";
import type { LogPollerOptions } from "../../src/client/log-poller.js";
import type { Livetail, LogCallback } from "../../src/livetail.js";
import type { LivetailOptions } from "../../src/livetail-options.js";
import type { TerminalStatus } from "../../src/protocol.js";
import type { EndOutcome, Run } from "../../src/run.js";
import { type KnownProducer, Oracle } from "../support/oracle.js";
import { request } from "../support/plain-request.js";
import type { SeededRandom } from "../support/seeded-random.js";
import { until } from "../support/until.js";
import type { Viewer } from "../support/viewer.js";
import { LEASE_MS, PATIENCE_MS, type Stage } from "./scene.js";
import { startWriterProcess, type WriterProcess } from "./writer-process.js";

/** A run and all that is known of it. */
export interface Watched {
  readonly id: string;
  readonly oracle: Oracle;
  readonly viewers: Viewer[];
  readonly owner: KnownProducer;
  /** How it is to end. */
  expected: TerminalStatus;
  /** What its owner was told of its end; null when it has no owner any more. */
  outcome: EndOutcome | null;
  /** Lines that its producers dropped, at most. */
  dropped: number;
}

interface OwnedHere extends Watched {
  run: Run;
}

interface OwnedElsewhere extends Watched {
  readonly child: WriterProcess;
  killed: boolean;
}

/** What faults and the episode do with the cast. */
export interface Cast {
  readonly stage: Stage;
  readonly random: SeededRandom;
  runIds(): string[];
  /** Another process takes over the second run. */
  takeOver(): Promise<void>;
  /** Somebody cancels the first run; resolves when its owner knows. */
  cancel(): Promise<void>;
  /** One more viewer of the first run. */
  watchMore(name: string, options?: LogPollerOptions): void;
  /** A viewer of the first run. */
  viewer(name: string): Viewer;
  /** The oldest line that the first run still has. */
  firstIndex(): Promise<number>;
  /** A third run, owned by a process of its own. A second call changes nothing. */
  openElsewhere(): Promise<void>;
  elsewhere(): OwnedElsewhere;
  killElsewhere(): Promise<void>;
  /** A process of its own joins the first run. */
  joinElsewhere(): Promise<void>;
  killJoined(): Promise<void>;
  /** Resolves when every viewer has seen something of its run. */
  begun(): Promise<void>;
  /** Ends the runs; those who joined go on until `afterwards` resolves. */
  end(afterwards: () => Promise<void>): Promise<void>;
  /** All runs of this process, and the one of another, if there is one. */
  watched(): Watched[];
  close(): Promise<void>;
}

/** A producer's place in this list is how many hours its clock is ahead. */
const HOURS = ["", "owner", "beside", "another", "heir", "joined", "elsewhere"];
/** Short, so that the process of the third run is soon found stalled, or dead; longer than the longest back-off. */
const SHORT_LEASE_MS = 2500;

/** Opens two runs with their writers and viewers. `name` is part of their ids. */
export function openCast(
  stage: Stage,
  random: SeededRandom,
  name: string,
  limits: LivetailOptions & { maxLines: number },
): Cast {
  const writers: Promise<void>[] = [];
  const livetails = new Map<string, Livetail>();
  let ending = false;
  let ended = false;
  let third: OwnedElsewhere | null = null;
  let joined: { child: WriterProcess; known: KnownProducer } | null = null;

  const livetailOf = (producer: string): Livetail => {
    const known = livetails.get(producer) ?? stage.openWriter(producer, HOURS.indexOf(producer), limits);
    livetails.set(producer, known);
    return known;
  };

  /** Logs bursts at random, and never waits for anything but time. */
  const write = (oracle: Oracle, producer: string, log: LogCallback, goesOn: () => boolean): KnownProducer => {
    const known = oracle.add(producer, HOURS.indexOf(producer));
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

  /** The owner's lines, and a layer that says how many there are. */
  const writeAsOwner = (oracle: Oracle, producer: string, run: Run): KnownProducer => {
    let lines = 0;
    return write(
      oracle,
      producer,
      (line) => {
        run.log(line);
        lines += 1;
        if (lines % 20 === 1) run.layer("work", "running", undefined, { current: lines });
      },
      () => !ending,
    );
  };

  const idOf = (letter: string): string => `op_faults_${name}-${letter}`;
  const open = (letter: string, seat: number): OwnedHere => {
    const id = idOf(letter);
    const run = livetailOf("owner").createOperationRun("subject", "faults", { id });
    const oracle = new Oracle();
    // Those who joined go on after the end: their last lines are late.
    for (const each of ["beside", "another"]) {
      write(oracle, each, livetailOf(each).createLogCallback(id), () => !ended);
    }
    const owner = writeAsOwner(oracle, "owner", run);
    const viewers = stage.watch(id, seat);
    return { id, oracle, owner, run, viewers, expected: "completed", outcome: null, dropped: 0 };
  };
  const runs = [open("a", 0), open("b", 1)] as const;
  const [first, second] = runs;

  const startElsewhere = (producer: string, runId: string, owns: boolean): WriterProcess => {
    const hour = HOURS.indexOf(producer);
    return startWriterProcess({
      ...{ redis: stage.redisUrl(hour), runId, owns, name: producer, hour, maxLines: limits.maxLines },
      // Every process sweeps at the pace of its lease: one that joins keeps to that of the others.
      ...{ leaseMs: owns ? SHORT_LEASE_MS : LEASE_MS, seed: random.between(1, 1e9) },
    });
  };

  const cast: Cast = {
    stage,
    random,
    runIds: () => cast.watched().map(({ id }) => id),
    watched: () => [...runs, ...(third === null ? [] : [third])],

    async takeOver() {
      const heir = livetailOf("heir").createOperationRun("subject", "faults", { id: second.id, takeOver: true });
      second.owner.cutOff = true;
      await heir.ready;
      second.run = heir;
      writeAsOwner(second.oracle, "heir", heir);
    },

    async cancel() {
      // A cancel that nobody confirmed is asked for again, as whoever clicks would.
      while (!first.run.signal.aborted) {
        await stage.viewing.cancelRun(first.id).catch(() => {});
        await delay(50);
      }
      first.expected = "cancelled";
    },

    watchMore: (viewerName, options) => void first.viewers.push(stage.watchByPoll(viewerName, first.id, options)),
    viewer(viewerName) {
      const found = first.viewers.find((viewer) => viewer.name === viewerName);
      if (found === undefined) throw new Error(`Nobody watches as ${viewerName}.`);
      return found;
    },
    async firstIndex() {
      const [meta, length] = (await stage.raw
        .multi()
        .hget(`logs:${first.id}:meta`, "next")
        .llen(`logs:${first.id}:buffer`)
        .exec()) as [unknown, number | string | null][];
      return Number(meta?.[1]) - Number(length?.[1]);
    },

    async openElsewhere() {
      if (third !== null) return;
      const id = idOf("c");
      const oracle = new Oracle();
      const owner = oracle.add("elsewhere", HOURS.indexOf("elsewhere"));
      const child = startElsewhere("elsewhere", id, true);
      const viewers: Viewer[] = [];
      third = { id, oracle, owner, viewers, child, killed: false, expected: "completed", outcome: null, dropped: 0 };
      // A process takes its time to start, and who asks for a run that is not there gives up after 10 s.
      await child.isWell();
      viewers.push(...stage.watch(id, 2));
    },
    elsewhere() {
      if (third === null) throw new Error("There is no third run.");
      return third;
    },
    async killElsewhere() {
      const run = cast.elsewhere();
      await run.child.isWell();
      await run.child.kill();
      run.killed = true;
      run.owner.cutOff = true;
      run.expected = "failed";
    },

    async joinElsewhere() {
      const known = first.oracle.add("joined", HOURS.indexOf("joined"));
      joined = { child: startElsewhere("joined", first.id, false), known };
      await joined.child.isWell();
    },
    async killJoined() {
      if (joined === null) throw new Error("Nobody joined.");
      await joined.child.isWell();
      await joined.child.kill();
      joined.known.cutOff = true;
      joined.child.account(joined.known);
    },

    async begun() {
      for (const { id, viewers } of cast.watched()) {
        for (const viewer of viewers) await until(() => viewer.seen() > 0, `${viewer.name} of ${id}`, PATIENCE_MS);
      }
    },

    async end(afterwards) {
      ending = true;
      const ends = runs.map(async (watched) => {
        watched.run.layer("work", "success");
        watched.outcome = await (watched.run.cancelRequested ? watched.run.fail("stopped") : watched.run.complete());
      });
      const alive = third?.killed === false ? third : null;
      const childEnds = alive?.child.end();
      await afterwards();
      await Promise.all(ends);
      if (alive !== null && childEnds !== undefined)
        ({ outcome: alive.outcome, dropped: alive.dropped } = await childEnds);
      third?.child.account(third.owner);
      await delay(50);
      ended = true;
      await Promise.all(writers);
      const drops = await Promise.all([...livetails.values()].map(droppedBy));
      for (const watched of runs) watched.dropped = drops.reduce((sum, each) => sum + each, 0);
      if (third?.killed) await sweepAway(third);
    },

    async close() {
      ending = true;
      ended = true;
      third?.child.clear();
      joined?.child.clear();
      for (const viewer of cast.watched().flatMap(({ viewers }) => viewers)) viewer.stop();
      await Promise.all(writers);
      await Promise.all([...livetails.values()].map((livetail) => livetail.close()));
    },
  };

  /** A process with short leases looks after the run of the dead: nobody else is left whom its pace could hurt. */
  const sweepAway = async ({ id }: Watched): Promise<void> => {
    const sweeper = stage.openWriter("sweeper", 0, { leaseMs: 600 });
    const status = (): Promise<string | null> => stage.raw.hget(`logs:${id}:meta`, "status");
    await until(async () => (await status()) === "failed", "the run of a dead owner to end", PATIENCE_MS).finally(() =>
      sweeper.close(),
    );
  };
  return cast;
}

/** What the process of a livetail dropped so far, as its health says. */
async function droppedBy({ handler }: Livetail): Promise<number> {
  const { body } = await handler.handle(request("/-/health"));
  return JSON.parse(String(body)).dropped_lines;
}
