/** The face to Koa 3: `app.use(createKoaHandler(livetail, { mount: "/operations" }))`. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { isLiveBody } from "../exchange.js";
import type { Handler } from "../handler.js";
import { defaultLivetail } from "../livetail.js";
import { belowMount, mountPath } from "../mount.js";
import { sendNode, serveNode } from "./node.js";

/** What of a Koa context is used; a Koa `Middleware` takes one. */
export interface KoaContext {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  /** Below the mounts around (`koa-mount`). */
  readonly url: string;
  readonly originalUrl: string;
  status: number;
  body: unknown;
  respond?: boolean;
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
