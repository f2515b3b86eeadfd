/** The face to Hono 4: `app.all("/operations/*", createHonoHandler(livetail))`. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { isStreamed, serveFetch } from "../fetch.js";
import type { Handler } from "../handler.js";
import { defaultLivetail } from "../livetail.js";
import { matchedMount } from "../mount.js";
import { limitKeepAlive } from "./node.js";

/** What of a Hono context is read; a Hono `Handler` takes one. */
export interface HonoContext {
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
