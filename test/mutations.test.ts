import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { redisStore } from "../src/store/redis.js";
import type { Script } from "../src/store/scripts/script.js";
import { setDeadline } from "./contract/log-store/scene.js";
import { logStoreCases, type OpenHarness, runStoreCase } from "./contract/log-store.js";
import { memoryMutations } from "./mutations.js";
import { redisMutations } from "./mutations-redis.js";
import { type MemoryStoreModules, openMemoryHarness } from "./support/memory-harness.js";
import { loadMutant, type Mutation, occurrences } from "./support/mutant.js";
import { startRedis, type TestRedis } from "./support/redis.js";
import { openRedisHarness } from "./support/redis-harness.js";

const cases = logStoreCases.flatMap((group) => group.cases);

/** The title of a case that fails; null when none does. Cases run eight at a time, so that waiting costs little. */
async function failure(open: OpenHarness): Promise<string | null> {
  const waiting = [...cases];
  let failed: string | null = null;
  const runNext = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined && failed === null; next = waiting.shift()) {
      try {
        await runStoreCase(next, open);
      } catch {
        failed ??= next.title;
      }
    }
  };
  await Promise.all(Array.from({ length: 8 }, runNext));
  return failed;
}

/** `deadlineMs`: how long a case waits for what a mutant may never do. */
function describeMutations(
  name: string,
  mutations: readonly Mutation[],
  deadlineMs: number,
  openMutant: (mutation: Mutation) => Promise<OpenHarness>,
): void {
  describe(name, () => {
    it("finds nothing wrong where nothing was changed", async () => {
      setDeadline(10_000);
      for (const file of new Set(mutations.map((mutation) => mutation.file))) {
        const nothing = { file, name: "nothing", find: "import", replace: "import" };
        expect(await failure(await openMutant(nothing))).toBeNull();
      }
      setDeadline(deadlineMs);
    });

    it.each(mutations)("notices that $name", async (mutation) => {
      expect(occurrences(mutation), mutation.find).toBe(1);
      expect(await failure(await openMutant(mutation))).not.toBeNull();
    });
  });
}

interface RedisStoreModules extends Record<string, unknown> {
  redisStore: typeof redisStore;
}

const SCRIPTS = ["cancel", "claim", "read", "remove", "sweep", "write"].map((name) => `src/store/scripts/${name}.ts`);
const REDIS = ["src/store/redis.ts", ...SCRIPTS];
const MEMORY = ["src/store/memory.ts", "src/store/memory-run.ts"];

describeMutations("the suite, run on mutants of the embedded store", memoryMutations, 250, async (mutation) => {
  const modules = await loadMutant<MemoryStoreModules>(MEMORY, mutation);
  return (limits) => openMemoryHarness(limits, modules);
});

describe("on a real Redis server", () => {
  let server: TestRedis;
  let client: Redis;
  beforeAll(async () => {
    server = await startRedis();
    client = new Redis(server.url);
  });
  afterAll(async () => {
    client.disconnect();
    await server.stop();
  });

  describeMutations("the suite, run on mutants of the scripts", redisMutations, 1500, async (mutation) => {
    const { redisStore: create, ...others } = await loadMutant<RedisStoreModules>(REDIS, mutation);
    // A mutant that is no Lua would fail whatever the suite looks at.
    const scripts = Object.values(others).filter((each): each is Script => Object.hasOwn(each as object, "sha1"));
    for (const { text } of scripts) await client.script("LOAD", text);
    return openRedisHarness(server.url, (url) => new Redis(url), create);
  });
});
