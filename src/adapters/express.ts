/** The face to Express 5: `app.use("/operations", createExpressHandler(livetail))`. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Handler } from "../handler.js";
import { defaultLivetail } from "../livetail.js";
import { serveNode } from "./node.js";

/** What of an Express request is read; an Express `RequestHandler` is one of these. */
export type ExpressHandler = (
  req: IncomingMessage & { baseUrl: string; originalUrl: string },
  res: ServerResponse,
) => void;

/**
 * Serves a livetail (default: the default one) below the path that it is mounted at with `app.use`, at any depth of
 * routers. It answers every request there and reads no bodies, so parsers in front do no harm. `authorize` gets
 * Express' request as `raw`. Before closing the server, call `livetail.handler.closeViewers()`, else it waits for the
 * open streams.
 */
export function createExpressHandler(livetail?: { handler: Handler }): ExpressHandler {
  return (req, res) => {
    // Express leaves in `url` what lies below the mount, and in `baseUrl` the mount.
    serveNode(livetail ?? defaultLivetail(), req, res, {
      mount: req.baseUrl,
      below: req.url ?? "/",
      url: req.originalUrl,
      raw: req,
    });
  };
}
