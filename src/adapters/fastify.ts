/** The face to Fastify 5: `app.register(livetailFastify, { prefix: "/operations", livetail })`. */
import type { FastifyPluginCallback, FastifyReply, FastifyRequest, RouteGenericInterface } from "fastify";
import { defaultLivetail } from "../default-livetail.js";
import { isLiveBody } from "../exchange.js";
import type { Handler } from "../handler.js";
import type { Livetail } from "../livetail.js";
import { type MeasuredRequest, withRequest } from "../measured-request.js";
import { mountOf } from "../mount.js";
import {
  createOperationRoutes,
  type OperationOptions,
  type OperationRoutes,
  type OperationRoutesOptions,
  requestFor,
} from "../operation-routes.js";
import type { Run } from "../run.js";
import { askNode, sendNode, serveNode, watchNode } from "./node.js";

/** What the plugin is registered with, beside Fastify's own `prefix` and `logLevel`. */
export interface LivetailFastifyOptions {
  /** Default: the default one at the time of the registration. */
  livetail?: { handler: Handler };
}

/**
 * Serves a livetail below `prefix`. Hooks run as for any route and their headers are kept, but `onSend` hooks see no
 * streams. It answers every method, reads no bodies, and ends the streams before the server closes. `authorize` gets
 * Fastify's request as `raw`.
 */
export const livetailFastify: FastifyPluginCallback<LivetailFastifyOptions> = (
  app,
  { livetail = defaultLivetail() },
  done,
) => {
  // A prefix may hold parameters, so the mount is as many segments of the URL as the prefix has.
  const segments = app.prefix.split("/").filter(Boolean).length;

  const answer = (request: FastifyRequest, reply: FastifyReply): void => {
    const url = request.raw.url ?? "/";
    const mount = mountOf(url, segments);
    const place = { mount, below: url.slice(mount.length), url: request.originalUrl, raw: request };
    serveNode(livetail, request.raw, reply.raw, place, (given) => {
      if (isLiveBody(given.body)) {
        for (const [name, value] of Object.entries(reply.getHeaders())) {
          if (value !== undefined) reply.raw.setHeader(name, value);
        }
        reply.hijack();
        sendNode(request.raw, reply.raw, given);
      } else {
        // Fastify writes null out as JSON. Node puts the head of an answer of bytes before a `100 Continue` that still
        // waits behind other answers, but not that of a text.
        const { status, headers, body } = given;
        const waits = reply.raw.writableLength > 0 && body !== null;
        reply
          .code(status)
          .headers(headers)
          .send(waits ? Buffer.from(body).toString() : (body ?? undefined));
      }
    });
  };

  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, _payload, parsed) => parsed(null));
  // Which coverage leaves out.
  const config = { livetail: true };
  app.all("/", { config }, answer);
  app.all("/*", { config }, answer);
  app.addHook("preClose", (closed) => {
    livetail.handler.closeViewers();
    closed();
  });
  done();
};

/** A request as it is measured. A WeakMap would cost a tenth of a short request (`npm run bench -- coverage`). */
type Measured = FastifyRequest & { [MEASURED]?: MeasuredRequest };
const MEASURED = Symbol("livetail.measured");

/** Measures the routes of the application, for `GET /-/coverage`: `app.register(livetailFastifyCoverage, { livetail })`. */
export const livetailFastifyCoverage: FastifyPluginCallback<{ livetail?: Pick<Livetail, "coverage"> }> = (
  app,
  { livetail = defaultLivetail() },
  done,
) => {
  const { coverage } = livetail;
  app.addHook("onRequest", (request: Measured, _reply, next) => {
    const begun = coverage.begin();
    request[MEASURED] = begun;
    withRequest(begun, next);
  });
  app.addHook("onResponse", (request: Measured, reply, next) => {
    const begun = request[MEASURED];
    const { url, config } = request.routeOptions;
    const own = (config as { livetail?: boolean }).livetail === true;
    if (begun !== undefined && url !== undefined && !own)
      coverage.end(begun, `${request.method} ${url}`, reply.statusCode);
    next();
  });
  done();
};
// What `fastify-plugin` does: its hooks are for the application around it.
Object.assign(livetailFastifyCoverage, { [Symbol.for("skip-override")]: true });

type FastifyHandler<Route extends RouteGenericInterface> = (
  request: FastifyRequest<Route>,
  reply: FastifyReply,
) => unknown;

/** Operations as Fastify routes. */
export interface FastifyOperations extends Pick<OperationRoutes, "drain"> {
  /** A route that answers 202 with the addresses of a run, in which `work` goes on; what it returns is the result. */
  operation<Route extends RouteGenericInterface = RouteGenericInterface>(
    name: string,
    work: (run: Run, request: FastifyRequest<Route>) => unknown,
    options?: OperationOptions<FastifyRequest<Route>>,
  ): (request: FastifyRequest<Route>, reply: FastifyReply) => Promise<FastifyReply>;
  /** A route that answers as `handler` does, with an `X-Run-Id`, and can be watched meanwhile. */
  synchronous<Route extends RouteGenericInterface = RouteGenericInterface>(
    name: string,
    handler: FastifyHandler<Route>,
    options?: OperationOptions<FastifyRequest<Route>>,
  ): FastifyHandler<Route>;
}

/** Makes the routes of slow endpoints: `app.post("/import", operation("import", (run, request) => …))`. */
export function createFastifyOperations(options?: OperationRoutesOptions): FastifyOperations {
  const routes = createOperationRoutes(options);
  return {
    operation: (name, work, how) => async (request, reply) => {
      const asked = requestFor(name, request, how, request.body);
      const { status, headers, body } = await routes.accept(askNode(request.raw, asked, (run) => work(run, request)));
      return reply.code(status).headers(headers).send(body);
    },
    synchronous: (name, handler, how) => (request, reply) => {
      const watched = routes.watch(requestFor(name, request, how));
      reply.header("X-Run-Id", watched.run.id);
      return watchNode(watched, reply.raw, () => handler(request, reply));
    },
    drain: routes.drain,
  };
}
