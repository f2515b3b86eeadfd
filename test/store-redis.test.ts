import { Redis } from "ioredis";
import { Redis as Redis6 } from "ioredis6";
import { afterAll, describe, expect, it } from "vitest";
import { redisStore } from "../src/store/redis.js";
import type { StoreHarness } from "./contract/log-store/harness.js";
import { claimBy, line, lines, owned, sweep, unique } from "./contract/log-store/scene.js";
import { describeLogStore } from "./contract/log-store.js";
import { startRedis } from "./support/redis.js";
import { openRedisHarness } from "./support/redis-harness.js";

const server = await startRedis();
afterAll(() => server.stop());

describeLogStore(
  "Redis store on ioredis 5",
  openRedisHarness(server.url, (url) => new Redis(url)),
);
describeLogStore(
  "Redis store on ioredis 6",
  openRedisHarness(server.url, (url) => new Redis6(url)),
);

/** A store of its own that says what it warns of, with a connection that reaches around it. */
async function inDisorder(
  run: (scene: { harness: StoreHarness; raw: Redis; warnings: string[] }) => Promise<void>,
): Promise<void> {
  const warnings: string[] = [];
  let prefix = "";
  const open = openRedisHarness(
    server.url,
    (url) => new Redis(url),
    (options) => {
      prefix = options.keyPrefix ?? "";
      return redisStore({ ...options, onWarning: (error) => warnings.push(error.message) });
    },
  );
  const harness = await open();
  const raw = new Redis(server.url, { keyPrefix: prefix });
  try {
    await run({ harness, raw, warnings });
  } finally {
    raw.disconnect();
    await harness.close();
  }
}

describe("a Redis store whose keys somebody else has touched", () => {
  it("sweeps the runs behind one that Redis refuses to sweep, and warns of that", () =>
    inDisorder(async ({ harness, raw, warnings }) => {
      const { runId } = await owned(harness);
      await harness.expireLease(runId);
      await raw.zadd("livetail:open", 0, "op_broken");
      await raw.set("logs:op_broken:meta", "no hash");
      expect(await sweep(harness, 1)).toEqual({
        swept: true,
        ended: [{ runId, errorCode: "OWNER_LOST" }],
        stalled: [],
      });
      expect(warnings).toEqual([expect.stringMatching(/op_broken.*WRONGTYPE/)]);
    }));

  it("removes from its lists what is no run any more, and nothing else", () =>
    inDisorder(async ({ harness, raw }) => {
      const { runId } = await owned(harness);
      const lost = await owned(harness);
      await harness.lose(lost.runId);
      for (const set of ["livetail:runs", "livetail:subject:subject"]) await raw.zadd(set, 9e15, "op_a", 8e15, "op_b");
      expect(await harness.store.latest("subject", null)).toBe(lost.runId);
      expect((await raw.zrange("livetail:subject:subject", 0, -1)).sort()).toEqual([runId, lost.runId].sort());
      expect(await raw.zcard("livetail:runs")).toBe(4);
      expect(await harness.store.list({ limit: 10 })).toHaveLength(2);
      expect((await raw.zrange("livetail:runs", 0, -1)).sort()).toEqual([runId, lost.runId].sort());
      await raw.del(`run:${lost.runId}`);
      expect(await harness.store.list({ subjectId: "subject", limit: 10 })).toMatchObject([{ run_id: runId }]);
      expect(await raw.zrange("livetail:subject:subject", 0, -1)).toEqual([runId]);
    }));

  it("lists what is open though the list of recent runs has forgotten it, and what was stored without a cost", () =>
    inDisorder(async ({ harness, raw }) => {
      const { runId } = await owned(harness);
      await raw.zrem("livetail:runs", runId);
      expect(await harness.store.list({ limit: 10 })).toEqual([]);
      expect(await harness.store.list({ limit: 10, status: "open" })).toMatchObject([{ run_id: runId }]);
      const { cost: _, ...stored } = JSON.parse((await raw.get(`run:${runId}`)) ?? "");
      await raw.set(`run:${runId}`, JSON.stringify(stored));
      const none = { calls: 0, errors: 0, cost_usd: 0, unpriced_calls: 0 };
      expect(await harness.store.readSummary(runId)).toEqual({ ...stored, cost: none });
    }));

  it("lists a run whose times are none", () =>
    inDisorder(async ({ harness, raw }) => {
      const { runId } = await owned(harness);
      for (const time of ["1e300", "-1", "9e15", "soon"]) {
        await raw.hset(`logs:${runId}:meta`, "created_at", time);
        expect(await harness.store.list({ limit: 10 })).toMatchObject([{ run_id: runId, created_at: null }]);
      }
    }));
});

describe("a Redis store, read by a viewer who comes late", () => {
  it("answers lines and state of one moment, also when lines are added and trimmed while they are read", async () => {
    const keyPrefix = `${unique("late")}:`;
    const runId = unique("run");
    const [buffer, meta] = [`${keyPrefix}logs:${runId}:buffer`, `${keyPrefix}logs:${runId}:meta`];
    /** What writes to the run between the commands of one read. */
    const race: [string, (string | number)[]][] = [
      ["RPUSH", [buffer, line("new")]],
      ["LPOP", [buffer]],
      ["HINCRBY", [meta, "next", 1]],
    ];
    const client = new Redis(server.url);
    const duplicate = client.duplicate.bind(client);
    client.duplicate = (override) => {
      const own = duplicate(override);
      const call = own.call.bind(own) as unknown as (command: string, args: (string | number)[]) => Promise<unknown>;
      own.call = ((command: string, args: (string | number)[]) => {
        const answer = call(command, args);
        if (command === "LRANGE") for (const [name, values] of race.splice(0)) void call(name, values);
        return answer;
      }) as typeof own.call;
      return own;
    };
    const store = redisStore({ client, keyPrefix });
    try {
      await (await claimBy({ store }, runId)).append(lines(5));
      const whole = { runId, from: { kind: "at", epoch: "", index: 0 }, limit: 100, known: null } as const;
      const answer = await store.read(whole);
      expect(race).toEqual([]);
      expect(answer).toMatchObject({ linesFrom: 1, lines: [...lines(4, 1), line("new")], run: { first: 1, next: 6 } });
      expect(await store.read({ ...whole, limit: 3 })).toMatchObject({ linesFrom: 1, lines: lines(3, 1) });
    } finally {
      await store.close();
      client.disconnect();
    }
  });
});
