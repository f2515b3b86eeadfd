/**
 * The handler: a request's plain values → status, headers, body. It knows no framework, no socket and no
 * Request object; `fetch.ts` and `adapters/node.ts` are its two faces.
 */
import { type Authorize, type CorsOptions, createAccess } from "./access.js";
import { emptyAnswer, errorAnswer, problemAnswer, withHeaders } from "./answer.js";
import { type Clock, systemClock } from "./clock.js";
import { createDownloads } from "./download.js";
import { isLivetailError, LivetailError } from "./errors.js";
import { type HandlerRequest, type HandlerResponse, isLiveBody } from "./exchange.js";
import { isRunId } from "./protocol.js";
import { remembered } from "./remembered.js";
import {
  type Endpoint,
  LIST_ROUTE,
  type Methods,
  OWN_ROUTES,
  type RouteContext,
  type RouteOptions,
  RUN_ROUTES,
} from "./routes.js";
import { createRunLists } from "./run-lists.js";
import { createStreams } from "./stream.js";
import { Viewers } from "./viewers.js";

export type { HandlerRequest, HandlerResponse } from "./exchange.js";
export type { RouteOptions } from "./routes.js";

/** Answers at once where it can (an idle poll), else by promise. Never throws, never rejects. */
export type Handle = (request: HandlerRequest) => HandlerResponse | Promise<HandlerResponse>;

/** What serves every route of a livetail; each face hands it requests and writes its answers. */
export interface Handler {
  /** Answers one request. */
  handle: Handle;
  /** Ends every stream and download and answers every held poll now, so that a server can close. */
  closeViewers(): void;
  /**
   * The same, and for good: streams and downloads are answered `STORE_UNAVAILABLE` from now on, and no poll is held
   * any more, not even what is under way.
   */
  close(): void;
  /** How many viewers are attached (streams, held polls and downloads). */
  viewers(): number;
}

/** What `createHandler` takes. */
export interface HandlerOptions extends RouteOptions {
  /** Without it only reading is possible, and only of runs whose id nobody can guess. */
  authorize?: Authorize;
  /** Without it no CORS header is ever sent. */
  cors?: CorsOptions;
  /** Streams, held polls and downloads at a time. Default 10,000. */
  maxViewers?: number;
  /** The same of one run. Default 1,000. */
  maxViewersPerRun?: number;
  /** Hears of what `authorize` threw and of faults that no code foresees. Default: nobody. */
  onError?: (error: LivetailError) => void;
  /** Default: the real one. */
  clock?: Clock;
}

/**
 * Creates the handler of a livetail: every route of the protocol, below whatever mount its faces have. Throws
 * `INVALID_OPTION` for CORS options that browsers refuse. Nothing has to be closed but its viewers.
 */
export function createHandler(options: HandlerOptions): Handler {
  const { reader, store, authorize, cors, maxViewers = 10_000, maxViewersPerRun = 1000 } = options;
  const onError = options.onError ?? (() => {});
  const access = createAccess({ authorize, cors, onError });
  const viewers = new Viewers(maxViewers, maxViewersPerRun);
  const clock = options.clock ?? systemClock;
  const streams = createStreams(clock, viewers);
  const downloads = createDownloads(store, clock, viewers);
  const lists = createRunLists(store, clock);
  const cancellable = authorize !== undefined;
  const context: RouteContext = { ...options, streams, downloads, lists, viewers, cancellable };

  const closeViewers = (): void => {
    streams.endAll();
    downloads.cutAll();
    reader.answerHeld();
  };

  const failed = (error: unknown): HandlerResponse => {
    if (isLivetailError(error)) {
      if (error.status === 0) onError(error);
      return errorAnswer(error);
    }
    const fault = new LivetailError("STORE_UNAVAILABLE", "The request met an unforeseen fault.", { cause: error });
    onError(fault);
    return errorAnswer(fault);
  };

  const endpointAnswer = (
    endpoint: Endpoint,
    request: HandlerRequest,
    runId: string,
  ): HandlerResponse | Promise<HandlerResponse> => {
    const verdict = access.check(request, runId === "" ? null : runId, endpoint.action);
    if (verdict === null) return endpoint.answer(context, request, runId);
    if (verdict instanceof Promise)
      return verdict.then((refusal) => refusal ?? endpoint.answer(context, request, runId));
    return verdict;
  };

  const dispatch = (request: HandlerRequest): HandlerResponse | Promise<HandlerResponse> => {
    const { method, path } = request;
    const { runId, methods } = destinationOf(path);
    if (methods === undefined) return problemAnswer("RUN_NOT_FOUND", "There is nothing at this path.");
    const asked = method === "HEAD" ? "GET" : method;
    const endpoint = Object.hasOwn(methods, asked) ? methods[asked] : undefined;
    if (endpoint !== undefined) return endpointAnswer(endpoint, request, runId);
    const answer = method === "OPTIONS" ? emptyAnswer(204) : problemAnswer("METHOD_NOT_ALLOWED");
    return withHeaders(answer, { Allow: allowedMethods(methods) });
  };

  const dress = (request: HandlerRequest, answer: HandlerResponse): HandlerResponse => {
    const dressed = access.withCors(request, answer);
    // A HEAD has no viewer; text is left out by the faces, which know its length.
    return request.method === "HEAD" && isLiveBody(dressed.body) ? { ...dressed, body: null } : dressed;
  };

  return {
    handle(request) {
      try {
        const answer = dispatch(request);
        if (!(answer instanceof Promise)) return dress(request, answer);
        return answer.catch(failed).then((late) => dress(request, late));
      } catch (error) {
        return dress(request, failed(error));
      }
    },

    closeViewers,

    close() {
      viewers.close();
      closeViewers();
    },

    viewers: () => viewers.total,
  };
}

/** Where a path leads. `runId` is "" where it names no run, `methods` undefined where there is nothing. */
interface Destination {
  runId: string;
  methods: Methods | undefined;
}

/** Where a path leads. Throws `INVALID_RUN_ID`. */
const destinationOf = remembered((path): Destination => {
  if (path.length <= 1) return { runId: "", methods: LIST_ROUTE };
  const slash = path.indexOf("/", 1);
  const name = slash === -1 ? path.slice(1) : path.slice(1, slash);
  const rest = slash === -1 ? "" : path.slice(slash + 1);
  if (name === "-") return { runId: "", methods: OWN_ROUTES.get(rest) };
  const runId = decodeRunId(name);
  return { runId, methods: slash === -1 || rest !== "" ? RUN_ROUTES.get(rest) : undefined };
});

/** The run id in a path segment. Throws `INVALID_RUN_ID` for what is none, however it is written. */
function decodeRunId(segment: string): string {
  let runId = segment;
  if (segment.includes("%")) {
    try {
      runId = decodeURIComponent(segment);
    } catch {
      runId = "";
    }
  }
  if (!isRunId(runId)) throw new LivetailError("INVALID_RUN_ID");
  return runId;
}

function allowedMethods(methods: Methods): string {
  const names = Object.keys(methods).flatMap((name) => (name === "GET" ? ["GET", "HEAD"] : [name]));
  return [...names, "OPTIONS"].join(", ");
}
