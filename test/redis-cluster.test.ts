import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { Cluster, Redis } from "ioredis";
import { Cluster as Cluster6 } from "ioredis6";
import { afterAll, describe, expect, it } from "vitest";
import { createLivetail } from "../src/livetail.js";
import { startRedisCluster } from "./support/cluster.js";
import { until } from "./support/until.js";

const cluster = await startRedisCluster();
const nodes = cluster.nodes.map(({ port }) => ({ host: "127.0.0.1", port }));
afterAll(() => cluster.stop());

describe.each([
  ["ioredis 5", () => new Cluster(nodes)],
  ["ioredis 6", () => new Cluster6(nodes)],
])("a Redis Cluster by %s", (name, connect) => {
  it("keeps the keys of a run in one slot and carries runs, children, lists and cancels", async () => {
    const client = connect();
    const errors: string[] = [];
    const livetail = createLivetail({
      redis: client,
      keyPrefix: `${name}:`,
      onError: (error) => errors.push(error.message),
    });
    const parent = livetail.createOperationRun("bulk", "parent");
    const runs = Array.from({ length: 12 }, (_, i) =>
      livetail.createOperationRun(`job-${i}`, "child", { parentId: parent.id }),
    );
    await Promise.all([parent.ready, ...runs.map((run) => run.ready)]);
    for (const run of runs) for (let i = 0; i < 50; i++) run.log(`line ${i}`);
    await Promise.all(runs.map((run) => run.complete({ subject: run.subjectId })));
    for (const run of runs) {
      const answer = await livetail.store.read({
        runId: run.id,
        from: { kind: "tail", count: 1 },
        limit: 1,
        known: null,
      });
      expect(answer?.run).toMatchObject({ status: "completed", next: 50 });
      expect(JSON.parse(answer?.lines[0] ?? "{}").message).toBe("line 49");
      expect(await livetail.store.readResult(run.id)).toBe(JSON.stringify({ subject: run.subjectId }));
    }
    const hinted = new Promise<void>((resolve) => {
      const unwatch = livetail.store.watch(parent.id, () => {
        unwatch();
        resolve();
      });
    });
    expect(await livetail.store.list({ parentId: parent.id, limit: 100 })).toHaveLength(12);
    expect(await livetail.latestRun("job-3")).toBe(runs[3]?.id);
    parent.log("done");
    await hinted;
    expect(await livetail.cancelRun(parent.id)).toMatchObject({ code: "OK", cancelRequested: true });
    expect(await parent.fail("stopped")).toEqual({ status: "cancelled", stored: true });
    const sweep = {
      periodMs: 1000,
      lostAfterSweeps: 4,
      newEpoch: () => "e",
      ownerLostLine: () => "{}",
      neverStartedLine: () => "{}",
    };
    expect(await livetail.store.sweep(sweep)).toEqual({ swept: true, ended: [], stalled: [] });
    expect(errors).toEqual([]);
    await livetail.close();
    client.disconnect();
  }, 30_000);
});

describe.each([
  ["ioredis 5", (password: string) => new Cluster(nodes, { redisOptions: { password } })],
  ["ioredis 6", (password: string) => new Cluster6(nodes, { redisOptions: { password } })],
])("a password that is changed in mid-run, by %s", (_name, connect) => {
  it.each([
    ["all nodes", 3],
    ["the node that has the run", 1],
  ])(
    "on %s of a Redis Cluster is an outage that loses no line",
    async (_where, count) => {
      const id = `op_rotated-${count}`;
      const { port } = await cluster.masterOf(await cluster.slotOf(`logs:{${id}}:meta`));
      const admins = nodes.map((node) => new Redis({ ...node, retryStrategy: null }));
      const rotate = async (password: string, ...which: Redis[]): Promise<void> => {
        for (const admin of which) {
          await admin.config("SET", "requirepass", password);
          await admin.client("KILL", "TYPE", "normal", "SKIPME", "yes");
        }
      };
      const changed = count === nodes.length ? admins : admins.filter(({ options }) => options.port === port);
      expect(changed).toHaveLength(count);
      await rotate("first", ...admins);
      const client = connect("first");
      const heard: string[] = [];
      const livetail = createLivetail({
        redis: client,
        commandTimeoutMs: 500,
        onError: ({ code }) => heard.push(code),
      });
      const run = livetail.createOperationRun("subject", "rotated", { id });
      run.log("line 0");
      await run.flush();
      await rotate("second", ...changed);
      let logged = 1;
      await until(() => {
        run.log(`line ${logged++}`);
        return heard.length > 0;
      }, "the outage");
      await rotate("first", ...changed);
      expect(await run.complete()).toEqual({ status: "completed", stored: true });
      const from = { kind: "at", epoch: "", index: 0 } as const;
      const answer = await livetail.store.read({ runId: run.id, from, limit: 1000, known: null });
      const messages = answer?.lines.map((line): string => JSON.parse(line).message);
      expect(messages).toEqual(Array.from({ length: logged }, (_, i) => `line ${i}`));
      expect(await livetail.store.remove(id)).toBe("OK");
      await livetail.close();
      await rotate("", ...admins);
      client.disconnect();
      for (const admin of admins) admin.disconnect();
      expect(heard).toEqual(["STORE_UNAVAILABLE", "STORE_RECOVERED"]);
    },
    30_000,
  );
});

describe("a process on a Redis Cluster", () => {
  it("exits by itself once its run has ended, though it watches it and closes nothing", async () => {
    const program = fileURLToPath(new URL("./fixtures/cluster-run.ts", import.meta.url));
    const ports = nodes.map(({ port }) => String(port));
    const child = spawn(process.execPath, ["--import", "tsx", program, ...ports], {
      stdio: ["ignore", "pipe", "inherit"],
      timeout: 15_000,
      killSignal: "SIGKILL",
    });
    const [printed, [code, signal]] = await Promise.all([text(child.stdout), once(child, "exit")]);
    expect(JSON.parse(printed)).toEqual({ status: "completed", stored: true });
    expect({ code, signal }).toEqual({ code: 0, signal: null });
  }, 30_000);
});
