import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import compression from "compression";
import express from "express";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createExpressHandler } from "../src/adapters/express.js";
import type { LogPollerOptions } from "../src/client/index.js";
import { sseTransport } from "../src/client/sse.js";
import { startCurl } from "./support/curl.js";
import { hasty, type LineViewer, lineTexts, startLineViewer, WAYS } from "./support/line-viewer.js";
import { startNginx } from "./support/nginx.js";
import {
  type RestartableOptions,
  type RestartableServer,
  startRestartableServer,
} from "./support/restartable-server.js";

const PATIENCE = { timeout: 20_000, interval: 5 };

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function startServer(options: RestartableOptions = {}): Promise<RestartableServer> {
  const server = await startRestartableServer(options);
  open.push(() => server.close());
  return server;
}

async function startFront(server: RestartableServer, directives = ""): Promise<string> {
  const nginx = await startNginx(server.port, directives);
  open.push(() => nginx.stop());
  return `http://127.0.0.1:${nginx.port}/operations`;
}

function watch(runId: string, options: LogPollerOptions): LineViewer {
  const viewer = startLineViewer(runId, options);
  open.push(() => viewer.stop());
  return viewer;
}

/** Express with a middleware in front that compresses whatever it may. */
async function startCompressing(server: RestartableServer): Promise<string> {
  const app = express();
  app.use(compression({ threshold: 0 }));
  app.use("/operations", createExpressHandler(server.serving));
  const listening = createServer(app).listen(0, "127.0.0.1");
  await once(listening, "listening");
  open.push(() => {
    listening.close();
    listening.closeAllConnections();
  });
  return `http://127.0.0.1:${(listening.address() as AddressInfo).port}/operations`;
}

describe.each([
  ["nginx with its defaults", startFront],
  ["a compressing middleware", startCompressing],
])("through %s", (_name, startInFront) => {
  it.each(WAYS)("a run is seen live by %s: each line before the next one is logged, then the end", async (_, how) => {
    const server = await startServer();
    const endpointBase = await startInFront(server);
    const run = server.writing.createOperationRun("job", "live");
    const viewer = watch(run.id, { endpointBase, ...hasty(10), ...how() });
    for (const line of lineTexts(20)) {
      run.log(line);
      await vi.waitFor(() => expect(viewer.messages.at(-1)).toBe(line), PATIENCE);
    }
    await run.complete();
    expect(await viewer.finished).toMatchObject({ status: "completed", expected_log_count: 20 });
    expect(viewer.messages).toEqual(lineTexts(20));
    expect(viewer.errors).toEqual([]);
  });
});

describe("behind nginx with its defaults", () => {
  it("answers keep their heads, and streams arrive live though nginx compresses them", async () => {
    const server = await startServer();
    const base = await startFront(server);
    const run = server.writing.createOperationRun("job", "heads");
    run.log("first");
    await run.flush();
    const signal = AbortSignal.timeout(20_000);
    const head = async (path: string) => {
      const { status, headers, body } = await fetch(`${base}/${path}`, { signal });
      await body?.cancel();
      return { status, ...Object.fromEntries(headers) };
    };
    expect(await head(`${run.id}/stream`)).toMatchObject({
      status: 200,
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache, no-transform",
      "content-encoding": "gzip",
      "x-content-type-options": "nosniff",
    });
    expect(await head(run.id)).toMatchObject({
      status: 200,
      "content-type": "application/json; charset=utf-8",
      "cache-control": "no-store",
      "content-encoding": "gzip",
    });
    expect(await head("op_none_abcdefghijklmnopqrstuvwx")).toMatchObject({
      status: 404,
      "content-type": "application/problem+json; charset=utf-8",
    });
    expect(await head(`${run.id}/result`)).toMatchObject({ status: 202, "retry-after": "1" });
  });

  it("a viewer that goes is forgotten", async () => {
    const server = await startServer();
    const base = await startFront(server);
    const run = server.writing.createOperationRun("job", "gone");
    run.log("first");
    await run.flush();
    const curl = startCurl(`${base}/${run.id}/stream`);
    open.push(() => curl.stop());
    await vi.waitFor(() => expect(curl.printed).toContain("first"), PATIENCE);
    expect(server.serving.handler.viewers()).toBe(1);
    curl.stop();
    await vi.waitFor(() => expect(server.serving.handler.viewers()).toBe(0), PATIENCE);
  });

  it.each(WAYS)(
    "a server that is restarted is an outage to %s: it comes back and has each line once",
    async (_, how) => {
      const server = await startServer();
      const endpointBase = await startFront(server);
      const run = server.writing.createOperationRun("job", "restarted");
      run.log("line 0");
      const viewer = watch(run.id, { endpointBase, ...hasty(10), ...how() });
      await vi.waitFor(() => expect(viewer.messages).toHaveLength(1), PATIENCE);
      for (const round of [0, 1, 2]) {
        await server.kill();
        run.log(`line ${2 * round + 1}`);
        await vi.waitFor(() => expect(viewer.errors.length).toBeGreaterThan(round), PATIENCE);
        await server.start();
        await vi.waitFor(() => expect(viewer.messages).toHaveLength(2 * round + 2), PATIENCE);
        run.log(`line ${2 * round + 2}`);
        await vi.waitFor(() => expect(viewer.messages).toHaveLength(2 * round + 3), PATIENCE);
      }
      await run.complete();
      await viewer.finished;
      expect(viewer.messages).toEqual(lineTexts(7));
      for (const code of viewer.errors) expect(code).toMatch(/^(HTTP_502|NO_ANSWER)$/);
    },
  );

  it.each(WAYS)("a 504 is an outage to %s, not the end of watching", async (_, how) => {
    let hangs = true;
    const server = await startServer({
      front: (_request, _response, next) => {
        if (!hangs) next();
      },
    });
    const endpointBase = await startFront(server, "proxy_read_timeout 300ms;");
    const run = server.writing.createOperationRun("job", "hangs");
    run.log("line 0");
    const viewer = watch(run.id, { endpointBase, ...hasty(10), waitSeconds: 0.1, ...how() });
    await vi.waitFor(() => expect(viewer.errors).toEqual(["HTTP_504"]), PATIENCE);
    hangs = false;
    await vi.waitFor(() => expect(viewer.messages).toHaveLength(1), PATIENCE);
    run.log("line 1");
    await run.complete();
    await viewer.finished;
    expect(viewer.messages).toEqual(lineTexts(2));
  });

  it("a stream that never comes out of a gateway, but for a 504, gives way to polls", async () => {
    const server = await startServer({
      front: ({ url }, _response, next) => {
        if (!url?.includes("/stream?")) next();
      },
    });
    const endpointBase = await startFront(server, "proxy_read_timeout 300ms;");
    const run = server.writing.createOperationRun("job", "gateway");
    run.log("line 0");
    const options = { endpointBase, ...hasty(10), waitSeconds: 0.1, transport: sseTransport() };
    const viewer = watch(run.id, options);
    await vi.waitFor(() => expect(viewer.messages).toHaveLength(1), PATIENCE);
    await run.complete();
    await viewer.finished;
    expect(viewer.errors).toEqual(["HTTP_504"]);
  });

  it("a stream that nginx keeps back, because it was told to, gives way to polls, and the run is seen live", async () => {
    const server = await startServer();
    const endpointBase = await startFront(server, "proxy_ignore_headers X-Accel-Buffering;");
    const run = server.writing.createOperationRun("job", "kept-back");
    run.log("line 0");
    const options = { endpointBase, ...hasty(30), transport: sseTransport() };
    const viewer = watch(run.id, options);
    await vi.waitFor(() => expect(viewer.messages).toHaveLength(1), PATIENCE);
    run.log("line 1");
    await vi.waitFor(() => expect(viewer.messages).toHaveLength(2), PATIENCE);
    await run.complete();
    await viewer.finished;
    expect(viewer.messages).toEqual(lineTexts(2));
  });
});
