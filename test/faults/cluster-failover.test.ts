/**
 * A Redis Cluster whose masters are failed over and whose slots move, under load. What a promoted replica lacks is sent
 * again by those who logged it, in a new epoch.
 */
import { Cluster } from "ioredis";
import { Cluster as Cluster6 } from "ioredis6";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { createLivetail } from "../../src/livetail.js";
import { askRedis } from "../support/ask-redis.js";
import { startRedisCluster } from "../support/cluster.js";
import { length } from "../support/length.js";
import type { TestRedis } from "../support/redis.js";
import { until } from "../support/until.js";
import { type Drill, startDrill, unexplained } from "./failover-drill.js";

const ROUNDS = length(3, 1);
const BURST = 300;

const cluster = await startRedisCluster({ replicas: 1 });
const seeds = cluster.nodes.map(({ port }) => ({ host: "127.0.0.1", port }));
const clients: { disconnect(): void }[] = [];
const drills: Drill[] = [];
afterEach(async () => {
  await Promise.all(drills.splice(0).map((drill) => drill.close()));
  await cluster.whole();
});
afterAll(async () => {
  for (const client of clients) client.disconnect();
  await cluster.stop();
});

/** Clients of the user's: never connected themselves, only duplicated. */
function client5(): Cluster {
  const made = new Cluster(seeds, { lazyConnect: true, enableAutoPipelining: true, scaleReads: "slave" });
  clients.push(made);
  return made;
}
function client6(): Cluster6 {
  const made = new Cluster6(seeds, { lazyConnect: true, enableAutoPipelining: true, scaleReads: "slave" });
  clients.push(made);
  return made;
}

const metaOf = (runId: string): string => `logs:{${runId}}:meta`;
async function promoted(old: TestRedis, slot: number): Promise<TestRedis> {
  let next = old;
  await until(
    async () => {
      next = await cluster.masterOf(slot);
      return next !== old;
    },
    "the failover",
    30_000,
  );
  return next;
}

/** kill -9 (or SIGSTOP) of the master of the run, whose replica lacks what was acknowledged last. */
async function die(drill: Drill, slot: number, how: "SIGKILL" | "SIGSTOP"): Promise<string> {
  const master = await cluster.masterOf(slot);
  const replica = await cluster.replicaOf(master);
  await replica.kill("SIGSTOP");
  await master.cli("CLIENT", "KILL", "TYPE", "replica");
  await drill.burst(BURST);
  const before = drill.acknowledged;
  await master.kill(how);
  const began = performance.now();
  await replica.kill("SIGCONT");
  await promoted(master, slot);
  await drill.flowsAgain();
  const awayMs = performance.now() - began;
  if (how === "SIGKILL") await master.restart();
  else await master.kill("SIGCONT");
  await cluster.whole();
  return `${how}: ${BURST} of ${before} acknowledged lines not on the replica, flowing again after ${awayMs.toFixed(0)} ms`;
}

/** A failover that the replica asks for, and the master agrees to. */
async function handOver(drill: Drill, slot: number): Promise<string> {
  const master = await cluster.masterOf(slot);
  const replica = await cluster.replicaOf(master);
  await replica.cli("CLUSTER", "FAILOVER");
  await promoted(master, slot);
  await drill.flowsAgain();
  await cluster.whole();
  return "CLUSTER FAILOVER";
}

/** The run's slot moves to another master, key by key, with time between for MOVED, ASK and TRYAGAIN. */
async function migrate(drill: Drill, slot: number): Promise<string> {
  const from = await cluster.masterOf(slot);
  // It may serve one of the others by now: it was moved there before.
  const others = await Promise.all([1, 2].map((third) => cluster.masterOf((slot + third * 5461) % 16_384)));
  const to = others.find((master) => master !== from);
  if (to === undefined) throw new Error("There is no other master.");
  const migration = await cluster.migration(slot, to);
  for (let left = 1; left > 0; await drill.loadOf(100)) left = await migration.moveKeys(1);
  await migration.finish();
  await drill.flowsAgain();
  expect(await cluster.masterOf(slot)).toBe(to);
  return "a migration of the slot";
}

describe.each([
  ["ioredis 5", client5],
  ["ioredis 6", client6],
] as const)("a Cluster by %s", (name, input) => {
  it(
    "loses, doubles, renumbers nothing through kills, stops, handovers of masters and a migration of the slot",
    async () => {
      const drill = await startDrill(`op_cluster-${name.replace(" ", "")}`, input);
      drills.push(drill);
      const slot = await cluster.slotOf(metaOf(drill.runId));
      const found: string[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        found.push(await handOver(drill, slot));
        found.push(await die(drill, slot, name === "ioredis 5" ? "SIGKILL" : "SIGSTOP"));
        found.push(await migrate(drill, slot));
      }
      const { logged, epochs, seen } = await drill.end();
      console.log(`cluster, ${name}: ${logged} lines logged, ${seen} seen in ${epochs} epochs; ${found.join("; ")}`);
      expect(epochs).toBeGreaterThan(3 * ROUNDS);
      expect(unexplained(drill.heard)).toEqual([]);
    },
    length(240_000, 90_000),
  );
});

describe.each([
  ["ioredis 5", client5],
  ["ioredis 6", client6],
] as const)("a client that reads from replicas, of %s", (name, input) => {
  it("is no reason to take what they have for what there is", async () => {
    const livetail = createLivetail({ redis: input(), onError: () => {} });
    const id = `op_replicas-${name.replace(" ", "")}`;
    const run = livetail.createOperationRun("subject", "replicas", { id });
    await run.ready;
    const replica = await cluster.replicaOf(await cluster.masterOf(await cluster.slotOf(metaOf(run.id))));
    await replica.kill("SIGSTOP");
    expect(await run.complete({ answer: 42 })).toEqual({ status: "completed", stored: true });
    expect(await livetail.store.readResult(run.id)).toBe('{"answer":42}');
    await replica.kill("SIGCONT");
    await livetail.close();
  });
});

describe.each([
  ["ioredis 5", client5],
  ["ioredis 6", client6],
] as const)("hints on a Cluster, by %s", (name, input) => {
  // One that is stopped is found out when it is looked at next, 15 s later at most.
  it.each(length(["SIGKILL", "SIGSTOP"] as const, ["SIGKILL"] as const))(
    "survive a %s of the node that they are subscribed on",
    async (signal) => {
      const livetail = createLivetail({ redis: input(), onError: () => {} });
      const run = livetail.createOperationRun("subject", "hints", {
        id: `op_hints-${name.replace(" ", "")}-${signal}`,
      });
      await run.ready;
      let hinted = 0;
      const heard = (): Promise<void> => {
        const before = hinted;
        run.log("line");
        return until(() => hinted > before, "a hint", 2000);
      };
      livetail.store.watch(run.id, ({ next }) => {
        if (next > 0) hinted += 1;
      });
      const subscribed = async (node: TestRedis): Promise<boolean> =>
        String(await askRedis(node.port, "PUBSUB", "CHANNELS", `logs:{${run.id}}:wake`)) !== "";
      let holder: TestRedis | undefined;
      await until(async () => {
        const found = await Promise.all(cluster.nodes.map(subscribed));
        holder = cluster.nodes[found.indexOf(true)];
        return holder !== undefined;
      }, "the subscription");
      const hintsCome = (how: string): Promise<void> =>
        until(
          async () => {
            await run.flush();
            return heard().then(
              () => true,
              () => false,
            );
          },
          how,
          60_000,
        );
      await hintsCome("hints");
      await holder?.kill(signal);
      await hintsCome("hints by way of another node");
      if (signal === "SIGKILL") await holder?.restart();
      else await holder?.kill("SIGCONT");
      await cluster.whole();
      expect(await run.complete()).toEqual({ status: "completed", stored: true });
      await livetail.close();
    },
    90_000,
  );
});
