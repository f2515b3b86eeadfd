import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { Writable } from "node:stream";
import { afterEach, describe, expect, it } from "vitest";
import { createNodeHandler } from "../src/adapters/node.js";
import { readTailCall, tail } from "../src/cli/tail.js";
import { systemClock } from "../src/clock.js";
import { createLivetail, type Livetail } from "../src/livetail.js";
import type { LivetailOptions } from "../src/livetail-options.js";
import type { LogEntry } from "../src/protocol.js";
import { memoryStore } from "../src/store/memory.js";
import { createTestIo, startCli, type TestIo, until } from "./support/cli.js";
import { settle } from "./support/hand-clock.js";
import { freePort, startRedis } from "./support/redis.js";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

/** A livetail on a real server. */
interface Service {
  livetail: Livetail;
  base: string;
  /** Ends the server as a restart does: every connection is cut. */
  cut(): Promise<void>;
  /** Listens again on the same port. */
  listen(): Promise<void>;
}

async function startService(options: LivetailOptions = { store: memoryStore() }): Promise<Service> {
  const port = await freePort();
  const livetail = createLivetail(options);
  let server: Server;
  const service: Service = {
    livetail,
    base: `http://127.0.0.1:${port}/livetail`,
    async cut() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
    async listen() {
      server = createServer(createNodeHandler(livetail, { mount: "/livetail" })).listen(port, "127.0.0.1");
      await once(server, "listening");
    },
  };
  await service.listen();
  cleanups.push(async () => {
    await livetail.close();
    if (server.listening) await service.cut();
  });
  return service;
}

/** Starts a tail inside this process, on the real clock. */
function tailHere(args: readonly string[], io: TestIo = createTestIo({ env: {}, realClock: true })) {
  const call = readTailCall(args, io.env);
  if (call === null) throw new Error("Help was not wanted.");
  let over = false;
  const code = tail(call, io).finally(() => {
    over = true;
  });
  return { io, code, over: () => over };
}

/** A clock that goes on only when it is put forward, while its timers are real. */
function createSteppedIo(): { io: TestIo; putForward(ms: number): void } {
  let time = systemClock.now();
  const io = createTestIo({ env: {}, realClock: true });
  return {
    io: { ...io, clock: { now: () => time, after: systemClock.after } },
    putForward(ms) {
      time += ms;
    },
  };
}

const lines = (text: string): string[] => text.split("\n").slice(0, -1);

describe("how livetail tail is called", () => {
  const place = (args: readonly string[], env = {}) => {
    const call = readTailCall(args, env);
    return call && `${call.runId} ${call.source.kind} ${call.source.url}`;
  };

  it.each([
    [["op_x", "--url", "http://h:1/livetail"], "op_x url http://h:1/livetail"],
    [["op_x", "--url", "http://h:1/livetail/"], "op_x url http://h:1/livetail"],
    [["op_x", "--url", "http://h:1"], "op_x url http://h:1"],
    [["op_x", "--url", "https://h/a/b/op_x/view"], "op_x url https://h/a/b"],
    [["--url", "https://h/a/op_x"], "op_x url https://h/a"],
    [["http://h:1/livetail/op_x/view"], "op_x url http://h:1/livetail"],
    [["http://h:1/livetail/op_x?cursor=a.1.2"], "op_x url http://h:1/livetail"],
    [["http://h:1/livetail/op_x/status"], "op_x url http://h:1/livetail"],
    [["http://h:1/a%3Ab"], "a:b url http://h:1"],
    [["op_x", "--redis", "redis://h:1"], "op_x redis redis://h:1"],
  ])("understands %j", (args, found) => {
    expect(place(args)).toBe(found);
  });

  it("takes the place from the environment where none is given", () => {
    expect(place(["op_x"], { LIVETAIL_URL: "http://h/x", REDIS_URL: "redis://h" })).toBe("op_x url http://h/x");
    expect(place(["op_x"], { REDIS_URL: "redis://h" })).toBe("op_x redis redis://h");
    expect(place(["http://g/op_y/view"], { LIVETAIL_URL: "http://h/x" })).toBe("op_y url http://g");
  });

  it.each([
    [[]],
    [["op_x"]],
    [["op_x", "op_y", "--url", "http://h"]],
    [["../x", "--url", "http://h"]],
    [["owner:x", "--redis", "redis://h"]],
    [["http://h/livetail/%zz"]],
    [["op_x", "--url", "h:1/livetail"]],
    [["op_x", "--url", "http://h", "--redis", "redis://h"]],
    [["op_x", "--url", "http://h", "-n", "0"]],
    [["op_x", "--url", "http://h", "--since", "-1"]],
    [["op_x", "--url", "http://h", "--since", "1", "-n", "1"]],
    [["op_x", "--url", "http://h", "--jsno"]],
  ])("refuses %j", (args) => {
    expect(() => readTailCall(args, {})).toThrow();
  });

  it("says on stderr what is missing, and exits with 64", async () => {
    const cli = startCli(["tail", "op_x"]);
    expect(await cli.ended).toBe(64);
    expect(cli.stdout).toBe("");
    expect(cli.stderr).toContain("LIVETAIL_URL");
  });
});

describe("livetail tail", () => {
  it("prints history, then live lines, with layers and the summary on stderr, and exits with 0", async () => {
    const { livetail, base } = await startService();
    const run = livetail.createOperationRun("s", "job");
    run.logOutput("from history", "stdout");
    run.layer("read", "running");
    await run.flush();
    const { io, code } = tailHere([run.id, "--url", base]);
    await until(() => io.printed.stdout === "from history\n" && io.printed.stderr === "● read  running\n");
    run.logOutput("live", "stderr");
    await until(() => io.printed.stdout === "from history\nlive\n");
    run.layer("read", "success", "all of it");
    run.log({ level: "warn", event: "cache_hit", message: "structured", metadata: { key: "k" } });
    await run.complete();
    expect(await code).toBe(0);
    expect(lines(io.printed.stdout)[2]).toMatch(/^\d\d:\d\d:\d\d warn {2}⚡ structured key=k$/);
    expect(lines(io.printed.stderr).slice(1, 3)).toEqual([
      expect.stringMatching(/^✔ read {2}success .* all of it$/),
      `completed  ${run.id}, 3 lines`,
    ]);
  });

  it("exits with 1 when the run failed or was cancelled, and says why", async () => {
    const { livetail, base } = await startService();
    const failing = livetail.createOperationRun("s", "job");
    await failing.fail("it broke");
    const failed = tailHere([failing.id, "--url", base]);
    expect(await failed.code).toBe(1);
    expect(failed.io.printed.stderr).toContain(`failed  ${failing.id}, 0 lines\n  it broke\n`);

    const cancelling = livetail.createOperationRun("s", "job");
    await cancelling.ready;
    await livetail.cancelRun(cancelling.id);
    await cancelling.fail("stopped");
    const cancelled = tailHere([cancelling.id, "--url", base]);
    expect(await cancelled.code).toBe(1);
    expect(cancelled.io.printed.stderr).toContain(`cancelled  ${cancelling.id}`);
  });

  it("begins where it is told", async () => {
    const { livetail, base } = await startService();
    const run = livetail.createOperationRun("s", "job");
    for (let i = 0; i < 10; i += 1) run.logOutput(`line ${i}`, "stdout");
    await run.complete();
    const since = tailHere([run.id, "--url", base, "--since", "7"]);
    const newest = tailHere([run.id, "--url", base, "-n", "2"]);
    expect([await since.code, await newest.code]).toEqual([0, 0]);
    expect(since.io.printed.stdout).toBe("line 7\nline 8\nline 9\n");
    expect(newest.io.printed.stdout).toBe("line 8\nline 9\n");
  });

  it("announces lines that are no longer kept, with their exact number", async () => {
    const { livetail, base } = await startService({ store: memoryStore({ maxLines: 100 }), maxLines: 100 });
    const run = livetail.createOperationRun("s", "job");
    for (let i = 0; i < 500; i += 1) run.logOutput(`line ${i}`, "stdout");
    await run.complete();
    const { io, code } = tailHere([run.id, "--url", base]);
    expect(await code).toBe(0);
    expect(lines(io.printed.stdout)).toHaveLength(100);
    expect(io.printed.stderr).toContain("── 400 lines missing: 0 to 399 (no longer kept) ──\n");
  });

  it("prints entries as JSON, one on a line, and nothing else on stdout", async () => {
    const { livetail, base } = await startService();
    const run = livetail.createOperationRun("s", "job");
    run.log("text", { a: 1 });
    run.logOutput("\u001b[31m\u009b2Jred", "stdout");
    run.layer("x", "running");
    await run.complete();
    const { io, code } = tailHere([run.id, "--url", base, "--json"]);
    expect(await code).toBe(0);
    expect(io.printed.stdout).not.toMatch(/[^\P{Cc}\n]/u);
    const entries = lines(io.printed.stdout).map((line) => JSON.parse(line) as LogEntry);
    expect(entries).toMatchObject([
      { index: 0, message: "text", metadata: { a: 1 } },
      { index: 1, message: "\u001b[31m\u009b2Jred", stream: "stdout" },
    ]);
  });

  it("goes on where it was when the server restarts in the middle, each line once", async () => {
    const service = await startService();
    const run = service.livetail.createOperationRun("s", "job");
    const { io, code } = tailHere([run.id, "--url", service.base]);
    let logged = 0;
    const log = (count: number): void => {
      for (const end = logged + count; logged < end; logged += 1) run.logOutput(`line ${logged}`, "stdout");
    };
    log(700);
    await until(() => io.printed.stdout.includes("line 10\n"));
    await service.cut();
    log(200);
    await until(() => io.printed.stderr.includes("cannot be reached"));
    log(50);
    await service.listen();
    await until(() => io.printed.stderr.includes("can be reached again"));
    log(50);
    await run.complete();
    expect(await code).toBe(0);
    expect(lines(io.printed.stdout)).toEqual(Array.from({ length: 1000 }, (_, i) => `line ${i}`));
    expect(io.printed.stderr).not.toContain("──");
  });

  it("shows where the numbering began anew", async () => {
    const port = await freePort();
    const first = createLivetail({ store: memoryStore(), authorize: () => true });
    const second = createLivetail({ store: memoryStore(), authorize: () => true });
    cleanups.push(() => Promise.all([first.close(), second.close()]));
    const listen = async (livetail: Livetail): Promise<Server> => {
      const server = createServer(createNodeHandler(livetail)).listen(port, "127.0.0.1");
      await once(server, "listening");
      return server;
    };
    const before = first.createOperationRun("s", "job", { id: "op_same" });
    before.logOutput("before", "stdout");
    const server = await listen(first);
    const { io, code } = tailHere([before.id, "--url", `http://127.0.0.1:${port}`]);
    await until(() => io.printed.stdout === "before\n");
    server.close();
    server.closeAllConnections();
    await once(server, "close");
    const after = second.createOperationRun("s", "job", { id: "op_same" });
    after.logOutput("after", "stdout");
    await after.complete();
    const restarted = await listen(second);
    expect(await code).toBe(0);
    restarted.close();
    expect(io.printed.stdout).toBe("before\nafter\n");
    expect(io.printed.stderr).toContain("── the log began anew at line 0 (epoch) ──\n");
  });

  it("exits with 2 and says so when there is no such run", async () => {
    const io = createTestIo({ env: {} });
    const { base } = await startService({ store: memoryStore(), authorize: () => true, clock: io.hands });
    const { code, over } = tailHere(["op_unknown", "--url", base], io);
    await until(async () => {
      await io.hands.advance(100);
      return over();
    });
    expect(await code).toBe(2);
    expect(io.printed.stdout).toBe("");
    expect(io.printed.stderr).toMatch(/^livetail: There is no such run.*\(op_unknown\)\n$/);
  });

  it("exits with 2 when nobody answers, after it has tried for a while", async () => {
    const { io, putForward } = createSteppedIo();
    const { code } = tailHere(["op_x", "--url", `http://127.0.0.1:${await freePort()}/livetail`], io);
    await until(() => io.printed.stderr.includes("cannot be reached (ECONNREFUSED), trying again\n"));
    putForward(10_000);
    expect(await code).toBe(2);
    expect(io.printed.stderr).toMatch(/cannot be reached: ECONNREFUSED \(op_x\)\n$/);
  });

  it("exits with 2 when the server that it had reached stays away", async () => {
    const service = await startService();
    const run = service.livetail.createOperationRun("s", "job");
    run.logOutput("one", "stdout");
    const { io, putForward } = createSteppedIo();
    let asked = 0;
    const fetch: TestIo["fetch"] = (...args) => {
      asked += 1;
      return globalThis.fetch(...args);
    };
    const { code, over } = tailHere([run.id, "--url", service.base], { ...io, fetch });
    await until(() => io.printed.stdout === "one\n");
    await service.cut();
    await until(() => io.printed.stderr.includes("trying again"));
    putForward(59_000);
    const before = asked;
    await until(() => asked > before + 1);
    expect(over()).toBe(false);
    putForward(1000);
    expect(await code).toBe(2);
  });

  it("exits with 2 when access is refused", async () => {
    const { livetail, base } = await startService({ store: memoryStore(), authorize: () => false });
    const run = livetail.createOperationRun("s", "job");
    const { io, code } = tailHere([run.id, "--url", base]);
    expect(await code).toBe(2);
    expect(io.printed.stderr).toContain("livetail: ");
  });

  it("exits with 130 on Ctrl-C, and with 143 on SIGTERM, while the run goes on", async () => {
    const { livetail, base } = await startService();
    const run = livetail.createOperationRun("s", "job");
    run.logOutput("one", "stdout");
    for (const [signal, expected] of [
      ["SIGINT", 130],
      ["SIGTERM", 143],
    ] as const) {
      const { io, code } = tailHere([run.id, "--url", base]);
      await until(() => io.printed.stdout === "one\n");
      io.signals.emit(signal);
      expect(await code).toBe(expected);
    }
    const cli = startCli(["tail", run.id, "--url", base]);
    await cli.printed("stdout", "one\n");
    cli.child.kill("SIGINT");
    expect(await cli.ended).toBe(130);
  });

  it("ends quietly when the reader of its output has gone", async () => {
    const { livetail, base } = await startService();
    const run = livetail.createOperationRun("s", "job");
    run.logOutput("one", "stdout");
    const cli = startCli(["tail", run.id, "--url", base]);
    await cli.printed("stdout", "one\n");
    cli.child.stdout.destroy();
    run.logOutput("two", "stdout");
    expect(await cli.ended).toBe(141);
    expect(cli.stderr).toBe("");
  });

  it("waits for a terminal that does not take more, asks for no more than it can hold, and loses nothing", async () => {
    const { livetail, base } = await startService({
      store: memoryStore({ maxLines: 50_000, maxBufferBytes: 1e8 }),
      maxLines: 50_000,
      maxBufferBytes: 1e8,
      maxWaitingLines: 50_000,
      maxWaitingBytes: 1e8,
    });
    const run = livetail.createOperationRun("s", "job");
    for (let i = 0; i < 20_000; i += 1) run.logOutput(`line ${i} ${"x".repeat(200)}`, "stdout");
    await run.complete();
    const taken: string[] = [];
    let take: (() => void) | null = null;
    let open = false;
    const io = createTestIo({ env: {}, realClock: true });
    io.stdout = new Writable({
      write(chunk: Buffer, _encoding, done) {
        taken.push(chunk.toString("utf8"));
        if (open) done();
        else take = done;
      },
    });
    let asked = 0;
    const fetch: TestIo["fetch"] = (...args) => {
      asked += 1;
      return globalThis.fetch(...args);
    };
    const { code } = tailHere([run.id, "--url", base], { ...io, fetch });
    await until(() => livetail.handler.viewers() === 1);
    await until(() => livetail.handler.viewers() === 0);
    expect([taken.length, asked]).toEqual([1, 1]);
    open = true;
    (take as (() => void) | null)?.();
    expect(await code).toBe(0);
    expect(asked).toBeGreaterThan(1);
    expect(lines(taken.join("")).map((line) => Number(line.split(" ")[1]))).toEqual(
      Array.from({ length: 20_000 }, (_, i) => i),
    );
  });
});

describe("livetail tail at the end", () => {
  it("has handed over everything that it printed, because what a pipe has not taken is lost with the process", async () => {
    const { livetail, base } = await startService();
    const run = livetail.createOperationRun("s", "job");
    run.logOutput("one", "stdout");
    await run.complete();
    const io = createTestIo({ env: {}, realClock: true });
    const takes: (() => void)[] = [];
    io.stdout = new Writable({ write: (_chunk, _encoding, done) => void takes.push(done) });
    const { code, over } = tailHere([run.id, "--url", base], io);
    await until(() => io.printed.stderr.includes("completed"));
    await settle();
    expect([takes.length, over()]).toEqual([1, false]);
    takes[0]?.();
    await until(() => takes.length === 2);
    takes[1]?.();
    expect(await code).toBe(0);
  });
});

describe("livetail tail through Redis", () => {
  it("prints history and live lines through a restart of Redis, and exits with 0", async () => {
    const redis = await startRedis({ aof: true });
    cleanups.push(() => redis.stop());
    const livetail = createLivetail({ redis: redis.url, onError: () => {} });
    cleanups.push(() => livetail.close());
    const run = livetail.createOperationRun("s", "job");
    for (let i = 0; i < 100; i += 1) run.logOutput(`line ${i}`, "stdout");
    await run.flush();
    const cli = startCli(["tail", run.id], { REDIS_URL: redis.url });
    await cli.printed("stdout", "line 99\n");
    await redis.kill();
    run.logOutput("line 100", "stdout");
    await cli.printed("stderr", "livetail: Redis cannot be reached, trying again\n");
    await redis.restart();
    await cli.printed("stdout", "line 100\n");
    expect(cli.stderr).toContain("livetail: Redis can be reached again\n");
    await run.complete();
    expect(await cli.ended).toBe(0);
    // Another server process is another epoch, though nothing is missing: what it still has is shown again.
    const shown = lines(cli.stdout).map((line) => Number(line.split(" ")[1]));
    expect(shown.slice(0, 100)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(shown.at(-1)).toBe(100);
    expect(cli.stderr).toContain(`completed  ${run.id}, 101 lines\n`);
  });

  it("exits with 2 when the run stays unknown", async () => {
    const redis = await startRedis({ own: true });
    cleanups.push(() => redis.stop());
    const { io, code, over } = tailHere(["op_unknown", "--redis", redis.url], createTestIo({ env: {} }));
    await until(async () => {
      await io.hands.advance(100);
      return over();
    });
    expect(await code).toBe(2);
    expect(io.printed.stderr).toMatch(/^livetail: There is no such run.*\(op_unknown\)\n$/);
  });

  it("exits with 2 when Redis cannot be reached for a while", async () => {
    const redis = `redis://127.0.0.1:${await freePort()}`;
    const { io, code } = tailHere(["op_x", "--redis", redis], createTestIo({ env: {} }));
    await until(() => io.printed.stderr === "livetail: Redis cannot be reached, trying again\n");
    await io.hands.advance(10_000);
    expect(await code).toBe(2);
    expect(io.printed.stderr).toMatch(/^livetail: Redis cannot be reached, trying again\nlivetail: .*\(op_x\)\n$/);
  });
});
