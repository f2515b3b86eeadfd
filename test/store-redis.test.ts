import { Redis } from "ioredis";
import { Redis as Redis6 } from "ioredis6";
import { afterAll } from "vitest";
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
