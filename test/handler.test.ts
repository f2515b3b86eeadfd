import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AuthorizeRequest } from "../src/access.js";
import { LivetailError } from "../src/errors.js";
import { type HandlerResponse, isLiveBody } from "../src/exchange.js";
import { createHandler, type Handler, type HandlerOptions } from "../src/handler.js";
import type { LogStore } from "../src/store.js";
import { birth, claimBy, line, lines, type Producer } from "./contract/log-store/scene.js";
import { settle } from "./support/hand-clock.js";
import { type RequestParts, request, TestViewer } from "./support/plain-request.js";
import { type ReadingScene, setScene } from "./support/reading-scene.js";

let scene: ReadingScene;
let handler: Handler;
let errors: LivetailError[];

function build(options: Partial<HandlerOptions> = {}): void {
  const { reader, store, clock } = scene;
  handler = createHandler({
    reader,
    store,
    clock,
    requestCancel: (runId) => store.cancel(runId),
    onError: (error) => errors.push(error),
    ...options,
  });
}

beforeEach(async () => {
  errors = [];
  scene = await setScene();
  build();
});

afterEach(async () => {
  handler.closeViewers();
  expect(handler.viewers()).toBe(0);
  scene.reader.close();
  await scene.harness.close();
});

const ask = async (target: string, parts?: RequestParts): Promise<HandlerResponse> =>
  handler.handle(request(target, parts));

const json = (answer: HandlerResponse): Record<string, unknown> => JSON.parse(String(answer.body));

/** Asserts a problem, and returns what it says. */
async function problem(
  answer: HandlerResponse | Promise<HandlerResponse>,
  status: number,
  code: string,
): Promise<string> {
  const refused = await answer;
  expect(refused).toMatchObject({
    status,
    headers: {
      "Content-Type": "application/problem+json; charset=utf-8",
      "Cache-Control": "no-store",
      "X-Content-Type-Options": "nosniff",
    },
  });
  const body = json(refused);
  expect(body).toMatchObject({ type: "about:blank", status, code, title: expect.any(String) });
  return String(body.detail);
}

const allowAll = { authorize: () => true };

describe("a poll", () => {
  it("is a page of the run as JSON that nobody keeps", async () => {
    const run = await scene.run(3);
    const answer = await ask(`/${run.runId}?since=1&limit=1`);
    expect(answer).toMatchObject({
      status: 200,
      headers: {
        "Content-Type": "application/json; charset=utf-8",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
      },
    });
    const body = json(answer);
    expect(body).toEqual({
      run_id: run.runId,
      operation: "operation",
      subject_id: "subject",
      status: "queued",
      logs: [expect.objectContaining({ index: 1 })],
      cursor: expect.stringMatching(new RegExp(`^${run.epoch}\\.2\\.\\d+$`)),
      next_index: 2,
      first_index: 0,
      total_count: 3,
      expected_log_count: null,
      late_lines: 0,
      layer_status: {},
      backend_stats: { backends: {}, total: { calls: 0, errors: 0, cost_usd: 0, unpriced_calls: 0 } },
      owner: { id: run.owner?.id, url: run.owner?.url, state: "live", attempt: 1 },
      cancel_requested: false,
      gap: null,
      reset: null,
      error: null,
      error_code: null,
      next_poll_ms: 200,
    });
  });

  it("is answered without a promise when there is nothing new", async () => {
    const run = await scene.run(3);
    const { cursor } = json(await ask(`/${run.runId}`));
    const answer = handler.handle(request(`/${run.runId}?cursor=${cursor}`));
    expect(answer).not.toBeInstanceOf(Promise);
    expect(json(answer as HandlerResponse)).toMatchObject({ logs: [], cursor });
  });

  it("takes Last-Event-ID before cursor, cursor before since, since before tail", async () => {
    const run = await scene.run(9);
    const at = (next: number) => `${run.epoch}.${next}`;
    const first = async (query: string, headers: Record<string, string> = {}) =>
      (json(await ask(`/${run.runId}${query}`, { headers })).logs as { index: number }[])[0]?.index;
    const all = `?tail=1&since=2&cursor=${at(4)}`;
    expect(await first(all, { "Last-Event-ID": at(6) })).toBe(6);
    expect(await first(all)).toBe(4);
    expect(await first("?tail=1&since=2")).toBe(2);
    expect(await first("?tail=1")).toBe(8);
    expect(await first("")).toBe(0);
  });

  it("may be held, counts as a viewer meanwhile, and is answered when the viewers are closed", async () => {
    const run = await scene.run(1);
    const { cursor } = json(await ask(`/${run.runId}`));
    const held = ask(`/${run.runId}?cursor=${cursor}&wait=20`);
    await settle();
    expect(handler.viewers()).toBe(1);
    handler.closeViewers();
    expect(json(await held)).toMatchObject({ logs: [], cursor });
    expect(handler.viewers()).toBe(0);
  });

  it("of a HEAD is that of a GET, for the face to leave its body out", async () => {
    const run = await scene.run(1);
    expect(await ask(`/${run.runId}`, { method: "HEAD" })).toEqual(await ask(`/${run.runId}`));
  });

  it("refuses every malformed parameter by its name", async () => {
    const run = await scene.run(3);
    const bad: [string, string[]][] = [
      ["since", ["-1", "NaN", "1e9", "1.5", "", "%20", "0x1", "01", "+1", "9".repeat(16), "1&since=2", "%zz"]],
      ["cursor", ["", "x", "a.b", "a.1.x", "A.1", "a.-1", "a.01", `${"a".repeat(13)}.1`, "a.1.2.3", "a.1&cursor=a.1"]],
      ["tail", ["-1", "", "all"]],
      ["limit", ["0", "1001", "", "ten", "5&limit=5"]],
      ["wait", ["-1", "31", "", "1e1", "1s", "30.5", "Infinity"]],
    ];
    for (const [name, values] of bad) {
      for (const value of values) {
        const detail = await problem(ask(`/${run.runId}?${name}=${value}`), 400, "INVALID_PARAMETER");
        expect(detail, value).toContain(name);
        await problem(ask(`/${run.runId}/stream?${name}=${value}`), 400, "INVALID_PARAMETER");
      }
      await problem(ask(`/${run.runId}?${name}`), 400, "INVALID_PARAMETER");
    }
    const detail = await problem(
      ask(`/${run.runId}`, { headers: { "Last-Event-ID": "rubbish" } }),
      400,
      "INVALID_PARAMETER",
    );
    expect(detail).toContain("Last-Event-ID");
  });

  it("minds no parameter that is not its own", async () => {
    const run = await scene.run(3);
    for (const query of ["?token=a&token=b", "?x=%zz", "?sinces=-1", "?&&", "?limit=1&=2", "?wait=0.25&limit=%31"]) {
      expect((await ask(`/${run.runId}${query}`)).status, query).toBe(200);
    }
  });
});

describe("a path", () => {
  it("that names no run is refused, however it is written", async () => {
    build(allowAll);
    const bad = [
      "..",
      "%2e%2e",
      "a%2fb",
      "a%00",
      "%",
      "%ff",
      "x".repeat(10_000),
      "owner:x",
      "-x",
      "_x",
      "a b",
      "é",
      "a%20",
    ];
    for (const id of bad) {
      for (const rest of ["", "/status", "/stream", "/view", "/nonsense"]) {
        await problem(ask(`/${id}${rest}`), 400, "INVALID_RUN_ID");
      }
    }
    await problem(ask("//x"), 400, "INVALID_RUN_ID");
  });

  it("may write its id in percent-encoding", async () => {
    const run = await scene.run(1);
    expect((await ask(`/${run.runId.replace("_", "%5F")}`)).status).toBe(200);
  });

  it("that leads nowhere is 404", async () => {
    build(allowAll);
    const run = await scene.run(1);
    for (const rest of ["/nonsense", "/", "/status/", "/status/x", "/constructor", "/__proto__"]) {
      await problem(ask(`/${run.runId}${rest}`), 404, "RUN_NOT_FOUND");
    }
    for (const path of ["/-", "/-/", "/-/nonsense", "/-/toString"]) await problem(ask(path), 404, "RUN_NOT_FOUND");
  });

  it("refuses methods that it has not, and names those that it has", async () => {
    const run = await scene.run(1);
    const cases: [string, string, string][] = [
      ["", "POST", "GET, HEAD, DELETE, OPTIONS"],
      ["/status", "POST", "GET, HEAD, OPTIONS"],
      ["/stream", "PUT", "GET, HEAD, POST, OPTIONS"],
      ["/cancel", "GET", "POST, OPTIONS"],
      ["/cancel", "HEAD", "POST, OPTIONS"],
      ["/view", "DELETE", "GET, HEAD, OPTIONS"],
      ["", "constructor", "GET, HEAD, DELETE, OPTIONS"],
    ];
    for (const [rest, method, allow] of cases) {
      const answer = await ask(`/${run.runId}${rest}`, { method });
      await problem(answer, 405, "METHOD_NOT_ALLOWED");
      expect(answer.headers.Allow).toBe(allow);
    }
    expect((await ask("/", { method: "POST" })).headers.Allow).toBe("GET, HEAD, OPTIONS");
  });

  it("says with OPTIONS what it can, to anybody", async () => {
    build({ authorize: () => false });
    const run = await scene.run(1);
    const answer = await ask(`/${run.runId}`, { method: "OPTIONS" });
    expect(answer).toMatchObject({ status: 204, body: null, headers: { Allow: "GET, HEAD, DELETE, OPTIONS" } });
    expect(Object.keys(answer.headers).join()).not.toContain("Access-Control");
  });
});

describe("an unknown run", () => {
  const id = "op_none_abcdefghijklmnopqrstuvwx";

  it("is 404 everywhere", async () => {
    build(allowAll);
    for (const rest of ["", "/status", "/progress", "/result", "/download"]) {
      await problem(ask(`/${id}${rest}`), 404, "RUN_NOT_FOUND");
    }
    await problem(ask(`/${id}/cancel`, { method: "POST" }), 404, "RUN_NOT_FOUND");
    await problem(ask(`/${id}`, { method: "DELETE" }), 404, "RUN_NOT_FOUND");
  });

  it("is waited for by a poll that may wait", async () => {
    const held = ask(`/${id}?wait=20`);
    await scene.clock.advance(2000);
    await claimBy(scene.harness, id);
    expect(json(await held)).toMatchObject({ run_id: id, logs: [] });
    const never = ask("/op_never_abcdefghijklmnopqrstuvwx?wait=2");
    await scene.clock.advance(2000);
    await problem(never, 404, "RUN_NOT_FOUND");
  });
});

describe("a store that is away", () => {
  it("is 503 with the time to come back, and health says so", async () => {
    build(allowAll);
    const run = await scene.run(1);
    scene.away = true;
    for (const rest of ["", "/status", "/result", "/download"]) {
      const answer = await ask(`/${run.runId}${rest}`);
      await problem(answer, 503, "STORE_UNAVAILABLE");
      expect(answer.headers["Retry-After"]).toBe("1");
    }
  });

  it("is what a fault that nobody foresaw is answered as, and somebody hears of it", async () => {
    build({
      authorize: () => true,
      requestCancel: () => Promise.reject(new TypeError("oops")),
    });
    const run = await scene.run(1);
    await problem(ask(`/${run.runId}/cancel`, { method: "POST" }), 503, "STORE_UNAVAILABLE");
    expect(errors[0]?.cause).toBeInstanceOf(TypeError);
  });
});

describe("status, result and download", () => {
  it("tells the state without lines, under both names", async () => {
    const run = await scene.run(2);
    const body = json(await ask(`/${run.runId}/status`));
    expect(body).toMatchObject({ run_id: run.runId, total_count: 2, layers_done: 0, children: { total: 0 } });
    expect(body).not.toHaveProperty("logs");
    expect(json(await ask(`/${run.runId}/progress`))).toEqual(body);
  });

  it("has a result when the run has completed, and not before", async () => {
    const run = await scene.run(1);
    const open = await ask(`/${run.runId}/result`);
    expect(open).toMatchObject({ status: 202, headers: { "Retry-After": "1" } });
    expect(json(open)).toEqual({ run_id: run.runId, status: "queued" });
    await run.end({ result: '{"answer":42}' });
    expect(await ask(`/${run.runId}/result`)).toMatchObject({ status: 200, body: '{"answer":42}' });
    const empty = await scene.run();
    await empty.end();
    expect(await ask(`/${empty.runId}/result`)).toMatchObject({ status: 200, body: "null" });
  });

  it("has no result of a run that failed or was cancelled", async () => {
    const failed = await scene.run();
    await failed.end({ status: "failed", error: "no luck" });
    expect(await problem(ask(`/${failed.runId}/result`), 409, "RUN_NOT_COMPLETED")).toContain("no luck");
    const cancelled = await scene.run();
    await cancelled.end({ status: "cancelled" });
    await problem(ask(`/${cancelled.runId}/result`), 409, "RUN_NOT_COMPLETED");
  });

  const download = async (run: Producer, paused: boolean): Promise<TestViewer> => {
    const { status, headers, body } = await ask(`/${run.runId}/download`);
    expect(status).toBe(200);
    expect(headers).toMatchObject({
      "Content-Type": "application/x-ndjson; charset=utf-8",
      "Content-Disposition": `attachment; filename="${run.runId}.ndjson"`,
    });
    if (!isLiveBody(body)) throw new Error("a download has a live body");
    return new TestViewer(body, paused);
  };
  const downloaded = (viewer: TestViewer): number[] =>
    viewer.text
      .split("\n")
      .filter(Boolean)
      .map((text) => JSON.parse(text).index);

  it("downloads the lines that are kept, page by page as they are taken", async () => {
    const run = await scene.run(1000);
    await run.write(lines(200, 1000));
    const viewer = await download(run, true);
    await settle();
    expect(viewer.chunks.length).toBe(1);
    await run.write(lines(1, 1200));
    for (let i = 0; i < 5; i += 1) {
      viewer.drain();
      await settle();
    }
    expect(viewer.ended).toBe(true);
    expect(downloaded(viewer)).toEqual(Array.from({ length: 1000 }, (_, i) => i + 200).filter((i) => i < 1200));
  });

  it("cuts a download off that takes nothing for thirty seconds, but not one that takes a little", async () => {
    const run = await scene.run(1000);
    const viewer = await download(run, true);
    const slow = await download(run, true);
    expect(handler.viewers()).toBe(2);
    await scene.clock.advance(20_000);
    slow.sip(1);
    await scene.clock.advance(9000);
    expect(viewer.destroyed).toBe(false);
    await scene.clock.advance(2000);
    expect(viewer).toMatchObject({ destroyed: true, ended: false });
    expect(slow.destroyed).toBe(false);
    expect(handler.viewers()).toBe(1);
    slow.vanish();
    await scene.clock.advance(12_000);
    expect(scene.clock.timers).toBe(0);
  });

  it("cuts a download short rather than have it end as if it were whole", async () => {
    const run = await scene.run(1000);
    const vanished = await download(run, true);
    await settle();
    await scene.harness.lose(run.runId);
    vanished.resume();
    await settle();
    expect(vanished).toMatchObject({ destroyed: true, ended: false });
    const other = await scene.run(1000);
    const closed = await download(other, true);
    await settle();
    handler.closeViewers();
    expect(closed).toMatchObject({ destroyed: true, ended: false });
  });
});

describe("a handler that is closed", () => {
  it("ends its viewers and takes none any more, while polls are answered at once", async () => {
    const run = await scene.run(1);
    const { cursor } = json(await ask(`/${run.runId}`));
    const { body } = await ask(`/${run.runId}/stream`);
    const { body: late } = await ask(`/${run.runId}/stream`);
    const { body: lines } = await ask(`/${run.runId}/download`);
    if (!isLiveBody(body) || !isLiveBody(late) || !isLiveBody(lines)) throw new Error("these have live bodies");
    const viewer = new TestViewer(body);
    const held = ask(`/${run.runId}?cursor=${cursor}&wait=20`);
    await settle();
    handler.close();
    expect(viewer.ended).toBe(true);
    expect(json(await held)).toMatchObject({ logs: [] });
    expect(new TestViewer(late)).toMatchObject({ ended: true, chunks: [] });
    expect(new TestViewer(lines)).toMatchObject({ destroyed: true, chunks: [] });
    for (const rest of ["stream", "download"]) {
      const refused = await ask(`/${run.runId}/${rest}`);
      await problem(refused, 503, "STORE_UNAVAILABLE");
      expect(refused.headers["Retry-After"]).toBe("1");
    }
    expect(json(await ask(`/${run.runId}?cursor=${cursor}&wait=20`))).toMatchObject({ logs: [] });
    expect(handler.viewers()).toBe(0);
  });

  it("holds nothing that was under way, and tells no stream that a run does not exist", async () => {
    const run = await scene.run(1);
    const { cursor } = json(await ask(`/${run.runId}`));
    await scene.clock.advance(11_000);
    let goOn = (): void => {};
    scene.slow = new Promise((resolve) => {
      goOn = resolve;
    });
    const poll = ask(`/${run.runId}?cursor=${cursor}&wait=20`);
    const reading = ask("/op_test_aaaaaaaaaaaaaaaaaaaaaaaa/stream");
    await settle();
    handler.close();
    goOn();
    expect(json(await poll)).toMatchObject({ logs: [] });
    await problem(reading, 503, "STORE_UNAVAILABLE");
  });

  it("answers a stream that waits for its run at once", async () => {
    const waiting = ask("/op_test_aaaaaaaaaaaaaaaaaaaaaaaa/stream");
    await settle();
    handler.close();
    await problem(waiting, 503, "STORE_UNAVAILABLE");
  });
});

describe("cancel and delete", () => {
  beforeEach(() => build(allowAll));

  it("cancels with 202, and answers 200 with what stands when that was done before", async () => {
    const run = await scene.run(1);
    const first = await ask(`/${run.runId}/cancel`, { method: "POST" });
    expect(first.status).toBe(202);
    expect(json(first)).toEqual({ run_id: run.runId, status: "queued", cancel_requested: true });
    const second = await ask(`/${run.runId}/cancel`, { method: "POST" });
    expect(second.status).toBe(200);
    await run.end();
    const third = await ask(`/${run.runId}/cancel`, { method: "POST" });
    expect(third.status).toBe(200);
    expect(json(third)).toMatchObject({ status: "completed" });
  });

  it("deletes what has ended, and viewers learn it", async () => {
    const run = await scene.run(1);
    await problem(ask(`/${run.runId}`, { method: "DELETE" }), 409, "RUN_NOT_COMPLETED");
    await run.end();
    await ask(`/${run.runId}`);
    expect(await ask(`/${run.runId}`, { method: "DELETE" })).toMatchObject({ status: 204, body: null });
    await settle();
    await problem(ask(`/${run.runId}`), 404, "RUN_NOT_FOUND");
  });

  it("refuses a page of another site, before anybody is asked", async () => {
    let asked = 0;
    build({
      authorize: () => {
        asked += 1;
        return true;
      },
    });
    const run = await scene.run(1);
    const headers = { "Sec-Fetch-Site": "cross-site", Origin: "https://evil.example" };
    await problem(ask(`/${run.runId}/cancel`, { method: "POST", headers }), 403, "FORBIDDEN");
    await problem(ask(`/${run.runId}`, { method: "DELETE", headers }), 403, "FORBIDDEN");
    expect(asked).toBe(0);
    for (const site of ["same-origin", "same-site", "none"]) {
      const answer = await ask(`/${run.runId}/cancel`, { method: "POST", headers: { "Sec-Fetch-Site": site } });
      expect(answer.status).toBeLessThan(300);
    }
  });

  it("lets a page of another site do it that cors names", async () => {
    build({ ...allowAll, cors: { origins: ["https://ops.example"] } });
    const run = await scene.run(1);
    const from = (Origin: string) => ({ "Sec-Fetch-Site": "cross-site", Origin });
    const cancel = (origin: string) => ask(`/${run.runId}/cancel`, { method: "POST", headers: from(origin) });
    expect((await cancel("https://ops.example")).status).toBe(202);
    expect((await cancel("https://evil.example")).status).toBe(403);
  });
});

describe("the list", () => {
  beforeEach(() => build(allowAll));

  it("has the newest runs first, and filters them", async () => {
    const one = await claimBy(scene.harness, "one", { birth: birth({ subjectId: "s1", operation: "a" }) });
    await claimBy(scene.harness, "two", { birth: birth({ subjectId: "s2", operation: "b", parentId: "one" }) });
    await one.end();
    const ids = async (query: string) =>
      (json(await ask(`/${query}`)).runs as { run_id: string }[]).map(({ run_id }) => run_id);
    expect((await ids("")).sort()).toEqual(["one", "two"]);
    expect(await ids("?status=completed")).toEqual(["one"]);
    expect(await ids("?operation=b")).toEqual(["two"]);
    expect(await ids("?subject_id=s1")).toEqual(["one"]);
    expect(await ids("?parent_id=one")).toEqual(["two"]);
    expect(await ids("?limit=1")).toHaveLength(1);
    expect(await ids("?status=open")).toEqual(["two"]);
    for (const query of ["?status=done", "?limit=0", "?limit=1e2", "?limit=1001", "?operation=", "?limit=1&limit=2"]) {
      await problem(ask(`/${query}`), 400, "INVALID_PARAMETER");
    }
  });

  it("is a page for a browser, in which no text becomes a tag", async () => {
    await claimBy(scene.harness, "one", { birth: birth({ subjectId: "<script>alert('x')</script>" }) });
    const answer = await ask("/", { headers: { Accept: "text/html,*/*" }, mount: "/logs" });
    expect(answer.headers).toMatchObject({ "Content-Type": "text/html; charset=utf-8", Vary: "Accept" });
    expect(answer.body).toContain("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;");
    expect(answer.body).not.toContain("<script>alert");
    expect(answer.body).toContain('href="./one/view"');
  });

  it("is a page whose links are right with and without a slash at its end, and repeat nothing of its URL", async () => {
    await claimBy(scene.harness, "one");
    const page = async (url: string, mount: string) =>
      (await handler.handle({ ...request("/?limit=5&status=open", { headers: { Accept: "text/html" } }), url, mount }))
        .body;
    const below = async (url: string, mount: string) => {
      const body = String(await page(url, mount));
      expect(body).not.toContain("limit");
      const [, href] = /<a href="([^"]+)">one</.exec(body) ?? [];
      const [, src] = /<script nonce="[^"]+" src="([^"]+)"/.exec(body) ?? [];
      const [, base] = /<livetail-runs src="([^"]+)"/.exec(body) ?? [];
      return [href, src, `${base}/`].map((path) => new URL(path ?? "", `http://a.test${url}`).pathname);
    };
    const right = ["/api/logs/one/view", "/api/logs/-/runs.js", "/api/logs/"];
    expect(await below("/api/logs/?limit=5&status=open", "/api/logs")).toEqual(right);
    expect(await below("/api/logs?limit=5&status=open", "/api/logs")).toEqual(right);
    expect(await below("/?limit=5", "")).toEqual(["/one/view", "/-/runs.js", "/"]);
    // A proxy has put it elsewhere.
    expect(await below("/elsewhere/", "/api/logs")).toEqual([
      "/elsewhere/one/view",
      "/elsewhere/-/runs.js",
      "/elsewhere/",
    ]);
  });

  it("is read once a second for all who have it and ask what is new, and says when nothing is", async () => {
    const asked: number[] = [];
    const list: LogStore["list"] = (request) => {
      asked.push(request.limit);
      return scene.store.list(request);
    };
    build({ ...allowAll, store: { ...scene.store, list } });
    const run = await claimBy(scene.harness, "one");
    const first = await ask("/?limit=5");
    const tag = first.headers.ETag ?? "";
    expect(tag).toMatch(/^"[\w-]{27}"$/);
    const anew = () => ask("/?limit=5", { headers: { "If-None-Match": `W/${tag}` } });
    expect(await anew()).toMatchObject({ status: 304, body: null, headers: { ETag: tag, Vary: "Accept" } });
    await run.end();
    // Whoever has none is told what is true now.
    expect(json(await ask("/?limit=5"))).toMatchObject({ runs: [{ status: "completed" }] });
    expect(asked).toEqual([5, 5]);
    const answers = await Promise.all([
      anew(),
      anew(),
      anew(),
      ask("/?limit=6", { headers: { "If-None-Match": "*" } }),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(asked).toEqual([5, 5, 6]);
    await scene.clock.advance(1000);
    await anew();
    expect(asked).toEqual([5, 5, 6, 5]);
  });

  it("is not remembered when it could not be read", async () => {
    let away = true;
    const list: LogStore["list"] = async (request) => {
      if (away) throw new LivetailError("STORE_UNAVAILABLE");
      return scene.store.list(request);
    };
    build({ ...allowAll, store: { ...scene.store, list } });
    const anew = { headers: { "If-None-Match": '"x"' } };
    await problem(ask("/", anew), 503, "STORE_UNAVAILABLE");
    away = false;
    expect(await ask("/", anew)).toMatchObject({ status: 200 });
  });
});

describe("the pages and scripts", () => {
  it("shows a run in a page of which only its own script runs", async () => {
    const run = await scene.run(1);
    const answer = await ask(`/${run.runId}/view`);
    const policy = answer.headers["Content-Security-Policy"] ?? "";
    expect(policy).toContain("default-src 'none'");
    const nonce = /script-src 'nonce-([^']+)'/.exec(policy)?.[1];
    expect(answer.body).toContain(`<script nonce="${nonce}" src="../-/panel.js"></script>`);
    expect(answer.body).toContain(run.runId);
    expect(answer.headers["Referrer-Policy"]).toBe("no-referrer");
    expect(policy).toContain("require-trusted-types-for 'script'");
    const again = await ask(`/${run.runId}/view`);
    expect(again.headers["Content-Security-Policy"]).not.toBe(policy);
  });

  it("offers to cancel where somebody decides who may", async () => {
    const run = await scene.run(1);
    expect((await ask(`/${run.runId}/view`)).body).not.toContain("cancellable");
    build({ authorize: () => true });
    expect((await ask(`/${run.runId}/view`)).body).toContain(" standalone cancellable>");
  });

  it("serves the scripts that were built, and 404 for those that were not", async () => {
    build({ assets: { clientJs: () => "export {};", panelJs: () => null, runsJs: () => "runs" } });
    expect(await ask("/-/client.js")).toMatchObject({
      status: 200,
      headers: { "Content-Type": "text/javascript; charset=utf-8" },
      body: "export {};",
    });
    await problem(ask("/-/panel.js"), 404, "RUN_NOT_FOUND");
    build();
    await problem(ask("/-/client.js"), 404, "RUN_NOT_FOUND");
  });

  it("tells its health", async () => {
    build({ health: () => ({ openRuns: 2, waitingLines: 3, droppedLines: 4 }) });
    expect(json(await ask("/-/health"))).toEqual({
      store: "ok",
      open_runs: 2,
      waiting_lines: 3,
      dropped_lines: 4,
      viewers: 0,
    });
    await scene.store.close();
    expect(json(await ask("/-/health"))).toMatchObject({ store: "unavailable" });
  });
});

describe("without authorize", () => {
  it("only runs whose id nobody can guess may be read", async () => {
    await claimBy(scene.harness, "job-42");
    for (const id of ["job-42", "op_short_abc", "op_UPPER_ABCDEFGHIJKLMNOPQRSTUVWX"]) {
      for (const rest of ["", "/status", "/stream", "/result", "/download", "/view"]) {
        await problem(ask(`/${id}${rest}`), 403, "FORBIDDEN");
      }
    }
    const run = await scene.run(1);
    expect((await ask(`/${run.runId}`)).status).toBe(200);
  });

  it("nobody may list, cancel or delete", async () => {
    const run = await scene.run(1);
    await problem(ask("/"), 403, "FORBIDDEN");
    await problem(ask(`/${run.runId}/cancel`, { method: "POST" }), 403, "FORBIDDEN");
    await problem(ask(`/${run.runId}`, { method: "DELETE" }), 403, "FORBIDDEN");
  });
});

describe("authorize", () => {
  it("is asked on every request, with what is wanted", async () => {
    const asked: AuthorizeRequest[] = [];
    build({
      authorize: (question) => {
        asked.push(question);
        return true;
      },
    });
    const run = await scene.run(1);
    const raw = { framework: true };
    const wants: [string, string, string, string | null][] = [
      ["GET", `/${run.runId}`, "read", run.runId],
      ["GET", `/${run.runId}/status`, "read", run.runId],
      ["POST", `/${run.runId}/cancel`, "cancel", run.runId],
      ["DELETE", `/${run.runId}`, "delete", run.runId],
      ["GET", "/", "list", null],
      ["GET", "/-/health", "health", null],
      ["GET", "/-/client.js", "asset", null],
    ];
    for (const [method, target, action, runId] of wants) {
      await ask(target, { method, headers: { Cookie: "c=1" }, raw });
      const question = asked.at(-1);
      expect(question).toMatchObject({ method, url: `/operations${target}`, action, runId, raw });
      expect(question?.header("cookie")).toBe("c=1");
    }
    expect(asked).toHaveLength(wants.length);
  });

  it("may answer later, and with a status and a message", async () => {
    const run = await scene.run(1);
    const answers: [unknown, number, string, string][] = [
      [false, 403, "FORBIDDEN", "not allowed"],
      [{ status: 401, message: "Log in first." }, 401, "UNAUTHORIZED", "Log in first."],
      [{ status: 401 }, 401, "UNAUTHORIZED", "credentials"],
      [{ status: 404, message: "No." }, 404, "RUN_NOT_FOUND", "No."],
      [{ status: 402, message: "Pay." }, 402, "FORBIDDEN", "Pay."],
    ];
    for (const [answer, status, code, text] of answers) {
      for (const authorize of [() => answer, async () => answer]) {
        build({ authorize: authorize as never });
        expect(await problem(ask(`/${run.runId}`), status, code)).toContain(text);
        const { headers } = await ask(`/${run.runId}`);
        expect(headers["WWW-Authenticate"]).toBe(status === 401 ? "Bearer" : undefined);
      }
    }
    build({ authorize: async () => true });
    expect((await ask(`/${run.runId}`)).status).toBe(200);
  });

  it("refuses when it throws, rejects or answers nonsense, and somebody hears of it", async () => {
    const run = await scene.run(1);
    const throwing: (() => unknown)[] = [
      () => {
        throw new Error("bug");
      },
      () => Promise.reject(new Error("bug")),
    ];
    const nonsense: (() => unknown)[] = [
      () => undefined,
      () => null,
      () => "yes",
      () => 1,
      () => ({ status: 200 }),
      () => ({ status: "401" }),
      async () => undefined,
    ];
    for (const fault of [...throwing, ...nonsense]) {
      errors = [];
      build({ authorize: fault as never });
      // A viewer asks again after the one, and not after the other.
      const status = throwing.includes(fault) ? 503 : 403;
      const answer = await ask(`/${run.runId}`);
      await problem(answer, status, "FORBIDDEN");
      expect(answer.headers["Retry-After"]).toBe(status === 503 ? "1" : undefined);
      expect(errors).toHaveLength(1);
    }
  });
});

describe("cors", () => {
  it("sends nothing unless it is set", async () => {
    const run = await scene.run(1);
    const { headers } = await ask(`/${run.runId}`, { headers: { Origin: "https://a.example" } });
    expect(Object.keys(headers).join()).not.toContain("Access-Control");
  });

  it("names an origin of the list, on every answer, and no other", async () => {
    build({ cors: { origins: ["https://a.example"], credentials: true } });
    const run = await scene.run(1);
    for (const target of [`/${run.runId}`, `/${run.runId}/stream`, `/${run.runId}?since=-1`, "/-/health"]) {
      const { headers, body } = await ask(target, { headers: { Origin: "https://a.example" } });
      expect(headers).toMatchObject({
        "Access-Control-Allow-Origin": "https://a.example",
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Expose-Headers": "Retry-After, ETag",
        Vary: "Origin",
      });
      if (isLiveBody(body)) new TestViewer(body).vanish();
    }
    const other = await ask(`/${run.runId}`, { headers: { Origin: "https://b.example" } });
    expect(other.headers).toMatchObject({ Vary: "Origin" });
    expect(other.headers).not.toHaveProperty("Access-Control-Allow-Origin");
  });

  it("leaves what an answer varies by already", async () => {
    build({ ...allowAll, cors: { origins: ["https://a.example"] } });
    expect((await ask("/")).headers.Vary).toBe("Accept, Origin");
  });

  it("answers a preflight", async () => {
    build({ cors: { origins: "*" } });
    const run = await scene.run(1);
    const headers = { Origin: "https://a.example", "Access-Control-Request-Headers": "authorization" };
    expect(await ask(`/${run.runId}/stream`, { method: "OPTIONS", headers })).toMatchObject({
      status: 204,
      headers: {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Allow-Methods": "GET, HEAD, POST, DELETE",
        "Access-Control-Allow-Headers": "authorization",
      },
    });
  });

  it("does not take credentials from everywhere", () => {
    expect(() => build({ cors: { origins: "*", credentials: true } })).toThrow(
      expect.objectContaining({ code: "INVALID_OPTION" }),
    );
  });
});

describe("too many viewers", () => {
  it("of a run, or of all, are refused until one leaves", async () => {
    build({ maxViewers: 3, maxViewersPerRun: 2 });
    const one = await scene.run(1);
    const two = await scene.run(1);
    const open = async (run: Producer) => {
      const { body } = await ask(`/${run.runId}/stream`);
      if (!isLiveBody(body)) throw new Error("a stream has a live body");
      return new TestViewer(body);
    };
    const first = await open(one);
    const { cursor } = json(await ask(`/${one.runId}`));
    const held = ask(`/${one.runId}?cursor=${cursor}&wait=20`);
    await settle();
    const refused = await ask(`/${one.runId}/stream`);
    await problem(refused, 429, "TOO_MANY_VIEWERS");
    expect(refused.headers["Retry-After"]).toBe("5");
    await problem(ask(`/${one.runId}?wait=1`), 429, "TOO_MANY_VIEWERS");
    await problem(ask(`/${one.runId}/download`), 429, "TOO_MANY_VIEWERS");
    expect((await ask(`/${one.runId}`)).status).toBe(200);
    await open(two);
    await problem(ask(`/${two.runId}/stream`), 429, "TOO_MANY_VIEWERS");
    first.vanish();
    expect(handler.viewers()).toBe(2);
    await open(two);
    await one.write([line("news")]);
    expect((await held).status).toBe(200);
  });
});
