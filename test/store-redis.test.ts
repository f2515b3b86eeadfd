import { Redis } from "ioredis";
import { Redis as Redis6 } from "ioredis6";
import { afterAll, describe, expect, it } from "vitest";
import { redisStore } from "../src/store/redis.js";
import type { StoreHarness } from "./contract/log-store/harness.js";
import { owned, sweep } from "./contract/log-store/scene.js";
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
});
