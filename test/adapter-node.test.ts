import { once } from "node:events";
import { Agent, createServer, IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect as connectHttp2, createServer as createHttp2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import { connect } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createNodeHandler } from "../src/adapters/node.js";
import type { Handle, Handler, HandlerRequest, HandlerResponse, LiveBody, ViewerSink } from "../src/handler.js";
import { describeHttp } from "./contract/http.js";
import { ask, deferred, openStream } from "./contract/http-client.js";

const servers: Server[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  }
});

async function listen(listener: (req: IncomingMessage, res: ServerResponse) => void): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  await once(server.listen(0, "127.0.0.1"), "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function handlerOf(handle: Handle): { handler: Handler } {
  return { handler: { handle, closeViewers() {}, viewers: () => 0 } };
}

function text(body: HandlerResponse["body"], status = 200): HandlerResponse {
  return { status, headers: { "Content-Type": "text/plain; charset=utf-8" }, body };
}

const FRAME = `data: ${JSON.stringify({ pad: "x".repeat(100_000) })}\n\n`;

/** A live body whose sink and calls the test holds. */
function liveBody() {
  const attached = deferred<ViewerSink>();
  const calls = { drain: 0, close: 0 };
  const body: LiveBody = {
    attach(sink) {
      attached.resolve(sink);
      return {
        onDrain: () => {
          calls.drain += 1;
        },
        onClose: () => {
          calls.close += 1;
        },
      };
    },
  };
  const answer: HandlerResponse = { status: 200, headers: { "Content-Type": "text/event-stream" }, body };
  return { answer, sink: attached.promise, calls };
}

describe("the node bridge, asking", () => {
  it("hands the handler the plain values of a request", async () => {
    let seen: HandlerRequest | undefined;
    const serve = createNodeHandler(
      handlerOf((request) => {
        seen = request;
        return text("ok");
      }),
      { mount: "/api/v1/logs/" },
    );
    let raw: IncomingMessage | undefined;
    const url = await listen((req, res) => {
      raw = req;
      serve(req, res);
    });
    await ask(url, "/api/v1/logs/op_x%2fy/../z?cursor=a.1&b=?", { method: "POST", headers: { "X-Token": "t" } });
    expect(seen).toMatchObject({
      method: "POST",
      path: "/op_x%2fy/../z",
      query: "cursor=a.1&b=?",
      url: "/api/v1/logs/op_x%2fy/../z?cursor=a.1&b=?",
      mount: "/api/v1/logs",
    });
    expect(seen?.header("x-token")).toBe("t");
    expect(seen?.header("x-other")).toBeUndefined();
    expect(seen?.raw).toBe(raw);
  });

  it.each([
    ["/operations", "/operations", "/"],
    ["/operations", "/operations?limit=1", "/"],
    ["/operations", "/operations/", "/"],
    ["/operations", "/operations/a/b", "/a/b"],
    ["operations/", "/operations/a", "/a"],
    ["/", "/a", "/a"],
    ["", "/?x", "/"],
  ])("mounted at %j reads %j as the path %j", async (mount, asked, path) => {
    const url = await listen(
      createNodeHandler(
        handlerOf((request) => text(request.path)),
        { mount },
      ),
    );
    expect((await ask(url, asked)).text).toBe(path);
  });

  it("reads a request target in absolute form", async () => {
    const url = await listen(
      createNodeHandler(
        handlerOf((request) => text(`${request.mount} ${request.path} ${request.query}`)),
        { mount: "/ops" },
      ),
    );
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    socket.end("GET http://example.test/ops/a?b HTTP/1.1\r\nHost: example.test\r\nConnection: close\r\n\r\n");
    let answer = "";
    for await (const chunk of socket) answer += chunk;
    expect(answer).toMatch(/^HTTP\/1.1 200 OK\r\n[\s\S]*\/ops \/a b$/);
  });

  it("passes what lies outside the mount to next", async () => {
    const serve = createNodeHandler(
      handlerOf(() => text("ours")),
      { mount: "/operations" },
    );
    const url = await listen((req, res) => serve(req, res, () => res.end("theirs")));
    expect((await ask(url, "/operationsx")).text).toBe("theirs");
    expect((await ask(url, "/")).text).toBe("theirs");
    expect((await ask(url, "/operations/x")).text).toBe("ours");
  });

  it("answers 404 outside the mount when there is no next", async () => {
    const url = await listen(
      createNodeHandler(
        handlerOf(() => text("ours")),
        { mount: "/operations" },
      ),
    );
    const answer = await ask(url, "/other");
    expect(answer.status).toBe(404);
    expect(answer.headers["content-type"]).toBe("application/problem+json; charset=utf-8");
    expect(answer.json()).toMatchObject({ status: 404, code: "RUN_NOT_FOUND" });
  });
});

describe("the node bridge, answering", () => {
  it("gives text and bytes their length", async () => {
    const url = await listen(
      createNodeHandler(handlerOf(({ path }) => text(path === "/text" ? "grün ✓" : new Uint8Array([65, 66, 67])))),
    );
    const asText = await ask(url, "/text");
    expect(asText.text).toBe("grün ✓");
    expect(asText.headers["content-length"]).toBe("9");
    const asBytes = await ask(url, "/bytes");
    expect(asBytes.text).toBe("ABC");
    expect(asBytes.headers["content-length"]).toBe("3");
    expect(asBytes.headers["transfer-encoding"]).toBeUndefined();
  });

  it("leaves the body out of the answer to HEAD, and keeps its length", async () => {
    const url = await listen(createNodeHandler(handlerOf(() => text("hello"))));
    const answer = await ask(url, "/", { method: "HEAD" });
    expect(answer.text).toBe("");
    expect(answer.headers["content-length"]).toBe("5");
  });

  it.each([204, 304])("sends neither body nor length with %i", async (status) => {
    const url = await listen(createNodeHandler(handlerOf(() => text("hello", status))));
    const answer = await ask(url, "/");
    expect(answer.status).toBe(status);
    expect(answer.text).toBe("");
    expect(answer.headers).not.toHaveProperty("content-length");
    expect(answer.headers).not.toHaveProperty("transfer-encoding");
  });

  it("says that an empty body is empty", async () => {
    const url = await listen(createNodeHandler(handlerOf(() => text(null, 202))));
    expect((await ask(url, "/")).headers["content-length"]).toBe("0");
  });

  it("keeps the connection for the next request", async () => {
    const url = await listen(createNodeHandler(handlerOf(() => text("ok"))));
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const sockets = new Set<unknown>();
    agent.on("free", (socket) => sockets.add(socket));
    for (let round = 0; round < 5; round += 1) await ask(url, "/", { agent });
    agent.destroy();
    expect(sockets.size).toBe(1);
  });

  it.each<[string, Handle]>([
    [
      "throws",
      () => {
        throw new Error("broken");
      },
    ],
    ["rejects", () => Promise.reject(new Error("broken"))],
  ])("answers STORE_UNAVAILABLE when a handler %s", async (_how, handle) => {
    const url = await listen(createNodeHandler(handlerOf(handle)));
    const answer = await ask(url, "/");
    expect(answer.status).toBe(503);
    expect(answer.headers["retry-after"]).toBe("1");
    expect(answer.json()).toMatchObject({ code: "STORE_UNAVAILABLE", status: 503 });
    expect(answer.text).not.toContain("broken");
  });

  it("cuts the connection, and throws nothing, when a header cannot be sent", async () => {
    const serve = createNodeHandler(
      handlerOf(async () => ({ status: 200, headers: { "X-Bad": "a\nb" }, body: "hello" })),
    );
    const url = await listen(serve);
    await expect(ask(url, "/")).rejects.toThrow("socket hang up");
  });

  it("writes nothing to a response that somebody else has answered", async () => {
    const serve = createNodeHandler(handlerOf(() => text("ours")));
    const url = await listen((req, res) => {
      res.writeHead(200);
      res.write("the");
      serve(req, res);
      setImmediate(() => res.end("irs"));
    });
    expect((await ask(url, "/")).text).toBe("theirs");
  });

  it("lets the headers that were set before stand", async () => {
    const serve = createNodeHandler(handlerOf(() => text("ours")));
    const url = await listen((req, res) => {
      res.setHeader("Access-Control-Allow-Origin", "https://a.test");
      res.setHeader("Set-Cookie", ["a=1", "b=2"]);
      serve(req, res);
    });
    const { headers } = await ask(url, "/");
    expect(headers["access-control-allow-origin"]).toBe("https://a.test");
    expect(headers["set-cookie"]).toEqual(["a=1", "b=2"]);
    expect(headers["content-type"]).toBe("text/plain; charset=utf-8");
  });

  it("gives the last answer of a connection when the server is closing", async () => {
    const held = deferred<HandlerResponse>();
    const asked = deferred<void>();
    const url = await listen(
      createNodeHandler(
        handlerOf(() => {
          asked.resolve();
          return held.promise;
        }),
      ),
    );
    const server = servers.pop() as Server;
    const agent = new Agent({ keepAlive: true });
    const poll = ask(url, "/", { agent });
    await asked.promise;
    const closed = once(server, "close");
    server.close();
    held.resolve(text("last"));
    expect(await poll).toMatchObject({ text: "last", headers: { connection: "close" } });
    await closed;
    agent.destroy();
  });
});

describe("the node bridge, when the viewer leaves", () => {
  it("aborts the signal of a request that is not answered", async () => {
    const asked = deferred<HandlerRequest>();
    const url = await listen(
      createNodeHandler(
        handlerOf((request) => {
          asked.resolve(request);
          return new Promise<HandlerResponse>((resolve) => {
            request.signal.addEventListener("abort", () => resolve(text("too late")));
          });
        }),
      ),
    );
    const leave = new AbortController();
    const poll = ask(url, "/", { signal: leave.signal });
    const request = await asked.promise;
    expect(request.signal).toBe(request.signal);
    expect(request.signal.aborted).toBe(false);
    leave.abort();
    await expect(poll).rejects.toThrow("aborted");
    await vi.waitFor(() => expect(request.signal.aborted).toBe(true));
  });

  it("hands out an aborted signal when it is first asked for after that", async () => {
    const asked = deferred<HandlerRequest>();
    const gone = deferred<void>();
    const serve = createNodeHandler(
      handlerOf((request) => {
        asked.resolve(request);
        return new Promise<HandlerResponse>(() => {});
      }),
    );
    const url = await listen((req, res) => {
      res.on("close", gone.resolve);
      serve(req, res);
    });
    const leave = new AbortController();
    const poll = ask(url, "/", { signal: leave.signal });
    const request = await asked.promise;
    leave.abort();
    await expect(poll).rejects.toThrow("aborted");
    await gone.promise;
    expect(request.signal.aborted).toBe(true);
  });

  it("does not abort the signal of a request that was answered", async () => {
    let signal: AbortSignal | undefined;
    const closed = deferred<void>();
    const serve = createNodeHandler(
      handlerOf((request) => {
        signal = request.signal;
        return text("ok");
      }),
    );
    const url = await listen((req, res) => {
      serve(req, res);
      res.on("close", closed.resolve);
    });
    await ask(url, "/");
    await closed.promise;
    expect(signal?.aborted).toBe(false);
  });

  it("tells a live body that comes too late that its viewer is gone", async () => {
    const live = liveBody();
    const arrived = deferred<void>();
    const serve = createNodeHandler(
      handlerOf(
        (request) =>
          new Promise((resolve) => {
            request.signal.addEventListener("abort", () => resolve(live.answer));
            arrived.resolve();
          }),
      ),
    );
    const url = await listen(serve);
    const leave = new AbortController();
    const stream = openStream(url, "/", { signal: leave.signal });
    await arrived.promise;
    leave.abort();
    await expect(stream).rejects.toThrow("aborted");
    const sink = await live.sink;
    expect(sink.write("data: x\n\n")).toBe(false);
    await vi.waitFor(() => expect(live.calls.close).toBe(1));
  });
});

describe("the node bridge, streaming", () => {
  it("sends the headers before the first chunk, then each chunk at once, and ends the connection at the end", async () => {
    const live = liveBody();
    const url = await listen(createNodeHandler(handlerOf(() => live.answer)));
    const agent = new Agent({ keepAlive: true });
    const stream = await openStream(url, "/", { agent });
    expect(stream.status).toBe(200);
    expect(stream.headers.connection).toBe("close");
    const sink = await live.sink;
    for (const n of [1, 2]) {
      expect(sink.write(`data: {"n":${n}}\n\n`)).toBe(true);
      expect(await stream.next()).toMatchObject({ data: { n } });
    }
    sink.end();
    expect(await stream.next()).toBeNull();
    await vi.waitFor(() => expect(live.calls.close).toBe(1));
    for (const late of ["more", "and more"]) expect(sink.write(late)).toBe(false);
    agent.destroy();
  });

  it("says when a viewer falls behind, how far, and when it has caught up", async () => {
    const live = liveBody();
    const url = await listen(createNodeHandler(handlerOf(() => live.answer)));
    const stream = await openStream(url, "/");
    const sink = await live.sink;
    // What the operating system does not take stays with us and is counted.
    const answers = Array.from({ length: 100 }, () => sink.write(FRAME));
    expect(answers.at(-1)).toBe(false);
    expect(sink.pendingBytes).toBeGreaterThan(1_000_000);
    await new Promise(setImmediate);
    expect(live.calls.drain).toBe(0);
    for (let read = 0; read < 100; read += 1) expect((await stream.next())?.data.pad).toHaveLength(100_000);
    await vi.waitFor(() => expect(live.calls.drain).toBe(1));
    expect(sink.pendingBytes).toBe(0);
    stream.vanish();
  });

  it("delivers what was written before the end to a viewer that is behind, and nothing after it", async () => {
    const live = liveBody();
    const url = await listen(createNodeHandler(handlerOf(() => live.answer)));
    const stream = await openStream(url, "/");
    const sink = await live.sink;
    for (let written = 0; written < 100; written += 1) sink.write(FRAME);
    sink.end();
    expect(sink.write(FRAME)).toBe(false);
    expect(await stream.rest()).toHaveLength(100);
  });

  it("cuts a viewer off that takes nothing of what is left for 30 s after the end", async () => {
    const live = liveBody();
    const serve = createNodeHandler(handlerOf(() => live.answer));
    const asked = deferred<ServerResponse>();
    const url = await listen((req, res) => {
      asked.resolve(res);
      serve(req, res);
    });
    const stream = await openStream(url, "/");
    const sink = await live.sink;
    const socket = (await asked.promise).socket;
    for (let written = 0; written < 100; written += 1) sink.write(FRAME);
    expect(socket?.timeout).toBeFalsy();
    sink.end();
    expect(socket?.timeout).toBe(30_000);
    socket?.emit("timeout");
    await vi.waitFor(() => expect(live.calls.close).toBe(1));
    await expect(stream.rest()).rejects.toThrow("aborted");
  });

  it("tells the body once when its viewer vanishes while it is behind, and takes no more", async () => {
    const live = liveBody();
    const url = await listen(createNodeHandler(handlerOf(() => live.answer)));
    const stream = await openStream(url, "/");
    const sink = await live.sink;
    const chunk = new Uint8Array(10_000_000).fill(32);
    expect(sink.write(chunk)).toBe(false);
    stream.vanish();
    await vi.waitFor(() => expect(live.calls.close).toBe(1));
    expect(sink.write(chunk)).toBe(false);
    sink.end();
    sink.destroy();
    await new Promise(setImmediate);
    expect(live.calls).toEqual({ drain: 0, close: 1 });
  });

  it("cuts the connection when the body says so", async () => {
    const live = liveBody();
    const url = await listen(createNodeHandler(handlerOf(() => live.answer)));
    const stream = await openStream(url, "/");
    (await live.sink).destroy();
    await expect(stream.next()).rejects.toThrow("aborted");
    await vi.waitFor(() => expect(live.calls.close).toBe(1));
  });

  it("notices that a viewer left whose request body was never read", async () => {
    const live = liveBody();
    const url = await listen(createNodeHandler(handlerOf(() => live.answer)));
    const stream = await openStream(url, "/", { method: "POST", body: "x".repeat(300_000) });
    await live.sink;
    stream.vanish();
    await vi.waitFor(() => expect(live.calls.close).toBe(1));
  });

  it("flushes after each write where a compressing layer has put a flush", async () => {
    const live = liveBody();
    const serve = createNodeHandler(handlerOf(() => live.answer));
    const flush = vi.fn();
    const url = await listen((req, res) => serve(req, Object.assign(res, { flush })));
    const stream = await openStream(url, "/");
    const sink = await live.sink;
    sink.write("data: 1\n\n");
    sink.write("data: 2\n\n");
    expect(flush).toHaveBeenCalledTimes(2);
    stream.vanish();
  });

  it("serves HTTP/2 alike", async () => {
    const live = liveBody();
    const serve = createNodeHandler(handlerOf(({ path }) => (path === "/live" ? live.answer : text("plain"))));
    const server = createHttp2Server((req, res) =>
      serve(req as unknown as IncomingMessage, res as unknown as ServerResponse),
    );
    await once(server.listen(0, "127.0.0.1"), "listening");
    const session = connectHttp2(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    try {
      const plain = session.request({ ":path": "/plain" }).setEncoding("utf8");
      expect(await once(plain, "data")).toEqual(["plain"]);
      const stream = session.request({ ":path": "/live" }).setEncoding("utf8");
      const [headers] = await once(stream, "response");
      expect(headers[":status"]).toBe(200);
      const sink = await live.sink;
      sink.write("data: 1\n\n");
      expect(await once(stream, "data")).toEqual(["data: 1\n\n"]);
      stream.close();
      await vi.waitFor(() => expect(live.calls.close).toBe(1));
      expect(sink.write("data: 2\n\n")).toBe(false);
    } finally {
      session.close();
      await new Promise((closed) => server.close(closed));
    }
  });
});

describeHttp(
  "node:http",
  async (livetail, { mount, front }) => {
    const serve = createNodeHandler(livetail, { mount });
    const server = createServer((req, res) => (front ? front(req, res, () => serve(req, res)) : serve(req, res)));
    await once(server.listen(0, "127.0.0.1"), "listening");
    return {
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${mount}`,
      async close() {
        const closed = once(server, "close");
        livetail.handler.closeViewers();
        server.close();
        await closed;
      },
    };
  },
  (raw) => raw instanceof IncomingMessage,
);
