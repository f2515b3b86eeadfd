import type { ServerResponse } from "node:http";
import { json } from "node:stream/consumers";
import { getRequestListener } from "@hono/node-server";
import express from "express";
import { fastify } from "fastify";
import { H3, toNodeHandler } from "h3";
import { Hono } from "hono";
import Koa from "koa";
import { describe, expect, it } from "vitest";
import { createExpressOperations } from "../src/adapters/express.js";
import { createFastifyOperations } from "../src/adapters/fastify.js";
import { createH3Operations } from "../src/adapters/h3.js";
import { createHonoOperations } from "../src/adapters/hono.js";
import { createKoaOperations } from "../src/adapters/koa.js";
import { createNodeOperations } from "../src/adapters/node.js";
import { LivetailError } from "../src/errors.js";
import { createLivetail } from "../src/livetail.js";
import type { AcceptedOperation } from "../src/operation-routes.js";
import { memoryStore } from "../src/store/memory.js";
import { deferred } from "./contract/http-client.js";
import { describeOperations, operationsScene, type ServeOperations } from "./contract/operations.js";
import { served } from "./support/served.js";
import { until } from "./support/until.js";

/** What a URL says after `name=`. */
function said(name: string, url: string | undefined): string {
  return new URL(url ?? "/", "http://x").searchParams.get(name) ?? "";
}

const frameworks = {
  async node(options, test) {
    const { operation, synchronous, drain } = createNodeOperations(options);
    const work = operation("work", (run) => test.work(run), {
      subject: ({ url }) => said("of", url),
      fingerprint: ({ url }) => said("as", url),
    });
    const plain = synchronous("plain", async (_req, res) => {
      res.setHeader("Content-Type", "application/json").end(JSON.stringify(await test.handler()));
    });
    const fail = (res: ServerResponse) => () => void res.writeHead(500).end();
    return {
      ...(await served((req, res) => void (req.url === "/plain" ? plain : work)(req, res).catch(fail(res)))),
      drain,
    };
  },
  async express(options, test) {
    const { operation, synchronous, drain } = createExpressOperations(options);
    const app = express();
    app.use(express.json());
    app.post(
      "/work",
      operation("work", (run) => test.work(run), { subject: (req) => String(req.query.of) }),
    );
    app.post(
      "/plain",
      synchronous("plain", async (_req, res) => void res.json(await test.handler())),
    );
    return { ...(await served(app)), drain };
  },
  async fastify(options, test) {
    const { operation, synchronous, drain } = createFastifyOperations(options);
    const app = fastify();
    const subject = { subject: (request: { query: unknown }) => String((request.query as { of?: string }).of) };
    app.post(
      "/work",
      operation("work", (run) => test.work(run), subject),
    );
    app.post(
      "/plain",
      synchronous("plain", async () => test.handler()),
    );
    return { url: await app.listen({ port: 0, host: "127.0.0.1" }), drain, close: () => app.close() };
  },
  async koa(options, test) {
    const { operation, synchronous, drain } = createKoaOperations(options);
    const app = new Koa();
    app.silent = true;
    const work = operation("work", (run) => test.work(run), { subject: (ctx: Koa.Context) => String(ctx.query.of) });
    const plain = synchronous("plain", async (ctx: Koa.Context) => {
      ctx.body = await test.handler();
    });
    // What parsers of bodies do.
    app.use(async (ctx, next) => {
      if (ctx.req.headers["content-type"]) Object.assign(ctx.request, { body: await json(ctx.req) });
      return next();
    });
    app.use((ctx, next) => (ctx.path === "/work" ? work(ctx) : plain(ctx, next)));
    return { ...(await served(app.callback())), drain };
  },
  async hono(options, test) {
    const { operation, synchronous, drain } = createHonoOperations(options);
    const app = new Hono();
    app.onError((_error, c) => c.text("failed", 500));
    app.post(
      "/work",
      operation("work", (run) => test.work(run), {
        subject: (c) => said("of", c.req.raw.url),
        fingerprint: (c) => said("as", c.req.raw.url),
      }),
    );
    app.post(
      "/plain",
      synchronous("plain", async () => Response.json(await test.handler())),
    );
    // Other frameworks of this process ask whether an answer is a Response.
    return { ...(await served(getRequestListener(app.fetch, { overrideGlobalObjects: false }))), drain };
  },
  async h3(options, test) {
    const { operation, synchronous, drain } = createH3Operations(options);
    const app = new H3({ silent: true });
    app.post(
      "/work",
      operation("work", (run) => test.work(run), {
        subject: (event) => said("of", event.url.href),
        fingerprint: (event) => said("as", event.url.href),
      }),
    );
    app.post(
      "/plain",
      synchronous("plain", async () => test.handler()),
    );
    return { ...(await served(toNodeHandler(app))), drain };
  },
} satisfies Record<string, ServeOperations>;

for (const [name, serve] of Object.entries(frameworks)) describeOperations(name, serve);

const open = operationsScene();

describe("an operation's request", () => {
  it("says what the run failed of, to a caller that waits", async () => {
    const { test, post } = await open(frameworks.express);
    test.work = () => Promise.reject(new Error("no such board"));
    const answer = await post("/work?of=a", { Prefer: "wait=20" });
    expect(answer.status).toBe(409);
    expect(answer.json()).toMatchObject({ code: "RUN_NOT_COMPLETED", detail: "no such board" });
  });

  it("is accepted when the caller would wait, but not that long", async () => {
    const { test, post } = await open(frameworks.express);
    const gate = deferred<void>();
    test.work = () => gate.promise;
    const answer = await post("/work?of=a", { Prefer: "wait=1" });
    expect([answer.status, answer.json().status]).toEqual([202, "running"]);
    gate.resolve();
  });

  it("gets the run of the first with the same key, while it goes on and when it is over, from another server, too", async () => {
    const options = { idempotencySecret: "shared by both" };
    const first = await open(frameworks.express, options);
    const second = await open(frameworks.fastify, options, first.livetail);
    let began = 0;
    const gate = deferred<string>();
    first.test.work = second.test.work = () => {
      began++;
      return gate.promise;
    };
    const headers = { "Idempotency-Key": '"k1"' };
    const answers = await Promise.all([first.post("/work?of=a", headers), first.post("/work?of=a", headers)]);
    answers.push(await second.post("/work?of=a", headers));
    const ids = answers.map((answer) => answer.json<AcceptedOperation>().run_id);
    expect(new Set(ids).size).toBe(1);
    const others = [
      await first.post("/work?of=b", headers),
      await first.post("/work?of=a", { "Idempotency-Key": '"k2"' }),
      await first.post("/work?of=a"),
    ];
    expect(new Set(others.map((answer) => answer.json<AcceptedOperation>().run_id).concat(ids)).size).toBe(4);
    gate.resolve("once");
    await until(async () => (await first.read(ids[0] as string))?.status === "completed", "its end");
    const late = await second.post("/work?of=a", { ...headers, Prefer: "wait=5" });
    expect([late.status, late.json()]).toEqual([200, "once"]);
    expect((await first.post("/work?of=a", headers)).json()).toMatchObject({ run_id: ids[0], status: "completed" });
    expect(began).toBe(4);
  });

  it("has ids that nobody can guess from a key", async () => {
    const a = await open(frameworks.express);
    const b = await open(frameworks.express, {}, a.livetail);
    const headers = { "Idempotency-Key": "k" };
    const ids = [await a.post("/work?of=a", headers), await b.post("/work?of=a", headers)];
    expect(ids[0]?.json().run_id).not.toBe(ids[1]?.json().run_id);
  });

  it("waits for its turn, is refused when too many wait, and is worked on in the order of its coming", async () => {
    const { test, post, read } = await open(frameworks.express, { maxConcurrent: 1, maxQueued: 2 });
    const gates = new Map<string, () => void>();
    test.work = (run) => {
      const { promise, resolve } = deferred<void>();
      gates.set(run.subjectId, resolve);
      return promise;
    };
    const ids = new Map<string, string>();
    for (const of of ["a", "b", "c"]) ids.set(of, (await post(`/work?of=${of}`)).json<AcceptedOperation>().run_id);
    const refused = await post("/work?of=d");
    expect(refused.status).toBe(429);
    expect(refused.json()).toMatchObject({ code: "TOO_MANY_OPERATIONS" });
    expect(refused.headers["retry-after"]).toBe("5");
    expect(await read(ids.get("b") as string)).toMatchObject({ status: "queued" });
    for (const of of ["a", "b", "c"]) {
      await until(() => gates.has(of), `the turn of ${of}`);
      expect([...gates.keys()].at(-1)).toBe(of);
      gates.get(of)?.();
    }
    await until(async () => (await read(ids.get("c") as string))?.status === "completed", "the last");
    expect((await post("/work?of=d")).status).toBe(202);
    await until(() => gates.has("d"), "the turn of d");
    gates.get("d")?.();
  });

  it("is not worked on when it was cancelled while it waited", async () => {
    const { test, post, read, livetail } = await open(frameworks.express, { maxConcurrent: 1 });
    const gate = deferred<void>();
    const worked: string[] = [];
    test.work = (run) => {
      worked.push(run.subjectId);
      return gate.promise;
    };
    await post("/work?of=a");
    const { run_id: id } = (await post("/work?of=b")).json<AcceptedOperation>();
    await livetail.cancelRun(id);
    gate.resolve();
    await until(async () => (await read(id))?.status === "cancelled", "the cancelled one");
    expect(worked).toEqual(["a"]);
  });

  it("is taken no more while the server drains, and what was taken is done first", async () => {
    const { test, post, server, read } = await open(frameworks.express, { maxConcurrent: 1 });
    const gate = deferred<void>();
    test.work = () => gate.promise;
    const ids = [await post("/work?of=a"), await post("/work?of=b")].map((a) => a.json<AcceptedOperation>().run_id);
    let drained = false;
    const draining = server.drain().then(() => {
      drained = true;
    });
    const refused = await post("/work?of=c");
    expect([refused.status, refused.headers["retry-after"], drained]).toEqual([503, "1", false]);
    gate.resolve();
    await draining;
    for (const id of ids) await until(async () => (await read(id))?.status === "completed", "the end of both");
  });

  it("is accepted within about a second when the store is away, and worked on at once", async () => {
    const inner = memoryStore();
    const away = { ...inner, claim: () => Promise.reject(new LivetailError("STORE_UNAVAILABLE")) };
    const livetail = createLivetail({ store: away, onError: () => {}, endTimeoutMs: 50 });
    const { test, post } = await open(frameworks.express, {}, livetail);
    let worked = false;
    test.work = () => {
      worked = true;
    };
    const answer = await post("/work?of=a");
    expect([answer.status, worked]).toEqual([202, true]);
  });
});
