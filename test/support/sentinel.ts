/** A master, its replicas and their sentinels, of the tests' own. */
import { askRedis } from "./ask-redis.js";
import { PROMPT_REPLICATION, startRedis, type TestRedis } from "./redis.js";
import { until } from "./until.js";

const HOST = "127.0.0.1";
const NAME = "livetail-test";
const SENTINELS = 3;
/** A master that was silent for so long is down. */
const DOWN_AFTER_MS = 1000;
const FORM_MS = 20_000;

export interface TestSentinel {
  /** What ioredis is to be given. */
  readonly options: { sentinels: { host: string; port: number }[]; name: string };
  readonly sentinels: readonly TestRedis[];
  readonly nodes: readonly TestRedis[];
  /** The master, as the sentinels say. */
  master(): Promise<TestRedis>;
  /** Resolves to the new master once the sentinels have put another one in the place of `old` and it says so itself. */
  failedOver(old: TestRedis): Promise<TestRedis>;
  /** Resolves when `count` replicas of the master are in step with it and known to the sentinels. */
  replicated(count: number): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a master with `replicas` replicas and three sentinels; resolves when the sentinels know them all (2 to 4 s). */
export async function startRedisSentinel({ replicas = 2 } = {}): Promise<TestSentinel> {
  const nodes: TestRedis[] = [];
  const sentinels: TestRedis[] = [];
  const stop = async () => {
    // The sentinels first, so that they do nothing more to the others.
    await Promise.all(sentinels.map((each) => each.stop()));
    await Promise.all(nodes.map((each) => each.stop()));
  };
  /** What the first sentinel that answers says. */
  const askSentinels = async (...command: [string, ...string[]]): Promise<unknown> => {
    for (const { port } of sentinels) {
      const answer = await askRedis(port, ...command);
      if (answer !== null) return answer;
    }
    throw new Error("No sentinel answers.");
  };
  const nodeAt = (port: number): TestRedis => {
    const node = nodes.find((each) => each.port === port);
    if (node === undefined) throw new Error(`There is no node at port ${port}.`);
    return node;
  };
  const master = async (): Promise<TestRedis> => {
    const [, port] = (await askSentinels("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)) as [string, string];
    return nodeAt(Number(port));
  };
  const replicated = async (count: number): Promise<void> => {
    await until(
      async () => {
        const info = String(await askRedis((await master()).port, "INFO", "replication"));
        const online = info.match(/state=online/g)?.length ?? 0;
        const known = (await askSentinels("SENTINEL", "REPLICAS", NAME)) as string[][];
        const fit = known.filter((fields) => fields[fields.indexOf("flags") + 1] === "slave");
        return online >= count && fit.length >= count;
      },
      "the replicas",
      FORM_MS,
    );
  };

  try {
    const first = await startRedis({ args: PROMPT_REPLICATION });
    nodes.push(first);
    for (let index = 0; index < replicas; index += 1) {
      nodes.push(await startRedis({ args: [...PROMPT_REPLICATION, "--replicaof", `${HOST} ${first.port}`] }));
    }
    const config = [
      `sentinel monitor ${NAME} ${HOST} ${first.port} 2`,
      `sentinel down-after-milliseconds ${NAME} ${DOWN_AFTER_MS}`,
      // Another failover of the same master is not begun before twice this time.
      `sentinel failover-timeout ${NAME} 2000`,
      `sentinel parallel-syncs ${NAME} ${replicas}`,
      "",
    ].join("\n");
    for (let index = 0; index < SENTINELS; index += 1) {
      sentinels.push(await startRedis({ config, args: ["--sentinel"] }));
    }
    await until(
      async () => {
        const others = await Promise.all(sentinels.map(({ port }) => askRedis(port, "SENTINEL", "SENTINELS", NAME)));
        return others.every((known) => Array.isArray(known) && known.length === SENTINELS - 1);
      },
      "the sentinels to know each other",
      FORM_MS,
    );
    await replicated(replicas);
  } catch (error) {
    await stop();
    throw error;
  }

  return {
    options: { sentinels: sentinels.map(({ port }) => ({ host: HOST, port })), name: NAME },
    sentinels,
    nodes,
    master,
    async failedOver(old) {
      let next = old;
      await until(
        async () => {
          next = await master();
          if (next === old) return false;
          return String(await askRedis(next.port, "INFO", "replication")).includes("role:master");
        },
        "the failover",
        FORM_MS,
      );
      return next;
    },
    replicated,
    stop,
  };
}
