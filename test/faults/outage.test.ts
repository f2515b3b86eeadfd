import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import { afterAll, describe, expect, it } from "vitest";
import { createLivetail, type Livetail } from "../../src/livetail.js";
import type { LivetailOptions } from "../../src/livetail-options.js";
import { openCommands } from "../../src/store/redis-connection.js";
import { request } from "../support/plain-request.js";
import { startRedis } from "../support/redis.js";
import { startTcpProxy } from "../support/tcp-proxy.js";
import { until } from "./scene.js";

const server = await startRedis({ aof: true });
const raw = new Redis(server.url, { maxRetriesPerRequest: null, retryStrategy: () => 50 });
raw.on("error", () => {});
afterAll(async () => {
  raw.disconnect();
  await server.stop();
});

function open(options: LivetailOptions = {}) {
  const heard: string[] = [];
  const livetail = createLivetail({ redis: server.url, onError: ({ code }) => heard.push(code), ...options });
  return { heard, livetail };
}

async function read(livetail: Livetail, runId: string) {
  const from = { kind: "at", epoch: "", index: 0 } as const;
  const answer = await livetail.store.read({ runId, from, limit: 1000, known: null });
  if (answer === null) throw new Error("There is no such run.");
  const lines: Record<string, unknown>[] = answer.lines.map((line) => JSON.parse(line));
  return { ...answer, lines, messages: lines.map((line) => line.message ?? line.event) };
}

async function health({ handler }: Livetail): Promise<{ dropped_lines: number; waiting_lines: number }> {
  const { body } = await handler.handle(request("/-/health"));
  return JSON.parse(String(body));
}

describe("when Redis is away", () => {
  it("loses none of 20 live runs in an outage longer than a lease and four sweeps, and drops nothing below the cap", async () => {
    const leaseMs = 4500;
    const working = open({ leaseMs });
    const sweeping = open({ leaseMs });
    const runs = Array.from({ length: 20 }, (_, i) => working.livetail.createOperationRun("job", `live-${i}`));
    await Promise.all(runs.map((run) => run.ready));
    for (const run of runs) run.log("before");
    await Promise.all(runs.map((run) => run.flush()));
    await server.kill();
    const away = performance.now();
    for (let i = 0; performance.now() - away < leaseMs + (4 * leaseMs) / 3; i++) {
      for (const run of runs) run.log(`away ${i}`);
      await delay(100);
    }
    await server.restart();
    // The sweeps that find the leases over must not have been enough when the last owner is heard of again.
    await delay(leaseMs);
    for (const run of runs) run.log("after");
    expect(await Promise.all(runs.map((run) => run.complete()))).toEqual(
      runs.map(() => ({ status: "completed", stored: true })),
    );
    expect(working.heard).toEqual(["STORE_UNAVAILABLE", "STORE_RECOVERED"]);
    for (const run of runs) {
      const { messages, run: record } = await read(sweeping.livetail, run.id);
      expect(record).toMatchObject({ status: "completed", lateLines: 0 });
      expect(messages).toEqual(["before", ...messages.slice(1, -1).map((_, i) => `away ${i}`), "after"]);
    }
    expect(await health(working.livetail)).toMatchObject({ dropped_lines: 0, waiting_lines: 0 });
    await working.livetail.close();
    await sweeping.livetail.close();
  }, 45_000);

  it("waits for a store that is away for good no longer than it is told to, and knows exactly what it dropped", async () => {
    const { heard, livetail } = open({ maxWaitingLines: 500, endTimeoutMs: 1500, commandTimeoutMs: 300 });
    const run = livetail.createOperationRun("job", "for good");
    for (let i = 0; i < 10; i++) run.log(`line ${i}`);
    await run.flush();
    await server.kill();
    const began = performance.now();
    for (let i = 10; i < 3000; i++) {
      run.log(`line ${i}`);
      if (i % 100 === 0) await delay(1);
    }
    // Logging and layers never wait.
    run.layer("fetch", "running");
    expect(performance.now() - began).toBeLessThan(1000);
    await until(() => heard.length > 0, "the outage");
    const ending = performance.now();
    expect(await run.complete()).toEqual({ status: "completed", stored: false });
    expect(performance.now() - ending).toBeLessThan(2000);
    const before = await health(livetail);
    await livetail.close();
    expect(performance.now() - ending).toBeLessThan(6000);
    expect(before.waiting_lines).toBeLessThanOrEqual(510);
    expect((await health(livetail)).dropped_lines).toBe(2990);
    await server.restart();
    expect(heard).toEqual(["STORE_UNAVAILABLE"]);
  }, 30_000);

  /** The server knows the scripts: an answer that it does not would be swallowed, too. */
  const warmUp = async (livetail: Livetail): Promise<void> => {
    const run = livetail.createOperationRun("job", "warm");
    run.log("first");
    await run.flush();
    await run.complete();
  };

  it("stores a batch once whose answer was swallowed", async () => {
    const proxy = await startTcpProxy(server.port);
    const { livetail } = open({ redis: `redis://127.0.0.1:${proxy.port}`, commandTimeoutMs: 300 });
    await warmUp(livetail);
    const run = livetail.createOperationRun("job", "swallowed");
    await run.ready;
    proxy.swallowAnswers();
    for (let i = 0; i < 10; i++) run.log(`line ${i}`);
    await until(async () => (await raw.llen(`logs:${run.id}:buffer`)) === 10, "the lines to be stored");
    // Sent again at least once, with its answer swallowed again.
    const swallowed = proxy.swallowed;
    await until(() => proxy.swallowed > swallowed, "another answer");
    expect(run.waitingLines).toBe(10);
    proxy.heal();
    await run.complete();
    const direct = open().livetail;
    expect((await read(direct, run.id)).messages).toEqual(Array.from({ length: 10 }, (_, i) => `line ${i}`));
    await livetail.close();
    await direct.close();
    await proxy.close();
  });

  it("knows an end that was stored though its answer was swallowed", async () => {
    const proxy = await startTcpProxy(server.port);
    const { heard, livetail } = open({ redis: `redis://127.0.0.1:${proxy.port}`, commandTimeoutMs: 300 });
    await warmUp(livetail);
    const run = livetail.createOperationRun("job", "swallowed end");
    run.log("only");
    await run.flush();
    proxy.swallowAnswers();
    const ended = run.complete({ answer: 42 });
    await until(async () => (await raw.hget(`logs:${run.id}:meta`, "status")) === "completed", "the end");
    proxy.heal();
    expect(await ended).toEqual({ status: "completed", stored: true });
    expect(heard).not.toContain("RUN_ENDED");
    await livetail.close();
    await proxy.close();
  });
});

describe("a failover to a copy from before the run was started", () => {
  it("is told again that the run is running", async () => {
    const { livetail } = open();
    const run = livetail.createOperationRun("job", "older");
    run.log("one");
    await run.flush();
    await raw.hset(`logs:${run.id}:meta`, { status: "queued", server: "the one that failed" });
    run.log("two");
    await run.flush();
    expect((await read(livetail, run.id)).run.status).toBe("running");
    await livetail.close();
  });
});

describe("a call whose connection breaks", () => {
  it("fails at once, and the next one goes out on the next connection without waiting for a time-out", async () => {
    const commands = openCommands(server.url, 20_000);
    expect(await commands.call("PING", [])).toBe("PONG");
    await server.kill("SIGSTOP");
    const unanswered = expect(commands.call("PING", [])).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
      message: "Redis cannot be reached: The connection broke before the answer.",
    });
    await delay(20);
    await server.restart();
    await unanswered;
    expect(await commands.call("PING", [])).toBe("PONG");
    commands.close();
  }, 5000);
});

describe("when Redis is full", () => {
  it("lets lines wait, ends runs and renews leases all the same", async () => {
    const { heard, livetail } = open({ leaseMs: 30_000, endTimeoutMs: 10_000 });
    const [kept, ended] = ["kept", "ended"].map((name) => livetail.createOperationRun("job", name)) as [
      ReturnType<Livetail["createOperationRun"]>,
      ReturnType<Livetail["createOperationRun"]>,
    ];
    for (const run of [kept, ended]) run.log("before");
    await Promise.all([kept.flush(), ended.flush()]);
    await raw.config("SET", "maxmemory-policy", "noeviction");
    await raw.config("SET", "maxmemory", "1");
    try {
      const lease = async () => Number(await raw.hget(`logs:${kept.id}:meta`, "lease_until"));
      const before = await lease();
      await delay(5);
      await kept.heartbeat();
      expect(await lease()).toBeGreaterThan(before);
      expect(await ended.complete()).toEqual({ status: "completed", stored: true });
      kept.log("waits");
      await until(() => heard.includes("STORE_UNAVAILABLE"), "the refusal");
      expect(kept.waitingLines).toBe(1);
    } finally {
      await raw.config("SET", "maxmemory", "0");
    }
    await kept.flush();
    expect((await read(livetail, kept.id)).messages).toEqual(["before", "waits"]);
    expect(heard).toEqual(["STORE_UNAVAILABLE", "STORE_RECOVERED"]);
    await livetail.close();
  });
});
