/** Each way in which a Redis loses something of a live run, with one producer and with three, and viewers on all transports. */
import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { Redis } from "ioredis";
import { describe, expect, it } from "vitest";
import { createLivetail } from "../../src/livetail.js";
import { END } from "../../src/store/scripts/write.js";
import { startRedis, type TestRedis } from "../support/redis.js";
import { startTcpProxy } from "../support/tcp-proxy.js";
import { until } from "../support/until.js";
import { keysOf, openWatchedRun, type WatchedRun } from "../support/watched-run.js";

const MAX_LINES = 50;
const DEADLINE_MS = 90_000;

/** A Redis of its own that knows the scripts, a proxy in front of it, a run on it, and what frees all. */
async function setUp(producers: number) {
  const redis = await startRedis({ aof: true });
  const proxy = await startTcpProxy(redis.port);
  const url = `redis://127.0.0.1:${proxy.port}`;
  const raw = new Redis(redis.url, { maxRetriesPerRequest: null, retryStrategy: () => 20 });
  raw.on("error", () => {});
  const warm = createLivetail({ redis: url });
  await warm.createOperationRun("job", "warm").complete();
  await warm.close();
  const options = { maxLines: MAX_LINES, leaseMs: 1500, commandTimeoutMs: 1000 };
  const watched = await openWatchedRun(url, raw, producers, options);
  return {
    redis,
    proxy,
    raw,
    watched,
    async tearDown() {
      await watched.close();
      raw.disconnect();
      await proxy.close();
      await redis.stop();
    },
  };
}

/** A copy of all that is stored of a run; the returned function puts it in place of what is there, on another server. */
async function copyOf(raw: Redis, runId: string): Promise<() => Promise<void>> {
  const keys = keysOf(runId);
  const dumped = await Promise.all(keys.map((key) => raw.dumpBuffer(key)));
  return async () => {
    const restore = raw.multi();
    keys.forEach((key, at) => {
      const value = dumped[at];
      if (value) restore.restore(key, 0, value, "REPLACE");
      else restore.del(key);
    });
    restore.hset(`logs:${runId}:meta`, "server", "the one that failed");
    await restore.exec();
  };
}

async function restartEmpty(redis: TestRedis): Promise<void> {
  await redis.kill();
  rmSync(join(dirname(redis.socketPath), "appendonlydir"), { recursive: true, force: true });
  await redis.restart();
}

interface Loss {
  /** Whether viewers are told that the numbering began anew. */
  resets: boolean;
  /** How many lines a viewer of the start cannot have at the end, of one producer that logged 100 and 30 lines. */
  lost: number;
  fire(redis: TestRedis, raw: Redis, watched: WatchedRun): Promise<unknown>;
}

const key = ({ run }: WatchedRun, name: string): string => `logs:${run.id}:${name}`;
// Of 130 lines the newest 50 are kept, by Redis as by the writer. An evicted buffer begins with the lines after it.
const LOSSES: [string, Loss][] = [
  ["is killed and starts with its data", { resets: true, lost: 80, fire: (redis) => redis.restart() }],
  ["is killed and starts without data", { resets: true, lost: 80, fire: (redis) => restartEmpty(redis) }],
  ["is flushed", { resets: true, lost: 80, fire: (_redis, raw) => raw.flushall() }],
  ["loses only the state", { resets: true, lost: 80, fire: (_r, raw, watched) => raw.del(key(watched, "meta")) }],
  ["loses only the lines", { resets: false, lost: 100, fire: (_r, raw, watched) => raw.del(key(watched, "buffer")) }],
  ["loses only the layers", { resets: false, lost: 80, fire: (_r, raw, watched) => raw.del(key(watched, "layers")) }],
  [
    "fails over to an older copy",
    {
      resets: true,
      lost: 80,
      async fire(_redis, raw, watched) {
        const restore = await copyOf(raw, watched.run.id);
        watched.log(10);
        await watched.stored();
        await watched.seen();
        await restore();
      },
    },
  ],
];

describe.concurrent.each(LOSSES)("a Redis that %s under a live run", (what, { resets, lost, fire }) => {
  it.each([1, 3])(
    "costs its viewers nothing that is not announced, with %i producers",
    async (producers) => {
      const { redis, raw, watched, tearDown } = await setUp(producers);
      const { run, viewers } = watched;
      run.layer("fetch", "success");
      run.layer("parse", "running");
      for (let burst = 0; burst < 5; burst++) {
        watched.log(20);
        await watched.stored();
      }
      await watched.seen();
      await fire(redis, raw, watched);
      const before = watched.logged;
      run.layer("parse", "success");
      watched.log(130 - before / producers);
      await watched.stored();
      expect(await run.complete({ answer: 42 })).toEqual({ status: "completed", stored: true });
      for (const viewer of viewers) {
        const end = await viewer.finished;
        expect(end).toMatchObject({ status: "completed", late_lines: 0 });
        expect(end.layer_status).toMatchObject({ fetch: { status: "success" }, parse: { status: "success" } });
        expect(viewer.sights.length > 1).toBe(resets);
      }
      const { faults, rest, epochs, lines } = await watched.judge();
      expect(faults).toEqual([]);
      expect(rest ?? 0).toBe(0);
      const { gap, lines: kept, next, status } = await watched.readFromStart();
      expect(status).toBe("completed");
      expect(kept + (gap?.lost ?? 0)).toBe(next);
      if (producers === 1) {
        expect(next).toBe(watched.logged);
        expect(gap).toMatchObject({ from: 0, to: lost - 1, lost });
      }
      console.log(
        `loss: Redis ${what}, ${producers} producers: ${watched.logged} lines logged, ${lines} seen in ${epochs} epochs, ` +
          `gap of ${gap?.lost ?? 0} at the end`,
      );
      await tearDown();
    },
    DEADLINE_MS,
  );
});

describe.concurrent("a Redis that loses everything", () => {
  it(
    "just before the end gets the run again, with its end",
    async () => {
      const { raw, watched, tearDown } = await setUp(1);
      watched.log(30);
      await watched.stored();
      await watched.seen();
      await raw.flushall();
      watched.log(5);
      expect(await watched.run.complete()).toEqual({ status: "completed", stored: true });
      for (const viewer of watched.viewers) expect(await viewer.finished).toMatchObject({ expected_log_count: 35 });
      expect(await watched.judge()).toMatchObject({ faults: [], rest: 0 });
      await tearDown();
    },
    DEADLINE_MS,
  );

  it(
    "while the answer to the end is under way gets the run again, with its end",
    async () => {
      const { raw, proxy, watched, tearDown } = await setUp(1);
      watched.log(30);
      await watched.run.flush();
      // That it does not know the script would be swallowed, too.
      await raw.script("LOAD", END.text);
      // Not before: without the answer to a heartbeat the connection would be given up, and the end never sent.
      const { end } = watched.store;
      watched.store.end = (request) => {
        watched.store.end = end;
        proxy.swallowAnswers();
        return end(request);
      };
      const ended = watched.run.complete();
      await until(async () => (await raw.hget(key(watched, "meta"), "status")) === "completed", "the end");
      await raw.flushall();
      proxy.heal();
      expect(await ended).toEqual({ status: "completed", stored: true });
      expect(await raw.hmget(key(watched, "meta"), "status", "next")).toEqual(["completed", "30"]);
      for (const viewer of watched.viewers) expect(await viewer.finished).toMatchObject({ status: "completed" });
      await tearDown();
    },
    DEADLINE_MS,
  );

  it(
    "after the end tells nobody of an end that it does not have",
    async () => {
      const { raw, watched, tearDown } = await setUp(1);
      watched.log(5);
      await watched.run.complete();
      for (const viewer of watched.viewers) await viewer.finished;
      await raw.flushall();
      await watched.run.heartbeat();
      expect(await raw.exists(key(watched, "meta"))).toBe(0);
      await expect(watched.readFromStart()).rejects.toThrow("RUN_NOT_FOUND");
      await tearDown();
    },
    DEADLINE_MS,
  );
});

describe.concurrent("a failover to an older copy", () => {
  it(
    "that lost the end gets it again from a heartbeat, with every line of the owner, and new viewers see it",
    async () => {
      const { raw, watched, tearDown } = await setUp(3);
      watched.log(10);
      await watched.stored();
      const restore = await copyOf(raw, watched.run.id);
      watched.log(3);
      await watched.stored();
      expect(await watched.run.complete({ answer: 42 })).toEqual({ status: "completed", stored: true });
      for (const viewer of watched.viewers) await viewer.finished;
      await restore();
      expect(await raw.hget(key(watched, "meta"), "status")).toBe("running");
      await until(async () => (await raw.hget(key(watched, "meta"), "status")) === "completed", "the end", 30_000);
      expect(await raw.get(key(watched, "result"))).toBe('{"answer":42}');
      const { status, gap, lines } = await watched.readFromStart();
      expect({ status, gap }).toEqual({ status: "completed", gap: null });
      // What the others have logged since the copy is theirs to send again; they learn of it at their next line.
      expect(lines).toBeGreaterThanOrEqual(33);
      await tearDown();
    },
    DEADLINE_MS,
  );
});
