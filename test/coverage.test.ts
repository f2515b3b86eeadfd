import { getRequestListener } from "@hono/node-server";
import express from "express";
import { fastify } from "fastify";
import { H3, HTTPError, toNodeHandler } from "h3";
import { Hono } from "hono";
import Koa from "koa";
import { afterEach, describe, expect, it } from "vitest";
import { createExpressCoverage, createExpressHandler, createExpressOperations } from "../src/adapters/express.js";
import { livetailFastify, livetailFastifyCoverage } from "../src/adapters/fastify.js";
import { createH3Coverage, createH3Handler } from "../src/adapters/h3.js";
import { createHonoCoverage, createHonoHandler } from "../src/adapters/hono.js";
import { createKoaCoverage, createKoaHandler } from "../src/adapters/koa.js";
import { coverage, readCoverageCall } from "../src/cli/coverage.js";
import { systemClock } from "../src/clock.js";
import { createCoverage } from "../src/coverage.js";
import { createLivetail, type Livetail } from "../src/livetail.js";
import { withRequest } from "../src/measured-request.js";
import type { CoverageAnswer, RouteCoverage } from "../src/protocol.js";
import type { Run } from "../src/run.js";
import { memoryStore } from "../src/store/memory.js";
import { describeCoverage, reportOf, type ServeCovered, seen, tellAll } from "./contract/coverage.js";
import { ask } from "./contract/http-client.js";
import { createTestIo } from "./support/cli.js";
import { served } from "./support/served.js";

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

function open(): Livetail {
  const livetail = createLivetail({ store: memoryStore(), authorize: () => true });
  cleanups.push(() => livetail.close());
  return livetail;
}

const frameworks: Record<string, ServeCovered> = {
  async express(livetail) {
    const app = express();
    app.use(createExpressCoverage(livetail));
    app.use("/operations", createExpressHandler(livetail));
    const jobs = express.Router();
    jobs.get("/:id/blind", (_req, res) => void res.json({}));
    jobs.get("/:id/seen", async (_req, res) => void res.json(await seen(livetail)));
    jobs.get("/:id/refused", (_req, res) => void res.status(400).end());
    app.use("/jobs", jobs);
    return served(app);
  },
  async fastify(livetail) {
    const app = fastify();
    app.register(livetailFastifyCoverage, { livetail });
    app.register(livetailFastify, { prefix: "/operations", livetail });
    app.register(
      async (jobs) => {
        jobs.get("/:id/blind", async () => ({}));
        jobs.get("/:id/seen", () => seen(livetail));
        jobs.get("/:id/refused", (_request, reply) => reply.code(400).send());
      },
      { prefix: "/jobs" },
    );
    return { url: await app.listen({ port: 0, host: "127.0.0.1" }), close: () => app.close() };
  },
  async koa(livetail) {
    const app = new Koa();
    app.use(createKoaCoverage(livetail));
    app.use(createKoaHandler(livetail, { mount: "/operations" }));
    app.use(async (ctx) => {
      const end = ctx.path.split("/").at(-1);
      // As @koa/router does.
      if (ctx.path.startsWith("/jobs/")) ctx._matchedRoute = `/jobs/:id/${end}`;
      ctx.body = end === "seen" ? await seen(livetail) : {};
      if (end === "refused") ctx.status = 400;
    });
    return served(app.callback());
  },
  async hono(livetail) {
    const app = new Hono();
    app.use(createHonoCoverage(livetail));
    app.all("/operations/*", createHonoHandler(livetail));
    app.get("/jobs/:id/blind", (c) => c.json({}));
    app.get("/jobs/:id/seen", async (c) => c.json(await seen(livetail)));
    app.get("/jobs/:id/refused", (c) => c.body(null, 400));
    return served(getRequestListener(app.fetch, { overrideGlobalObjects: false }));
  },
  async h3(livetail) {
    const app = new H3({ silent: true });
    app.use(createH3Coverage(livetail));
    app.all("/operations/**", createH3Handler(livetail));
    app.get("/jobs/:id/blind", () => ({}));
    app.get("/jobs/:id/seen", () => seen(livetail));
    app.get("/jobs/:id/refused", () => {
      throw new HTTPError({ status: 400 });
    });
    return served(toNodeHandler(app));
  },
};

for (const [name, serve] of Object.entries(frameworks)) describeCoverage(name, serve);

describe("the coverage of a route", () => {
  /** A request to `route` that took `ms`, in which `work` ran as an operation. */
  async function request(livetail: Livetail, route: string, ms: number, work?: (run: Run) => void): Promise<void> {
    const measured = { ...livetail.coverage.begin(), begunAt: performance.now() - ms };
    if (work) await withRequest(measured, () => livetail.runOperation("s", "op", work));
    livetail.coverage.end(measured, route, 200);
  }

  it("says what its runs do not tell: events, layers, cost", async () => {
    const livetail = open();
    await request(livetail, "A", 0, (run) => run.log("plain text"));
    await request(livetail, "B", 0, (run) => run.logger.info("job_scored", { score: 8 }));
    await request(livetail, "C", 0, (run) => {
      run.logger.info("job_scored");
      run.layer("fetch", "success");
    });
    await request(livetail, "D", 0, tellAll);
    await request(livetail, "E", 0, tellAll);
    await request(livetail, "E", 0);
    const told = (all: RouteCoverage[]) => all.filter(({ visibility }) => visibility === "full").length === 2;
    const routes = await reportOf(livetail, told);
    expect(routes.map(({ route, visibility, missing }) => [route, visibility, missing]).sort()).toEqual([
      ["A", "partial", ["events", "layers", "cost"]],
      ["B", "partial", ["layers", "cost"]],
      ["C", "full", ["cost"]],
      ["D", "full", []],
      ["E", "partial", ["run"]],
    ]);
  });

  it("is first where users wait longest in all, with percentiles that are right to a tenth", async () => {
    const livetail = open();
    for (let n = 1; n <= 100; n++) await request(livetail, "slow", n * 100);
    for (let n = 0; n < 1000; n++) await request(livetail, "often", 2);
    const [slow, often] = await reportOf(livetail, (all) => all.length === 2);
    expect([slow?.route, often?.route]).toEqual(["slow", "often"]);
    expect(Math.abs((slow?.p50_ms ?? 0) / 5000 - 1)).toBeLessThan(0.1);
    expect(Math.abs((slow?.p95_ms ?? 0) / 9500 - 1)).toBeLessThan(0.1);
    expect(slow?.max_ms).toBeGreaterThanOrEqual(10_000);
    expect(slow?.priority).toBe(Math.round(((slow?.p50_ms ?? 0) * 100) / 1000));
  });

  it("takes as long as its run, where it answers before that is over", async () => {
    let now = 1_000_000;
    const clock = { ...systemClock, now: () => now };
    const livetail = createLivetail({ store: memoryStore(clock), clock });
    cleanups.push(() => livetail.close());
    const measured = livetail.coverage.begin();
    const run = withRequest(measured, () => livetail.createOperationRun("s", "op"));
    run.start();
    await run.flush();
    livetail.coverage.end(measured, "POST /import", 202);
    now += 42_000;
    await run.complete();
    const routes = await reportOf(livetail, (all) => (all[0]?.max_ms ?? 0) > 10_000);
    expect(routes[0]).toMatchObject({ p50_ms: 42_000, p95_ms: 42_000, max_ms: 42_000, priority: 42 });
  });

  it("is held in bounded memory: beyond 500 routes they count as one", async () => {
    const measuring = createCoverage(memoryStore());
    for (let n = 0; n < 2000; n++) measuring.end(measuring.begin(), `GET /${n}`, 200);
    const { routes } = await measuring.report();
    expect(routes).toHaveLength(501);
    expect(routes.find(({ route }) => route === "other")?.requests).toBe(1500);
  });

  it("counts the run of an operation that is accepted", async () => {
    const livetail = open();
    const { operation } = createExpressOperations({ livetail });
    const app = express();
    app.use(createExpressCoverage(livetail));
    app.post("/import/:id", operation("import", tellAll));
    const { url, close } = await served(app);
    cleanups.unshift(close);
    expect((await ask(url, "/import/7", { method: "POST" })).status).toBe(202);
    const [route] = await reportOf(livetail, ([first]) => first?.visibility === "full");
    expect(route).toMatchObject({ route: "POST /import/:id", requests: 1, runs: 1, missing: [] });
  });
});

describe("GET /-/coverage", () => {
  async function serve(authorize?: () => boolean) {
    const livetail = createLivetail({ store: memoryStore(), ...(authorize && { authorize }) });
    const app = express();
    app.use("/operations", createExpressHandler(livetail));
    const { url, close } = await served(app);
    cleanups.push(close, () => livetail.close());
    livetail.coverage.end({ begunAt: performance.now() - 9000, runId: null }, "GET /<b>slow</b>", 200);
    return { livetail, base: `${url}/operations` };
  }

  it("is for those whom authorize lets see it, as JSON and as a page in which nothing of a route is markup", async () => {
    const closed = await serve();
    expect((await ask(closed.base, "/-/coverage")).json()).toMatchObject({ status: 403, code: "FORBIDDEN" });
    const { base } = await serve(() => true);
    const answer = (await ask(base, "/-/coverage")).json() as unknown as CoverageAnswer;
    expect(answer.routes).toMatchObject([{ route: "GET /<b>slow</b>", requests: 1, visibility: "none" }]);
    const page = await ask(base, "/-/coverage", { headers: { Accept: "text/html" } });
    expect(page.headers["content-security-policy"]).toContain("default-src 'none'");
    expect(page.text).toContain("GET /&lt;b&gt;slow&lt;/b&gt;");
    expect(page.text).not.toContain("<b>slow");
  });

  it("is a table in the terminal, and fails for a slow route that cannot be watched", async () => {
    const { base } = await serve(() => true);
    const run = async (...args: string[]) => {
      const io = createTestIo({ env: {}, realClock: true });
      const call = readCoverageCall(["--url", base, ...args], {});
      const code = call === null ? -1 : await coverage(call, io);
      return { code, out: io.printed.stdout, err: io.printed.stderr };
    };
    const shown = await run();
    expect(shown.code).toBe(0);
    const [heads, row] = shown.out.split("\n");
    expect(heads).toMatch(/^Route +Requests +p50 +p95 +Max +Visibility +Missing +Waited$/);
    expect(row).toMatch(/^GET \/<b>slow<\/b> +1 +8\.\d s +8\.\d s +9\.0 s +none +run +9\.0 s$/);
    expect(await run("--fail-over", "5s")).toMatchObject({ code: 1, err: expect.stringContaining("slow") });
    expect((await run("--fail-over", "1m")).code).toBe(0);
    expect(JSON.parse((await run("--json")).out).routes).toHaveLength(1);
  });

  it("says in the terminal why it cannot be asked", async () => {
    const { base } = await serve();
    const io = createTestIo({ env: {}, realClock: true });
    const call = readCoverageCall(["--url", base, "--header", "Authorization: Bearer x"], {});
    expect(call?.headers).toEqual([["Authorization", "Bearer x"]]);
    expect(call === null ? -1 : await coverage(call, io)).toBe(2);
    expect(io.printed.stderr).toContain("answers 403");
    expect(() => readCoverageCall([], {})).toThrow("--url");
    expect(() => readCoverageCall(["--url", "nonsense"], {})).toThrow("not a URL");
    expect(() => readCoverageCall(["--url", base, "--fail-over", "soon"], {})).toThrow("not a time");
    expect(() => readCoverageCall(["--url", base, "--header", "x"], {})).toThrow("not a header");
  });
});
