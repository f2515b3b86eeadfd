/** A server of runs that can be stopped and started again on the same port, while the runs and their writer go on. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createNodeHandler } from "../../src/adapters/node.js";
import type { Authorize } from "../../src/authorize.js";
import type { Clock } from "../../src/clock.js";
import { createLivetail, type Livetail } from "../../src/livetail.js";
import { memoryStore } from "../../src/store/memory.js";
import { lastingPort } from "./lasting-port.js";

/** A request below `/operations` as it came. */
export interface SeenRequest {
  readonly url: string;
  readonly lastEventId: string | undefined;
  readonly response: ServerResponse;
}

/** The server, its store, and a writer beside it. */
export interface RestartableServer {
  readonly port: number;
  /** `http://127.0.0.1:PORT`; the routes are below `/operations`, anything else is an empty page. */
  readonly origin: string;
  /** The base of the routes. */
  readonly base: string;
  /** The one that writes: it is not restarted. */
  readonly writing: Livetail;
  /** The one that serves now. */
  readonly serving: Livetail;
  /** Every request below `/operations` so far. */
  readonly asked: SeenRequest[];
  /** Cuts every connection and stops listening. */
  kill(): Promise<void>;
  /** Listens again, as another process would: nothing but the store is kept. */
  start(): Promise<void>;
  /** From now on, and after a start, the runs are in an empty store. */
  forgetEverything(): Promise<void>;
  close(): Promise<void>;
}

/** What `startRestartableServer` takes. */
export interface RestartableOptions {
  /** The clock of the serving side. Default: the real one. */
  clock?: Clock;
  /** Lines that are kept of a run. Default 1,000. */
  maxLines?: number;
  /** Who may do what. Default: nobody may do more than read. */
  authorize?: Authorize;
  /** The page at every other path: its headers and its HTML. Default: an empty one. */
  page?: { headers: Record<string, string>; html: string };
  /** Stands in front of livetail; answers itself, or calls `next`. */
  front?: (request: IncomingMessage, response: ServerResponse, next: () => void) => void;
}

/** Starts it on a free port of 127.0.0.1. */
export async function startRestartableServer(options: RestartableOptions = {}): Promise<RestartableServer> {
  const { clock, authorize, front = (_request, _response, next) => next() } = options;
  const page = options.page ?? { headers: {}, html: "<!doctype html><title>page</title>" };
  const limits = options.maxLines === undefined ? {} : { maxLines: options.maxLines };
  const quiet = { onError: () => {} };
  let store = memoryStore(limits);
  let writing = createLivetail({ store, ...limits, ...quiet });
  const port = await lastingPort();
  const asked: SeenRequest[] = [];
  let serving: Livetail;
  let server: Server;

  const start = async (): Promise<void> => {
    serving = createLivetail({ store, ...(clock && { clock }), ...(authorize && { authorize }), ...quiet });
    const handler = createNodeHandler(serving, { mount: "/operations" });
    server = createServer((request, response) => {
      const { url = "/", headers } = request;
      if (!url.startsWith("/operations")) {
        response.writeHead(200, { "Content-Type": "text/html; charset=utf-8", ...page.headers }).end(page.html);
        return;
      }
      asked.push({ url, lastEventId: headers["last-event-id"]?.toString(), response });
      front(request, response, () => handler(request, response));
    }).listen(port, "127.0.0.1");
    await once(server, "listening");
  };
  const kill = async (): Promise<void> => {
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
    await serving.close();
  };
  await start();
  const origin = `http://127.0.0.1:${port}`;

  return {
    port,
    origin,
    base: `${origin}/operations`,
    asked,
    get writing() {
      return writing;
    },
    get serving() {
      return serving;
    },
    kill,
    start,
    async forgetEverything() {
      await kill();
      await writing.close();
      await store.close();
      store = memoryStore(limits);
      writing = createLivetail({ store, ...limits, ...quiet });
      await start();
    },
    async close() {
      if (server.listening) await kill();
      await writing.close();
      await store.close();
    },
  };
}
