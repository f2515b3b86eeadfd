/** The face to Hono 4: `app.all("/operations/*", createHonoHandler(livetail))`. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { defaultLivetail } from "../default-livetail.js";
import { isStreamed, serveFetch } from "../fetch.js";
import type { Handler } from "../handler.js";
import type { Livetail } from "../livetail.js";
import { withRequest } from "../measured-request.js";
import { matchedMount } from "../mount.js";
import { acceptFetch, watchFetch } from "../operation-fetch.js";
import {
  createOperationRoutes,
  type OperationOptions,
  type OperationRoutes,
  type OperationRoutesOptions,
  requestFor,
} from "../operation-routes.js";
import type { Run } from "../run.js";
import { limitKeepAlive } from "./node.js";

/** What of a Hono context is read; a Hono `Handler` takes one. */
export interface HonoContext {
  /** The request, and the pattern of its route. */
  readonly req: { readonly raw: Request; readonly routePath: string };
  /** With `@hono/node-server` it holds Node's own objects. */
  readonly env?: unknown;
}

/**
 * Serves a livetail (default: the default one) below the path that it is routed at, which ends in `/*` and may hold
 * parameters. Headers that middlewares set are kept. `authorize` gets Hono's context as `raw`. Before closing a server,
 * call `livetail.handler.closeViewers()`, else it waits for the open streams.
 */
export function createHonoHandler(livetail?: { handler: Handler }): (c: HonoContext) => Promise<Response> {
  return async (c) => {
    const { raw, routePath } = c.req;
    const { pathname, search } = new URL(raw.url);
    const place = { mount: matchedMount(pathname, routePath), url: pathname + search, raw: c };
    const response = await serveFetch(livetail ?? defaultLivetail(), raw, place);
    const { incoming, outgoing } = (c.env ?? {}) as { incoming?: IncomingMessage; outgoing?: ServerResponse };
    if (incoming && outgoing) limitKeepAlive(incoming, outgoing, isStreamed(response));
    return response;
  };
}

/** Measures the routes after it, for `GET /-/coverage`: `app.use(createHonoCoverage(livetail))`. */
export function createHonoCoverage(livetail?: Pick<Livetail, "coverage">): (
  c: {
    readonly req: { readonly method: string; readonly matchedRoutes: readonly { readonly path: string }[] };
    readonly res: Response;
  },
  next: () => Promise<void>,
) => Promise<void> {
  return async (c, next) => {
    const { coverage } = livetail ?? defaultLivetail();
    const request = coverage.begin();
    // What a handler throws is an answer by then.
    await withRequest(request, next);
    const path = c.req.matchedRoutes.at(-1)?.path;
    if (path !== undefined && !path.endsWith("*")) coverage.end(request, `${c.req.method} ${path}`, c.res.status);
  };
}

/** Operations as Hono routes. */
export interface HonoOperations extends Pick<OperationRoutes, "drain"> {
  /** A route that answers 202 with the addresses of a run, in which `work` goes on; what it returns is the result. */
  operation<Context extends HonoContext>(
    name: string,
    work: (run: Run, c: Context) => unknown,
    options?: OperationOptions<Context>,
  ): (c: Context) => Promise<Response>;
  /** A route that answers as `handler` does, with an `X-Run-Id`, and can be watched meanwhile. */
  synchronous<Context extends HonoContext>(
    name: string,
    handler: (c: Context) => Response | Promise<Response>,
    options?: OperationOptions<Context>,
  ): (c: Context) => Promise<Response>;
}

/** Makes the routes of slow endpoints: `app.post("/import", operation("import", (run, c) => …))`. */
export function createHonoOperations(options?: OperationRoutesOptions): HonoOperations {
  const routes = createOperationRoutes(options);
  return {
    operation: (name, work, how) => async (c) =>
      acceptFetch(routes, c.req.raw, { ...requestFor(name, c, how), work: (run) => work(run, c) }),
    synchronous: (name, handler, how) => async (c) =>
      watchFetch(routes.watch(requestFor(name, c, how)), () => handler(c)),
    drain: routes.drain,
  };
}
