/** Which routes of a framework are slow and blind, over real servers. */
import { afterEach, describe, expect, it } from "vitest";
import { createLivetail, type Livetail } from "../../src/livetail.js";
import type { RouteCoverage } from "../../src/protocol.js";
import type { Run } from "../../src/run.js";
import { memoryStore } from "../../src/store/memory.js";
import { until } from "../support/until.js";
import { ask } from "./http-client.js";

/**
 * Starts a server with `/jobs/:id/blind`, `/jobs/:id/seen` (answered by `seen`) and `/jobs/:id/refused`, below a
 * livetail's own routes at `/operations`.
 */
export type ServeCovered = (livetail: Livetail) => Promise<{ url: string; close(): Promise<void> }>;

/** What an endpoint does that tells everything. */
export function tellAll(run: Run): void {
  run.logger.layerStart("fetch");
  run.logger.llmCallComplete({ backend: "openrouter", costUsd: 0.001 });
  run.logger.layerComplete("fetch");
}

/** An endpoint that has a run. */
export async function seen(livetail: Livetail): Promise<object> {
  return livetail.runOperation("job", "seen", (run) => {
    tellAll(run);
    return {};
  });
}

/** What is covered, once `ready` says that it is all. */
export async function reportOf(
  livetail: Livetail,
  ready: (routes: RouteCoverage[]) => boolean,
): Promise<RouteCoverage[]> {
  let routes: RouteCoverage[] = [];
  await until(async () => {
    routes = (await livetail.coverage.report()).routes;
    return ready(routes);
  }, "the report");
  return routes;
}

/** Declares the suite; `pattern` is how the framework writes a route with a parameter. */
export function describeCoverage(name: string, serve: ServeCovered, pattern = "/jobs/:id"): void {
  describe(`the coverage of ${name}`, () => {
    const cleanups: (() => Promise<unknown>)[] = [];
    afterEach(async () => {
      for (const cleanup of cleanups.splice(0)) await cleanup();
    });

    it("names each route by its pattern, with its requests and those that had a run, and leaves its own out", async () => {
      const livetail = createLivetail({ store: memoryStore(), authorize: () => true });
      const { url, close } = await serve(livetail);
      cleanups.push(close, () => livetail.close());
      for (const id of ["1", "2", "3"]) expect((await ask(url, `/jobs/${id}/blind`)).status).toBe(200);
      for (const id of ["1", "2"]) expect((await ask(url, `/jobs/${id}/seen`)).status).toBe(200);
      expect((await ask(url, "/jobs/1/refused")).status).toBe(400);
      await ask(url, "/operations/-/health");
      await ask(url, "/no/such/path");
      const routes = await reportOf(livetail, (all) => all.reduce((sum, { requests }) => sum + requests, 0) === 5);
      const [blind, watched] = [`GET ${pattern}/blind`, `GET ${pattern}/seen`];
      const byRoute = Object.fromEntries(routes.map((one) => [one.route, one]));
      expect(Object.keys(byRoute).sort()).toEqual([blind, watched]);
      expect(byRoute[blind]).toMatchObject({
        requests: 3,
        runs: 0,
        visibility: "none",
        missing: ["run"],
      });
      expect(byRoute[watched]).toMatchObject({ requests: 2, runs: 2, visibility: "full", missing: [] });
    });
  });
}
