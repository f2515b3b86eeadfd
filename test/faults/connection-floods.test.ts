import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createNodeHandler } from "../../src/adapters/node.js";
import { createLivetail, type Livetail } from "../../src/livetail.js";
import type { LivetailOptions } from "../../src/livetail-options.js";
import type { Run } from "../../src/run.js";
import { memoryStore } from "../../src/store/memory.js";
import type { LogStore } from "../../src/store.js";
import { ask, openStream } from "../contract/http-client.js";
import { range } from "../contract/http-scene.js";
import { createHandClock, type HandClock } from "../support/hand-clock.js";
import { heldMegabytes } from "../support/held-memory.js";
import { length } from "../support/length.js";
import { until } from "../support/until.js";

const COUNT = length(2000, 150);
const TIMEOUT_MS = length(300_000, 60_000);

let server: Server;
let livetail: Livetail;
let clock: HandClock;
let run: Run;
let port: number;
/** Connections that the server has open. */
let sockets: Set<Socket>;
/** Runs that are subscribed to. */
let watched: number;
let rejections: unknown[];
const onRejection = (reason: unknown): void => void rejections.push(reason);

beforeEach(() => {
  rejections = [];
  process.on("unhandledRejection", onRejection);
});

afterEach(async () => {
  process.off("unhandledRejection", onRejection);
  await livetail.close();
  server.closeAllConnections();
  server.close();
});

async function open(options: LivetailOptions = {}): Promise<void> {
  clock = createHandClock();
  watched = 0;
  const inner = memoryStore({ now: clock.now });
  const store: LogStore = {
    ...inner,
    watch(runId, onHint) {
      const unwatch = inner.watch(runId, onHint);
      watched += 1;
      return () => {
        watched -= 1;
        unwatch();
      };
    },
  };
  livetail = createLivetail({ store, clock, authorize: () => true, ...options });
  sockets = new Set();
  server = createServer(createNodeHandler(livetail, { mount: "/operations" }));
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  await once(server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }), "listening");
  port = (server.address() as AddressInfo).port;
  run = livetail.createOperationRun("s", "op");
  for (const n of range(0, 300)) run.log(`line ${n} ${"x".repeat(200)}`);
  await run.flush();
}

/** Opens a connection that says `text`, and reads nothing unless it is told to. */
async function dial(text: string): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  await once(socket, "connect");
  if (text !== "") socket.write(text);
  return socket;
}

const get = (path: string, more = ""): string => `GET /operations/${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`;

async function cursorOf(id: string): Promise<string> {
  return (await ask(`http://127.0.0.1:${port}/operations`, `/${id}`)).json<{ cursor: string }>().cursor;
}

/** What a connection has said when it is dropped, and how many viewers it makes of itself. */
const WAYS: [name: string, text: () => Promise<string>, viewers: number][] = [
  ["at connect", async () => "", 0],
  ["after half of a request line", async () => "GET /opera", 0],
  ["after half of its headers", async () => get(`${run.id}/stream`).slice(0, -2), 0],
  [
    "after half of a body",
    async () => `POST /operations/${run.id}/stream HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf`,
    1,
  ],
  ["in mid-stream", async () => get(`${run.id}/stream`), 1],
  ["in mid-long-poll", async () => get(`${run.id}?wait=30&cursor=${await cursorOf(run.id)}`), 1],
  ["while its run is waited for", async () => get("op_test_ffffffffffffffffffffffff/stream"), 1],
  [
    "behind three requests at once",
    async () => get(run.id).repeat(2) + get(`${run.id}?wait=30&cursor=${await cursorOf(run.id)}`),
    1,
  ],
];

/** Opens connections, a hundred at a time, lets them become viewers, and drops them. */
async function flood(count: number, text: string, viewers: number, drop: (socket: Socket) => void): Promise<void> {
  const dialled: Socket[] = [];
  for (let opened = 0; opened < count; opened += 100) {
    dialled.push(...(await Promise.all(range(opened, Math.min(count, opened + 100)).map(() => dial(text)))));
  }
  await until(() => sockets.size === count, `${count} connections`);
  await until(() => livetail.handler.viewers() === count * viewers, `${count * viewers} viewers`);
  for (const socket of dialled) drop(socket);
  await until(() => sockets.size === 0, "the server to let go of every connection");
}

describe("a flood of connections that are dropped", () => {
  it(
    `leaves nothing behind: ${COUNT} in each of ${WAYS.length} ways`,
    async () => {
      await open({ maxViewers: COUNT, maxViewersPerRun: COUNT });
      // Once for whatever is made at the first use.
      for (const [, text, viewers] of WAYS) await flood(20, await text(), viewers, (socket) => socket.destroy());
      await clock.advance(11_000);
      const before = await heldMegabytes();
      for (const [name, text, viewers] of WAYS) {
        const said = await text();
        // Half of them say goodbye, the others reset.
        let turn = 0;
        await flood(COUNT, said, viewers, (socket) => {
          turn += 1;
          if (turn % 2 === 0) socket.destroy();
          else socket.resetAndDestroy();
        });
        await until(() => livetail.handler.viewers() === 0, `no viewers after connections were dropped ${name}`);
      }
      await clock.advance(11_000);
      expect(livetail.reader.feeds).toBe(0);
      expect(livetail.reader.keptBytes).toBe(0);
      expect(watched).toBe(0);
      // The heartbeat of the process alone.
      expect(clock.timers).toBe(1);
      const left = (await heldMegabytes()) - before;
      expect(left).toBeLessThan(3);
      expect(rejections).toEqual([]);
      // Whoever comes now is served as ever.
      const stream = await openStream(`http://127.0.0.1:${port}/operations`, `/${run.id}/stream`);
      run.log("after the flood");
      await run.complete();
      const frames = await stream.rest();
      expect(frames.filter(({ event }) => event === "log")).toHaveLength(301);
      expect(frames.at(-1)?.event).toBe("end");
      console.log(
        `${COUNT * WAYS.length} connections opened and dropped: ${left.toFixed(1)} MB held beyond what was before`,
      );
    },
    TIMEOUT_MS,
  );

  it(
    "while lines flow costs nobody else a line",
    async () => {
      await open();
      const stream = await openStream(`http://127.0.0.1:${port}/operations`, `/${run.id}/stream`);
      const texts = await Promise.all(WAYS.map(([, text]) => text()));
      const rounds = length(100, 20);
      let next = 0;
      for (const round of range(0, rounds)) {
        const dialled = await Promise.all(range(0, 20).map((n) => dial(texts[n % texts.length] ?? "")));
        for (const n of range(0, 50)) run.log(`round ${round} ${n}`);
        for (const socket of dialled) socket.resetAndDestroy();
        for (const { event, data } of await stream.until(({ data }) => data.index === 299 + (round + 1) * 50)) {
          expect(["gap", "reset", "end"]).not.toContain(event);
          if (event === "log") expect(data.index).toBe(next++);
        }
      }
      expect(next).toBe(300 + rounds * 50);
      await until(() => livetail.handler.viewers() === 1, "the others to be gone");
      stream.vanish();
      await until(() => sockets.size === 0, "every connection to be gone");
      expect(rejections).toEqual([]);
    },
    TIMEOUT_MS,
  );
});

describe("more viewers than there may be", () => {
  const KINDS: [string, () => Promise<string>][] = [
    ["streams", async () => get(`${run.id}/stream`)],
    ["held polls", async () => get(`${run.id}?wait=30&cursor=${await cursorOf(run.id)}`)],
    ["streams of a run that is waited for", async () => get("op_test_ffffffffffffffffffffffff/stream")],
  ];

  it.each(KINDS)("are told to come back: %s", async (_name, text) => {
    const [most, tried] = [length(300, 60), length(600, 120)];
    await open({ maxViewers: most });
    const said = await text();
    const heads: Promise<string>[] = [];
    const dialled: Socket[] = [];
    for (const _ of range(0, tried)) {
      const socket = await dial(said);
      dialled.push(socket);
      heads.push(new Promise((resolve) => socket.once("data", (chunk: Buffer) => resolve(chunk.toString("latin1")))));
    }
    // Those that are refused are answered; the others are held, or stream.
    const refused: string[] = [];
    for (const head of heads) void head.then((answer) => answer.startsWith("HTTP/1.1 429") && refused.push(answer));
    await until(() => refused.length === tried - most, "as many refusals as there are too many");
    expect(livetail.handler.viewers()).toBe(most);
    for (const answer of refused) {
      expect(answer).toMatch(/\r\nRetry-After: [1-9]\d*\r\n/);
      expect(answer).toContain('"code":"TOO_MANY_VIEWERS"');
    }
    // What holds nothing is answered all the while, and who comes when others have left is taken.
    expect((await ask(`http://127.0.0.1:${port}/operations`, `/${run.id}`)).status).toBe(200);
    for (const socket of dialled) socket.destroy();
    await until(() => livetail.handler.viewers() === 0, "all viewers to be gone");
    const stream = await openStream(`http://127.0.0.1:${port}/operations`, `/${run.id}/stream`);
    expect(stream.status).toBe(200);
    stream.vanish();
    expect(rejections).toEqual([]);
  });
});
