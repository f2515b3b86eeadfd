import type { ServerResponse } from "node:http";
import { afterEach, describe, expect, it, vi } from "vitest";
import { fetchStatus, getBackendStats, LogPoller, type LogPollerOptions } from "../src/client/index.js";
import type { PollerEvents } from "../src/client/poll-state.js";
import type { LogEntry, PollAnswer } from "../src/protocol.js";
import { answer, entries } from "./support/poll-answer.js";
import { createQuickClock } from "./support/quick-clock.js";
import { type Asked, json, problem, type ScriptedServer, startScriptedServer } from "./support/scripted-server.js";

const ID = "op_test_1";
const NAMES = [
  "onLog",
  "onStatus",
  "onLayerStatus",
  "onBackendStats",
  "onOwner",
  "onGap",
  "onReset",
  "onError",
  "onComplete",
] as const satisfies (keyof PollerEvents)[];
const open: { stop(): unknown }[] = [];
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i);

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.stop();
  vi.unstubAllGlobals();
  const slots = (globalThis as { [key: symbol]: unknown })[Symbol.for("livetail.slots")] ?? {};
  await vi.waitFor(() => expect(Object.values(slots).filter((held) => held !== 0)).toEqual([]));
});

async function serve(
  script: (asked: Asked, response: ServerResponse, number: number) => void,
  port?: number,
): Promise<ScriptedServer> {
  const server = await startScriptedServer(script, port);
  open.push(server);
  return server;
}

/** A server that has `lines()` lines, answers polls by cursor, and ends the run with the last of `total`. */
function tail(lines: () => number, total: number, limit = 500) {
  return ({ query }: Asked, response: ServerResponse) => {
    const from = Number(query.get("since") ?? query.get("cursor")?.split(".")[1]);
    const to = Math.min(from + limit, lines());
    json(response, answer(from, to, { total_count: lines(), ...(lines() === total ? done(total) : {}) }));
  };
}

const done = (total: number): Partial<PollAnswer> => ({ status: "completed", expected_log_count: total });

/** A poller on a clock that does not wait, and what it told. */
function watch(server: ScriptedServer, options: LogPollerOptions = {}) {
  const clock = createQuickClock();
  const told: [name: string, value: unknown][] = [];
  const poller = new LogPoller(ID, { endpointBase: server.base, ...clock, random: () => 0, ...options });
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

const count = (server: ScriptedServer, times: number) =>
  vi.waitFor(() => expect(server.asked.length).toBeGreaterThanOrEqual(times), { timeout: 5000, interval: 2 });

describe("a run", () => {
  it("is told from its first line to its end, page by page without waiting", async () => {
    const server = await serve(tail(() => 12, 12, 5));
    const seen = watch(server, { limit: 5 });
    await seen.until("onComplete");
    expect(seen.indexes()).toEqual(upTo(12));
    expect(server.asked.map(({ method, path, query }) => [method, path, query.get("limit")])).toEqual(
      Array(3).fill(["GET", `/operations/${ID}`, "5"]),
    );
    expect(seen.clock.passed).toEqual([0, 0]);
    expect(seen.told.map(([name]) => name).filter((name) => name !== "onLog")).toEqual([
      "onStatus",
      "onLayerStatus",
      "onBackendStats",
      "onOwner",
      "onComplete",
    ]);
  });

  it("is asked for by holding a request, one at a time, with the floor between answers", async () => {
    let held = 0;
    let most = 0;
    const server = await serve(({ query }, response, number) => {
      expect(query.get("wait")).toBe("20");
      most = Math.max(most, ++held);
      setImmediate(() => {
        held -= 1;
        json(response, answer(number, number + 1, number === 4 ? done(5) : {}));
      });
    });
    const seen = watch(server);
    await seen.until("onComplete");
    expect(most).toBe(1);
    expect(seen.clock.passed).toEqual([200, 200, 200, 200]);
    expect(server.asked.map(({ query }) => query.get("since") ?? query.get("cursor"))).toEqual([
      "0",
      "aaaa.1.1",
      "aaaa.2.1",
      "aaaa.3.1",
      "aaaa.4.1",
    ]);
  });

  it("is polled at the server's pace where it ignores `wait`", async () => {
    const server = await serve((_, response, number) =>
      json(response, answer(0, 0, { next_poll_ms: 700, ...(number === 3 ? done(0) : {}) })),
    );
    const seen = watch(server);
    await seen.until("onComplete");
    expect(seen.clock.passed).toEqual([200, 700, 700]);
  });

  it("is polled at the server's pace without holding when the wait is 0", async () => {
    const server = await serve((_, response, number) =>
      json(response, answer(0, number, { total_count: number, next_poll_ms: 700, ...(number === 2 ? done(2) : {}) })),
    );
    const seen = watch(server, { waitSeconds: 0 });
    await seen.until("onComplete");
    expect(seen.clock.passed).toEqual([700, 700]);
    expect(server.asked.map(({ query }) => query.get("wait"))).toEqual(["0", "0", "0"]);
  });

  it("announces gaps and resets before the lines behind them", async () => {
    const gap = { from: 0, to: 2, lost: 3, reason: "trimmed" } as const;
    const reset = { reason: "epoch", first_index: 1 } as const;
    const server = await serve((_, response, number) =>
      number === 0
        ? json(response, answer(3, 5, { gap, first_index: 3 }))
        : json(response, answer(1, 2, { reset, ...done(2) }, "bbbb")),
    );
    const seen = watch(server);
    await seen.until("onComplete");
    expect(seen.told.filter(([name]) => ["onGap", "onReset", "onLog"].includes(name))).toEqual([
      ["onGap", gap],
      ...entries(3, 5).map((entry) => ["onLog", entry]),
      ["onReset", reset],
      ...entries(1, 2).map((entry) => ["onLog", entry]),
    ]);
  });

  it("is not over while lines are missing, though its status is terminal", async () => {
    const server = await serve((_, response, number) => {
      const to = number < 3 ? 8 : 10;
      json(response, answer(number === 0 ? 0 : 8, to, { ...done(10), total_count: 10 }));
    });
    const seen = watch(server);
    await seen.until("onComplete");
    expect(seen.indexes()).toEqual(upTo(10));
    expect(server.asked.length).toBe(4);
  });

  it("goes on where another poller stood", async () => {
    const server = await serve(tail(() => 6, 9));
    const first = watch(server);
    await first.until("onLog", 6);
    await vi.waitFor(() => expect(first.poller.cursor).toBe("aaaa.6.1"));
    first.poller.stop();
    const second = watch(await serve(tail(() => 9, 9)), { cursor: first.poller.cursor ?? "" });
    await second.until("onComplete");
    expect(second.indexes()).toEqual([6, 7, 8]);
  });

  it("is begun anew when the server refuses the cursor", async () => {
    const script = tail(() => 2, 2);
    const server = await serve((asked, response) =>
      asked.query.has("cursor") ? problem(response, 400, "INVALID_PARAMETER") : script(asked, response),
    );
    const seen = watch(server, { cursor: "rubbish" });
    await seen.until("onComplete");
    expect(seen.of("onReset")).toEqual([{ reason: "cursor", first_index: 0 }]);
    expect(seen.indexes()).toEqual([0, 1]);
    expect(seen.of("onError")).toEqual([]);
  });
});

describe("what goes wrong on the way", () => {
  it("asks again by cursor after an answer that was cut in its middle, and tells every line once", async () => {
    const script = tail(() => 6, 6, 2);
    const server = await serve((asked, response, number) => {
      if (number % 2 === 0) return script(asked, response);
      response.writeHead(200, { "content-type": "application/json", "content-length": "5000" });
      response.write(JSON.stringify(answer(0, 3)).slice(0, 200));
      setImmediate(() => response.destroy());
    });
    const seen = watch(server);
    await seen.until("onComplete");
    expect(seen.indexes()).toEqual(upTo(6));
    expect(seen.of("onError")).toMatchObject(Array(2).fill({ name: "LivetailError", code: "NO_ANSWER", fatal: false }));
    const cursors = server.asked.map(({ query }) => query.get("cursor"));
    expect(cursors).toEqual([null, "aaaa.2.1", "aaaa.2.1", "aaaa.4.1", "aaaa.4.1"]);
  });

  it("goes on after the server was away for half a minute, telling once", async () => {
    let lines = 3;
    const first = await serve(tail(() => lines, 5));
    const seen = watch(first);
    await seen.until("onLog", 3);
    await first.stop();
    await vi.waitFor(() => expect(seen.clock.now()).toBeGreaterThan(30_000), { timeout: 20_000 });
    lines = 5;
    await serve(
      tail(() => lines, 5),
      Number(new URL(first.base).port),
    );
    await seen.until("onComplete");
    expect(seen.indexes()).toEqual(upTo(5));
    expect(seen.of("onError")).toMatchObject([{ code: "NO_ANSWER", status: 0, fatal: false }]);
    expect((seen.of("onError")[0] as Error).cause).toBeInstanceOf(Error);
  });

  it.each([
    [429, "TOO_MANY_VIEWERS"],
    [503, "STORE_UNAVAILABLE"],
  ])("does not come back before Retry-After of a %i", async (status, code) => {
    const script = tail(() => 1, 1);
    const server = await serve((asked, response, number) =>
      number === 0 ? problem(response, status, code, { "retry-after": "15" }) : script(asked, response),
    );
    const seen = watch(server);
    await vi.waitFor(() => expect(seen.clock.waiting()).toEqual([15_200]));
    expect(seen.of("onError")).toMatchObject([{ code, status, message: `It is ${code}.`, retryAfterMs: 15_000 }]);
    seen.clock.advance(15_199);
    expect(seen.clock.waiting()).toEqual([1]);
    seen.clock.advance(1);
    await seen.until("onComplete");
  });

  it("waits an hour at most, whatever Retry-After says", async () => {
    const server = await serve((_, response) => problem(response, 503, "STORE_UNAVAILABLE", { "retry-after": "1e99" }));
    const seen = watch(server);
    await vi.waitFor(() => expect(seen.clock.waiting()).toEqual([3_600_200]));
  });

  it("names a failure by its status when the body is no problem", async () => {
    const server = await serve((_, response) => {
      response.writeHead(502, { "content-type": "text/html" });
      response.end("<h1>Bad gateway</h1>");
    });
    const seen = watch(server);
    await seen.until("onError");
    expect(seen.of("onError")).toMatchObject([{ code: "HTTP_502", status: 502, message: "HTTP_502", fatal: false }]);
  });

  it.each(["null", "[]", '"busy"'])("names a failure by its status when the body is %s", async (body) => {
    const server = await serve((_, response) => {
      response.writeHead(503, { "retry-after": "15" });
      response.end(body);
    });
    const seen = watch(server);
    await seen.until("onError");
    expect(seen.of("onError")).toMatchObject([{ code: "HTTP_503", message: "HTTP_503", retryAfterMs: 15_000 }]);
  });

  it("takes a page of something else, sent with a 200, for no answer", async () => {
    const script = tail(() => 1, 1);
    const server = await serve((asked, response, number) =>
      number === 0 ? response.end("<h1>Sign in</h1>") : script(asked, response),
    );
    const seen = watch(server);
    await seen.until("onComplete");
    expect(seen.of("onError")).toMatchObject([{ code: "NO_ANSWER", fatal: false }]);
  });

  it.each([0, 20, 30])("gives up a request with a wait of %i s after 45 s and asks again", async (waitSeconds) => {
    const script = tail(() => 1, 1);
    const server = await serve((asked, response, number) => {
      if (number > 0) script(asked, response);
    });
    const seen = watch(server, { waitSeconds });
    await count(server, 1);
    expect(seen.clock.waiting()).toEqual([45_000]);
    seen.clock.advance(44_999);
    expect(seen.clock.waiting()).toEqual([1]);
    seen.clock.advance(1);
    await seen.until("onComplete");
    expect(seen.of("onError")).toMatchObject([{ code: "NO_ANSWER", fatal: false }]);
  });

  it("gives the body of an answer as long again as its head", async () => {
    const responses: ServerResponse[] = [];
    const server = await serve((_, response) => responses.push(response));
    const seen = watch(server);
    await count(server, 1);
    seen.clock.advance(20_000);
    expect(seen.clock.waiting()).toEqual([25_000]);
    responses[0]?.writeHead(200, { "content-type": "application/json" });
    responses[0]?.write(" ");
    await vi.waitFor(() => expect(seen.clock.waiting()).toEqual([45_000]));
    responses[0]?.end(JSON.stringify(answer(0, 1, done(1))));
    await seen.until("onComplete");
  });

  it("waits for a run that is not stored yet", async () => {
    const script = tail(() => 1, 1);
    const server = await serve((asked, response, number) =>
      number < 5 ? problem(response, 404, "RUN_NOT_FOUND") : script(asked, response),
    );
    const seen = watch(server);
    await seen.until("onComplete");
    expect(seen.of("onError")).toEqual([]);
  });

  it("gives up a run that does not appear in 10 s", async () => {
    const server = await serve((_, response) => problem(response, 404, "RUN_NOT_FOUND"));
    const seen = watch(server);
    await seen.until("onError");
    expect(seen.of("onError")).toMatchObject([{ code: "RUN_NOT_FOUND", status: 404, fatal: true }]);
    expect(seen.clock.now()).toBeGreaterThanOrEqual(10_000);
    expect(seen.clock.now()).toBeLessThan(10_400);
    expect(seen.clock.waiting()).toEqual([]);
  });

  it("gives up a run that vanished when it has not come back in 60 s", async () => {
    const script = tail(() => 1, 2);
    const server = await serve((asked, response, number) =>
      number === 0 ? script(asked, response) : problem(response, 404, "RUN_NOT_FOUND"),
    );
    const seen = watch(server);
    await seen.until("onError");
    expect(seen.of("onError")).toMatchObject([{ code: "RUN_NOT_FOUND", fatal: true }]);
    expect(seen.clock.now()).toBeGreaterThanOrEqual(60_000);
    expect(seen.clock.now()).toBeLessThan(60_600);
  });
});

describe("who may watch", () => {
  it("sends the headers it is given", async () => {
    const server = await serve(tail(() => 1, 1));
    const seen = watch(server, { headers: { authorization: "Bearer 1" } });
    await seen.until("onComplete");
    expect(server.asked[0]?.headers.authorization).toBe("Bearer 1");
  });

  it("asks a header function again after a 401 and goes on", async () => {
    let token = 0;
    const script = tail(() => 1, 1);
    const server = await serve((asked, response) =>
      asked.headers.authorization === "2" ? script(asked, response) : problem(response, 401, "UNAUTHORIZED"),
    );
    const seen = watch(server, { headers: async () => ({ authorization: String(++token) }) });
    await seen.until("onComplete");
    expect(server.asked.map(({ headers }) => headers.authorization)).toEqual(["1", "2"]);
    expect(seen.of("onError")).toEqual([]);
  });

  it.each<[string, number, LogPollerOptions, number]>([
    ["401, when new headers do not help", 401, { headers: () => ({}) }, 2],
    ["401, when there is nobody to ask for headers", 401, { headers: {} }, 1],
    ["403", 403, { headers: () => ({}) }, 1],
  ])("stops for good on a %s", async (_, status, options, requests) => {
    const server = await serve((_, response) => problem(response, status, "NO"));
    const seen = watch(server, options);
    await seen.until("onError");
    expect(seen.of("onError")).toMatchObject([{ code: "NO", status, fatal: true }]);
    expect(server.asked).toHaveLength(requests);
    expect(seen.clock.waiting()).toEqual([]);
  });

  it("tries again when the header function fails", async () => {
    let calls = 0;
    const server = await serve(tail(() => 1, 1));
    const seen = watch(server, {
      headers: () => {
        calls += 1;
        if (calls === 1) throw new Error("no token yet");
        return {};
      },
    });
    await seen.until("onComplete");
    expect(seen.of("onError")).toMatchObject([{ code: "NO_ANSWER", cause: new Error("no token yet") }]);
  });

  it("goes through the fetch it is given, with credentials as asked", async () => {
    const server = await serve(tail(() => 1, 1));
    const inits: RequestInit[] = [];
    const seen = watch(server, {
      credentials: "include",
      fetch(url, init) {
        inits.push(init);
        return fetch(url, init);
      },
    });
    await seen.until("onComplete");
    expect(inits).toMatchObject([{ credentials: "include" }]);
  });
});

describe("callbacks", () => {
  it("may be any number, as options and by method, and are taken away again", async () => {
    const server = await serve(tail(() => 2, 2));
    const heard: string[] = [];
    const poller = new LogPoller(ID, {
      endpointBase: server.base,
      onLog: ({ index }) => heard.push(`option ${index}`),
    });
    open.push(poller);
    poller.onLog(({ index }) => heard.push(`first ${index}`));
    const off = poller.onLog(({ index }) => {
      heard.push(`second ${index}`);
      off();
    });
    const end = new Promise((resolve) => poller.onComplete(resolve));
    poller.start();
    await end;
    expect(heard).toEqual(["option 0", "first 0", "second 0", "option 1", "first 1"]);
  });

  it("break neither the poller nor each other when they throw", async () => {
    const logged = vi.spyOn(console, "error").mockImplementation(() => {});
    const server = await serve(tail(() => 3, 3));
    const wrong = new Error("mine");
    const heard: number[] = [];
    const poller = new LogPoller(ID, {
      endpointBase: server.base,
      onLog() {
        throw wrong;
      },
    });
    open.push(poller);
    poller.onLog(({ index }) => heard.push(index));
    const end = new Promise((resolve) => poller.onComplete(resolve));
    poller.start();
    await end;
    expect(heard).toEqual([0, 1, 2]);
    expect(logged.mock.calls).toEqual([[wrong], [wrong], [wrong]]);
    logged.mockRestore();
  });

  it("hear nothing after stop(), and everything from there after start()", async () => {
    const server = await serve(tail(() => 5, 5));
    const seen = watch(server);
    const off = seen.poller.onLog(({ index }) => {
      if (index === 2) seen.poller.stop();
    });
    await seen.until("onLog", 3);
    expect(seen.told.at(-1)?.[0]).toBe("onLog");
    expect(seen.clock.waiting()).toEqual([]);
    off();
    seen.poller.start();
    await seen.until("onComplete");
    expect(seen.indexes()).toEqual(upTo(5));
  });

  it("hear nothing of a request that stop() cut off", async () => {
    let closed = false;
    const server = await serve((_, response) => {
      response.on("close", () => {
        closed = true;
      });
    });
    const seen = watch(server);
    await count(server, 1);
    seen.poller.stop();
    await vi.waitFor(() => expect(closed).toBe(true));
    expect(seen.told).toEqual([]);
    expect(seen.clock.waiting()).toEqual([]);
  });
});

describe("start and stop", () => {
  it("ask once, however often they are called", async () => {
    let calls = 0;
    const server = await serve(tail(() => 1, 1));
    const seen = watch(server, {
      fetch(url, init) {
        calls += 1;
        return fetch(url, init);
      },
    });
    seen.poller.start();
    seen.poller.start();
    await seen.until("onComplete");
    expect(calls).toBe(1);
  });

  it("leave no timer behind, even with a fetch that heeds no signal", async () => {
    let answerNow = (_: Response) => {};
    const server = await serve(() => {});
    const seen = watch(server, {
      fetch: () =>
        new Promise((resolve) => {
          answerNow = resolve;
        }),
    });
    await vi.waitFor(() => expect(seen.clock.waiting()).toEqual([45_000]));
    await Promise.resolve();
    seen.poller.stop();
    expect(seen.clock.waiting()).toEqual([]);
    answerNow(Response.json(answer(0, 1, done(1))));
    await new Promise(setImmediate);
    expect(seen.clock.waiting()).toEqual([]);
    expect(seen.told).toEqual([]);
  });
});

describe("pollers of one page", () => {
  /** Holds every request that asks for it; the others are answered at once. */
  const hold = (held: ServerResponse[], wild: string[]) => (asked: Asked, response: ServerResponse) => {
    if (asked.query.get("wait") === "20") held.push(response);
    else {
      wild.push(asked.path);
      json(response, answer(0, 0));
    }
  };

  it("hold two requests at most, while the others poll, and take turns", async () => {
    const [held, wild]: [ServerResponse[], string[]] = [[], []];
    const server = await serve(hold(held, wild));
    const seen = [1, 2, 3, 4].map(() => watch(server));
    await vi.waitFor(() => expect(wild.length).toBeGreaterThan(10));
    expect(held).toHaveLength(2);
    json(held[0] as ServerResponse, answer(0, 1, done(1)));
    await seen[0]?.until("onComplete");
    await vi.waitFor(() => expect(held).toHaveLength(3));
  });

  it("share the two with the pollers of another bundle", async () => {
    const [held, wild]: [ServerResponse[], string[]] = [[], []];
    const server = await serve(hold(held, wild));
    watch(server);
    watch(server);
    await vi.waitFor(() => expect(held).toHaveLength(2));
    vi.resetModules();
    const other = await import("../src/client/index.js");
    expect(other.LogPoller).not.toBe(LogPoller);
    const third = new other.LogPoller(ID, { endpointBase: server.base, ...createQuickClock() }).start();
    open.push(third);
    await vi.waitFor(() => expect(wild.length).toBeGreaterThan(3));
    expect(held).toHaveLength(2);
  });

  it("hold two requests for each origin", async () => {
    const [held, wild]: [ServerResponse[], string[]] = [[], []];
    const servers = [await serve(hold(held, wild)), await serve(hold(held, wild))];
    for (const server of [...servers, ...servers]) watch(server);
    await vi.waitFor(() => expect(held).toHaveLength(4));
    expect(wild).toEqual([]);
  });
});

describe("in a page", () => {
  /** What a poller sees of a browser. */
  function page(hidden: boolean, href?: string) {
    const document = { hidden };
    const events = new EventTarget();
    const listening = new Set<string>();
    vi.stubGlobal("document", document);
    vi.stubGlobal("addEventListener", (type: string, listener: EventListener, options: { signal: AbortSignal }) => {
      listening.add(type);
      options.signal.addEventListener("abort", () => listening.delete(type));
      events.addEventListener(type, listener, options);
    });
    if (href !== undefined) vi.stubGlobal("location", { href });
    return {
      listening,
      show(yes: boolean) {
        document.hidden = !yes;
        events.dispatchEvent(new Event("visibilitychange"));
      },
      online: () => events.dispatchEvent(new Event("online")),
    };
  }

  it("asks nothing while the page is hidden, lets go of a held request, and reads at once when it is shown", async () => {
    const { show } = page(true);
    const closed: number[] = [];
    const script = tail(() => 2, 2);
    const server = await serve((asked, response, number) => {
      if (number > 0) return script(asked, response);
      response.on("close", () => closed.push(number));
    });
    const seen = watch(server);
    show(false);
    expect(seen.clock.waiting()).toEqual([]);
    show(true);
    await count(server, 1);
    show(false);
    await vi.waitFor(() => expect(closed).toEqual([0]));
    expect(server.asked).toHaveLength(1);
    expect(seen.told).toEqual([]);
    show(true);
    await seen.until("onComplete");
    expect(seen.clock.passed).toEqual([]);
  });

  it("reads at once when the page is online again", async () => {
    const { online } = page(false);
    const script = tail(() => 2, 2);
    const server = await serve((asked, response, number) =>
      number === 0 ? problem(response, 503, "NO", { "retry-after": "600" }) : script(asked, response),
    );
    const seen = watch(server);
    await vi.waitFor(() => expect(seen.clock.waiting()).toEqual([600_200]));
    online();
    await seen.until("onComplete");
    expect(seen.clock.passed).toEqual([]);
  });

  it("listens to the page no longer than it runs", async () => {
    const { listening } = page(false);
    const server = await serve(tail(() => 1, 1));
    const seen = watch(server);
    expect([...listening]).toEqual(["visibilitychange", "online"]);
    await seen.until("onComplete");
    expect([...listening]).toEqual([]);
  });

  it("asks relative to the page, at /operations unless told otherwise", async () => {
    page(false, "http://page.test/shop/basket");
    const urls: string[] = [];
    const poller = new LogPoller("a/b", {
      fetch: async (url) => {
        urls.push(url);
        return Response.json(answer(0, 0, done(0)));
      },
    });
    open.push(poller);
    await new Promise((resolve) => {
      poller.onComplete(resolve);
      poller.start();
    });
    expect(urls).toEqual(["/operations/a%2Fb?since=0&limit=500&wait=20"]);
  });

  it("cannot start with a relative base where there is no page", () => {
    expect(() => new LogPoller(ID).start()).toThrow(TypeError);
  });
});

describe("as an iterator", () => {
  it("yields every line and ends with the run", async () => {
    let lines = 0;
    const script = tail(() => lines, 9, 4);
    const server = await serve((asked, response) => {
      lines = Math.min(9, lines + 2);
      script(asked, response);
    });
    const got: number[] = [];
    for await (const { index } of new LogPoller(ID, { endpointBase: server.base, ...createQuickClock() })) {
      got.push(index);
    }
    expect(got).toEqual(upTo(9));
  });

  it("stops the poller when the loop is left", async () => {
    const script = tail(() => 5, 9);
    let cut = false;
    const server = await serve((asked, response, number) => {
      if (number === 0) return script(asked, response);
      response.on("close", () => {
        cut = true;
      });
    });
    const seen = watch(server);
    for await (const { index } of seen.poller) {
      if (index < 3) continue;
      await count(server, 2);
      break;
    }
    await vi.waitFor(() => expect(cut).toBe(true));
    expect(seen.clock.waiting()).toEqual([]);
  });

  it("leaves a poller that can be started again, and is then not paused by what nobody iterates", async () => {
    const server = await serve(tail(() => 8000, 8000, 1000));
    const seen = watch(server);
    for await (const { index } of seen.poller) if (index === 3) break;
    seen.poller.start();
    await seen.until("onComplete");
    expect(seen.indexes()).toEqual(upTo(8000));
  });

  it("ends when the poller is stopped", async () => {
    const server = await serve(tail(() => 2, 9));
    const seen = watch(server);
    const got: number[] = [];
    for await (const { index } of seen.poller) {
      got.push(index);
      if (index === 1) setImmediate(seen.poller.stop);
    }
    expect(got).toEqual([0, 1]);
  });

  it("throws what made the poller give up, after the lines that came before", async () => {
    const script = tail(() => 2, 9);
    const server = await serve((asked, response, number) =>
      number === 0 ? script(asked, response) : problem(response, 403, "FORBIDDEN"),
    );
    const got: number[] = [];
    const read = async () => {
      for await (const { index } of watch(server).poller) got.push(index);
    };
    await expect(read()).rejects.toMatchObject({ name: "LivetailError", code: "FORBIDDEN", status: 403 });
    expect(got).toEqual([0, 1]);
  });

  it("can be tried again after it gave up", async () => {
    const script = tail(() => 2, 2);
    const server = await serve((asked, response, number) =>
      number === 0 ? problem(response, 403, "FORBIDDEN") : script(asked, response),
    );
    const { poller } = watch(server);
    await expect(poller[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: "FORBIDDEN" });
    const got: number[] = [];
    for await (const { index } of poller) got.push(index);
    expect(got).toEqual([0, 1]);
  });

  it("asks for nothing while more than 5,000 lines are unread, and loses none", async () => {
    const server = await serve(tail(() => 12_000, 12_000, 1000));
    const seen = watch(server, { limit: 1000 });
    const lines = seen.poller[Symbol.asyncIterator]();
    const got = [(await lines.next()).value?.index];
    await seen.until("onLog", 5001);
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect(server.asked).toHaveLength(6);
    expect(seen.clock.waiting()).toEqual([]);
    for await (const { index } of lines) got.push(index);
    expect(got).toEqual(upTo(12_000));
    expect(server.asked).toHaveLength(12);
  });

  it("ends at once when the run is over already", async () => {
    const server = await serve(tail(() => 2, 2));
    const seen = watch(server);
    await seen.until("onComplete");
    for await (const line of seen.poller) expect(line).toBeUndefined();
    expect(seen.indexes()).toEqual([0, 1]);
  });
});

describe("the status of a run", () => {
  const stats = {
    backends: { claude_cli: { calls: 3, errors: 0, cost_usd: 0.12, unpriced_calls: 0 } },
    total: { calls: 3, errors: 0, cost_usd: 0.12, unpriced_calls: 0 },
  };

  it("is read without lines, and its cost by backend", async () => {
    const server = await serve((_, response) => json(response, { run_id: ID, backend_stats: stats }));
    const options = { endpointBase: server.base, headers: { authorization: "Bearer 1" } };
    expect(await fetchStatus(ID, options)).toMatchObject({ run_id: ID });
    expect(await getBackendStats(ID, options)).toEqual(stats);
    expect(server.asked.map(({ path, headers }) => [path, headers.authorization])).toEqual(
      Array(2).fill([`/operations/${ID}/status`, "Bearer 1"]),
    );
  });

  it("rejects with what the server said, and with NO_ANSWER when it said nothing", async () => {
    const server = await serve((_, response) => problem(response, 404, "RUN_NOT_FOUND"));
    const options = { endpointBase: server.base };
    await expect(fetchStatus(ID, options)).rejects.toMatchObject({ code: "RUN_NOT_FOUND", status: 404 });
    await server.stop();
    await expect(getBackendStats(ID, options)).rejects.toMatchObject({ name: "LivetailError", code: "NO_ANSWER" });
  });
});
