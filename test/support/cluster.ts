/** A Redis Cluster of the tests' own, and hands that fail its nodes over and move its slots. */
import { askRedis } from "./ask-redis.js";
import { freePort, PROMPT_REPLICATION, startRedis, type TestRedis } from "./redis.js";
import { until } from "./until.js";

const HOST = "127.0.0.1";
const MASTERS = 3;
const FORM_MS = 30_000;
/** A node that was silent for so long is failed over. */
const NODE_TIMEOUT_MS = 2000;

/** A node as another one sees it. */
interface Known {
  port: number;
  master: boolean;
  masterId: string;
  failed: boolean;
  slots: [from: number, to: number][];
}

export interface TestRedisCluster {
  readonly nodes: readonly TestRedis[];
  /** The slot of a key. */
  slotOf(key: string): Promise<number>;
  /** The node that serves a slot, as a node that answers sees it. */
  masterOf(slot: number): Promise<TestRedis>;
  /** The first replica of a master that is connected. */
  replicaOf(master: TestRedis): Promise<TestRedis>;
  /** Resolves when every node that answers says that the cluster is whole, and every replica that answers has a copy. */
  whole(): Promise<void>;
  /** A migration of a slot to another master, step by step. */
  migration(slot: number, to: TestRedis): Promise<SlotMigration>;
  stop(): Promise<void>;
}

/** What moves a slot. Between its steps the slot answers ASK and TRYAGAIN. */
export interface SlotMigration {
  /** Moves at most `count` keys; resolves to how many are left. */
  moveKeys(count: number): Promise<number>;
  /** Tells every master that the slot has moved. */
  finish(): Promise<void>;
}

/** Starts three masters with `replicas` replicas each (default none); resolves when the cluster is whole (3 to 6 s). */
export async function startRedisCluster({ replicas = 0 } = {}): Promise<TestRedisCluster> {
  const nodes: TestRedis[] = [];
  const stop = async () => {
    await Promise.all(nodes.map((node) => node.stop()));
  };
  const viewOf = async ({ port }: TestRedis): Promise<Known[] | null> => {
    const text = await askRedis(port, "CLUSTER", "NODES");
    return typeof text === "string" ? text.trimEnd().split("\n").map(parseNode) : null;
  };
  /** What all nodes say that answer. */
  const views = async (): Promise<Known[][]> => {
    const answers = await Promise.all(nodes.map(viewOf));
    return answers.filter((view) => view !== null);
  };
  const nodeAt = (port: number): TestRedis => {
    const node = nodes.find((each) => each.port === port);
    if (node === undefined) throw new Error(`There is no node at port ${port}.`);
    return node;
  };
  /** The one node of which `look` finds the port, once it does: in the middle of a failover nobody may know. */
  const found = async (look: () => Promise<(number | undefined)[]>, what: string): Promise<TestRedis> => {
    let ports: (number | undefined)[] = [];
    await until(
      async () => {
        ports = [...new Set(await look())];
        return ports.length === 1 && ports[0] !== undefined;
      },
      what,
      FORM_MS,
    );
    return nodeAt(ports[0] as number);
  };
  const masterOf = (slot: number): Promise<TestRedis> => {
    const serves = ({ master, slots }: Known) => master && slots.some(([from, to]) => from <= slot && slot <= to);
    return found(async () => (await views()).map((view) => view.find(serves)?.port), `a master of slot ${slot}`);
  };
  const idOf = async ({ port }: TestRedis): Promise<string> => String(await askRedis(port, "CLUSTER", "MYID"));
  const whole = (): Promise<void> =>
    until(
      async () => {
        const states = await Promise.all(nodes.map(({ port }) => askRedis(port, "CLUSTER", "INFO")));
        const links = await Promise.all(nodes.map(({ port }) => askRedis(port, "INFO", "replication")));
        const answers = states.filter((state) => state !== null);
        return (
          answers.length > nodes.length / 2 &&
          answers.every((state) => String(state).includes("cluster_state:ok")) &&
          links.every((link) => !String(link).includes("master_link_status:down"))
        );
      },
      "the cluster to be whole",
      FORM_MS,
    );

  try {
    const cluster = ["--cluster-enabled", "yes", "--cluster-node-timeout", String(NODE_TIMEOUT_MS)];
    const args = [...cluster, ...PROMPT_REPLICATION];
    for (let index = 0; index < MASTERS * (1 + replicas); index += 1) {
      nodes.push(await startRedis({ port: await freeClusterPort(), args }));
    }
    const addresses = nodes.map((node) => `${HOST}:${node.port}`);
    const first = nodes[0] as TestRedis;
    await first.cli("--cluster", "create", ...addresses, "--cluster-replicas", String(replicas), "--cluster-yes");
    await until(
      async () => {
        const known = await views();
        return known.every((view) => view.filter(({ master }) => !master).length === MASTERS * replicas);
      },
      "the replicas to be known",
      FORM_MS,
    );
    await whole();
  } catch (error) {
    await stop();
    throw error;
  }

  return {
    nodes,
    slotOf: async (key) => Number(await (nodes[0] as TestRedis).cli("CLUSTER", "KEYSLOT", key)),
    masterOf,
    async replicaOf(master) {
      const id = await idOf(master);
      const replica = ({ masterId, failed }: Known) => masterId === id && !failed;
      return found(async () => [(await viewOf(master))?.find(replica)?.port], "a replica");
    },
    whole,
    async migration(slot, to) {
      const from = await masterOf(slot);
      const [source, target] = [await idOf(from), await idOf(to)];
      await to.cli("CLUSTER", "SETSLOT", String(slot), "IMPORTING", source);
      await from.cli("CLUSTER", "SETSLOT", String(slot), "MIGRATING", target);
      return {
        async moveKeys(count) {
          const keys = (await from.cli("CLUSTER", "GETKEYSINSLOT", String(slot), String(count))).split("\n");
          if (keys[0] !== "") {
            await from.cli("MIGRATE", HOST, String(to.port), "", "0", "5000", "KEYS", ...keys);
          }
          return Number(await from.cli("CLUSTER", "COUNTKEYSINSLOT", String(slot)));
        },
        async finish() {
          const [view = []] = await views();
          const masters = view.filter(({ master, failed }) => master && !failed).map(({ port }) => nodeAt(port));
          // The one that gets it first, so that nobody is told of a server that does not know yet.
          for (const node of [to, from, ...masters.filter((each) => each !== to && each !== from)]) {
            await node.cli("CLUSTER", "SETSLOT", String(slot), "NODE", target);
          }
        },
      };
    },
    stop,
  };
}

/** A line of CLUSTER NODES: id, address, flags, master's id, …, slots. */
function parseNode(line: string): Known {
  const [, address = "", flags = "", masterId = "", , , , state = "", ...slots] = line.split(" ");
  return {
    port: Number(/:(\d+)@/.exec(address)?.[1]),
    master: flags.includes("master"),
    masterId,
    failed: flags.includes("fail") || state !== "connected",
    // What is in brackets is under way to somebody else.
    slots: slots
      .filter((range) => !range.startsWith("["))
      .map((range) => {
        const [from = "", to = from] = range.split("-");
        return [Number(from), Number(to)];
      }),
  };
}

/** A free port whose bus port, 10,000 above it, is free too. */
async function freeClusterPort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    try {
      await freePort(port + 10_000);
      return await freePort(port);
    } catch {
      // Taken: another one.
    }
  }
}
