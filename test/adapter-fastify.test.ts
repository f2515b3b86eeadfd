import { type FastifyReply, fastify } from "fastify";
import { describe, expect, it } from "vitest";
import { livetailFastify } from "../src/adapters/fastify.js";
import { configureLivetail } from "../src/default-livetail.js";
import { createLivetail } from "../src/livetail.js";
import { memoryStore } from "../src/store/memory.js";
import { describeHttp } from "./contract/http.js";
import { ask, openStream } from "./contract/http-client.js";

describeHttp(
  "Fastify",
  async (livetail, { mount, front }) => {
    const app = fastify();
    if (front) app.addHook("onRequest", (request, reply, done) => front(request.raw, reply.raw, done));
    app.register(livetailFastify, { prefix: mount, livetail });
    return { url: `${await app.listen({ port: 0, host: "127.0.0.1" })}${mount}`, close: () => app.close() };
  },
  (raw) => typeof raw === "object" && raw !== null && "server" in raw && "routeOptions" in raw,
);

describe("the Fastify plugin", () => {
  async function open() {
    const livetail = createLivetail({ store: memoryStore() });
    const run = livetail.createOperationRun("s", "op");
    run.log("one");
    await run.complete();
    return { livetail, run };
  }

  it("keeps the headers that hooks give a reply, on polls and on streams", async () => {
    const { livetail, run } = await open();
    const app = fastify();
    app.addHook("onRequest", async (_request, reply) => {
      reply.header("access-control-allow-origin", "https://app.test").header("set-cookie", "a=1");
      reply.header("set-cookie", "b=2");
    });
    app.addHook("preHandler", async (_request, reply) => {
      reply.header("x-late", "1");
    });
    app.register(livetailFastify, { prefix: "/operations", livetail });
    const url = await app.listen({ port: 0, host: "127.0.0.1" });
    for (const path of [run.id, `${run.id}/stream`, "no%2fid"]) {
      const { headers } = await ask(url, `/operations/${path}`);
      expect(headers).toMatchObject({
        "access-control-allow-origin": "https://app.test",
        "set-cookie": ["a=1", "b=2"],
        "x-late": "1",
        "x-content-type-options": "nosniff",
      });
    }
    await app.close();
    await livetail.close();
  });

  it("leaves a request alone that a hook has answered", async () => {
    const { livetail, run } = await open();
    const app = fastify();
    app.addHook("onRequest", async (_request, reply) => {
      await reply.code(401).send({ error: "log in" });
    });
    app.register(livetailFastify, { prefix: "/operations", livetail });
    const url = await app.listen({ port: 0, host: "127.0.0.1" });
    for (const path of [run.id, `${run.id}/stream`]) {
      expect(await ask(url, `/operations/${path}`)).toMatchObject({ status: 401, text: '{"error":"log in"}' });
    }
    await app.close();
    await livetail.close();
  });

  it("runs the onSend and onResponse hooks of polls, and the onResponse hooks of streams", async () => {
    const { livetail, run } = await open();
    const app = fastify();
    const ran: string[] = [];
    app.addHook("onSend", async (request) => void ran.push(`send ${request.url.split("/").at(-1)}`));
    app.addHook("onResponse", async (request, reply) => {
      ran.push(`${reply.statusCode} ${request.url.split("/").at(-1)}`);
    });
    app.register(livetailFastify, { prefix: "/operations", livetail });
    const url = await app.listen({ port: 0, host: "127.0.0.1" });
    await ask(url, `/operations/${run.id}`);
    await ask(url, `/operations/${run.id}/stream`);
    await app.close();
    expect(ran).toEqual([`send ${run.id}`, `200 ${run.id}`, "200 stream"]);
    await livetail.close();
  });

  it("knows its mount below nested prefixes with parameters", async () => {
    const app = fastify();
    const said = { status: 200, headers: {} };
    const handler = {
      handle: ({ mount, path, query }: { mount: string; path: string; query: string }) => ({
        ...said,
        body: `${mount} ${path} ${query}`,
      }),
      closeViewers() {},
      close() {},
      viewers: () => 0,
    };
    app.register(
      async (tenant) => {
        tenant.register(livetailFastify, { prefix: "/operations/", livetail: { handler } });
      },
      { prefix: "/tenants/:tenant" },
    );
    const url = await app.listen({ port: 0, host: "127.0.0.1" });
    const mount = "/tenants/t%201/operations";
    expect((await ask(url, `${mount}/a%2fb?c=d`)).text).toBe(`${mount} /a%2fb c=d`);
    expect((await ask(url, `${mount}/`)).text).toBe(`${mount} / `);
    expect((await ask(url, `${mount}x`)).status).toBe(404);
    await app.close();
  });

  it("does not take over the body parsers of the routes beside it", async () => {
    const { livetail } = await open();
    const app = fastify();
    app.register(livetailFastify, { prefix: "/operations", livetail });
    app.post("/beside", async (request) => request.body);
    const url = await app.listen({ port: 0, host: "127.0.0.1" });
    const headers = { "Content-Type": "application/json" };
    expect((await ask(url, "/beside", { method: "POST", headers, body: '{"a":1}' })).json()).toEqual({ a: 1 });
    expect((await ask(url, "/beside", { method: "POST", headers, body: "{" })).status).toBe(400);
    await app.close();
    await livetail.close();
  });

  it("tells Fastify that a stream is answered, and keeps it beyond the time that handlers are given", async () => {
    const livetail = createLivetail({ store: memoryStore() });
    const run = livetail.createOperationRun("s", "op");
    await run.ready;
    const app = fastify({ handlerTimeout: 20 });
    const replies: FastifyReply[] = [];
    app.addHook("onRequest", async (_request, reply) => void replies.push(reply));
    app.register(livetailFastify, { prefix: "/operations", livetail });
    app.get("/never", () => {});
    const url = await app.listen({ port: 0, host: "127.0.0.1" });
    const stream = await openStream(url, `/operations/${run.id}/stream`);
    expect(replies.map((reply) => reply.sent)).toEqual([true]);
    // Asked after the stream, so that its time is over later.
    expect((await ask(url, "/never")).status).toBe(503);
    run.log("still here");
    expect((await stream.until(({ event }) => event === "log")).at(-1)?.data.message).toBe("still here");
    await app.close();
    await livetail.close();
  });

  it("ends streams that are open when the app closes", async () => {
    const livetail = createLivetail({ store: memoryStore() });
    const run = livetail.createOperationRun("s", "op");
    run.log("one");
    await run.flush();
    const app = fastify();
    app.register(livetailFastify, { prefix: "/operations", livetail });
    const url = await app.listen({ port: 0, host: "127.0.0.1" });
    const stream = await openStream(url, `/operations/${run.id}/stream`);
    await stream.until(({ event }) => event === "log");
    await Promise.all([app.close(), stream.rest()]);
    expect(livetail.handler.viewers()).toBe(0);
    await livetail.close();
  });

  it("serves the default livetail when it is given none", async () => {
    const livetail = configureLivetail({ store: memoryStore() });
    const run = livetail.createOperationRun("s", "op");
    await run.complete();
    const app = fastify();
    app.register(livetailFastify, { prefix: "/operations" });
    const url = await app.listen({ port: 0, host: "127.0.0.1" });
    expect((await ask(url, `/operations/${run.id}`)).json()).toMatchObject({ run_id: run.id, status: "completed" });
    await app.close();
    await livetail.close();
  });
});
