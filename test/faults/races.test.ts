/**
 * Races of append, end and read: 10,000 in the short form too, because a hang or a lost line is a matter of one turn
 * of the event loop in thousands. `LIVETAIL_FAULTS_SEED` plays other ones.
 */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, describe, expect, it } from "vitest";
import { createNodeHandler } from "../../src/adapters/node.js";
import { createLivetail, type Livetail } from "../../src/livetail.js";
import { memoryStore } from "../../src/store/memory.js";
import { redisStore } from "../../src/store/redis.js";
import type { LogStore } from "../../src/store.js";
import { read } from "../contract/log-store/scene.js";
import { settle } from "../support/hand-clock.js";
import { length } from "../support/length.js";
import { setScene } from "../support/reading-scene.js";
import { startRedis } from "../support/redis.js";
import { type SeededRandom, seededRandom } from "../support/seeded-random.js";
import { judge, type RaceReport, type RaceTrack, race, type ViewerKind } from "./race.js";

const SEED = Number(process.env.LIVETAIL_FAULTS_SEED || 1);
/** Races under way at a time. */
const AT_ONCE = 200;
/** Races of one set of processes: a feed is read for 10 s after its last viewer left, and thousands would be at once. */
const OF_A_TRACK = 250;
/** No line is trimmed, so that a gap is always a fault. */
const MOST_LINES = 5000;

const server = await startRedis({ own: true });
afterAll(() => server.stop());

/** The same store with every hint lost: only the safety poll finds what is new. */
function deafTo(store: LogStore): LogStore {
  return { ...store, watch: () => () => {} };
}

async function openTrack(openStore: () => LogStore): Promise<RaceTrack & { close(): Promise<void> }> {
  const stores: LogStore[] = [];
  const open = (deaf = false): Livetail => {
    const store = openStore();
    stores.push(store);
    return createLivetail({
      store: deaf ? deafTo(store) : store,
      authorize: () => true,
      maxWaitingLines: 1e6,
      onError: () => {},
    });
  };
  const [near, far, deaf] = [open(), open(), open(true)];
  const servers: Server[] = [];
  const handler = createNodeHandler(far, { mount: "/operations" });
  for (let i = 0; i < 3; i++) servers.push(createServer(handler).listen(0, "127.0.0.1"));
  await Promise.all(servers.map((each) => once(each, "listening")));
  return {
    writing: near,
    viewing: { near, far, deaf },
    bases: servers.map((each) => `http://127.0.0.1:${(each.address() as AddressInfo).port}/operations`),
    async close() {
      for (const livetail of [near, far, deaf]) await livetail.close();
      for (const store of stores) await store.close();
      for (const each of servers) {
        each.close();
        each.closeAllConnections();
      }
    },
  };
}

const INSIDE: readonly ViewerKind[] = ["poll", "held poll", "follow", "stream"];
const OVER_HTTP: readonly ViewerKind[] = ["http poll", "http held poll", "http stream"];

/** Runs `count` races, `AT_ONCE` at a time. */
async function runRaces(name: string, count: number, openStore: () => () => LogStore): Promise<void> {
  const random: SeededRandom = seededRandom(SEED);
  const began = performance.now();
  const total = { lines: 0, resumed: 0, hung: 0, deaf: 0 };
  const kinds = new Map<ViewerKind, number>();
  const faults: string[] = [];
  /** The processes of the next races; those before are closed when their last race is over. */
  let current = { opening: openTrack(openStore()), left: OF_A_TRACK, running: 0 };
  let next = 0;
  const runner = async (): Promise<void> => {
    while (next < count && total.hung < 10) {
      if (current.left === 0) current = { opening: openTrack(openStore()), left: OF_A_TRACK, running: 0 };
      const mine = current;
      mine.left -= 1;
      mine.running += 1;
      const runId = `op_race_${next++}`;
      const seed = random.between(0, 2 ** 32 - 1);
      const chance = seededRandom(seed);
      const kind = chance.pick(chance.next() < 0.04 ? OVER_HTTP : INSIDE);
      const where = kind.startsWith("http") ? "far" : chance.pick(["near", "far", "far", "near", "deaf"] as const);
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
      if (where === "deaf") total.deaf += 1;
      const track = await mine.opening;
      const report: RaceReport = await race(track, chance, kind, where, runId);
      total.lines += report.lines;
      if (report.resumed) total.resumed += 1;
      if (report.hung) total.hung += 1;
      faults.push(...report.faults.map((fault) => `${runId} (seed ${seed}), ${kind} ${where}: ${fault}`));
      mine.running -= 1;
      if (mine.running === 0 && (mine.left === 0 || next >= count)) await track.close();
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, runner));
  const ran = [...kinds.values()].reduce((sum, each) => sum + each, 0);
  console.log(
    `races on ${name}: seed ${SEED}, ${ran} races, ${total.hung} hung, ${faults.length} faults, ${total.lines} lines, ` +
      `${total.resumed} viewers left and came back, ${total.deaf} got no hint, ` +
      `${[...kinds].map((each) => each.join(": ")).join(", ")}, ${Math.round(performance.now() - began)} ms`,
  );
  expect(faults.slice(0, 20)).toEqual([]);
  expect(total.hung).toBe(0);
  expect(ran).toBe(count);
  expect([...kinds.keys()].sort()).toEqual([...INSIDE, ...OVER_HTTP].sort());
}

describe("races of append, end and read", () => {
  it("let every viewer finish with every line once on the embedded store", async () => {
    await runRaces("memory", length(10_000, 7500), () => {
      const store = memoryStore({ maxLines: MOST_LINES });
      // One store; closing it again does no harm.
      return () => store;
    });
  }, 580_000);

  it("let every viewer finish with every line once through Redis, also where hints get lost", async () => {
    let tracks = 0;
    await runRaces("Redis", length(10_000, 2500), () => {
      const keyPrefix = `races-${tracks++}:`;
      // A machine that is slow to answer is not what is looked for here.
      return () => redisStore({ client: server.url, keyPrefix, maxLines: MOST_LINES, commandTimeoutMs: 60_000 });
    });
  }, 580_000);
});

describe("a run that has ended and is still being read, page by page", () => {
  it("has its polls held until the next page is there, in place of answered again and again with nothing", async () => {
    const scene = await setScene({ maxLines: MOST_LINES });
    const run = await scene.run(1500);
    await run.end();
    const { run: record } = await read(scene.harness, run.runId);
    let arrive = (): void => {};
    const onItsWay = (): Promise<void> =>
      new Promise((resolve) => {
        arrive = resolve;
      });
    scene.slow = onItsWay();
    const first = scene.poll(run.runId);
    await settle();
    const arriveFirst = arrive;
    scene.slow = onItsWay();
    arriveFirst();
    await settle();
    let answered = false;
    const held = scene.poll(run.runId, { cursor: `${record.epoch}.1000.${record.version}`, waitMs: 20_000 });
    void held.then(() => {
      answered = true;
    });
    await settle();
    expect(answered).toBe(false);
    arrive();
    expect(await held).toMatchObject({ status: "completed", next_index: 1500, expected_log_count: 1500 });
    expect((await first).logs).toHaveLength(500);
    scene.reader.close();
    await scene.harness.close();
  });
});

describe("the judge of a race", () => {
  const entry = (index: number, message = `line ${index}`) =>
    ({ index, message, timestamp: null, level: "info", source: "text", metadata: {} }) as const;
  const end = { status: "completed", expected_log_count: 2 } as never;

  it.each([
    ["a line is missing", { lines: [entry(0)], others: [], end, cursor: null }],
    ["a line comes twice", { lines: [entry(0), entry(1), entry(1)], others: [], end, cursor: null }],
    ["lines are out of order", { lines: [entry(1), entry(0)], others: [], end, cursor: null }],
    ["a line has another's number", { lines: [entry(0), entry(1, "line 0")], others: [], end, cursor: null }],
    ["the end is never told", { lines: [entry(0), entry(1)], others: [], end: null, cursor: null }],
    ["there is a gap", { lines: [entry(0), entry(1)], others: ["a gap"], end, cursor: null }],
  ])("finds fault when %s", (_, sighting) => {
    expect(judge({ ...sighting, lines: [...sighting.lines] }, 2, "completed")).not.toEqual([]);
  });

  it("finds none when all is well", () => {
    expect(judge({ lines: [entry(0), entry(1)], others: [], end, cursor: null }, 2, "completed")).toEqual([]);
  });
});
