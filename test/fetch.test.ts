import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createFetchHandler } from "../src/fetch.js";
import { createHandler, type Handler, type HandlerOptions } from "../src/handler.js";
import { line, lines, type Producer } from "./contract/log-store/scene.js";
import { settle } from "./support/hand-clock.js";
import { type ReadingScene, setScene } from "./support/reading-scene.js";

const ORIGIN = "http://127.0.0.1:1";

let scene: ReadingScene;
let handler: Handler;
let fetchIt: (target: string, init?: RequestInit) => Promise<Response>;

function build(options: Partial<HandlerOptions> = {}, mount?: string): void {
  const { reader, store, clock } = scene;
  const requestCancel = (runId: string) => store.cancel(runId);
  handler = createHandler({ reader, store, clock, requestCancel, ...options });
  const serve = createFetchHandler({ handler }, mount === undefined ? {} : { mount });
  fetchIt = (target, init) => serve(new Request(ORIGIN + target, init));
}

beforeEach(async () => {
  scene = await setScene();
  build();
});

afterEach(async () => {
  handler.closeViewers();
  expect(handler.viewers()).toBe(0);
  scene.reader.close();
  await scene.harness.close();
});

/** A stream and what was read of it so far. */
async function openStream(run: Producer, init?: RequestInit) {
  const response = await fetchIt(`/${run.runId}/stream`, init);
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const decoder = new TextDecoder();
  const stream = {
    response,
    reader,
    text: "",
    /** Reads until `found` is in the text, or to the end. */
    async until(found: string): Promise<string> {
      while (!stream.text.includes(found)) {
        const { done, value } = await reader.read();
        if (done) break;
        stream.text += decoder.decode(value, { stream: true });
      }
      return stream.text;
    },
  };
  return stream;
}

describe("the fetch face", () => {
  it("answers a Request with the handler's status, headers and text", async () => {
    const run = await scene.run(3);
    const response = await fetchIt(`/${run.runId}?since=1`);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/json; charset=utf-8");
    expect(await response.json()).toMatchObject({ next_index: 3, logs: [{ index: 1 }, { index: 2 }] });
  });

  it("serves what lies below its mount, however that is written, and nothing else", async () => {
    const run = await scene.run(1);
    for (const mount of ["/api/logs", "api/logs/", "/api/logs/"]) {
      build({ authorize: () => true }, mount);
      expect((await fetchIt(`/api/logs/${run.runId}`)).status).toBe(200);
      expect((await fetchIt("/api/logs")).status).toBe(200);
      expect((await fetchIt("/api/logs?limit=1")).status).toBe(200);
      for (const path of ["/", `/${run.runId}`, `/api/logsx/${run.runId}`]) {
        const outside = await fetchIt(path);
        expect(outside.status).toBe(404);
        expect(await outside.json()).toMatchObject({ code: "RUN_NOT_FOUND" });
      }
    }
  });

  it("hands authorize the Request itself", async () => {
    const run = await scene.run(1);
    let raw: unknown;
    build({
      authorize: (question) => {
        raw = question.raw;
        return question.header("authorization") === "Bearer x" && question.url.startsWith(ORIGIN);
      },
    });
    expect((await fetchIt(`/${run.runId}`, { headers: { Authorization: "Bearer x" } })).status).toBe(200);
    expect(raw).toBeInstanceOf(Request);
    expect((await fetchIt(`/${run.runId}`)).status).toBe(403);
  });

  it("leaves the body out of a HEAD, of a 204, and of a stream that is only asked about", async () => {
    build({ authorize: () => true });
    const run = await scene.run(1);
    for (const rest of ["", "/status", "/stream"]) {
      const head = await fetchIt(`/${run.runId}${rest}`, { method: "HEAD" });
      expect([head.status, await head.text()]).toEqual([200, ""]);
    }
    await run.end();
    const removed = await fetchIt(`/${run.runId}`, { method: "DELETE" });
    expect([removed.status, await removed.text()]).toEqual([204, ""]);
  });

  it("answers a held poll whose Request is aborted, so that nothing stays", async () => {
    const run = await scene.run(1);
    const { cursor } = (await (await fetchIt(`/${run.runId}`)).json()) as { cursor: string };
    const gone = new AbortController();
    const held = fetchIt(`/${run.runId}?cursor=${cursor}&wait=20`, { signal: gone.signal });
    await settle();
    expect(handler.viewers()).toBe(1);
    gone.abort();
    await held;
    expect(handler.viewers()).toBe(0);
  });
});

describe("a stream through fetch", () => {
  it("flows to its end", async () => {
    const run = await scene.run(2);
    const stream = await openStream(run);
    expect(stream.response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    await stream.until('"index":1');
    await run.write([line("live")]);
    await stream.until("live");
    await run.end();
    const text = await stream.until("never");
    expect(text).toContain("event: end");
    expect(text.match(/event: log/g)).toHaveLength(3);
  });

  it("holds no more ready than a piece or two for a reader that pauses, and loses it nothing", async () => {
    const run = await scene.run();
    await run.write(Array.from({ length: 800 }, (_, i) => line(`${i} ${"x".repeat(500)}`)));
    let written = 0;
    const { handle } = handler;
    handler.handle = async (request) => {
      const answer = await handle(request);
      const { body } = answer;
      if (typeof body !== "object" || body === null || !("attach" in body)) return answer;
      return {
        ...answer,
        body: {
          attach: (sink) =>
            body.attach({
              write(chunk) {
                written += chunk.length;
                return sink.write(chunk);
              },
              get pendingBytes() {
                return sink.pendingBytes;
              },
              end: () => sink.end(),
              destroy: () => sink.destroy(),
            }),
        },
      };
    };
    const stream = await openStream(run);
    await settle();
    expect(written).toBeLessThan(300_000);
    await run.end();
    const text = await stream.until("event: end");
    expect(text.match(/event: log/g)).toHaveLength(800);
    expect(written).toBeGreaterThan(400_000);
  });

  it("that is cancelled, or whose Request is aborted, is forgotten", async () => {
    const run = await scene.run(1);
    const cancelled = await openStream(run);
    await cancelled.until('"index":0');
    expect(handler.viewers()).toBe(1);
    await cancelled.reader.cancel();
    expect(handler.viewers()).toBe(0);
    const gone = new AbortController();
    const aborted = await openStream(run, { signal: gone.signal });
    await aborted.until('"index":0');
    gone.abort();
    expect(handler.viewers()).toBe(0);
    await expect(aborted.reader.read()).rejects.toThrow();
    await run.write(lines(1, 1));
    await settle();
  });

  it("that was aborted before it began does not begin", async () => {
    const run = await scene.run(1);
    const response = await fetchIt(`/${run.runId}/stream`, { signal: AbortSignal.abort() });
    expect(handler.viewers()).toBe(0);
    await expect(response.text()).rejects.toThrow();
  });

  it("ends when the viewers are closed", async () => {
    const run = await scene.run(1);
    const stream = await openStream(run);
    handler.closeViewers();
    expect(await stream.until("never")).toContain('"index":0');
  });

  it("is cut off with an error when its reader takes nothing for thirty seconds", async () => {
    const run = await scene.run();
    await run.write(Array.from({ length: 800 }, (_, i) => line(`${i} ${"x".repeat(500)}`)));
    const stream = await openStream(run);
    await scene.clock.advance(32_000);
    expect(handler.viewers()).toBe(0);
    await expect(stream.until("never")).rejects.toThrow("cut off");
  });
});
