/** A Redis that is full and may evict anything, under live runs with viewers: it does evict keys of theirs. */
import { Redis } from "ioredis";
import { afterAll, expect, it } from "vitest";
import { length } from "../support/length.js";
import { startRedis } from "../support/redis.js";
import { keysOf, openWatchedRun } from "../support/watched-run.js";

const RUNS = length(20, 5);
const ROUNDS = length(100, 12);
/** Of any run, at least so many keys must have been evicted before it is enough. */
const EVICTED = length(100, 8);
const DEADLINE_MS = length(500_000, 90_000);

const server = await startRedis({ args: ["--maxmemory", "5mb", "--maxmemory-policy", "allkeys-lru"] });
const raw = new Redis(server.url);
afterAll(async () => {
  raw.disconnect();
  await server.stop();
});

it(
  "tells at the start that runs may be evicted, and lets no viewer miss a line or see an end unannounced",
  async () => {
    const runs = await Promise.all(
      Array.from({ length: RUNS }, (_, i) => openWatchedRun(server.url, raw, 1 + (i % 2), { maxLines: 200 })),
    );
    for (const { heard } of runs) expect(heard).toContain("INVALID_OPTION");
    let evicted = 0;
    let written = 0;
    for (let round = 0; round < ROUNDS || evicted < EVICTED; round++) {
      for (const watched of runs) watched.log(10);
      for (const watched of runs) await watched.stored();
      const keys = runs.flatMap(({ run }) => keysOf(run.id));
      const before = await raw.exists(...keys);
      const batch = raw.pipeline();
      for (let i = 0; i < 150; i++) batch.set(`other:${written++}`, "x".repeat(10_000));
      await batch.exec();
      evicted += Math.max(0, before - (await raw.exists(...keys)));
    }
    // From here on everything is kept, so that what is judged is what there was.
    await raw.config("SET", "maxmemory", "0");
    const whole = Number(/evicted_keys:(\d+)/.exec(await raw.info("stats"))?.[1]);
    let announced = 0;
    let lines = 0;
    for (const watched of runs) {
      watched.log(1);
      await watched.stored();
      expect(await watched.run.complete()).toEqual({ status: "completed", stored: true });
      for (const viewer of watched.viewers) expect(await viewer.finished).toMatchObject({ status: "completed" });
      const { faults, rest } = await watched.judge();
      expect(faults).toEqual([]);
      expect(rest ?? 0).toBe(0);
      const { gap, lines: kept, next } = await watched.readFromStart();
      expect(kept + (gap?.lost ?? 0)).toBe(next);
      announced += gap?.lost ?? 0;
      lines += watched.logged;
      await watched.close();
    }
    console.log(
      `eviction: ${RUNS} live runs, ${lines} lines logged, ${whole} keys evicted, ${evicted} of them of these runs; ` +
        `${announced} lines announced as gaps at the ends`,
    );
  },
  DEADLINE_MS,
);
