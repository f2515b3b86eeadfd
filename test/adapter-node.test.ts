import { once } from "node:events";
import { Agent, createServer, IncomingMessage } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { describe, expect, it } from "vitest";
import { createNodeHandler } from "../src/adapters/node.js";
import { configureLivetail } from "../src/default-livetail.js";
import type { Handle, HandlerRequest, HandlerResponse } from "../src/handler.js";
import { memoryStore } from "../src/store/memory.js";
import { describeHttp } from "./contract/http.js";
import { ask, deferred } from "./contract/http-client.js";
import { handlerOf, listen, startServer, text } from "./support/bare-server.js";

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

  it("serves the default livetail when it is given none", async () => {
    const livetail = configureLivetail({ store: memoryStore() });
    const run = livetail.createOperationRun("s", "op");
    await run.complete();
    const url = await listen(createNodeHandler(undefined, { mount: "/operations" }));
    expect((await ask(url, `/operations/${run.id}`)).json()).toMatchObject({ run_id: run.id, status: "completed" });
    await livetail.close();
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
    const { url, server } = await startServer(
      createNodeHandler(
        handlerOf(() => {
          asked.resolve();
          return held.promise;
        }),
      ),
    );
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
