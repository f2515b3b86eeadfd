/** The face to h3 2: `app.all("/operations/**", createH3Handler(livetail))`. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { defaultLivetail } from "../default-livetail.js";
import { isStreamed, serveFetch } from "../fetch.js";
import type { Handler } from "../handler.js";
import type { Livetail } from "../livetail.js";
import { withRequest } from "../measured-request.js";
import { matchedMount } from "../mount.js";
import { acceptFetch } from "../operation-fetch.js";
import {
  createOperationRoutes,
  type OperationOptions,
  type OperationRoutes,
  type OperationRoutesOptions,
  requestFor,
} from "../operation-routes.js";
import type { Run } from "../run.js";
import { limitKeepAlive } from "./node.js";

/** What of an h3 event is read; an h3 `EventHandler` takes one. */
export interface H3Event {
  /** On Node with Node's own objects. */
  readonly req: Request & { readonly runtime?: { readonly node?: { readonly req: unknown; readonly res?: unknown } } };
  /** The URL of the request. */
  readonly url: URL;
  /** What the answer will have, as middlewares set it. */
  readonly res: { readonly status?: number | undefined; readonly headers: Headers };
  /** What h3 knows of it: the route. */
  readonly context: { readonly matchedRoute?: { readonly route?: string } };
}

/**
 * Serves a livetail (default: the default one) below the path that it is routed at, which ends in `/**` and may hold
 * parameters. Headers that middlewares set are kept. `authorize` gets the event as `raw`. Before closing a server, call
 * `livetail.handler.closeViewers()`, else it waits for the open streams.
 */
export function createH3Handler(livetail?: { handler: Handler }): (event: H3Event) => Promise<Response> {
  return async (event) => {
    const { pathname, search } = event.url;
    const mount = matchedMount(pathname, event.context.matchedRoute?.route ?? "");
    const response = await serveFetch(livetail ?? defaultLivetail(), event.req, {
      mount,
      url: pathname + search,
      raw: event,
    });
    const { req, res } = event.req.runtime?.node ?? {};
    if (res) limitKeepAlive(req as IncomingMessage, res as ServerResponse, isStreamed(response));
    return response;
  };
}

/** Measures the routes after it, for `GET /-/coverage`: `app.use(createH3Coverage(livetail))`. */
export function createH3Coverage(
  livetail?: Pick<Livetail, "coverage">,
): (event: H3Event, next: () => unknown) => Promise<unknown> {
  return async (event, next) => {
    const { coverage } = livetail ?? defaultLivetail();
    const request = coverage.begin();
    const end = (status: number): void => {
      const route = event.context.matchedRoute?.route;
      if (route !== undefined && !route.endsWith("*")) coverage.end(request, `${event.req.method} ${route}`, status);
    };
    try {
      const answer = await withRequest(request, next);
      end(answer instanceof Response ? answer.status : (event.res.status ?? 200));
      return answer;
    } catch (error) {
      const { status } = error as { status?: unknown };
      end(typeof status === "number" ? status : 500);
      throw error;
    }
  };
}

/** Operations as h3 routes. */
export interface H3Operations extends Pick<OperationRoutes, "drain"> {
  /** A route that answers 202 with the addresses of a run, in which `work` goes on; what it returns is the result. */
  operation<Event extends H3Event>(
    name: string,
    work: (run: Run, event: Event) => unknown,
    options?: OperationOptions<Event>,
  ): (event: Event) => Promise<Response>;
  /** A route that answers as `handler` does, with an `X-Run-Id`, and can be watched meanwhile. */
  synchronous<Event extends H3Event, T>(
    name: string,
    handler: (event: Event) => T | Promise<T>,
    options?: OperationOptions<Event>,
  ): (event: Event) => Promise<T>;
}

/** Makes the routes of slow endpoints: `app.post("/import", operation("import", (run, event) => …))`. */
export function createH3Operations(options?: OperationRoutesOptions): H3Operations {
  const routes = createOperationRoutes(options);
  return {
    operation: (name, work, how) => async (event) =>
      acceptFetch(routes, event.req, { ...requestFor(name, event, how), work: (run) => work(run, event) }),
    synchronous: (name, handler, how) => async (event) => {
      const { run, within, ended } = routes.watch(requestFor(name, event, how));
      event.res.headers.set("X-Run-Id", run.id);
      const answer = await within(() => handler(event));
      ended(answer instanceof Response ? answer.status : (event.res.status ?? 200));
      return answer;
    },
    drain: routes.drain,
  };
}
