import type { ServerResponse } from "node:http";
import { afterEach, describe, expect, it, vi } from "vitest";
import { LogPoller, type LogPollerOptions } from "../src/client/index.js";
import type { PollerEvents } from "../src/client/poll-state.js";
import { type SseOptions, sseTransport } from "../src/client/sse.js";
import type { FrameName, LogEntry } from "../src/protocol.js";
import { frame, logFrames, PING, RETRY } from "../src/sse.js";
import { answer, entries, runState } from "./support/poll-answer.js";
import { createQuickClock } from "./support/quick-clock.js";
import { type Asked, json, problem, type ScriptedServer, startScriptedServer } from "./support/scripted-server.js";

const ID = "op_test_1";
const NAMES = [
  "onLog",
  "onStatus",
  "onLayerStatus",
  "onGap",
  "onReset",
  "onError",
  "onComplete",
] as const satisfies (keyof PollerEvents)[];
const open: { stop(): unknown }[] = [];
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i);
const done = (total: number) => runState({ status: "completed", expected_log_count: total });

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.stop();
});

const text = (name: FrameName, id: string, data: unknown) => frame(name, id, JSON.stringify(data));
const hello = (at: number, epoch = "aaaa") =>
  RETRY + text("hello", `${epoch}.${at}`, { run_id: ID, first_index: 0, next_index: 9 });
const state = (at: number, epoch = "aaaa") => text("state", `${epoch}.${at}`, { ...runState(), store: "ok" });
const logs = (from: number, to: number, epoch = "aaaa") =>
  logFrames(
    epoch,
    from,
    entries(from, to).map((entry) => JSON.stringify(entry)),
  );
const end = (total: number, epoch = "aaaa") => text("end", `${epoch}.${total}.9`, done(total));

function stream(response: ServerResponse, ...chunks: (string | Uint8Array)[]): void {
  response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" });
  for (const chunk of chunks) response.write(chunk);
}

async function serve(
  script: (asked: Asked, response: ServerResponse, number: number) => void,
  port?: number,
): Promise<ScriptedServer> {
  const server = await startScriptedServer(script, port);
  open.push(server);
  return server;
}

/** A poller that reads streams, on a clock that does not wait, and what it told. */
function watch(server: ScriptedServer, options: LogPollerOptions = {}, sse: SseOptions = {}) {
  const clock = createQuickClock();
  const told: [name: string, value: unknown][] = [];
  const poller = new LogPoller(ID, {
    endpointBase: server.base,
    ...clock,
    random: () => 0,
    transport: sseTransport({ random: () => 0.5, ...sse }),
    ...options,
  });
  for (const name of NAMES) poller[name]((value: unknown) => told.push([name, value]));
  open.push(poller);
  const of = (name: string) => told.filter(([one]) => one === name).map(([, value]) => value);
  return {
    poller: poller.start(),
    clock,
    told,
    of,
    indexes: () => of("onLog").map((entry) => (entry as LogEntry).index),
    until: (name: string, times = 1) =>
      vi.waitFor(() => expect(of(name).length).toBeGreaterThanOrEqual(times), { timeout: 5000, interval: 2 }),
  };
}

const paths = (server: ScriptedServer) => server.asked.map(({ path }) => path.slice(`/operations/${ID}`.length));
const cursors = (server: ScriptedServer) => server.asked.map(({ query }) => query.get("cursor"));

describe("a stream", () => {
  it("is told like a poll, to its end, and is not asked for again", async () => {
    const server = await serve((_, response) => {
      stream(response, hello(0), state(0), logs(0, 3), PING, logs(3, 5), end(5));
      response.end();
    });
    const seen = watch(server);
    await seen.until("onComplete");
    expect(seen.told.map(([name]) => name)).toEqual([
      "onStatus",
      "onLayerStatus",
      ...Array(5).fill("onLog"),
      "onStatus",
      "onComplete",
    ]);
    expect(seen.indexes()).toEqual(upTo(5));
    expect(seen.of("onComplete")).toMatchObject([{ status: "completed", error_code: null, expected_log_count: 5 }]);
    expect(seen.poller.cursor).toBe("aaaa.5.9");
    expect(seen.clock.passed).toEqual([]);
    expect(server.asked).toHaveLength(1);
    expect(server.asked[0]?.query.get("since")).toBe("0");
  });

  it("is understood however it is cut into chunks, also in the middle of a character", async () => {
    const wide = { ...entries(0, 1)[0], message: "grün 🌿 ünder" };
    const bytes = Buffer.from(hello(0) + state(0) + text("log", "aaaa.1", wide) + logs(1, 4) + end(4));
    const server = await serve((_, response) => {
      stream(response);
      let at = 0;
      const step = () => {
        if (at >= bytes.length) return response.end();
        response.write(bytes.subarray(at, at + 1 + (at % 7)));
        at += 1 + (at % 7);
        setImmediate(step);
      };
      step();
    });
    const seen = watch(server);
    await seen.until("onComplete");
    expect(seen.of("onLog")).toEqual([wide, ...entries(1, 4)]);
  });

  it("carries headers, and can be asked for by POST", async () => {
    const server = await serve((_, response) => {
      stream(response, hello(0), end(0));
      response.end();
    });
    const seen = watch(server, { headers: { authorization: "Bearer 1" } }, { method: "POST" });
    await seen.until("onComplete");
    expect(server.asked).toMatchObject([{ method: "POST", headers: { authorization: "Bearer 1" } }]);
  });

  it("is read also where polls are not to be held", async () => {
    const server = await serve((_, response) => stream(response, hello(0), end(0)));
    await watch(server, { waitSeconds: 0 }).until("onComplete");
    expect(paths(server)).toEqual(["/stream"]);
  });

  it("begins at the newest lines when asked to", async () => {
    const server = await serve((_, response) => {
      stream(response, hello(40), state(40), logs(40, 42), end(42));
      response.end();
    });
    const seen = watch(server, { tail: 2 });
    await seen.until("onComplete");
    expect(server.asked[0]?.query.get("tail")).toBe("2");
    expect(seen.indexes()).toEqual([40, 41]);
  });

  it("announces gaps and resets in their place", async () => {
    const gap = { from: 2, to: 3, lost: 2, reason: "trimmed" } as const;
    const reset = { reason: "epoch", first_index: 1 } as const;
    const server = await serve((_, response) => {
      stream(response, hello(0), state(0), logs(0, 2), text("gap", "aaaa.4", gap), logs(4, 5));
      response.end(text("reset", "bbbb.1", reset) + state(1, "bbbb") + logs(1, 3, "bbbb") + end(3, "bbbb"));
    });
    const seen = watch(server);
    await seen.until("onComplete");
    expect(
      seen.told
        .filter(([name]) => ["onGap", "onReset", "onLog"].includes(name))
        .map(([name, value]) => (name === "onLog" ? (value as LogEntry).index : value)),
    ).toEqual([0, 1, gap, 4, reset, 1, 2]);
  });

  it("ignores frames that it does not know", async () => {
    const server = await serve((_, response) => {
      stream(response, hello(0), "event: novelty\nid: zzzz.99\ndata: {}\n\n", "data: {}\n\n", logs(0, 1), end(1));
    });
    const seen = watch(server);
    await seen.until("onComplete");
    expect(seen.indexes()).toEqual([0]);
    expect(seen.of("onError")).toEqual([]);
  });
});

describe("a stream that breaks", () => {
  it("is asked for again by cursor after the delay that the server asked for, when it closes before the end", async () => {
    const server = await serve((_, response, number) => {
      if (number === 0) stream(response, "retry: 3000\n\n", hello(0).slice(RETRY.length), state(0), logs(0, 3));
      else stream(response, hello(3), state(3), logs(3, 5), end(5));
      response.end();
    });
    const seen = watch(server);
    await seen.until("onComplete");
    expect(seen.indexes()).toEqual(upTo(5));
    expect(cursors(server)).toEqual([null, "aaaa.3"]);
    expect(paths(server)).toEqual(["/stream", "/stream"]);
    expect(seen.clock.passed).toEqual([3000]);
    expect(seen.of("onError")).toEqual([]);
    expect(seen.of("onComplete")).toHaveLength(1);
  });

  it.each([
    [0, 1000],
    [1, 3000],
  ])("comes back with jitter (%i: %i ms)", async (random, ms) => {
    const server = await serve((_, response, number) => {
      stream(response, hello(0), state(0), ...(number === 0 ? [] : [end(0)]));
      response.end();
    });
    const seen = watch(server, {}, { random: () => random });
    await seen.until("onComplete");
    expect(seen.clock.passed).toEqual([ms]);
  });

  it("goes on after a cut in the middle of a frame, with every line once", async () => {
    const server = await serve((_, response, number) => {
      const from = number * 2;
      stream(response, hello(from), state(from), logs(from, from + 2));
      if (number === 3) response.end(end(8));
      else response.write(logs(from + 2, from + 3).slice(0, 60), () => response.destroy());
    });
    const seen = watch(server);
    await seen.until("onComplete");
    expect(seen.indexes()).toEqual(upTo(8));
    expect(cursors(server)).toEqual([null, "aaaa.2", "aaaa.4", "aaaa.6"]);
  });

  it("is asked for again after 45 s of silence, but not while it is pinged", async () => {
    const streams: ServerResponse[] = [];
    const server = await serve((_, response, number) => {
      streams.push(response);
      stream(response, hello(0), state(0), logs(0, 1), ...(number === 0 ? [] : [end(1)]));
    });
    const seen = watch(server);
    await seen.until("onLog");
    const { advance, waiting } = seen.clock;
    await vi.waitFor(() => expect(waiting()).toEqual([45_000]));
    advance(44_000);
    expect(waiting()).toEqual([1000]);
    streams[0]?.write(PING);
    await vi.waitFor(() => expect(waiting()).toEqual([45_000]));
    advance(44_999);
    expect(server.asked).toHaveLength(1);
    advance(1);
    await seen.until("onComplete");
    expect(cursors(server)).toEqual([null, "aaaa.1"]);
    expect(seen.of("onError")).toMatchObject([{ code: "NO_ANSWER", fatal: false }]);
    expect(seen.indexes()).toEqual([0]);
  });

  it("is asked for again by cursor when lines are missing in it", async () => {
    const server = await serve((_, response, number) => {
      if (number === 0) stream(response, hello(0), state(0), logs(0, 2), logs(3, 4), end(4));
      else stream(response, hello(2), state(2), logs(2, 4), end(4));
    });
    const seen = watch(server);
    await seen.until("onComplete");
    expect(seen.indexes()).toEqual(upTo(4));
    expect(cursors(server)).toEqual([null, "aaaa.2"]);
    expect(seen.of("onGap")).toEqual([]);
  });

  it("is asked for again when a frame is no JSON", async () => {
    const server = await serve((_, response, number) => {
      if (number === 0) stream(response, hello(0), state(0), logs(0, 1), "event: log\nid: aaaa.2\ndata: {oops\n\n");
      else stream(response, hello(1), state(1), logs(1, 2), end(2));
    });
    const seen = watch(server);
    await seen.until("onComplete");
    expect(seen.indexes()).toEqual([0, 1]);
    expect(seen.of("onError")).toMatchObject([{ code: "NO_ANSWER", fatal: false }]);
  });

  it("goes on after the server was away for a while", async () => {
    const first = await serve((_, response) => stream(response, hello(0), state(0), logs(0, 2)));
    const seen = watch(first);
    await seen.until("onLog", 2);
    await first.stop();
    await seen.until("onError");
    const second = await serve(
      (_, response) => stream(response, hello(2), state(2), logs(2, 4), end(4)),
      Number(new URL(first.base).port),
    );
    await seen.until("onComplete");
    expect(seen.indexes()).toEqual(upTo(4));
    expect(cursors(second)).toEqual(["aaaa.2"]);
  });

  it.each([401, 403])("stops for good on a %i", async (status) => {
    const server = await serve((_, response) => problem(response, status, "NO"));
    const seen = watch(server);
    await seen.until("onError");
    expect(seen.of("onError")).toMatchObject([{ code: "NO", status, fatal: true }]);
    expect(server.asked).toHaveLength(1);
  });
});

describe("when streams are not to be had", () => {
  it("asks for the final state by a poll when the stream has nothing more (204)", async () => {
    const server = await serve(({ path }, response) => {
      if (path.endsWith("/stream")) {
        response.writeHead(204);
        response.end();
      } else json(response, answer(5, 5, { ...done(5), cursor: "aaaa.5.9" }));
    });
    const seen = watch(server, { cursor: "aaaa.5.9" });
    await seen.until("onComplete");
    expect(paths(server)).toEqual(["/stream", ""]);
    expect(cursors(server)).toEqual(["aaaa.5.9", "aaaa.5.9"]);
    expect(seen.clock.passed).toEqual([0]);
    expect(seen.of("onLog")).toEqual([]);
  });

  it("polls when a stream ended without a frame, as behind a proxy that keeps them back", async () => {
    const server = await serve(({ path }, response) => {
      if (path.endsWith("/stream")) {
        stream(response, PING);
        response.end();
      } else json(response, answer(0, 2, done(2)));
    });
    const seen = watch(server);
    await seen.until("onComplete");
    expect(paths(server)).toEqual(["/stream", ""]);
    expect(seen.indexes()).toEqual([0, 1]);
  });

  it("polls without holding while two requests are held, and streams when one is free again", async () => {
    const held: ServerResponse[] = [];
    const server = await serve(({ path, query }, response) => {
      if (path.endsWith("/stream")) {
        held.push(response);
        stream(response, hello(0), state(0));
      } else {
        expect(query.get("wait")).toBe("0");
        json(response, answer(0, 0));
      }
    });
    const seen = [1, 2, 3].map(() => watch(server));
    await vi.waitFor(() => expect(server.asked.length).toBeGreaterThan(8));
    expect(held).toHaveLength(2);
    held[0]?.end(end(0));
    await vi.waitFor(() => expect(held).toHaveLength(3));
    expect(seen.flatMap(({ of }) => of("onComplete"))).toHaveLength(1);
  });
});

describe("an iterator over a stream", () => {
  it("lets go of the stream while more than 5,000 lines are unread, and loses none", async () => {
    const server = await serve(({ query }, response) => {
      const from = Number(query.get("cursor")?.split(".")[1] ?? 0);
      stream(response, hello(from), state(from));
      // A page at a time, as a server does that heeds the connection.
      const more = (at: number) => {
        if (response.destroyed) return;
        if (at === 20_000) response.end(end(20_000));
        else response.write(logs(at, Math.min(20_000, at + 100)), () => setImmediate(more, Math.min(20_000, at + 100)));
      };
      more(from);
    });
    const seen = watch(server);
    const lines = seen.poller[Symbol.asyncIterator]();
    const got = [(await lines.next()).value?.index];
    await seen.until("onLog", 5001);
    await vi.waitFor(() => expect(seen.clock.waiting()).toEqual([]));
    expect(seen.indexes().length).toBeLessThan(8000);
    for await (const { index } of lines) got.push(index);
    expect(got).toEqual(upTo(20_000));
    expect(server.asked.length).toBeGreaterThan(1);
  });
});
