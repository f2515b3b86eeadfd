/** The face to h3 2: `app.all("/operations/**", createH3Handler(livetail))`. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { isStreamed, serveFetch } from "../fetch.js";
import type { Handler } from "../handler.js";
import { defaultLivetail } from "../livetail.js";
import { matchedMount } from "../mount.js";
import { limitKeepAlive } from "./node.js";

/** What of an h3 event is read; an h3 `EventHandler` takes one. */
export interface H3Event {
  /** On Node with Node's own objects. */
  readonly req: Request & { readonly runtime?: { readonly node?: { readonly req: unknown; readonly res?: unknown } } };
  readonly url: URL;
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
