import { randomBytes } from "node:crypto";
import { Redis } from "ioredis";
import { type RedisInput, redisStore } from "../../src/store/redis.js";
import { type LogStore, STORE_LIMITS, type StoreLimits } from "../../src/store.js";
import type { StoreHarness } from "../contract/log-store.js";

/** Opens a store of its own (a key prefix of its own) on the server at `url`, with hands that reach around it. */
export function openRedisHarness(
  url: string,
  makeClient: (url: string) => RedisInput & { disconnect(): void },
  createStore: typeof redisStore = redisStore,
) {
  return async (overrides: Partial<StoreLimits> = {}): Promise<StoreHarness> => {
    const keyPrefix = `t${randomBytes(6).toString("hex")}:`;
    const limits = { ...STORE_LIMITS, ...overrides };
    const client = makeClient(url);
    const store = createStore({ client, keyPrefix, ...overrides });
    const others: LogStore[] = [];
    const raw = new Redis(url);
    const key = (runId: string, name: string): string => `${keyPrefix}logs:${runId}:${name}`;
    const due = (runId: string): Promise<number> => raw.zadd(`${keyPrefix}livetail:open`, 1, runId) as Promise<number>;
    return {
      store,
      limits,
      another(limits) {
        const other = createStore({ client, keyPrefix, ...limits });
        others.push(other);
        return other;
      },
      async expireLease(runId) {
        await raw.hset(key(runId, "meta"), "lease_until", 1);
        await due(runId);
      },
      async ageQueued(runId) {
        await raw.hset(key(runId, "meta"), "queued_at", 1);
        await due(runId);
      },
      async changeServer() {
        for (const meta of await raw.keys(`${keyPrefix}logs:*:meta`)) await raw.hset(meta, "server", "another");
      },
      async lose(runId) {
        await raw.del(
          ...["meta", "buffer", "layers", "producers", "result", "children"].map((name) => key(runId, name)),
        );
      },
      async loseBufferOnly(runId) {
        await raw.del(key(runId, "buffer"));
      },
      async rollBack(runId, count) {
        await raw.ltrim(key(runId, "buffer"), 0, -count - 1);
        const lines = await raw.lrange(key(runId, "buffer"), 0, -1);
        await raw.hincrby(key(runId, "meta"), "next", -count);
        await raw.hset(key(runId, "meta"), {
          len: lines.length,
          bytes: lines.reduce((sum, line) => sum + Buffer.byteLength(line), 0),
        });
        for (const [field, value] of Object.entries(await raw.hgetall(key(runId, "producers")))) {
          if (!field.startsWith("p:")) continue;
          await raw.hset(key(runId, "producers"), field, Math.max(0, Number(value) - count));
        }
      },
      async foreignPush(runId, texts) {
        await raw.rpush(key(runId, "buffer"), ...texts);
      },
      async foreignRun(runId, { lines, meta, layers, totals = {} }) {
        await raw.del(...["meta", "buffer", "layers", "producers"].map((name) => key(runId, name)));
        if (lines.length > 0) await raw.rpush(key(runId, "buffer"), ...lines);
        if (Object.keys(meta).length > 0) await raw.hset(key(runId, "meta"), meta);
        if (layers !== undefined) await raw.set(key(runId, "layers"), layers);
        for (const [producer, text] of Object.entries(totals)) {
          await raw.hset(key(runId, "producers"), `c:${producer}`, text);
        }
      },
      async ttlSeconds(runId, name) {
        const ttl = await raw.ttl(key(runId, name));
        return ttl === -2 ? null : ttl === -1 ? Number.POSITIVE_INFINITY : ttl;
      },
      async nextSweep() {
        await raw.del(`${keyPrefix}livetail:sweep`);
      },
      async close() {
        for (const open of [store, ...others]) await open.close();
        client.disconnect();
        raw.disconnect();
      },
    };
  };
}
