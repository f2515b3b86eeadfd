/** The faults of the random run. Each does its damage and mends it before it resolves. */
import { setTimeout as delay } from "node:timers/promises";
import type { SeededRandom } from "../support/seeded-random.js";
import type { Stage } from "./scene.js";

export interface Fault {
  /** True: something is lost, so that it may not happen once an end is stored: nobody could still be told of it. */
  loses: boolean;
  fire(stage: Stage, runIds: readonly string[], random: SeededRandom): Promise<void>;
}

const KEYS = ["meta", "buffer", "layers", "producers", "result"];
const keysOf = (runId: string): string[] => KEYS.map((name) => `logs:${runId}:${name}`);

/** By name. What concerns one run alone (a takeover, a cancel) stands in the run itself. */
export const FAULTS = {
  "kill -9 of Redis": {
    loses: false,
    fire: ({ redis }) => redis.restart(),
  },
  "Redis away for a while": {
    loses: false,
    async fire({ redis }, _runIds, random) {
      await redis.kill();
      await delay(random.between(300, 1500));
      await redis.restart();
    },
  },
  "restart without data": {
    loses: true,
    fire: (stage) => stage.restartEmpty(),
  },
  "Redis stopped and continued": {
    loses: false,
    async fire({ redis }, _runIds, random) {
      await redis.kill("SIGSTOP");
      await delay(random.between(200, 1500));
      await redis.kill("SIGCONT");
    },
  },
  FLUSHALL: {
    loses: true,
    fire: async ({ raw }) => void (await raw.flushall()),
  },
  "meta lost": {
    loses: true,
    fire: async ({ raw }, runIds) => void (await raw.del(runIds.map((runId) => `logs:${runId}:meta`))),
  },
  "buffer lost": {
    loses: true,
    fire: async ({ raw }, runIds) => void (await raw.del(runIds.map((runId) => `logs:${runId}:buffer`))),
  },
  "older copy": {
    loses: true,
    async fire({ raw }, runIds, random) {
      const copies = await Promise.all(
        runIds.map(async (runId) => {
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
  "answers swallowed": {
    loses: false,
    async fire({ proxy }, _runIds, random) {
      proxy.swallowAnswers();
      await delay(random.between(100, 900));
      proxy.heal();
    },
  },
  "connections cut": {
    loses: false,
    async fire({ proxy }) {
      proxy.cut();
    },
  },
  "connections refused": {
    loses: false,
    async fire({ proxy }, _runIds, random) {
      proxy.refuse();
      await delay(random.between(100, 900));
      proxy.heal();
    },
  },
  "answers late": {
    loses: false,
    async fire({ proxy }, _runIds, random) {
      proxy.delay(random.between(20, 400));
      await delay(random.between(200, 800));
      proxy.heal();
    },
  },
  "SCRIPT FLUSH": {
    loses: false,
    fire: async ({ raw }) => void (await raw.script("FLUSH")),
  },
  "viewers' server restarted": {
    loses: false,
    fire: (stage) => stage.restartServer(),
  },
} satisfies Record<string, Fault>;

export type FaultName = keyof typeof FAULTS;
