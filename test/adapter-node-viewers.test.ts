import { once } from "node:events";
import { Agent, type IncomingMessage, type ServerResponse } from "node:http";
import { connect as connectHttp2, createServer as createHttp2Server } from "node:http2";
import { type AddressInfo, connect as connectTcp } from "node:net";
import { describe, expect, it, vi } from "vitest";
import { createNodeHandler } from "../src/adapters/node.js";
import type { HandlerRequest, HandlerResponse } from "../src/handler.js";
import { ask, deferred, openStream } from "./contract/http-client.js";
import { FRAME, handlerOf, listen, liveBody, text } from "./support/bare-server.js";

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

  it("keeps text and bytes in order, framed as chunks each, whoever else is sent other ones in between", async () => {
    const lives = [liveBody(), liveBody()];
    const url = await listen(
      createNodeHandler(handlerOf(({ path }) => lives[Number(path.slice(1))]?.answer ?? text("none", 404))),
    );
    const bodies = lives.map(async (_, at) => {
      const response = await fetch(`${url}/${at}`);
      expect(response.headers.get("transfer-encoding")).toBe("chunked");
      return response.text();
    });
    const sinks = await Promise.all(lives.map((live) => live.sink));
    const shared = Buffer.from("über ");
    for (const [at, sink] of sinks.entries()) {
      sink.write("a ");
      sink.write(shared);
      sink.write(Buffer.from(`${at} `));
    }
    for (const sink of sinks) {
      sink.write(shared);
      sink.write("z");
      sink.end();
    }
    expect(await Promise.all(bodies)).toEqual(["a über 0 über z", "a über 1 über z"]);
  });

  it("hands every byte to a `write` that somebody has put around the answer's own", async () => {
    const live = liveBody();
    const serve = createNodeHandler(handlerOf(() => live.answer));
    const url = await listen((req, res) => {
      const write = res.write.bind(res) as (chunk: string) => boolean;
      res.write = ((chunk: string | Buffer) => write(chunk.toString().toUpperCase())) as typeof res.write;
      serve(req, res);
    });
    const body = fetch(url).then((response) => response.text());
    const sink = await live.sink;
    sink.write(Buffer.from("bytes, "));
    sink.write("text");
    sink.end();
    expect(await body).toBe("BYTES, TEXT");
  });

  it("streams to a viewer whose request came behind another one on its connection", async () => {
    const live = liveBody();
    const held = deferred<HandlerResponse>();
    const url = await listen(
      createNodeHandler(handlerOf(({ path }) => (path === "/live" ? live.answer : held.promise))),
    );
    const { port, hostname } = new URL(url);
    const socket = connectTcp(Number(port), hostname);
    let received = "";
    socket.on("data", (bytes) => {
      received += bytes;
    });
    socket.write("GET /held HTTP/1.1\r\nHost: x\r\n\r\nGET /live HTTP/1.1\r\nHost: x\r\n\r\n");
    const sink = await live.sink;
    sink.write(Buffer.from("one "));
    held.resolve(text("first"));
    await vi.waitFor(() => expect(received).toContain("one "));
    sink.write(Buffer.from("two"));
    sink.end();
    await once(socket, "end");
    expect(received).toMatch(/^HTTP\/1\.1 200 [\s\S]*first[\s\S]*4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n$/);
    socket.destroy();
  });

  it.each([
    ["text", FRAME],
    ["bytes", Buffer.from(FRAME)],
  ])("says when a viewer of %s falls behind, how far, and when it has caught up", async (_kind, frame) => {
    const live = liveBody();
    const url = await listen(createNodeHandler(handlerOf(() => live.answer)));
    const stream = await openStream(url, "/");
    const sink = await live.sink;
    // What the operating system does not take stays with us and is counted.
    const answers = Array.from({ length: 100 }, () => sink.write(frame));
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
