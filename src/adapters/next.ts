/**
 * The face to Next's app router (16), in `app/operations/[[...path]]/route.ts`:
 * `export const { GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS } = createNextHandler(livetail)`.
 */
import { defaultLivetail } from "../default-livetail.js";
import { isStreamed, serveFetch } from "../fetch.js";
import type { Handler } from "../handler.js";
import type { Livetail } from "../livetail.js";
import { withRequest } from "../measured-request.js";
import { acceptFetch, watchFetch } from "../operation-fetch.js";
import {
  createOperationRoutes,
  type OperationOptions,
  type OperationRoutes,
  type OperationRoutesOptions,
  requestFor,
} from "../operation-routes.js";
import type { Run } from "../run.js";

/** What a route handler gets beside its request. */
export interface NextContext<Params extends object = object> {
  /** The parameters of the route. */
  readonly params: Promise<Params>;
}

/** What `export`ed under the name of a method answers the requests of a route. */
export type NextRoute<Req extends Request = Request, Context extends NextContext = NextContext> = (
  request: Req,
  context: Context,
) => Promise<Response>;

/** A route handler as its author writes it. */
type NextHandler<Req extends Request, Context> = (request: Req, context: Context) => Response | Promise<Response>;

/** Every method that Next hands to a route; those that livetail does not know are answered 405. */
type NextMethod = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS";

/**
 * Serves a livetail (default: the default one, which all bundles of a process share) from the optional catch-all route
 * whose file exports this, below `basePath` and segments with parameters, too. `authorize` gets Next's request as `raw`.
 * Not for the edge runtime.
 */
export function createNextHandler(livetail?: { handler: Handler }): Record<NextMethod, NextRoute> {
  const serve: NextRoute = async (request, context) => {
    const { pathname, search } = new URL(request.url);
    const below = Object.values(await context.params).find(Array.isArray)?.length ?? 0;
    // Whether a path ends in a slash is for the configuration of an application to say; it is the same route.
    const path = pathname.replace(/\/$/, "");
    const segments = path.split("/");
    const mount = segments.slice(0, segments.length - below).join("/");
    const place = { mount, path, url: pathname + search, raw: request };
    const response = await serveFetch(livetail ?? defaultLivetail(), request, place);
    // A connection that stays open after its answer keeps a server that closes from ending.
    if (isStreamed(response)) response.headers.set("Connection", "close");
    return response;
  };
  return { GET: serve, HEAD: serve, POST: serve, PUT: serve, PATCH: serve, DELETE: serve, OPTIONS: serve };
}

/**
 * Makes what measures a route for `GET /-/coverage`, under the path of its folder:
 * `export const POST = measured("/jobs/[id]", async (request, context) => …)`.
 */
export function createNextCoverage(
  livetail?: Pick<Livetail, "coverage">,
): <Req extends Request, Context>(
  path: string,
  handler: NextHandler<Req, Context>,
) => (request: Req, context: Context) => Promise<Response> {
  return (path, handler) => async (request, context) => {
    const { coverage } = livetail ?? defaultLivetail();
    const begun = coverage.begin();
    const end = (status: number): void => coverage.end(begun, `${request.method} ${path}`, status);
    try {
      const response = await withRequest(begun, () => handler(request, context));
      end(response.status);
      return response;
    } catch (error) {
      end(thrownStatus(error) ?? 500);
      throw error;
    }
  };
}

/** A call of a route: its request, and its parameters as they are. */
export interface NextCall<Params extends object = object, Req extends Request = Request> {
  /** The request as Next hands it out. */
  readonly request: Req;
  /** The parameters of its route. */
  readonly params: Params;
}

/** Operations as Next route handlers. */
export interface NextOperations extends Pick<OperationRoutes, "drain"> {
  /** A route that answers 202 with the addresses of a run, in which `work` goes on; what it returns is the result. */
  operation<Params extends object = object, Req extends Request = Request>(
    name: string,
    work: (run: Run, call: NextCall<Params, Req>) => unknown,
    options?: OperationOptions<NextCall<Params, Req>>,
  ): NextRoute<Req, NextContext<Params>>;
  /** A route that answers as `handler` does, with an `X-Run-Id`, and can be watched meanwhile. */
  synchronous<Params extends object = object, Req extends Request = Request>(
    name: string,
    handler: NextHandler<Req, NextContext<Params>>,
    options?: OperationOptions<NextCall<Params, Req>>,
  ): NextRoute<Req, NextContext<Params>>;
}

/**
 * Makes the routes of slow endpoints: `export const POST = operation("import", (run, { params }) => …)`. They need a
 * process that goes on after its answers, as `next start` does.
 */
export function createNextOperations(options?: OperationRoutesOptions): NextOperations {
  const routes = createOperationRoutes(options);
  return {
    operation: (name, work, how) => async (request, context) => {
      const call = { request, params: await context.params };
      return acceptFetch(routes, request, { ...requestFor(name, call, how), work: (run) => work(run, call) });
    },
    synchronous: (name, handler, how) => async (request, context) => {
      const watched = routes.watch(requestFor(name, { request, params: await context.params }, how));
      return watchFetch(watched, async () => {
        try {
          return await handler(request, context);
        } catch (error) {
          const status = thrownStatus(error);
          if (status !== undefined) watched.ended(status);
          throw error;
        }
      });
    },
    drain: routes.drain,
  };
}

/** The status of an answer that is thrown, as `redirect()` and `notFound()` do. */
function thrownStatus(error: unknown): number | undefined {
  const { digest } = Object(error) as { digest?: unknown };
  const status = /^NEXT_(?:REDIRECT;.*|HTTP_ERROR_FALLBACK);(\d{3});?$/.exec(String(digest))?.[1];
  return status === undefined ? undefined : Number(status);
}
