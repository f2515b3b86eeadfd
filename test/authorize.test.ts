import { Agent } from "node:http";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { AuthorizeRequest, CorsOptions } from "../src/access.js";
import { createNodeHandler } from "../src/adapters/node.js";
import type { LivetailError } from "../src/errors.js";
import { type HandlerResponse, isLiveBody } from "../src/exchange.js";
import { createHandler, type Handler, type HandlerOptions } from "../src/handler.js";
import { ask, openStream } from "./contract/http-client.js";
import type { Producer } from "./contract/log-store/scene.js";
import { FAULTY_AUTHORIZES } from "./fixtures/hostile-authorize.js";
import { listen } from "./support/bare-server.js";
import { settle } from "./support/hand-clock.js";
import { type RequestParts, request, TestViewer } from "./support/plain-request.js";
import { type ReadingScene, setScene } from "./support/reading-scene.js";

const UNBORN = "op_test_ffffffffffffffffffffffff";

let scene: ReadingScene;
let handler: Handler;
let run: Producer;
let errors: LivetailError[];
/** What was done to runs. */
let done: string[];

function build(options: Partial<HandlerOptions> = {}): void {
  const { reader, store, clock } = scene;
  handler = createHandler({
    reader,
    clock,
    store: {
      ...store,
      remove: (runId) => {
        done.push(`delete ${runId}`);
        return store.remove(runId);
      },
      list: (asked) => {
        done.push("list");
        return store.list(asked);
      },
    },
    requestCancel: (runId) => {
      done.push(`cancel ${runId}`);
      return store.cancel(runId);
    },
    assets: { clientJs: () => "client", panelJs: () => "panel", runsJs: () => "runs" },
    onError: (error) => errors.push(error),
    ...options,
  });
}

beforeEach(async () => {
  errors = [];
  done = [];
  scene = await setScene();
  run = await scene.run(3);
});

afterEach(async () => {
  handler.closeViewers();
  expect(handler.viewers()).toBe(0);
  scene.reader.close();
  await scene.harness.close();
});

const send = async (target: string, parts?: RequestParts): Promise<HandlerResponse> =>
  handler.handle(request(target, parts));

/** Every route with its method and what it wants; `:run` stands for an id. */
const ROUTES: readonly [method: string, target: string, action: AuthorizeRequest["action"]][] = [
  ["GET", "/:run", "read"],
  ["HEAD", "/:run", "read"],
  ["GET", "/:run?wait=0.001", "read"],
  ["GET", "/:run/status", "read"],
  ["HEAD", "/:run/status", "read"],
  ["GET", "/:run/progress", "read"],
  ["GET", "/:run/stream", "read"],
  ["HEAD", "/:run/stream", "read"],
  ["POST", "/:run/stream", "read"],
  ["GET", "/:run/result", "read"],
  ["GET", "/:run/download", "read"],
  ["HEAD", "/:run/download", "read"],
  ["GET", "/:run/view", "read"],
  ["HEAD", "/:run/view", "read"],
  ["POST", "/:run/cancel", "cancel"],
  ["DELETE", "/:run", "delete"],
  ["GET", "/", "list"],
  ["HEAD", "/", "list"],
  ["GET", "/?limit=1", "list"],
  ["GET", "", "list"],
  ["GET", "/-/health", "health"],
  ["HEAD", "/-/health", "health"],
  ["GET", "/-/client.js", "asset"],
  ["GET", "/-/panel.js", "asset"],
  ["GET", "/-/runs.js", "asset"],
];

/** Whether an answer tells anything of the run, of others or of this process. */
function tells({ status, body }: HandlerResponse): boolean {
  return status < 400 || isLiveBody(body) || String(body).includes("line");
}

describe("authorize is asked", () => {
  it("once on every route, by every method, with what is wanted of which run", async () => {
    const asked: AuthorizeRequest[] = [];
    build({
      authorize: (question) => {
        asked.push(question);
        return true;
      },
    });
    for (const [method, target, action] of ROUTES) {
      asked.length = 0;
      const url = target.replace(":run", run.runId);
      const { body } = await send(url, { method });
      if (isLiveBody(body)) new TestViewer(body).vanish();
      expect(asked, `${method} ${target}`).toEqual([
        expect.objectContaining({ method, action, url: `/operations${url}`, runId: url === target ? null : run.runId }),
      ]);
    }
  });

  it("before anything is said: whoever is refused learns not even whether there is such a run", async () => {
    build({ authorize: () => false });
    await run.end({ result: '"line"' });
    for (const [method, target] of ROUTES) {
      const [known, unknown] = await Promise.all(
        [run.runId, UNBORN].map((id) => send(target.replace(":run", id), { method })),
      );
      expect(tells(known as HandlerResponse), `${method} ${target}`).toBe(false);
      expect(known, `${method} ${target}`).toEqual(unknown);
      expect(known?.status).toBe(403);
    }
    // Nor what is wrong with what was asked.
    for (const query of ["?since=-1", "?cursor=x", "?wait=99", "/stream?tail=x"]) {
      expect((await send(`/${run.runId}${query}`)).status).toBe(403);
    }
    expect((await send("/?limit=0")).status).toBe(403);
    expect(done).toEqual([]);
    expect(scene.reader.feeds).toBe(0);
  });

  it("about nothing that there is not: the answer is the same whatever runs there are", async () => {
    const authorize = vi.fn(() => true);
    build({ authorize });
    const nowhere: [string, string, number][] = [
      ["GET", "/:run/nonsense", 404],
      ["GET", "/:run/", 404],
      ["GET", "/-/nonsense", 404],
      ["GET", "/owner:x", 400],
      ["PUT", "/:run", 405],
      ["PATCH", "/:run/stream", 405],
      ["GET", "/:run/cancel", 405],
      ["TRACE", "/:run", 405],
      ["OPTIONS", "/:run", 204],
      ["OPTIONS", "/", 204],
      ["OPTIONS", "/:run/stream", 204],
    ];
    for (const [method, target, status] of nowhere) {
      const [known, unknown] = await Promise.all(
        [run.runId, UNBORN].map((id) => send(target.replace(":run", id), { method })),
      );
      expect(known?.status, `${method} ${target}`).toBe(status);
      expect(known).toEqual(unknown);
    }
    expect(authorize).not.toHaveBeenCalled();
    expect(scene.reads).toEqual([]);
  });

  it("with every resume of a poll, a held poll and a stream", async () => {
    let allowed = true;
    const authorize = vi.fn(() => allowed);
    build({ authorize });
    const first = JSON.parse(String((await send(`/${run.runId}`)).body));
    const resumes: [string, RequestParts?][] = [
      [`/${run.runId}?cursor=${first.cursor}`],
      [`/${run.runId}?cursor=${first.cursor}&wait=20`],
      [`/${run.runId}?since=2`],
      [`/${run.runId}`, { headers: { "Last-Event-ID": first.cursor } }],
      [`/${run.runId}/stream`, { headers: { "Last-Event-ID": first.cursor } }],
      [`/${run.runId}/stream`, { method: "POST", headers: { "Last-Event-ID": first.cursor } }],
      [`/${run.runId}/stream?cursor=${first.cursor}`],
    ];
    for (const [i, [target, parts]] of resumes.entries()) {
      const answer = send(target, parts);
      await settle();
      // Answers what is held.
      handler.closeViewers();
      const { status, body } = await answer;
      if (isLiveBody(body)) new TestViewer(body).vanish();
      expect([target, status]).toEqual([target, 200]);
      expect(authorize).toHaveBeenCalledTimes(i + 2);
    }
    allowed = false;
    for (const [target, parts] of resumes) expect((await send(target, parts)).status, target).toBe(403);
  });

  it("at the next request when it has changed its mind, over real connections", async () => {
    let allowed = true;
    build({ authorize: () => allowed || { status: 401, message: "Log in again." } });
    const url = await listen(createNodeHandler({ handler }));
    const agent = new Agent({ keepAlive: true });
    const first = (await ask(url, `/${run.runId}`, { agent })).json<{ cursor: string }>();
    const stream = await openStream(url, `/${run.runId}/stream`);
    const seen = await stream.until(({ data }) => data.index === 2);
    const held = ask(url, `/${run.runId}?cursor=${first.cursor}&wait=20`, { agent });
    await vi.waitFor(() => expect(handler.viewers()).toBe(2));
    allowed = false;
    // What was allowed goes on to its own end: five minutes for a stream, 30 s for a poll.
    await run.write(['{"message":"after"}']);
    expect((await stream.next())?.data.message).toBe("after");
    const { cursor, logs } = (await held).json<{ cursor: string; logs: unknown[] }>();
    expect(logs).toHaveLength(1);
    await scene.clock.advance(301_000);
    expect((await stream.rest()).filter(({ event }) => event !== "state")).toEqual([]);
    const id = seen.at(-1)?.id ?? "";
    for (const path of [`/${run.runId}?cursor=${cursor}`, `/${run.runId}?cursor=${cursor}&wait=20`]) {
      expect((await ask(url, path, { agent })).status).toBe(401);
    }
    const back = await ask(url, `/${run.runId}/stream`, { headers: { "Last-Event-ID": id } });
    expect([back.status, back.json().detail]).toEqual([401, "Log in again."]);
    agent.destroy();
  });
});

describe("without authorize", () => {
  it("there is nothing to list, cancel or delete, whatever a request says of itself", async () => {
    build();
    await run.end();
    const guises: RequestParts[] = [
      {},
      { headers: { Authorization: "Bearer x", Cookie: "admin=1" } },
      { headers: { "Sec-Fetch-Site": "same-origin", Origin: "http://127.0.0.1" } },
      { headers: { "X-HTTP-Method-Override": "DELETE", "X-Original-URL": "/", "X-Forwarded-For": "127.0.0.1" } },
    ];
    for (const parts of guises) {
      for (const [method, target, action] of ROUTES) {
        if (action !== "list" && action !== "cancel" && action !== "delete") continue;
        const answer = await send(target.replace(":run", run.runId), { ...parts, method });
        expect([target, answer.status]).toEqual([target, 403]);
        expect(tells(answer)).toBe(false);
      }
      expect((await send(`/${run.runId}/status`, { ...parts, method: "POST" })).status).toBe(405);
    }
    expect(done).toEqual([]);
    expect((await send(`/${run.runId}`)).status).toBe(200);
  });
});

describe("an authorize that has faults", () => {
  it.each(FAULTY_AUTHORIZES)("gives access to nothing when it %s, and somebody hears of it", async (_name, fault) => {
    build({ authorize: fault as never });
    for (const [method, target] of ROUTES) {
      errors = [];
      const answer = await send(target.replace(":run", run.runId), { method });
      // Nonsense is refused for good; one that fails may be able to answer a moment later.
      expect([403, 503], `${method} ${target}`).toContain(answer.status);
      expect(tells(answer)).toBe(false);
      expect(String(answer.body)).not.toContain("secret");
      expect(errors).toHaveLength(1);
    }
    expect(done).toEqual([]);
    expect(scene.reads).toEqual([]);
  });

  it("gives access while it has not answered to nobody, holds no viewer, and outlives none that leaves", async () => {
    const answers: ((answer: boolean) => void)[] = [];
    build({
      authorize: () =>
        new Promise<boolean>((resolve) => {
          answers.push(resolve);
        }),
      maxViewers: 1,
    });
    const url = await listen(createNodeHandler({ handler }));
    const leave = new AbortController();
    const paths = [`/${run.runId}`, `/${run.runId}?wait=20`, `/${run.runId}/stream`, `/${run.runId}/download`, "/"];
    const asked = paths.map((path) => ask(url, path, { signal: leave.signal }));
    await vi.waitFor(() => expect(answers).toHaveLength(paths.length));
    await scene.clock.advance(600_000);
    expect(handler.viewers()).toBe(0);
    expect(scene.reads).toEqual([]);
    leave.abort();
    for (const one of await Promise.allSettled(asked)) expect(one.status).toBe("rejected");
    // It allows them at last: there is nobody any more to be shown anything.
    for (const answer of answers) answer(true);
    await vi.waitFor(() => expect(handler.viewers()).toBe(0));
    await scene.clock.advance(15_000);
    expect(scene.reader.feeds).toBe(0);
    expect(scene.watched()).toBe(0);
    expect(errors).toEqual([]);
  });

  it("may answer with a promise that is not JavaScript's own", async () => {
    // biome-ignore-start lint/suspicious/noThenProperty: as other libraries' promises do
    const foreign = (answer: unknown) => ({
      then(took: (value: unknown) => void) {
        setImmediate(() => took(answer));
      },
    });
    // biome-ignore-end lint/suspicious/noThenProperty: see above
    build({ authorize: () => foreign(true) as never });
    const allowed = await send(`/${run.runId}`);
    expect([allowed.status, JSON.parse(String(allowed.body)).next_index]).toEqual([200, 3]);
    build({ authorize: () => foreign({ status: 401 }) as never });
    expect((await send(`/${run.runId}`)).status).toBe(401);
    expect(errors).toEqual([]);
  });
});

describe("a page of another origin", () => {
  const corsOf = ({ headers }: HandlerResponse): string[] =>
    Object.keys(headers).filter((name) => /^(access-control|timing|cross-origin)/i.test(name));

  it("may read nothing unless cors names it: no header says so, on any route, preflights included", async () => {
    build({ authorize: () => true });
    const headers = { Origin: "https://evil.example", "Access-Control-Request-Method": "DELETE" };
    for (const [method, target] of [
      ...ROUTES,
      ["OPTIONS", "/:run"],
      ["OPTIONS", "/"],
      ["GET", "/none/none"],
    ] as const) {
      const answer = await send(target.replace(":run", run.runId), { method, headers });
      if (isLiveBody(answer.body)) new TestViewer(answer.body).vanish();
      expect([method, target, corsOf(answer)]).toEqual([method, target, []]);
    }
  });

  it.each<[string, CorsOptions, string, boolean]>([
    ["one that is named", { origins: ["https://a.example"] }, "https://a.example", true],
    ["one that is not", { origins: ["https://a.example"] }, "https://b.example", false],
    ["one with another port", { origins: ["https://a.example"] }, "https://a.example:8443", false],
    ["one with another scheme", { origins: ["https://a.example"] }, "http://a.example", false],
    ["one that begins alike", { origins: ["https://a.example"] }, "https://a.example.evil.example", false],
    ["one that ends alike", { origins: ["https://a.example"] }, "https://evil-a.example", false],
    ["one in capitals", { origins: ["https://a.example"] }, "HTTPS://A.EXAMPLE", false],
    ["a frame without an origin", { origins: ["https://a.example"] }, "null", false],
    ["none where none is named", { origins: [] }, "https://a.example", false],
    ["a star that is sent", { origins: ["https://a.example"] }, "*", false],
  ])("is allowed exactly if cors says so: %s", async (_name, cors, Origin, allowed) => {
    build({ cors, authorize: () => true });
    for (const method of ["GET", "OPTIONS"]) {
      const { headers } = await send(`/${run.runId}`, { method, headers: { Origin } });
      expect(headers["Access-Control-Allow-Origin"]).toBe(allowed ? Origin : undefined);
      expect(headers).not.toHaveProperty("Access-Control-Allow-Credentials");
      // A cache must not hand one origin's answer to another.
      expect(headers.Vary).toBe("Origin");
    }
  });

  it("that is none of the named may not cancel or delete: not with a star, not through a preflight", async () => {
    for (const cors of [undefined, { origins: "*" as const }, { origins: ["https://ops.example"] }]) {
      done = [];
      const authorize = vi.fn(() => true);
      build({ authorize, ...(cors && { cors }) });
      for (const Origin of ["https://evil.example", "null", "*", ""]) {
        const headers: Record<string, string> = { Origin, "Sec-Fetch-Site": "cross-site", Cookie: "session=1" };
        expect((await send(`/${run.runId}/cancel`, { method: "POST", headers })).status).toBe(403);
        expect((await send(`/${run.runId}`, { method: "DELETE", headers })).status).toBe(403);
      }
      expect(done).toEqual([]);
      expect(authorize).not.toHaveBeenCalled();
    }
  });

  it("says so over a real connection, too, where the header is written in any case", async () => {
    build({ authorize: () => true });
    const url = await listen(createNodeHandler({ handler }));
    for (const name of ["sec-fetch-site", "SEC-FETCH-SITE"]) {
      const answer = await ask(url, `/${run.runId}/cancel`, { method: "POST", headers: { [name]: "cross-site" } });
      expect([answer.status, answer.json().code]).toEqual([403, "FORBIDDEN"]);
    }
    expect(done).toEqual([]);
    await settle();
  });
});
