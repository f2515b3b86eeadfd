/** The faults of the random run: those of stores and networks, and beside them those of `run-faults.ts`. */
import { setTimeout as delay } from "node:timers/promises";
import type { SeededRandom } from "../support/seeded-random.js";
import { until } from "../support/until.js";
import type { Fault } from "./fault.js";
import { RUN_FAULTS } from "./run-faults.js";
import { PATIENCE_MS, type Stage } from "./scene.js";

const KEYS = ["meta", "buffer", "layers", "producers", "result"];
const keysOf = (runId: string): string[] => KEYS.map((name) => `logs:${runId}:${name}`);

/** Redis evicts one of the keys of every run. */
function evicted(key: string): Fault {
  return {
    loses: true,
    async fire({ stage: { raw }, runIds }) {
      const keys = runIds().map((runId) => `logs:${runId}:${key}`);
      await until(async () => (await raw.del(keys)) > 0, `${key} that can be lost`, PATIENCE_MS);
    },
  };
}

/** A fault of a server or a network; `fire` resolves when all is well again. */
function outside(loses: boolean, fire: (stage: Stage, random: SeededRandom) => Promise<unknown>): Fault {
  return {
    loses,
    outside: true,
    async fire({ stage, random }) {
      await fire(stage, random);
    },
  };
}

/** What a proxy does to those who go through it, for a while. */
async function forAWhile(stage: Stage, from: number, to: number, random: SeededRandom): Promise<void> {
  await delay(random.between(from, to));
  stage.proxy.heal();
}

/** By name. */
export const FAULTS = {
  ...RUN_FAULTS,
  "kill -9 of Redis": outside(false, ({ redis }) => redis.restart()),
  "Redis away for a while": outside(false, async ({ redis }, random) => {
    await redis.kill();
    await delay(random.between(300, 1500));
    await redis.restart();
  }),
  "restart without data": outside(true, (stage) => stage.restartEmpty()),
  "Redis stopped and continued": outside(false, async ({ redis }, random) => {
    await redis.kill("SIGSTOP");
    await delay(random.between(200, 1500));
    await redis.kill("SIGCONT");
  }),
  "CLIENT PAUSE": outside(false, async ({ raw }, random) => {
    await raw.call("CLIENT", "PAUSE", random.between(200, 1200), random.pick(["WRITE", "ALL"]));
    // A write is answered when the pause is over.
    await raw.del("livetail:test:pause");
  }),
  "CLIENT KILL": outside(false, async ({ raw }) => {
    for (const type of ["normal", "pubsub"]) {
      const kill = async (): Promise<unknown> => raw.call("CLIENT", "KILL", "TYPE", type, "SKIPME", "yes");
      await until(async () => Number(await kill()) > 0, `${type} connections to kill`, PATIENCE_MS);
    }
  }),
  FLUSHALL: outside(true, ({ raw }) => raw.flushall()),
  "meta evicted": evicted("meta"),
  "buffer evicted": evicted("buffer"),
  "producers evicted": evicted("producers"),
  "layers evicted": evicted("layers"),
  "older copy": {
    loses: true,
    async fire({ stage: { raw }, runIds, random }) {
      const copies = await Promise.all(
        runIds().map(async (runId) => {
          const dump = raw.multi();
          for (const key of keysOf(runId)) dump.dumpBuffer(key);
          return { runId, dumped: (await dump.exec()) ?? [] };
        }),
      );
      await delay(random.between(20, 300));
      const restore = raw.multi();
      for (const { runId, dumped } of copies) {
        keysOf(runId).forEach((key, at) => {
          const value = dumped[at]?.[1];
          if (Buffer.isBuffer(value)) restore.restore(key, 0, value, "REPLACE");
          else restore.del(key);
        });
        // Another server has it now. A key that was not there yet when the copy was made must not come into being.
        if (Buffer.isBuffer(dumped[0]?.[1])) restore.hset(`logs:${runId}:meta`, "server", "the one that failed");
      }
      await restore.exec();
    },
  },
  "answers swallowed": outside(false, async (stage, random) => {
    const { swallowed } = stage.proxy;
    stage.proxy.swallowAnswers();
    await until(() => stage.proxy.swallowed > swallowed, "an answer to swallow", PATIENCE_MS);
    await forAWhile(stage, 100, 900, random);
  }),
  "connections cut": outside(false, async ({ proxy }) => proxy.cut()),
  "connections refused": outside(false, async (stage, random) => {
    stage.proxy.refuse();
    await forAWhile(stage, 100, 900, random);
  }),
  "answers late": outside(false, async (stage, random) => {
    stage.proxy.delay(random.between(20, 400));
    await forAWhile(stage, 200, 800, random);
  }),
  "SCRIPT FLUSH": outside(false, ({ raw }) => raw.script("FLUSH")),
  "viewers' server restarted": outside(false, (stage) => stage.restartServer()),
  "viewers' connections cut": outside(false, async ({ viewerProxies }) => {
    for (const proxy of viewerProxies) proxy.cut();
  }),
  "viewers' connections at a standstill": outside(false, async ({ viewerProxies }, random) => {
    for (const proxy of viewerProxies) proxy.hold();
    await delay(random.between(200, 1500));
    for (const proxy of viewerProxies) proxy.heal();
  }),
  "streams that end cleanly in the middle": {
    loses: false,
    async fire({ stage: { viewerProxies }, random }) {
      const ended = (): number => viewerProxies.reduce((sum, proxy) => sum + proxy.endedStreams, 0);
      const before = ended();
      const wellFormed = random.next() < 0.5;
      for (const proxy of viewerProxies) proxy.endStreams(wellFormed);
      await until(() => ended() > before, "a stream to end", PATIENCE_MS);
      for (const proxy of viewerProxies) proxy.heal();
    },
  },
} satisfies Record<string, Fault>;

/** The name of a fault. */
export type FaultName = keyof typeof FAULTS;
