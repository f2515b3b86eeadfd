/** The face to Koa 3: `app.use(createKoaHandler(livetail, { mount: "/operations" }))`. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { defaultLivetail } from "../default-livetail.js";
import { isLiveBody } from "../exchange.js";
import type { Handler } from "../handler.js";
import type { Livetail } from "../livetail.js";
import { withRequest } from "../measured-request.js";
import { belowMount, mountPath } from "../mount.js";
import {
  createOperationRoutes,
  type OperationOptions,
  type OperationRoutes,
  type OperationRoutesOptions,
  requestFor,
} from "../operation-routes.js";
import type { Run } from "../run.js";
import { askNode, sendNode, serveNode, watchNode } from "./node.js";

/** What of a Koa context is used; a Koa `Middleware` takes one. */
export interface KoaContext {
  /** Node's own request. */
  readonly req: IncomingMessage;
  /** Node's own answer. */
  readonly res: ServerResponse;
  /** Where parsers put a body. */
  readonly request: object;
  /** Below the mounts around (`koa-mount`). */
  readonly url: string;
  /** The URL as it came. */
  readonly originalUrl: string;
  /** The status of the answer. */
  status: number;
  /** The body of the answer. */
  body: unknown;
  /** False: somebody else answers. */
  respond?: boolean | undefined;
  /** Sets headers of the answer. */
  set(headers: Record<string, string>): void;
}

/**
 * Serves a livetail (default: the default one) below `mount` (default: the root), which is below that of a `koa-mount`
 * around. What lies outside goes on to the next middleware. Polls are answered as any body is, streams on the
 * connection itself; the middleware is done when the answer is. `authorize` gets Koa's context as `raw`. Before closing
 * the server, call `livetail.handler.closeViewers()`, else it waits for the open streams.
 */
export function createKoaHandler(
  livetail?: { handler: Handler },
  options: { mount?: string } = {},
): (ctx: KoaContext, next: () => Promise<unknown>) => Promise<unknown> {
  const inner = mountPath(options.mount ?? "");
  return (ctx, next) => {
    const { req, res, url, originalUrl } = ctx;
    const below = belowMount(url, inner);
    if (below === null) return next();
    // A mount around makes "/" of what it takes all of.
    const outer = originalUrl.endsWith(url) ? originalUrl.slice(0, originalUrl.length - url.length) : originalUrl;
    const place = { mount: mountPath(outer) + inner, below, url: originalUrl, raw: ctx };
    return new Promise<void>((done) => {
      res.once("close", done);
      serveNode(livetail ?? defaultLivetail(), req, res, place, (answer) => {
        const { status, headers, body } = answer;
        // Node puts the head of an answer of bytes before a `100 Continue` that still waits behind other answers, and
        // Koa takes the type of an answer without a body away.
        if (body === null || isLiveBody(body) || res.writableLength > 0) {
          ctx.respond = false;
          sendNode(req, res, answer);
          return;
        }
        ctx.set(headers);
        ctx.body = typeof body === "string" ? body : Buffer.from(body.buffer, body.byteOffset, body.length);
        ctx.status = status;
        done();
      });
    });
  };
}

/** Measures the routes after it that `@koa/router` takes, for `GET /-/coverage`: `app.use(createKoaCoverage(livetail))`. */
export function createKoaCoverage(
  livetail?: Pick<Livetail, "coverage">,
): (ctx: KoaContext & { _matchedRoute?: unknown }, next: () => Promise<unknown>) => Promise<void> {
  return async (ctx, next) => {
    const { coverage } = livetail ?? defaultLivetail();
    const request = coverage.begin();
    ctx.res.once("close", () => {
      if (ctx._matchedRoute !== undefined) coverage.end(request, `${ctx.req.method} ${ctx._matchedRoute}`, ctx.status);
    });
    await withRequest(request, next);
  };
}

/** Operations as Koa middlewares. */
export interface KoaOperations extends Pick<OperationRoutes, "drain"> {
  /** Answers 202 with the addresses of a run, in which `work` goes on; what it returns is the result. */
  operation<Context extends KoaContext>(
    name: string,
    work: (run: Run, ctx: Context) => unknown,
    options?: OperationOptions<Context>,
  ): (ctx: Context) => Promise<void>;
  /** Answers as `handler` does, with an `X-Run-Id`, and can be watched meanwhile. */
  synchronous<Context extends KoaContext>(
    name: string,
    handler: (ctx: Context, next: () => Promise<unknown>) => unknown,
    options?: OperationOptions<Context>,
  ): (ctx: Context, next: () => Promise<unknown>) => unknown;
}

/** Makes the routes of slow endpoints: `router.post("/import", operation("import", (run, ctx) => …))`. */
export function createKoaOperations(options?: OperationRoutesOptions): KoaOperations {
  const routes = createOperationRoutes(options);
  return {
    operation: (name, work, how) => async (ctx) => {
      const { body: parsed } = ctx.request as { body?: unknown };
      const asked = requestFor(name, ctx, how, parsed);
      const { status, headers, body } = await routes.accept(askNode(ctx.req, asked, (run) => work(run, ctx)));
      ctx.set(headers);
      ctx.body = body;
      ctx.status = status;
    },
    synchronous: (name, handler, how) => (ctx, next) =>
      watchNode(routes.watch(requestFor(name, ctx, how)), ctx.res, () => handler(ctx, next)),
    drain: routes.drain,
  };
}
