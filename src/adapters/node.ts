/**
 * The bridge to node:http, and the only file that knows sockets: an `IncomingMessage` becomes the handler's plain
 * values, its answer becomes one `end()` or a viewer attached to the connection. No Request or Response is built.
 */
import { type IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { problemAnswer } from "../answer.js";
import type { Coverage } from "../coverage.js";
import { defaultLivetail } from "../default-livetail.js";
import { type HandlerRequest, type HandlerResponse, isLiveBody, type LiveBody } from "../exchange.js";
import type { Handler } from "../handler.js";
import { withRequest } from "../measured-request.js";
import { belowMount, mountPath } from "../mount.js";
import {
  type AskedOperation,
  createOperationRoutes,
  type OperationOptions,
  type OperationRequest,
  type OperationRoutes,
  type OperationRoutesOptions,
  requestFor,
  type WatchedRequest,
} from "../operation-routes.js";
import type { Run } from "../run.js";

/** What `node:http`, connect and the like call. `next` is for whatever lies outside the mount. */
export type NodeHandler = (req: IncomingMessage, res: ServerResponse, next?: () => void) => void;

/** Where a request stands in its framework. */
export interface NodePlace {
  /** The path of the mount as the viewer sees it, without a trailing slash. */
  mount: string;
  /** What is left of the URL below the mount: path and query. */
  below: string;
  /** The URL as it came. */
  url: string;
  /** The framework's own request object, for `authorize`. */
  raw: unknown;
}

/** What servers log for a caller that left before its answer. */
const CALLER_LEFT = 499;

/** How long a viewer may take nothing of what is left to send after the end of a body, in milliseconds. */
const STUCK_MS = 30_000;

/**
 * Serves a livetail (default: the default one) from `http.createServer`, below `mount` (default: the root). What lies
 * outside the mount goes to `next`, or is answered 404 where there is none. Never throws. Before closing the server,
 * call `livetail.handler.closeViewers()`, else it waits for the open streams.
 */
export function createNodeHandler(livetail?: { handler: Handler }, options: { mount?: string } = {}): NodeHandler {
  const mount = mountPath(options.mount ?? "");
  return (req, res, next) => {
    const url = originForm(req.url ?? "/");
    const below = belowMount(url, mount);
    if (below !== null) {
      serveNode(livetail ?? defaultLivetail(), req, res, { mount, below, url, raw: req });
    } else if (next !== undefined) {
      next();
    } else {
      sendNode(req, res, problemAnswer("RUN_NOT_FOUND", "Nothing is served at this path."));
    }
  };
}

/**
 * Asks the handler of a livetail and hands its answer to `send` (default: `sendNode`), unless the viewer has gone or
 * somebody else has answered by then. Never throws; a handler that throws or rejects is answered `STORE_UNAVAILABLE`.
 */
export function serveNode(
  livetail: { handler: Handler },
  req: IncomingMessage,
  res: ServerResponse,
  place: NodePlace,
  send: (answer: HandlerResponse) => void = (answer) => sendNode(req, res, answer),
): void {
  let answer: HandlerResponse | Promise<HandlerResponse>;
  try {
    answer = livetail.handler.handle(new NodeRequest(req, res, place));
  } catch {
    answer = problemAnswer("STORE_UNAVAILABLE");
  }
  if ("then" in answer) {
    answer.then(
      (late) => deliver(req, res, late, send),
      () => deliver(req, res, problemAnswer("STORE_UNAVAILABLE"), send),
    );
  } else deliver(req, res, answer, send);
}

function deliver(
  req: IncomingMessage,
  res: ServerResponse,
  answer: HandlerResponse,
  send: (answer: HandlerResponse) => void,
): void {
  if (res.headersSent || res.writableEnded || isGone(req, res)) {
    if (isLiveBody(answer.body)) answer.body.attach(GONE).onClose();
    return;
  }
  limitKeepAlive(req, res, isLiveBody(answer.body));
  try {
    send(answer);
  } catch {
    // Half an answer may be out (a header that no connection takes): the viewer hears of it by the cut.
    res.destroy();
  }
}

/**
 * Makes an answer the last on its connection, if it is a stream or its server is closing: a connection that stays open
 * after its answer keeps a server that closes from ending.
 */
export function limitKeepAlive(req: IncomingMessage, res: ServerResponse, isStream: boolean): void {
  const { server } = req.socket as { server?: { listening?: boolean } };
  if (isStream || server?.listening === false) res.shouldKeepAlive = false;
}

/** Calls the handler of a request that has a run beside it, which ends with the answer; names the run in `X-Run-Id`. */
export function watchNode<T>({ run, within, ended }: WatchedRequest, res: ServerResponse, handle: () => T): T {
  res.setHeader("X-Run-Id", run.id);
  res.once("close", () => ended(res.writableFinished ? res.statusCode : CALLER_LEFT));
  return within(handle);
}

/** A request for an operation, with the headers of node's. */
export function askNode(req: IncomingMessage, asked: AskedOperation, work: (run: Run) => unknown): OperationRequest {
  return { ...asked, header: (name) => req.headers[name]?.toString(), work };
}

/** Operations as listeners of a `node:http` server. */
export interface NodeOperations extends Pick<OperationRoutes, "drain"> {
  /** Answers 202 with the addresses of a run, in which `work` goes on; what it returns is the result. */
  operation(
    name: string,
    work: (run: Run, req: IncomingMessage) => unknown,
    options?: OperationOptions<IncomingMessage>,
  ): (req: IncomingMessage, res: ServerResponse) => Promise<void>;
  /** Answers as `handler` does, with an `X-Run-Id`, and can be watched meanwhile. Returns what `handler` returns. */
  synchronous<T>(
    name: string,
    handler: (req: IncomingMessage, res: ServerResponse) => T,
    options?: OperationOptions<IncomingMessage>,
  ): (req: IncomingMessage, res: ServerResponse) => T;
}

/** Makes the listeners of slow endpoints: `const importJob = operation("import", (run, req) => …)`. */
export function createNodeOperations(options?: OperationRoutesOptions): NodeOperations {
  const routes = createOperationRoutes(options);
  return {
    operation: (name, work, how) => async (req, res) =>
      sendNode(req, res, await routes.accept(askNode(req, requestFor(name, req, how), (run) => work(run, req)))),
    synchronous: (name, handler, how) => (req, res) =>
      watchNode(routes.watch(requestFor(name, req, how)), res, () => handler(req, res)),
    drain: routes.drain,
  };
}

/** What Express, and Nest on it, say of the route that took a request. */
interface RoutedRequest extends IncomingMessage {
  baseUrl?: string;
  route?: { path?: unknown };
}

/** Measures a request that goes on to `next`, for the coverage of the route that takes it. */
export function measureNode(coverage: Coverage, req: RoutedRequest, res: ServerResponse, next: () => void): void {
  const request = coverage.begin();
  res.once("close", () => {
    const path = req.route?.path;
    if (path !== undefined) coverage.end(request, `${req.method} ${req.baseUrl ?? ""}${path}`, res.statusCode);
  });
  withRequest(request, next);
}

/** Writes an answer: text and bytes with their length in one `end()`, a live body by attaching the connection to it. */
export function sendNode(req: IncomingMessage, res: ServerResponse, answer: HandlerResponse): void {
  const { status, headers, body } = answer;
  if (isLiveBody(body)) {
    res.writeHead(status, headers);
    attachViewer(req, res, body);
  } else if (body === null || status === 204 || status === 304) {
    // Node knows which answers without a body say so.
    res.statusCode = status;
    for (const name in headers) res.setHeader(name, headers[name] as string);
    res.end();
  } else {
    // All at once: one by one they would cost a poll as much as everything that livetail does for it.
    const length = typeof body === "string" ? Buffer.byteLength(body) : body.byteLength;
    // With HEAD the body is left out by itself.
    res.writeHead(status, [...headerList(headers), "Content-Length", String(length)]);
    // Node puts the head of an answer of bytes before a `100 Continue` that still waits behind other answers.
    if (res.writableLength > 0) res.flushHeaders();
    res.end(body);
    // What the system took at once, as it does nearly always, needs nobody to look after it.
    if (res.writableLength > 0) cutWhenStuck(res);
  }
}

/** Headers as `writeHead` takes them fastest; most answers share theirs. */
const headerLists = new WeakMap<HandlerResponse["headers"], readonly string[]>();

function headerList(headers: HandlerResponse["headers"]): readonly string[] {
  let list = headerLists.get(headers);
  if (list === undefined) {
    list = Object.entries(headers).flat();
    headerLists.set(headers, list);
  }
  return list;
}

function attachViewer(req: IncomingMessage, res: ServerResponse, body: LiveBody): void {
  res.flushHeaders();
  const { socket } = res;
  socket?.setNoDelay(true);
  const flush = (res as { flush?: () => void }).flush?.bind(res);
  // An answer that stands behind others has no connection yet, and what somebody put around `write` is to see the body.
  const bare = res.write === ServerResponse.prototype.write && flush === undefined;
  const direct = bare && res.chunkedEncoding ? socket : null;
  const viewer = body.attach({
    write(chunk) {
      if (res.writableEnded) return false;
      if (direct?.writable === true && typeof chunk !== "string" && chunk.length > 0) {
        return direct.write(inHttpChunk(chunk));
      }
      if (res.destroyed) return false;
      const ready = res.write(chunk);
      flush?.();
      return ready;
    },
    get pendingBytes() {
      return res.writableLength;
    },
    end() {
      // From here on nobody looks after the viewer.
      cutWhenStuck(res);
      res.end();
    },
    destroy: () => void res.destroy(),
  });
  (direct ?? res).on("drain", () => viewer.onDrain());
  res.on("error", () => res.destroy());
  onceGone(req, res, () => viewer.onClose());
}

/** The bytes that were written last, and the same as HTTP/1.1 frames them. */
const lastChunk: { bytes: Uint8Array; framed: Buffer } = { bytes: new Uint8Array(), framed: Buffer.of() };

/**
 * A piece of a body in chunked coding, made once for all viewers that get it one after the other. Node would send its
 * length, itself and its end as three, for each viewer again, which costs a sixth of a fan-out (`npm run bench --
 * fan-out-steady`).
 */
function inHttpChunk(bytes: Uint8Array): Buffer {
  if (lastChunk.bytes !== bytes) {
    lastChunk.bytes = bytes;
    lastChunk.framed = Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from("\r\n")]);
  }
  return lastChunk.framed;
}

/** Answers that stand behind others on their connection: they have none of their own yet, and hear nothing of its end. */
const behind = new WeakMap<Socket, Set<() => void>>();

/** Calls `gone` when the answer is out or its viewer has left, perhaps more than once. */
function onceGone(req: IncomingMessage, res: ServerResponse, gone: () => void): void {
  // A request body that nobody reads would stand between the socket and the news that the viewer has gone.
  req.resume();
  res.once("close", gone);
  if (res.socket !== null) return;
  const { socket } = req;
  const waiting = behind.get(socket) ?? new Set();
  if (!behind.has(socket)) {
    behind.set(socket, waiting);
    socket.once("close", () => {
      for (const each of waiting) each();
    });
  }
  waiting.add(gone);
  res.once("close", () => waiting.delete(gone));
}

function isGone(req: IncomingMessage, res: ServerResponse): boolean {
  return res.destroyed || req.socket.destroyed;
}

function cutWhenStuck(res: ServerResponse): void {
  res.setTimeout(STUCK_MS, () => res.destroy());
}

/** The connection of a viewer that left before its stream began. */
const GONE = { write: () => false, pendingBytes: 0, end: () => {}, destroy: () => {} };

/**
 * A class because an object literal with a getter doubles what the bridge adds to a poll (`npm run bench --
 * idle-polls`).
 */
class NodeRequest implements HandlerRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly url: string;
  readonly mount: string;
  readonly raw: unknown;
  readonly #req: IncomingMessage;
  readonly #res: ServerResponse;
  #signal: AbortSignal | undefined;

  constructor(req: IncomingMessage, res: ServerResponse, { mount, below, url, raw }: NodePlace) {
    const mark = below.indexOf("?");
    const path = mark === -1 ? below : below.slice(0, mark);
    this.method = req.method ?? "GET";
    this.path = path === "" ? "/" : path;
    this.query = mark === -1 ? "" : below.slice(mark + 1);
    this.url = url;
    this.mount = mount;
    this.raw = raw;
    this.#req = req;
    this.#res = res;
  }

  header(name: string): string | undefined {
    // Node makes an object of all of them on first use, which a poll need not pay for when there is none of this name.
    const { rawHeaders } = this.#req;
    if (rawHeaders.length > 0 && !hasHeader(rawHeaders, name)) return undefined;
    return this.#req.headers[name]?.toString();
  }

  get signal(): AbortSignal {
    this.#signal ??= signalOf(this.#req, this.#res);
    return this.#signal;
  }
}

/** Whether there is a header of this lower-case name in a list of names and values. */
function hasHeader(rawHeaders: readonly string[], name: string): boolean {
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const given = rawHeaders[at] as string;
    if (given.length === name.length && given.toLowerCase() === name) return true;
  }
  return false;
}

function signalOf(req: IncomingMessage, res: ServerResponse): AbortSignal {
  if (isGone(req, res)) return AbortSignal.abort();
  const controller = new AbortController();
  onceGone(req, res, () => {
    if (!res.writableFinished) controller.abort();
  });
  return controller.signal;
}

/** `GET http://host/path` is as good as `GET /path`. */
function originForm(url: string): string {
  return url.startsWith("/") ? url : url.replace(/^https?:\/\/[^/?#]*/i, "");
}
