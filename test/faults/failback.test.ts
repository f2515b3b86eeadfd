/** A server that was the master, became a replica, and is the master again, all in one process: a restart it never had. */
import { afterAll, describe, expect, it } from "vitest";
import { createLivetail, type Livetail } from "../../src/livetail.js";
import { askRedis } from "../support/ask-redis.js";
import { PROMPT_REPLICATION, startRedis, type TestRedis } from "../support/redis.js";
import { until } from "../support/until.js";

const HOST = "127.0.0.1";
const first = await startRedis({ args: PROMPT_REPLICATION });
const second = await startRedis({ args: [...PROMPT_REPLICATION, "--replicaof", `${HOST} ${first.port}`] });
afterAll(async () => {
  await first.stop();
  await second.stop();
});

const inStep = (replica: TestRedis): Promise<void> =>
  until(
    async () => String(await askRedis(replica.port, "INFO", "replication")).includes("master_link_status:up"),
    "the replica",
  );
const follow = async (replica: TestRedis, { port }: TestRedis): Promise<void> => {
  await replica.cli("REPLICAOF", HOST, String(port));
  await inStep(replica);
};

async function read({ store }: Livetail, runId: string) {
  const from = { kind: "at", epoch: "", index: 0 } as const;
  const answer = await store.read({ runId, from, limit: 1000, known: null });
  if (answer === null) throw new Error("There is no such run.");
  return { epoch: answer.run.epoch, messages: answer.lines.map((line): string => JSON.parse(line).message) };
}

describe("a master that was a replica for a while", () => {
  it("begins a new epoch, so that an index of lines that are lost is not given to another line", async () => {
    const url = first.url;
    const [owning, joining] = [createLivetail({ redis: url }), createLivetail({ redis: url })];
    await inStep(second);
    const run = owning.createOperationRun("subject", "failback", { id: "op_failback" });
    const logBeside = joining.createLogCallback(run.id);
    await run.ready;
    logBeside("beside 0");
    await until(async () => (await read(owning, run.id)).messages.length === 1, "the first line");
    await until(async () => (await askRedis(second.port, "LLEN", `logs:${run.id}:buffer`)) === 1, "its copy");

    await second.cli("REPLICAOF", "NO", "ONE");
    for (let i = 0; i < 5; i++) run.log(`owner ${i}`);
    await run.flush();
    const before = await read(owning, run.id);
    expect(before.messages).toHaveLength(6);
    await follow(first, second);
    await first.cli("REPLICAOF", "NO", "ONE");
    expect((await read(owning, run.id)).messages).toEqual(["beside 0"]);

    // Nobody who lost something writes before somebody who lost nothing does.
    logBeside("beside 1");
    await until(async () => (await read(owning, run.id)).messages.includes("beside 1"), "the next line");
    expect((await read(owning, run.id)).epoch).not.toBe(before.epoch);
    await run.heartbeat();
    await run.flush();
    const lines = ["beside 0", "beside 1", ...[0, 1, 2, 3, 4].map((i) => `owner ${i}`)];
    expect((await read(owning, run.id)).messages).toEqual(lines);
    await owning.close();
    await joining.close();
  });

  it("gets again what a producer that joined logged there, though it has nothing more to say", async () => {
    const options = { redis: first.url, leaseMs: 1500 };
    const [owning, joining] = [createLivetail(options), createLivetail(options)];
    await follow(second, first);
    const run = owning.createOperationRun("subject", "failback", { id: "op_failback-joined" });
    const logBeside = joining.createLogCallback(run.id);
    run.log("owner 0");
    await run.flush();
    await until(async () => (await askRedis(second.port, "LLEN", `logs:${run.id}:buffer`)) === 1, "its copy");
    await second.cli("REPLICAOF", "NO", "ONE");
    logBeside("beside 0");
    await until(async () => (await read(owning, run.id)).messages.length === 2, "the line");
    await follow(first, second);
    await first.cli("REPLICAOF", "NO", "ONE");
    expect((await read(owning, run.id)).messages).toEqual(["owner 0"]);
    run.log("owner 1");
    await until(async () => (await read(owning, run.id)).messages.includes("beside 0"), "the line that was lost");
    expect(await run.complete()).toEqual({ status: "completed", stored: true });
    expect((await read(owning, run.id)).messages).toEqual(["owner 0", "owner 1", "beside 0"]);
    await joining.close();
    await owning.close();
  });

  it("is an outage while it is a replica, told once, and its recovery once", async () => {
    const heard: string[] = [];
    const livetail = createLivetail({
      redis: first.url,
      onError: ({ code, message }) => heard.push(`${code}: ${message}`),
    });
    const run = livetail.createOperationRun("subject", "readonly");
    run.log("before");
    await run.flush();
    await follow(first, second);
    for (let i = 0; i < 20; i++) {
      run.log(`while it is a replica ${i}`);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => heard.length > 0, "the outage");
    expect(run.waitingLines).toBe(20);
    await first.cli("REPLICAOF", "NO", "ONE");
    expect(await run.complete()).toEqual({ status: "completed", stored: true });
    expect(heard).toEqual([
      expect.stringMatching(/^STORE_UNAVAILABLE: .*READONLY/),
      expect.stringMatching(/^STORE_RECOVERED/),
    ]);
    // It copied the other server's data meanwhile, which has nothing of this run: its owner created it again.
    expect((await read(livetail, run.id)).messages).toHaveLength(21);
    await livetail.close();
  });
});

describe("a producer that joined and has nothing more to say", () => {
  it("is not told of the end, and is told of it once when it goes on", async () => {
    const heard: string[] = [];
    const owning = createLivetail({ redis: first.url });
    const joining = createLivetail({ redis: first.url, leaseMs: 600, onError: ({ code }) => heard.push(code) });
    const run = owning.createOperationRun("subject", "quiet");
    const logBeside = joining.createLogCallback(run.id);
    logBeside("in time");
    await until(async () => (await read(owning, run.id).catch(() => null))?.messages.length === 1, "the line");
    expect(await run.complete()).toEqual({ status: "completed", stored: true });
    await owning.close();
    const scripts = async (): Promise<number> =>
      Number(/cmdstat_evalsha:calls=(\d+)/.exec(String(await askRedis(first.port, "INFO", "commandstats")))?.[1]);
    const before = await scripts();
    await until(async () => (await scripts()) > before, "its next heartbeat");
    expect(heard).toEqual([]);
    logBeside("late");
    logBeside("later");
    await until(() => heard.length > 0, "what it is told");
    await joining.close();
    expect(heard).toEqual(["RUN_ENDED"]);
    expect(await askRedis(first.port, "HGET", `logs:${run.id}:meta`, "late_lines")).toBe("2");
  });
});
