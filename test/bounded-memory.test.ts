import { once } from "node:events";
import { Agent, type ServerResponse } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createNodeHandler } from "../src/adapters/node.js";
import { createLivetail, type Livetail } from "../src/livetail.js";
import type { LivetailOptions } from "../src/livetail-options.js";
import { memoryStore } from "../src/store/memory.js";
import { ask, openStream } from "./contract/http-client.js";
import { range } from "./contract/http-scene.js";
import { line } from "./contract/log-store/scene.js";
import { startServer } from "./support/bare-server.js";
import { createHandClock, type HandClock, settle } from "./support/hand-clock.js";
import { heldMegabytes } from "./support/held-memory.js";
import { length } from "./support/length.js";
import { request, TestViewer } from "./support/plain-request.js";
import { setScene } from "./support/reading-scene.js";
import { until } from "./support/until.js";

const cleanups: (() => unknown)[] = [];

// The full form moves a hundred times as much.
vi.setConfig({ testTimeout: length(180_000, 60_000) });

afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

/** A livetail on a memory store, both with the same hand clock. */
function open(options: LivetailOptions = {}): { livetail: Livetail; clock: HandClock } {
  const clock = createHandClock();
  const store = memoryStore({ ...options, now: clock.now });
  const livetail = createLivetail({ store, clock, onError: () => {}, ...options });
  cleanups.push(
    () => store.close(),
    () => livetail.close(),
  );
  return { livetail, clock };
}

/** The same on a real server; `responses` are all that it has given so far. */
async function serve(options: LivetailOptions = {}) {
  const opened = open({ authorize: () => true, ...options });
  const responses: ServerResponse[] = [];
  const handle = createNodeHandler(opened.livetail);
  const { url, server } = await startServer((req, res) => {
    responses.push(res);
    handle(req, res);
  });
  return { ...opened, url, responses, port: (server.address() as AddressInfo).port };
}

/** Bytes sent over a connection of its own, of which nothing is read unless the test does. */
async function rawRequest(port: number, text: string): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  cleanups.push(() => socket.destroy());
  await once(socket, "connect");
  socket.write(text);
  return socket;
}

const FILL = "x".repeat(10_000);

/** Lets time pass heartbeat by heartbeat, with the turns of the event loop that those of `runs` runs take, 16 in one. */
async function letPass(clock: HandClock, ms: number, runs: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 10_000) {
    await clock.advance(10_000);
    for (let turn = 0; turn < runs / 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }
}

/** What a run says that is read from its first line: indexes in order, each once. */
const inOrder = (frames: { event: string; data: Record<string, unknown> }[], from: number): number => {
  let next = from;
  for (const { event, data } of frames) {
    expect(["log", "hello", "state"]).toContain(event);
    if (event === "log") expect(data.index).toBe(next++);
  }
  return next;
};

describe("a viewer that never reads", () => {
  it("costs no memory while the lines flow, keeps nobody waiting, and is cut off after 30 s", async () => {
    const megabytes = length(100, 20);
    const { livetail, clock, url, responses, port } = await serve();
    const run = livetail.createOperationRun("s", "op");
    await run.ready;
    const stuck = await rawRequest(port, `GET /${run.id}/stream HTTP/1.1\r\nHost: x\r\n\r\n`);
    await vi.waitFor(() => expect(livetail.handler.viewers()).toBe(1));
    const eager = await openStream(url, `/${run.id}/stream`);
    const before = await heldMegabytes();
    let held = 0;
    let waiting = 0;
    let next = 0;
    for (const round of range(0, megabytes * 2)) {
      // Half a megabyte: whoever reads can have every line of it.
      for (const n of range(0, 50)) run.log({ message: `line ${round * 50 + n}`, fill: FILL });
      next = inOrder(await eager.until(({ data }) => data.index === round * 50 + 49), next);
      waiting = Math.max(waiting, ...responses.map((res) => res.writableLength));
      if (round % 20 === 19) held = Math.max(held, (await heldMegabytes()) - before);
    }
    expect(next).toBe(megabytes * 100);
    expect(waiting).toBeGreaterThan(0);
    expect(waiting).toBeLessThan(262_144);
    expect(held).toBeLessThan(12);

    const closed = once(stuck, "close");
    await clock.advance(29_000);
    expect(livetail.handler.viewers()).toBe(2);
    await clock.advance(3000);
    expect(livetail.handler.viewers()).toBe(1);
    stuck.resume();
    await closed;
    await run.complete();
    expect((await eager.rest()).at(-1)?.event).toBe("end");
    console.log(
      `a viewer that never reads, ${megabytes} MB of lines: at most ${waiting} bytes wait for it, ` +
        `${held.toFixed(1)} MB held beyond what was before`,
    );
  });

  it("of a large answer is cut off after 30 s, and one that reads it can go on", async () => {
    const lines = 1000;
    const { livetail, url, responses, port } = await serve({ maxBufferBytes: 64 * 1_048_576 });
    const run = livetail.createOperationRun("s", "op");
    for (const n of range(0, lines)) run.log({ message: String(n), fill: FILL });
    await run.flush();
    // 10 MB are more than the system takes for a connection that nobody reads.
    const stuck = await rawRequest(port, `GET /${run.id}?limit=1000 HTTP/1.1\r\nHost: x\r\n\r\n`);
    await vi.waitFor(() => expect(responses[0]?.writableEnded).toBe(true));
    const server = responses[0]?.socket;
    expect(responses[0]?.writableLength).toBeGreaterThan(0);
    expect(server?.timeout).toBe(30_000);
    server?.emit("timeout");
    expect(server?.destroyed).toBe(true);
    stuck.resume();
    await once(stuck, "close");
    // Its connection goes on afterwards as if nothing had been.
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    cleanups.push(() => agent.destroy());
    for (const limit of [1000, 1, 1000]) {
      const { logs } = (await ask(url, `/${run.id}?limit=${limit}`, { agent })).json<{ logs: unknown[] }>();
      expect(logs).toHaveLength(limit);
    }
    // Node lets go of a connection when its answer is out, and gives it the time of an idle one.
    await vi.waitFor(() => expect(responses.at(-1)?.socket).toBeNull());
  });
});

describe("a download", () => {
  it("holds a piece ready, however long the lines are", async () => {
    const { livetail } = open({ maxBufferBytes: 64 * 1_048_576 });
    const run = livetail.createOperationRun("s", "op");
    for (const n of range(0, 600)) run.log(n % 2 === 0 ? "short" : { message: "long", fill: FILL });
    await run.complete();
    const { body } = await livetail.handler.handle(request(`/${run.id}/download`));
    const viewer = new TestViewer(body as never, true);
    const sizes: number[] = [];
    while (!viewer.ended) {
      await settle();
      sizes.push(viewer.pendingBytes);
      viewer.drain();
    }
    expect(Math.max(...sizes)).toBeLessThan(200_000);
    const indexes = viewer.text
      .trimEnd()
      .split("\n")
      .map((text) => JSON.parse(text).index);
    expect(indexes).toEqual(range(0, 600));
  });

  it("that only sips loses its place after a minute, and one that takes a piece a minute does not", async () => {
    const scene = await setScene({ maxBufferBytes: 64 * 1_048_576 });
    cleanups.push(
      () => scene.harness.close(),
      () => scene.reader.close(),
    );
    const { store, reader, clock } = scene;
    const livetail = createLivetail({ store, clock, onError: () => {} });
    cleanups.push(() => livetail.close());
    const run = await scene.run();
    for (const n of range(0, 10)) await run.write(range(0, 50).map((i) => line(`${n * 50 + i} ${FILL}`)));
    const download = async (): Promise<TestViewer> => {
      const { body } = await livetail.handler.handle(request(`/${run.runId}/download`));
      return new TestViewer(body as never, true);
    };
    const sipping = await download();
    const slow = await download();
    await settle();
    for (const _ of range(0, 5)) {
      for (const viewer of [sipping, slow]) viewer.sip(1);
      await clock.advance(10_000);
    }
    slow.drain();
    await clock.advance(8000);
    expect(sipping.destroyed).toBe(false);
    sipping.sip(1);
    await clock.advance(3000);
    expect(sipping).toMatchObject({ destroyed: true, ended: false });
    for (const _ of range(0, 100)) {
      if (slow.ended) break;
      slow.drain();
      for (const _sip of range(0, 2)) {
        await clock.advance(25_000);
        slow.sip(1);
      }
    }
    expect(slow).toMatchObject({ destroyed: false, ended: true });
    expect(livetail.handler.viewers()).toBe(0);
    expect(reader.feeds).toBe(0);
  });
});

describe("what a request brings along", () => {
  it.each([
    ["headers", (id: string) => `GET /${id} HTTP/1.1\r\nHost: x\r\nX-Big: ${"x".repeat(100_000)}\r\n\r\n`],
    ["many headers", (id: string) => `GET /${id} HTTP/1.1\r\nHost: x\r\n${"A: b\r\n".repeat(20_000)}\r\n`],
    ["a URL", (id: string) => `GET /${id}?cursor=${"x".repeat(100_000)} HTTP/1.1\r\nHost: x\r\n\r\n`],
  ])("is refused when it is huge: %s", async (_what, text) => {
    const { livetail, responses, port } = await serve();
    const run = livetail.createOperationRun("s", "op");
    const socket = await rawRequest(port, text(run.id));
    const [answer] = await once(socket, "data");
    expect(String(answer)).toMatch(/^HTTP\/1\.1 431 /);
    expect(responses).toEqual([]);
    expect(livetail.handler.viewers()).toBe(0);
  });

  it.each([
    ["the stream of a run", "stream", 200],
    ["a cancel", "cancel", 202],
  ])("is not read into memory: a body of many megabytes for %s", async (_what, path, status) => {
    const megabytes = length(200, 40);
    const { livetail, port } = await serve();
    const run = livetail.createOperationRun("s", "op");
    await run.ready;
    const head = `POST /${run.id}/${path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n`;
    const socket = await rawRequest(port, head);
    const [answer] = await once(socket, "data");
    expect(String(answer)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    socket.resume();
    const before = await heldMegabytes();
    const chunk = Buffer.concat([Buffer.from("100000\r\n"), Buffer.alloc(1_048_576, "x"), Buffer.from("\r\n")]);
    let held = 0;
    for (const n of range(0, megabytes)) {
      if (!socket.write(chunk)) await once(socket, "drain");
      if (n % 20 === 19) held = Math.max(held, (await heldMegabytes()) - before);
    }
    expect(socket.bytesWritten).toBeGreaterThan(megabytes * 1_000_000);
    expect(held).toBeLessThan(8);
  });
});

describe("runs that were read", () => {
  it("are forgotten 10 s after their last viewer, and until then kept within a bound in bytes", async () => {
    const count = length(5000, 500);
    const bound = length(16, 4) * 1_048_576;
    const scene = await setScene({}, { totalWindowBytes: bound });
    cleanups.push(
      () => scene.harness.close(),
      () => scene.reader.close(),
    );
    const runs = [];
    for (const _ of range(0, count)) {
      const run = await scene.run();
      await run.write(range(0, 20).map((n) => line(`${n} ${"x".repeat(1000)}`)));
      runs.push(run.runId);
    }
    const before = await heldMegabytes();
    let kept = 0;
    for (const runId of runs) {
      const { cursor } = await scene.poll(runId);
      // Of the newest lines many viewers ask for the same.
      for (const since of range(0, 16)) await scene.poll(runId, { since });
      await scene.poll(runId, { cursor });
      kept = Math.max(kept, scene.reader.keptBytes);
    }
    expect(scene.reader.feeds).toBe(count);
    expect(scene.watched()).toBe(count);
    expect(kept).toBeLessThanOrEqual(bound);
    scene.reads.length = 0;
    const held = (await heldMegabytes()) - before;
    // Without its lines a feed is some 4 kB.
    expect(held).toBeLessThan((1.5 * bound + count * 8192) / 1_048_576);
    await scene.clock.advance(11_000);
    // What the scene notes down.
    scene.reads.length = 0;
    expect(scene.reader.feeds).toBe(0);
    expect(scene.watched()).toBe(0);
    expect(scene.reader.keptBytes).toBe(0);
    expect(scene.clock.timers).toBe(0);
    const left = (await heldMegabytes()) - before;
    expect(left).toBeLessThan(2);
    console.log(
      `${count} runs read: ${(kept / 1_048_576).toFixed(1)} MB of lines kept (bound ${bound / 1_048_576}), ` +
        `${held.toFixed(1)} MB held, ${left.toFixed(1)} MB ten seconds later`,
    );
  });
});

describe("runs that are written", () => {
  it("cost little while they are open, however many, and nothing a lease and a grace after their end", async () => {
    const count = length(10_000, 3000);
    const { livetail, clock } = open({ maxLines: 1 });
    const before = await heldMegabytes();
    let runs = range(0, count).map(() => livetail.createOperationRun("s", "op"));
    for (const run of runs) run.log("a line");
    await Promise.all(runs.map((run) => run.flush()));
    const opened = (await heldMegabytes()) - before;
    expect((opened * 1_048_576) / count).toBeLessThan(8192);
    await Promise.all(runs.map((run) => run.complete()));
    runs = [];
    // The store forgets ended runs by itself after six hours.
    await letPass(clock, 100_000, count);
    const ended = (await heldMegabytes()) - before;
    // What the store keeps of a run stays; what this process held for it, some 1.5 kB, does not.
    expect(((opened - ended) * 1_048_576) / count).toBeGreaterThan(700);
    console.log(
      `${count} open runs: ${((opened * 1024) / count).toFixed(1)} kB each with their store, ` +
        `${((ended * 1024) / count).toFixed(1)} kB a minute after their ends`,
    );
  });

  it("that were joined by their ids are let go when they are idle", async () => {
    const count = length(10_000, 3000);
    const { livetail, clock } = open({ maxLines: 1 });
    const owners = open({ store: livetail.store, clock });
    const runs = range(0, count).map(() => owners.livetail.createOperationRun("s", "op"));
    await Promise.all(runs.map((run) => run.ready));
    const before = await heldMegabytes();
    for (const run of runs) livetail.createLogCallback(run.id)("joined");
    const waiting = async (): Promise<number> => {
      const { body } = await livetail.handler.handle(request("/-/health"));
      return JSON.parse(String(body)).waiting_lines;
    };
    expect(await waiting()).toBe(count);
    await until(async () => (await waiting()) === 0, "all lines to be stored", 60_000);
    const joined = (await heldMegabytes()) - before;
    await letPass(clock, 320_000, count);
    const left = (await heldMegabytes()) - before;
    // The same: here some 0.8 kB.
    expect(((joined - left) * 1_048_576) / count).toBeGreaterThan(400);
    console.log(
      `${count} joined runs: ${((joined * 1024) / count).toFixed(1)} kB each with their store, ` +
        `${((left * 1024) / count).toFixed(1)} kB when they were let go`,
    );
  });
});
