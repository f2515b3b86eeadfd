import { describe, expect, it } from "vitest";
import { type MemoryStoreOptions, memoryStore } from "../src/store/memory.js";
import { KeptLines } from "../src/store/memory-run.js";
import { redisStore } from "../src/store/redis.js";
import type { Hint, LogStore } from "../src/store.js";
import { accepted, claimRequest, lines, newEpoch, Producer, unique } from "./contract/log-store/scene.js";
import { describeLogStore } from "./contract/log-store.js";
import { openMemoryHarness } from "./support/memory-harness.js";

describeLogStore("the embedded store", (limits) => openMemoryHarness(limits));

const HOUR = 3_600_000;

/** A store with a clock that stands until it is moved. */
function storeAt(options: MemoryStoreOptions = {}) {
  const clock = { ms: 1_800_000_000_000 };
  return { store: memoryStore({ now: () => clock.ms, ...options }), clock };
}

/** A new run, owned. */
async function ownedRun(store: LogStore, runId = unique("run")): Promise<Producer> {
  const producer = new Producer(store, runId);
  const request = claimRequest(runId, { producer: producer.id });
  producer.fence = accepted(await store.claim(request)).fence;
  producer.owner = request.owner;
  return producer;
}

async function isKept(store: LogStore, { runId }: Producer): Promise<boolean> {
  return (await store.read({ runId, from: { kind: "none" }, limit: 0, known: null })) !== null;
}

async function kept(store: LogStore, ...producers: Producer[]): Promise<boolean[]> {
  return Promise.all(producers.map((producer) => isKept(store, producer)));
}

describe("how long the embedded store keeps a run", () => {
  it("keeps an open run for a day after its last write, and reading extends nothing", async () => {
    const { store, clock } = storeAt();
    const owner = await ownedRun(store);
    clock.ms += 23 * HOUR;
    await owner.write([]);
    clock.ms += 23 * HOUR;
    expect(await isKept(store, owner)).toBe(true);
    clock.ms += HOUR;
    expect(await isKept(store, owner)).toBe(false);
    expect(await owner.append(lines(1))).toEqual({ code: "GONE" });
    expect(await store.countOpen()).toBe(0);
  });

  it("keeps an ended run for six hours and its summary for a day", async () => {
    const { store, clock } = storeAt();
    const owner = await ownedRun(store);
    await owner.end({ result: "1" });
    clock.ms += 6 * HOUR - 1;
    expect(await store.readResult(owner.runId)).toBe("1");
    clock.ms += 1;
    expect(await store.readResult(owner.runId)).toBeNull();
    expect(await store.list({ limit: 10 })).toMatchObject([{ run_id: owner.runId, status: "completed" }]);
    clock.ms += 18 * HOUR - 1;
    expect(await store.readSummary(owner.runId)).toMatchObject({ status: "completed" });
    expect(await store.latest("subject", null)).toBe(owner.runId);
    clock.ms += 1;
    expect(await store.readSummary(owner.runId)).toBeNull();
    expect(await store.list({ limit: 10 })).toEqual([]);
    expect(await store.latest("subject", null)).toBeNull();
  });

  it("drops what has expired when another run is written, though nobody asks for it", async () => {
    const runs: MemoryStoreOptions["runs"] = new Map();
    const { store, clock } = storeAt({ runs });
    for (let i = 0; i < 10; i++) await (await ownedRun(store)).end();
    const idle = await ownedRun(store);
    clock.ms += 24 * HOUR;
    const owner = await ownedRun(store);
    expect([...runs.keys()]).toEqual([owner.runId]);
    expect(idle.runId).not.toBe(owner.runId);
  });

  it("judges the age of what nobody took, and of leases, by its clock", async () => {
    const { store, clock } = storeAt({ queuedTtlSeconds: 60 });
    const owner = await ownedRun(store);
    await store.claim(claimRequest("unwanted", { owner: null }));
    const sweep = (lostAfterSweeps: number) =>
      store.sweep({
        periodMs: 10_000,
        lostAfterSweeps,
        newEpoch,
        ownerLostLine: () => "lost",
        neverStartedLine: () => "never",
      });
    clock.ms += 59_999;
    expect(await sweep(1)).toEqual({ swept: true, ended: [], stalled: [] });
    clock.ms += 1;
    expect(await sweep(1)).toMatchObject({ swept: false });
    clock.ms += 9_999;
    expect(await sweep(1)).toMatchObject({ ended: [{ runId: "unwanted", errorCode: "NEVER_STARTED" }] });
    clock.ms += owner.owner?.leaseMs ?? 0;
    expect(await sweep(2)).toMatchObject({ stalled: [owner.runId] });
  });
});

describe("how much the embedded store keeps", () => {
  it("gives up the oldest ended runs when there are too many", async () => {
    const { store } = storeAt({ maxRuns: 3 });
    const first = await ownedRun(store);
    const second = await ownedRun(store);
    const third = await ownedRun(store);
    await second.end();
    await first.end();
    const fourth = await ownedRun(store);
    expect(await kept(store, first, second, third, fourth)).toEqual([true, false, true, true]);
    const fifth = await ownedRun(store);
    expect(await kept(store, first, third, fourth, fifth)).toEqual([false, true, true, true]);
  });

  it("gives up the open run that was idle longest when all are open, and takes the new one", async () => {
    const { store } = storeAt({ maxRuns: 3 });
    const first = await ownedRun(store);
    const second = await ownedRun(store);
    const third = await ownedRun(store);
    await first.write(lines(1));
    const fourth = await ownedRun(store);
    expect(await kept(store, first, second, third, fourth)).toEqual([true, false, true, true]);
    expect(await store.countOpen()).toBe(3);
    expect(await fourth.append(lines(1))).toMatchObject({ code: "OK", next: 1 });
  });

  it("gives up runs, ended ones first, when all of them together take too many bytes", async () => {
    const { store } = storeAt({ maxTotalBytes: 1000 });
    const line = "x".repeat(400);
    const open = await ownedRun(store);
    const ended = await ownedRun(store);
    const writing = await ownedRun(store);
    await open.write([line]);
    await ended.end({}, [line]);
    await writing.write([line]);
    expect(await kept(store, open, ended, writing)).toEqual([true, false, true]);
    await writing.write([line]);
    expect(await kept(store, open, writing)).toEqual([false, true]);
    await writing.write([line]);
    expect(await kept(store, writing)).toEqual([true]);
  });

  it("counts results, layers and totals as well, and no byte of a run that is gone", async () => {
    const { store } = storeAt({ maxTotalBytes: 1000 });
    const text = `"${"x".repeat(400)}"`;
    const idle = await ownedRun(store);
    for (let i = 0; i < 5; i++) {
      const owner = await ownedRun(store);
      await owner.end({ result: text, totals: text });
      await store.remove(owner.runId);
    }
    expect(await isKept(store, idle)).toBe(true);
    const owner = await ownedRun(store);
    await owner.write([], { totals: text });
    await owner.write([], { layers: { text, replacesSha1: "" } });
    expect(await isKept(store, idle)).toBe(true);
    await owner.end({ result: text });
    expect(await kept(store, idle, owner)).toEqual([false, true]);
  });

  it("remembers the summaries of as many runs as it keeps", async () => {
    const { store } = storeAt({ maxRuns: 3 });
    const owners: Producer[] = [];
    for (let i = 0; i < 5; i++) owners.push(await ownedRun(store));
    const ids = owners.map(({ runId }) => runId);
    expect((await store.list({ limit: 10 })).map((run) => run.run_id)).toEqual(ids.slice(2).reverse());
    expect(await store.readSummary(ids[0] as string)).toBeNull();
  });
});

describe("the limits of a store", () => {
  const names = ["maxLines", "maxBufferBytes", "openTtlSeconds", "endedTtlSeconds", "queuedTtlSeconds"] as const;

  it.each(names)("takes whole numbers of 1 or more for %s and nothing else", (name) => {
    for (const wrong of [2.5, 0.5, 0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      const invalid = expect.objectContaining({ code: "INVALID_OPTION", message: expect.stringContaining(name) });
      expect(() => memoryStore({ [name]: wrong })).toThrow(invalid);
      expect(() => redisStore({ client: {}, [name]: wrong })).toThrow(invalid);
    }
    expect(() => memoryStore({ [name]: 1 })).not.toThrow();
  });
});

describe("the embedded store in its process", () => {
  it("tells watchers after the write, once for all that was written in one turn", async () => {
    const store = memoryStore();
    const owner = await ownedRun(store);
    const told: number[] = [];
    store.watch(owner.runId, (hint) => told.push(hint.next));
    const writes = [0, 1, 2].map((first) => store.append(owner.request(lines(1), { first })));
    expect(told).toEqual([]);
    await Promise.all(writes);
    expect(told).toEqual([3]);
  });

  describe("tells watchers of appended lines", () => {
    async function watched(limits?: Parameters<typeof memoryStore>[0]) {
      const store = memoryStore(limits);
      const owner = await ownedRun(store);
      await owner.write(lines(1));
      const told: Hint[] = [];
      store.watch(owner.runId, (hint) => told.push(hint));
      const read = await store.read({ runId: owner.runId, from: { kind: "none" }, limit: 0, known: null });
      return { store, owner, told, run: read?.run };
    }

    it("with the lines themselves, of all writes of one turn", async () => {
      const { store, owner, told, run } = await watched({ maxLines: 4 });
      await Promise.all([1, 3].map((first) => store.append(owner.request(lines(2, first), { first }))));
      const appended = { epoch: run?.epoch, first: 1, from: 1, lines: lines(4, 1) };
      expect(told).toEqual([{ next: 5, version: run?.version, appended }]);
    });

    it("without them where something else has changed, too", async () => {
      const { store, owner, told, run } = await watched();
      const lone = store.append(owner.request(lines(1, 1), { first: 1 }));
      const totals = JSON.stringify({ b: { a: { c: 1 } } });
      await Promise.all([lone, store.append(owner.request(lines(1, 2), { first: 2, totals }))]);
      expect(told).toEqual([{ next: 3, version: Number(run?.version) + 1 }]);
    });

    it("without them where the first of them is trimmed already", async () => {
      const { store, owner, told, run } = await watched({ maxLines: 2 });
      await store.append(owner.request(lines(3, 1), { first: 1 }));
      expect(told).toEqual([{ next: 4, version: run?.version }]);
    });
  });

  it("takes effect in the order of the calls, before it answers", async () => {
    const store = memoryStore();
    const owner = await ownedRun(store);
    const append = store.append(owner.request(lines(2)));
    const read = store.read({ runId: owner.runId, from: { kind: "tail", count: 1 }, limit: 1, known: null });
    expect(await read).toMatchObject({ lines: lines(1, 1), run: { next: 2 } });
    expect(await append).toMatchObject({ code: "OK" });
  });

  it("stays in its epochs for as long as it lives, and shares none with another store", async () => {
    const [one, other] = [memoryStore(), memoryStore()];
    const owner = await ownedRun(one);
    for (let i = 0; i < 3; i++) expect(await owner.append(lines(1))).toMatchObject({ code: "OK" });
    await owner.end();
    expect(await owner.append(lines(1))).toMatchObject({ code: "RUN_ENDED" });
    expect(await isKept(other, owner)).toBe(false);
  });

  it("holds no process open", async () => {
    const before = process.getActiveResourcesInfo().filter((kind) => kind === "Timeout" || kind === "Immediate").length;
    const store = memoryStore();
    const owner = await ownedRun(store);
    store.watch(owner.runId, () => {});
    await owner.write(lines(1));
    const after = process.getActiveResourcesInfo().filter((kind) => kind === "Timeout" || kind === "Immediate").length;
    expect(after).toBeLessThanOrEqual(before);
  });

  it("keeps the order of lines through any number of trims", () => {
    const queue = new KeptLines();
    let oldest = 0;
    for (let i = 0; i < 10_000; i++) {
      queue.push(String(i));
      if (queue.length <= 100 + (i % 50)) continue;
      while (queue.length > 70) expect(queue.shift()).toBe(String(oldest++));
      expect(queue.slice(0, 2)).toEqual([String(oldest), String(oldest + 1)]);
      expect(queue.slice(queue.length - 1, queue.length + 5)).toEqual([String(i)]);
    }
    expect(queue.length).toBe(10_000 - oldest);
  });
});
