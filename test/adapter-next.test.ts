import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  createNextCoverage,
  createNextHandler,
  createNextOperations,
  type NextCall,
  type NextContext,
  type NextRoute,
} from "../src/adapters/next.js";
import { configureLivetail } from "../src/default-livetail.js";
import type { AcceptedOperation } from "../src/operation-routes.js";
import { memoryStore } from "../src/store/memory.js";
import { describeCoverage, seen } from "./contract/coverage.js";
import { itWorksBehindOthers } from "./contract/fronted.js";
import { describeHttp } from "./contract/http.js";
import { ask, openStream } from "./contract/http-client.js";
import { describeOperations } from "./contract/operations.js";
import { echo } from "./support/echo.js";
import { openNextApp, startNextApp } from "./support/next-app.js";
import { freePort } from "./support/redis.js";
import { until } from "./support/until.js";

let app: Awaited<ReturnType<typeof openNextApp>>;
beforeAll(async () => {
  app = await openNextApp();
}, 120_000);
afterAll(() => app.close());

/** A route that answers each method as these do. */
function routeOf(routes: ReturnType<typeof createNextHandler>): NextRoute {
  return (request, context) => (routes[request.method as keyof typeof routes] as NextRoute)(request, context);
}

const folders = { "": "root", "/operations": "operations", "/api/v1/logs": "logs" } as const;

describeHttp(
  "Next",
  async (livetail, { mount, front }) => {
    const route = routeOf(createNextHandler(livetail));
    const { url, close } = await app.serve({ [folders[mount as keyof typeof folders]]: route }, front);
    return {
      url: `${url}${mount}`,
      close() {
        livetail.handler.closeViewers();
        return close();
      },
    };
  },
  (raw) => raw instanceof Request && "nextUrl" in raw,
  { speaksFetch: true, hidesLengths: true, evadesCompression: true, needsBodies: true, waitsForViewers: true },
);

const search = ({ request }: NextCall, name: string) => new URL(request.url).searchParams.get(name) ?? "";

describeOperations("Next", async (options, test) => {
  const { operation, synchronous, drain } = createNextOperations(options);
  const work = operation("work", (run) => test.work(run), {
    subject: (call) => search(call, "of"),
    fingerprint: (call) => search(call, "as"),
  });
  const plain = synchronous("plain", async () => Response.json(await test.handler()));
  return { ...(await app.serve({ work, plain })), drain };
});

describeCoverage(
  "Next",
  async (livetail) => {
    const measured = createNextCoverage(livetail);
    const jobs: Record<string, NextRoute<Request, NextContext<{ kind?: string }>>> = {
      blind: measured("/jobs/[id]/blind", () => Response.json({})),
      seen: measured("/jobs/[id]/seen", async () => Response.json(await seen(livetail))),
      refused: measured("/jobs/[id]/refused", () => new Response(null, { status: 400 })),
    };
    return app.serve({
      operations: routeOf(createNextHandler(livetail)),
      jobs: async (request, context) => {
        const { kind = "" } = (await context.params) as { kind?: string };
        return (jobs[kind] as NextRoute)(request, context);
      },
    });
  },
  "/jobs/[id]",
);

describe("the Next handler", () => {
  it("knows its mount below segments with parameters, with a slash at the end and without", async () => {
    const { url, close } = await app.serve({ tenants: routeOf(createNextHandler(echo)) });
    const mount = "/tenants/t%201/operations";
    const text = async (path: string) => (await ask(url, path)).text;
    expect(await text(`${mount}/a%2fb?c=d`)).toBe(`${mount} /a%2fb c=d ${mount}/a%2fb?c=d`);
    expect(await text(mount)).toBe(`${mount} /  ${mount}`);
    expect(await text(`${mount}/a/?c=d`)).toBe(`${mount} /a c=d ${mount}/a/?c=d`);
    await close();
  });

  // Next compresses no answer of a route: it names their types in lists, which its middleware does not read.
  itWorksBehindOthers(
    async (livetail) => {
      const { url, close } = await app.serve({ fronted: routeOf(createNextHandler(livetail)) });
      return { url: `${url}/fronted`, close };
    },
    { encoding: null },
  );

  it("serves the default livetail when it is given none", async () => {
    const livetail = configureLivetail({ store: memoryStore() });
    const run = livetail.createOperationRun("s", "op");
    await run.complete();
    const { url, close } = await app.serve({ operations: routeOf(createNextHandler()) });
    expect((await ask(url, `/operations/${run.id}`)).json()).toMatchObject({ run_id: run.id, status: "completed" });
    await close();
    await livetail.close();
  });
});

describe("a synchronous endpoint of Next", () => {
  it.each([
    ["redirect()", "NEXT_REDIRECT;replace;/elsewhere;307;", 307, "completed", ""],
    ["notFound()", "NEXT_HTTP_ERROR_FALLBACK;404", 404, "failed", "Answered with status 404."],
  ])("is answered by what %s throws, and so is its run", async (_what, digest, status, runStatus, error) => {
    const livetail = configureLivetail({ store: memoryStore() });
    const { synchronous } = createNextOperations({ livetail });
    const plain = synchronous("plain", () => Promise.reject(Object.assign(new Error(digest), { digest })));
    const { url, close } = await app.serve({ plain });
    expect((await ask(url, "/plain")).status).toBe(status);
    const id = (await livetail.latestRun("plain", "plain")) ?? "";
    const read = () => livetail.store.read({ runId: id, from: { kind: "none" }, limit: 0, known: null });
    await until(async () => (await read())?.run.status === runStatus, "its end");
    expect((await read())?.run.error).toBe(error);
    await close();
    await livetail.close();
  });
});

describe("an application of Next that is told to end", () => {
  it("ends its streams and then itself, bundles of its routes sharing the livetail of its instrumentation", async () => {
    const port = await freePort();
    const program = startNextApp(port);
    const url = `http://127.0.0.1:${port}`;
    await program.printed("stdout", "Ready");
    const answer = await ask(url, "/built/jobs/job-7/import", { method: "POST" });
    const { stream_url } = answer.json<AcceptedOperation>();
    const stream = await openStream(url, stream_url);
    expect((await stream.until(({ event }) => event === "log")).at(-1)?.data.message).toBe("one");
    expect((await ask(url, "/built/operations/-/client.js")).text).toContain("Livetail");
    program.child.kill("SIGTERM");
    // Its viewer comes back with a cursor: this rejects when the stream is cut.
    await stream.rest();
    expect(await program.ended).toBe("SIGTERM");
  });
});
