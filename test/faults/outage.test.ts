import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";
import { afterAll, describe, expect, it } from "vitest";
import { createNodeHandler } from "../../src/adapters/node.js";
import { createLivetail, type Livetail } from "../../src/livetail.js";
import type { LivetailOptions } from "../../src/livetail-options.js";
import type { Run } from "../../src/run.js";
import { openCommands } from "../../src/store/redis-connection.js";
import { openAudience } from "../support/audience.js";
import { length } from "../support/length.js";
import { request } from "../support/plain-request.js";
import { startRedis, type TestRedis } from "../support/redis.js";
import { startTcpProxy } from "../support/tcp-proxy.js";
import { until, within } from "../support/until.js";

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

/** The numbers of the lines of a run as they are stored, each that was dropped counted in the line that stands for it. */
async function accountOf(redis: Redis, runId: string) {
  const texts = await redis.lrange(`logs:${runId}:buffer`, 0, -1);
  const account = { logged: 0, stored: texts.length, dropped: 0, outOfOrder: 0 };
  for (const text of texts) {
    const { event, dropped, message } = JSON.parse(text);
    if (event === "log_gap") {
      account.dropped += dropped;
      account.logged += dropped;
    } else if (message === `line ${account.logged}`) account.logged += 1;
    else account.outOfOrder += 1;
  }
  return account;
}

/** What streams were told of the store, each time that another thing came; a stream that ends is followed by another. */
function watchStore(url: string, signal: AbortSignal): string[] {
  const told: string[] = [];
  const read = async (): Promise<void> => {
    while (!signal.aborted) {
      const { body } = await fetch(url, { signal });
      const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (let part = await reader?.read(); part?.value !== undefined; part = await reader?.read()) {
        text += part.value;
        for (const [, store = ""] of text.matchAll(/^event: state\n(?:.*\n)*?data: .*"store":"(\w+)"/gm)) {
          if (told.at(-1) !== store) told.push(store);
        }
        text = text.slice(text.lastIndexOf("\n\n") + 2);
      }
    }
  };
  read().catch(() => {});
  return told;
}

/** An outage with live runs: what is told, what is dropped, and what becomes of the runs. */
interface Drill {
  runs: number;
  leaseMs: number;
  awayMs: number;
  commandTimeoutMs: number;
  maxWaitingLines: number;
  begin(redis: TestRedis): Promise<void>;
  end(redis: TestRedis): Promise<void>;
}

const DRILLS: [string, Drill][] = [
  [
    `killed for ${length("five minutes", "more than a lease")}`,
    {
      runs: length(50, 10),
      leaseMs: length(30_000, 1500),
      awayMs: length(300_000, 2500),
      commandTimeoutMs: 2000,
      maxWaitingLines: length(10_000, 1000),
      begin: (redis) => redis.kill(),
      end: (redis) => redis.restart(),
    },
  ],
  [
    `stopped for ${length("ten seconds", "a while")}`,
    {
      runs: length(50, 10),
      leaseMs: 30_000,
      awayMs: length(10_000, 2000),
      commandTimeoutMs: length(2000, 500),
      maxWaitingLines: 1000,
      begin: (redis) => redis.kill("SIGSTOP"),
      end: (redis) => redis.kill("SIGCONT"),
    },
  ],
];

describe.concurrent("an outage", () => {
  it.each(DRILLS)(
    "of a Redis that is %s loses no live run, counts drops exactly, is told once to writers and viewers, and ends for both",
    async (what, { runs: count, leaseMs, awayMs, commandTimeoutMs, maxWaitingLines, begin, end }) => {
      const redis = await startRedis({ aof: true });
      const options = { redis: redis.url, leaseMs, commandTimeoutMs, maxLines: 100_000, maxBufferBytes: 1e9 };
      const working = open({ ...options, maxWaitingLines });
      const elsewhere = open(options);
      const audience = openAudience(elsewhere.livetail);
      const leaving = new AbortController();
      const runs = Array.from({ length: count }, (_, i) => working.livetail.createOperationRun("job", `live-${i}`));
      await Promise.all(runs.map((run) => run.ready));
      let logged = 0;
      const logLine = (): void => {
        for (const run of runs) run.log(`line ${logged}`);
        logged += 1;
      };
      for (let i = 0; i < 10; i++) logLine();
      await Promise.all(runs.map((run) => run.flush()));
      const [first] = runs as [Run, ...Run[]];
      const viewers = await audience.watchAll(first.id);
      const server = createServer(createNodeHandler(elsewhere.livetail, { mount: "/operations" }));
      await once(server.listen(0, "127.0.0.1"), "listening");
      const { port } = server.address() as AddressInfo;
      const told = watchStore(`http://127.0.0.1:${port}/operations/${first.id}/stream`, leaving.signal);
      await until(() => viewers.every((viewer) => viewer.seen() === 10), "the viewers");

      await begin(redis);
      const away = performance.now();
      // At first enough for lines to be dropped, then some at every moment.
      const burst = logged + (2 * maxWaitingLines) / count;
      const heard = (): boolean => working.heard.includes("STORE_UNAVAILABLE");
      while (performance.now() - away < awayMs || logged < burst || !heard()) {
        logLine();
        await delay(logged < burst ? 2 : awayMs / 100);
      }
      await until(() => told.at(-1) === "unavailable", "the stream to be told");
      await end(redis);
      // The sweeps that find leases over must not have been enough when the last owner is heard of again.
      await until(() => working.heard.length >= 2, "the recovery", 30_000);
      if (awayMs > leaseMs) await delay(leaseMs);
      logLine();
      expect(await within(Promise.all(runs.map((run) => run.complete())), "the ends of the runs")).toEqual(
        runs.map(() => ({ status: "completed", stored: true })),
      );
      expect(working.heard).toEqual(["STORE_UNAVAILABLE", "STORE_RECOVERED"]);
      expect(elsewhere.heard).toEqual([]);

      const raw = new Redis(redis.url);
      let dropped = 0;
      for (const run of runs) {
        const account = await accountOf(raw, run.id);
        expect(account).toMatchObject({ logged, outOfOrder: 0 });
        expect(await raw.hmget(`logs:${run.id}:meta`, "status", "late_lines")).toEqual(["completed", "0"]);
        dropped += account.dropped;
      }
      raw.disconnect();
      expect(await health(working.livetail)).toMatchObject({ dropped_lines: dropped, waiting_lines: 0 });
      expect(dropped).toBeGreaterThan(0);
      for (const viewer of viewers) {
        expect(await within(viewer.finished, `the end for ${viewer.name}`)).toMatchObject({ status: "completed" });
        expect(viewer.errors.filter((code) => code !== "STORE_UNAVAILABLE")).toEqual([]);
      }
      await until(() => told.at(-1) === "ok", "the stream to be told");
      expect(told).toEqual(["ok", "unavailable", "ok"]);
      console.log(
        `outage: ${count} live runs, Redis ${what} (${((performance.now() - away) / 1000).toFixed(1)} s with recovery), ` +
          `lease ${leaseMs / 1000} s: ${count} completed, ${logged * count} lines logged, ${dropped} dropped, all counted`,
      );
      leaving.abort();
      server.close();
      await audience.close();
      await working.livetail.close();
      await elsewhere.livetail.close();
      await redis.stop();
    },
    length(500_000, 60_000),
  );

  it("for good lets operations return and their process end by itself, with every line accounted for", async () => {
    const redis = await startRedis({ aof: true });
    const lines = 20_000;
    const program = fileURLToPath(new URL("../fixtures/for-good.ts", import.meta.url));
    const args = ["--import", "tsx", program, redis.url, "op_for_good", `${lines}`];
    const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
    const exited = once(child, "exit");
    let printed = "";
    child.stdout.setEncoding("utf8").on("data", (text) => {
      printed += text;
    });
    await until(() => printed.includes("logged"), "the first lines");
    await redis.kill();
    child.stdin.end("\n");
    expect(await exited).toEqual([0, null]);
    const { returned, heard, dropped } = JSON.parse(printed.replace("logged\n", ""));
    expect(returned).toBe(lines);
    expect(heard).toEqual(["STORE_UNAVAILABLE"]);
    await redis.restart();
    expect(Number(await redis.cli("HGET", "logs:op_for_good:meta", "next")) + dropped).toBe(lines);
    await redis.stop();
  });
});

describe("when Redis is away", () => {
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
