import { Redis } from "ioredis";
import { afterAll, describe, expect, it } from "vitest";
import type { LivetailError } from "../src/errors.js";
import { createLivetail } from "../src/livetail.js";
import type { LivetailOptions } from "../src/livetail-options.js";
import { readStatus } from "../src/run-status.js";
import { startRedis } from "./support/redis.js";

const server = await startRedis({ own: true });
const raw = new Redis(server.url);
afterAll(async () => {
  raw.disconnect();
  await server.stop();
});

function open(options: LivetailOptions = {}) {
  const heard: string[] = [];
  const livetail = createLivetail({
    redis: server.url,
    onError: (error: LivetailError) => heard.push(error.code),
    ...options,
  });
  const read = async (runId: string) => {
    const answer = await livetail.store.read({
      runId,
      from: { kind: "at", epoch: "", index: 0 },
      limit: 1000,
      known: null,
    });
    if (answer === null) throw new Error("there is no such run");
    const lines = answer.lines.map((line) => JSON.parse(line));
    return { ...answer, messages: lines.map((line) => line.message ?? line.event) };
  };
  return { heard, livetail, read };
}

describe("when Redis loses something", () => {
  it("creates a run that is gone again, with what the writer still has, and leaves the rest a gap", async () => {
    const { livetail, read } = open({ maxLines: 50 });
    const run = livetail.createOperationRun("job", "flush");
    run.layer("fetch", "running");
    run.logger.info("scored", { backend: "claude_cli", cost_usd: 0.25 });
    for (let i = 0; i < 199; i++) run.log(`line ${i}`);
    await run.flush();
    const before = await read(run.id);
    await raw.flushall();
    run.log("after");
    await run.flush();
    const after = await read(run.id);
    expect(after.run.epoch).not.toBe(before.run.epoch);
    expect(after.run).toMatchObject({ status: "running", base: 150, next: 201, first: 151 });
    expect(after.messages.at(0)).toBe("line 150");
    expect(after.messages.slice(-2)).toEqual(["line 198", "after"]);
    expect(JSON.parse(after.state?.layers ?? "{}")).toMatchObject({ fetch: { status: "running" } });
    expect(after.state?.totals.join("")).toContain("claude_cli");
    expect(await run.complete()).toEqual({ status: "completed", stored: true });
    await livetail.close();
  });

  it("notices a missing run at the heartbeat when nothing is logged", async () => {
    const { livetail, read } = open();
    const run = livetail.createOperationRun("job", "silent");
    run.log("only");
    await run.flush();
    await raw.flushall();
    await run.heartbeat();
    while ((await raw.exists(`logs:${run.id}:buffer`)) === 0) await new Promise((resolve) => setImmediate(resolve));
    expect((await read(run.id)).messages).toEqual(["only"]);
    await livetail.close();
  });

  it("begins a new epoch when the server was restarted without its data, and both producers go on", async () => {
    const { livetail, read } = open();
    const elsewhere = open();
    const run = livetail.createOperationRun("job", "restart");
    const log = elsewhere.livetail.createLogCallback(run.id);
    run.log("ours 0");
    await run.flush();
    log("theirs 0");
    while ((await read(run.id)).run.next < 2) await new Promise((resolve) => setImmediate(resolve));
    const before = await read(run.id);
    await server.restart();
    run.log("ours 1");
    log("theirs 1");
    await run.flush();
    while ((await read(run.id).catch(() => null))?.messages.length !== 4) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    const after = await read(run.id);
    expect(after.run.epoch).not.toBe(before.run.epoch);
    expect([...after.messages].sort()).toEqual(["ours 0", "ours 1", "theirs 0", "theirs 1"]);
    expect(await run.complete()).toEqual({ status: "completed", stored: true });
    await elsewhere.livetail.close();
    await livetail.close();
  });

  it("goes on when only the lines were evicted: the numbers stay, what is missing is below `first`", async () => {
    const { livetail, read } = open();
    const run = livetail.createOperationRun("job", "evicted");
    for (let i = 0; i < 10; i++) run.log(`line ${i}`);
    await run.flush();
    const before = await read(run.id);
    await raw.del(`logs:${run.id}:buffer`);
    run.log("after");
    await run.flush();
    const after = await read(run.id);
    expect(after.run).toMatchObject({ epoch: before.run.epoch, next: 11, first: 10 });
    expect(after.messages).toEqual(["after"]);
    await livetail.close();
  });

  it("ends a run whose process vanished, after the lease and four sweeps", async () => {
    const { livetail, read } = open({ leaseMs: 150 });
    const run = livetail.createOperationRun("job", "vanished", { id: "op_vanished_aaaaaaaaaaaaaaaaaaaaaaaa" });
    run.log("last words");
    run.layer("fetch", "running");
    run.layer("store", "pending");
    await run.flush();
    // What a killed process leaves behind: a lease that nobody renews, swept by the processes that live.
    run.heartbeat = async () => {};
    while ((await read(run.id)).run.status === "running") await new Promise((resolve) => setImmediate(resolve));
    const { run: record, messages } = await read(run.id);
    expect(record).toMatchObject({ status: "failed", errorCode: "OWNER_LOST" });
    expect(messages).toEqual(["last words", "owner_lost"]);
    const layers = (await readStatus(livetail.store, run.id))?.layer_status;
    expect(layers).toMatchObject({ fetch: { status: "failed" }, store: { status: "pending" } });
    expect(await run.complete()).toEqual({ status: "failed", stored: true });
    await livetail.close();
  });
});

describe("ownership across processes", () => {
  it("routes a cancel to the owner, aborts its signal, and calls the run cancelled when it fails then", async () => {
    const { livetail, read } = open();
    const elsewhere = open();
    const run = livetail.createOperationRun("job", "cancel");
    await run.ready;
    const aborted = new Promise((resolve) => run.signal.addEventListener("abort", resolve));
    // The owner listens on a connection of its own, which may still be opening: asked twice is asked once.
    const asking = (async () => {
      while (!run.signal.aborted) await elsewhere.livetail.cancelRun(run.id);
    })();
    await aborted;
    await asking;
    expect(run.signal.reason).toMatchObject({ code: "CANCELLED" });
    expect(await run.fail(new Error("stopped"))).toEqual({ status: "cancelled", stored: true });
    expect((await read(run.id)).run).toMatchObject({ status: "cancelled", cancelRequested: true });
    await elsewhere.livetail.close();
    await livetail.close();
  });

  it("hands a run over: created without an owner, adopted elsewhere, given back, adopted again, ended", async () => {
    const { livetail, read } = open();
    const elsewhere = open();
    const created = livetail.createOperationRun("job", "queue", { handOver: true });
    await created.ready;
    expect((await read(created.id)).run).toMatchObject({ status: "queued", owner: "", attempt: 0 });
    const first = elsewhere.livetail.createOperationRun("job", "queue", { id: created.id });
    first.log("attempt 1");
    expect(await first.release()).toEqual({ status: "queued", stored: true });
    const second = livetail.createOperationRun("job", "queue", { id: created.id });
    second.log("attempt 2");
    expect(await second.complete()).toEqual({ status: "completed", stored: true });
    const { run, messages } = await read(created.id);
    expect(messages).toEqual(["attempt 1", "attempt 2"]);
    expect(run).toMatchObject({ status: "completed", attempt: 2, subjectId: "job", operation: "queue" });
    await elsewhere.livetail.close();
    await livetail.close();
  });

  it("refuses to claim a run that is owned or ended, without hurting the operation", async () => {
    const { livetail } = open();
    const elsewhere = open();
    const owner = livetail.createOperationRun("job", "owned");
    await owner.ready;
    const intruder = elsewhere.livetail.createOperationRun("job", "owned", { id: owner.id });
    await expect(intruder.ready).rejects.toMatchObject({ code: "OWNED" });
    intruder.log("goes nowhere");
    expect(await intruder.complete()).toMatchObject({ stored: false });
    expect(elsewhere.heard).toEqual(["OWNED"]);
    await owner.complete();
    const late = elsewhere.livetail.createOperationRun("job", "owned", { id: owner.id });
    await expect(late.ready).rejects.toMatchObject({ code: "RUN_ENDED" });
    await elsewhere.livetail.close();
    await livetail.close();
  });
});
