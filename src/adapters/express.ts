/** The face to Express 5: `app.use("/operations", createExpressHandler(livetail))`. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { NextFunction, Request, Response } from "express";
import { defaultLivetail } from "../default-livetail.js";
import type { Handler } from "../handler.js";
import type { Livetail } from "../livetail.js";
import {
  createOperationRoutes,
  type OperationOptions,
  type OperationRoutes,
  type OperationRoutesOptions,
  requestFor,
} from "../operation-routes.js";
import type { Run } from "../run.js";
import { askNode, measureNode, sendNode, serveNode, watchNode } from "./node.js";

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

/** Measures the routes after it, for `GET /-/coverage`: `app.use(createExpressCoverage(livetail))`. */
export function createExpressCoverage(
  livetail?: Pick<Livetail, "coverage">,
): (req: IncomingMessage, res: ServerResponse, next: () => void) => void {
  return (req, res, next) => measureNode((livetail ?? defaultLivetail()).coverage, req, res, next);
}

/** A route of Express 5; `Params` are those of its path. */
type ExpressRoute<Params> = (req: Request<Params>, res: Response, next: NextFunction) => unknown;

/** Operations as Express routes. */
export interface ExpressOperations extends Pick<OperationRoutes, "drain"> {
  /** A route that answers 202 with the addresses of a run, in which `work` goes on; what it returns is the result. */
  operation<Params = Record<string, string>>(
    name: string,
    work: (run: Run, req: Request<Params>) => unknown,
    options?: OperationOptions<Request<Params>>,
  ): ExpressRoute<Params>;
  /** A route that answers as `handler` does, with an `X-Run-Id`, and can be watched meanwhile. */
  synchronous<Params = Record<string, string>>(
    name: string,
    handler: ExpressRoute<Params>,
    options?: OperationOptions<Request<Params>>,
  ): ExpressRoute<Params>;
}

/** Makes the routes of slow endpoints: `app.post("/import", operation("import", (run, req) => …))`. */
export function createExpressOperations(options?: OperationRoutesOptions): ExpressOperations {
  const routes = createOperationRoutes(options);
  return {
    operation: (name, work, how) => (req, res, next) => {
      const request = askNode(req, requestFor(name, req, how, req.body), (run) => work(run, req));
      routes.accept(request).then((answer) => sendNode(req, res, answer), next);
    },
    synchronous: (name, handler, how) => (req, res, next) =>
      watchNode(routes.watch(requestFor(name, req, how)), res, () => handler(req, res, next)),
    drain: routes.drain,
  };
}
