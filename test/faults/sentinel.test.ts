/**
 * Redis behind sentinels: the master dies under load while its replicas lag, so that what it acknowledged last is on
 * no copy. What is lost there is sent again by those who logged it, in a new epoch.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";
import { Redis as Redis6 } from "ioredis6";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { createLivetail } from "../../src/livetail.js";
import type { RedisInput } from "../../src/store/redis.js";
import { askRedis } from "../support/ask-redis.js";
import { length } from "../support/length.js";
import { freePort, type TestRedis } from "../support/redis.js";
import { startRedisSentinel } from "../support/sentinel.js";
import { until } from "../support/until.js";
import { type Drill, startDrill, unexplained } from "./failover-drill.js";

const HOST = "127.0.0.1";
const REPLICAS = 2;
const FAILOVERS = length(4, 1);
const BURST = 300;

const redis = await startRedisSentinel({ replicas: REPLICAS });
const clients: { disconnect(): void }[] = [];
afterAll(async () => {
  for (const client of clients) client.disconnect();
  await redis.stop();
});

const drills: Drill[] = [];
afterEach(async () => {
  await Promise.all(drills.splice(0).map((drill) => drill.close()));
});
async function start(runId: string, input: () => RedisInput): Promise<Drill> {
  const drill = await startDrill(runId, input);
  drills.push(drill);
  return drill;
}

/** Clients of the user's: never connected themselves, only duplicated. */
function client5(): RedisInput {
  const made = new Redis({ ...redis.options, lazyConnect: true });
  clients.push(made);
  return made;
}
function client6(): RedisInput {
  const made = new Redis6({ ...redis.options, lazyConnect: true });
  clients.push(made);
  return made;
}

const nextOn = async (node: TestRedis, runId: string): Promise<number> =>
  Number(await askRedis(node.port, "HGET", `logs:${runId}:meta`, "next"));

/** Stops the replicas where they are: what the master gets from now on, they will never have. */
async function freezeReplicas(master: TestRedis): Promise<TestRedis[]> {
  const replicas = redis.nodes.filter((node) => node !== master);
  for (const replica of replicas) await replica.kill("SIGSTOP");
  await master.cli("CLIENT", "KILL", "TYPE", "replica");
  return replicas;
}

/** One failover that loses what was acknowledged last; resolves to how many lines the promoted copy lacks. */
async function failOver(drill: Drill, how: "killed" | "stopped"): Promise<{ missing: number; awayMs: number }> {
  const master = await redis.master();
  const replicas = await freezeReplicas(master);
  await drill.burst(BURST);
  const had = await nextOn(master, drill.runId);
  await master.kill(how === "killed" ? "SIGKILL" : "SIGSTOP");
  const began = performance.now();
  for (const replica of replicas) await replica.kill("SIGCONT");
  const copies = await Promise.all(replicas.map((replica) => nextOn(replica, drill.runId)));
  await redis.failedOver(master);
  await drill.flowsAgain();
  const awayMs = performance.now() - began;
  if (how === "killed") await master.restart();
  else await master.kill("SIGCONT");
  return { missing: had - Math.max(...copies), awayMs };
}

/** The old master is a replica again: by hand at once, or when the sentinels get to it (10 s and more). */
async function comesBack(): Promise<void> {
  const { port } = await redis.master();
  for (const node of redis.nodes) {
    if (length(false, true) && node.port !== port) await node.cli("REPLICAOF", HOST, String(port));
  }
  await redis.replicated(REPLICAS);
}

describe.each([
  ["ioredis 5", "killed", client5],
  ["ioredis 6", "killed", client6],
  ["options", "stopped", () => redis.options],
] as const)("a master behind sentinels, by %s", (name, how, input) => {
  it(
    `loses, doubles, renumbers nothing when it is ${how} under load while its replicas lag`,
    async () => {
      const drill = await start(`op_sentinel-${name.replace(" ", "")}`, input);
      const found: string[] = [];
      for (let failover = 0; failover < FAILOVERS; failover++) {
        const { missing, awayMs } = await failOver(drill, how);
        expect(missing).toBeGreaterThanOrEqual(BURST);
        found.push(
          `${missing} acknowledged lines not on the promoted copy, flowing again after ${awayMs.toFixed(0)} ms`,
        );
        await comesBack();
      }
      const { logged, epochs, seen } = await drill.end();
      console.log(`sentinel, ${name}: ${logged} lines logged, ${seen} seen in ${epochs} epochs; ${found.join("; ")}`);
      expect(epochs).toBeGreaterThan(FAILOVERS);
      expect(unexplained(drill.heard)).toEqual([]);
      const outages = drill.heard.filter((each) => each.startsWith("owner: STORE_UNAVAILABLE"));
      expect(outages.length).toBeGreaterThan(0);
      // Told once each; a connection may find the old master once more while the sentinels are at it.
      expect(outages.length).toBeLessThanOrEqual(2 * FAILOVERS);
    },
    length(300_000, 60_000),
  );
});

describe("an end that was stored on a master that died before it was copied", () => {
  it("is stored again on the one that was promoted, with the lines before it", async () => {
    const drill = await start("op_sentinel-end", client5);
    await drill.quiet();
    const master = await redis.master();
    const all = await nextOn(master, drill.runId);
    const replicas = redis.nodes.filter((node) => node !== master);
    await until(async () => {
      const copies = await Promise.all(replicas.map((replica) => nextOn(replica, drill.runId)));
      return copies.every((copied) => copied === all);
    }, "the copies");
    await freezeReplicas(master);
    await drill.burst(BURST);
    await drill.end();
    await master.kill();
    for (const replica of replicas) await replica.kill("SIGCONT");
    const statusOn = ({ port }: TestRedis) => askRedis(port, "HGET", `logs:${drill.runId}:meta`, "status");
    expect(await Promise.all(replicas.map(statusOn))).toEqual(replicas.map(() => "running"));
    const promoted = await redis.failedOver(master);
    await until(async () => (await statusOn(promoted)) === "completed", "the end to be stored again", 30_000);
    await drill.watchAgain();
    expect(unexplained(drill.heard)).toEqual([]);
    await master.restart();
    await comesBack();
  }, 60_000);
});

describe("a client that its user has for the replicas", () => {
  it("is no reason to write to them", async () => {
    const reading = new Redis({ ...redis.options, role: "slave", lazyConnect: true });
    const livetail = createLivetail({ redis: reading, endTimeoutMs: 10_000, onError: () => {} });
    const run = livetail.createOperationRun("subject", "role");
    run.log("line");
    expect(await run.complete()).toEqual({ status: "completed", stored: true });
    await livetail.close();
    reading.disconnect();
  });
});

describe("sentinels that are away", () => {
  it("are passed over when they accept and say nothing", async () => {
    const [silent] = redis.sentinels;
    await silent?.kill("SIGSTOP");
    try {
      const livetail = createLivetail({ redis: client5(), onError: () => {} });
      const run = livetail.createOperationRun("subject", "silent sentinel");
      run.log("line");
      expect(await run.complete()).toEqual({ status: "completed", stored: true });
      await livetail.close();
    } finally {
      await silent?.kill("SIGCONT");
    }
  }, 30_000);

  it("are one outage, told without their addresses, and hold no process", async () => {
    const dead = { sentinels: [{ host: HOST, port: await freePort() }], name: "nobody" };
    const program = fileURLToPath(new URL("../fixtures/unreachable-run.ts", import.meta.url));
    const child = spawn(process.execPath, ["--import", "tsx", program, JSON.stringify(dead)], {
      stdio: ["ignore", "pipe", "inherit"],
      timeout: 45_000,
      killSignal: "SIGKILL",
    });
    const [printed, [code, signal]] = await Promise.all([text(child.stdout), once(child, "exit")]);
    expect(printed.trimEnd().split("\n").sort()).toEqual([
      "STORE_UNAVAILABLE: Redis cannot be reached: No sentinel knows the master.",
      JSON.stringify({ status: "completed", stored: false }),
    ]);
    expect({ code, signal }).toEqual({ code: 0, signal: null });
  }, 60_000);
});
