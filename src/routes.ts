/** Every route of the protocol: what it wants, and how it answers. */
import type { Action } from "./access.js";
import { emptyAnswer, jsonAnswer, problemAnswer, typedAnswer, withHeaders } from "./answer.js";
import type { Coverage } from "./coverage.js";
import { coveragePage } from "./coverage-page.js";
import type { Downloads } from "./download.js";
import { LivetailError } from "./errors.js";
import type { HandlerRequest, HandlerResponse } from "./exchange.js";
import type { Page } from "./html.js";
import { listPage } from "./list-page.js";
import type { Waiting } from "./poll.js";
import { isTerminal } from "./protocol.js";
import { readPollAsk, readStreamFrom } from "./query.js";
import type { Reader } from "./reader.js";
import type { RunLists } from "./run-lists.js";
import { BEGINNING } from "./run-view.js";
import type { CancelAnswer, LogStore, RunRecord } from "./store.js";
import type { Streams } from "./stream.js";
import { viewPage } from "./view-page.js";
import type { Viewers } from "./viewers.js";

/** What the writing side of the process tells `GET /-/health`. */
export interface WriterHealth {
  /** Runs that this process owns and has not ended. */
  openRuns: number;
  /** Lines that the store has not acknowledged yet. */
  waitingLines: number;
  /** Lines that were dropped since the start. */
  droppedLines: number;
}

/** The browser bundles as text; null while there is none. */
export interface Assets {
  /** A classic script that sets `globalThis.Livetail`. */
  clientJs(): string | null;
  /** A classic script that defines `<livetail-panel>`. */
  panelJs(): string | null;
  /** A classic script that defines `<livetail-runs>`. */
  runsJs(): string | null;
}

/** What the routes are given from outside. */
export interface RouteOptions {
  reader: Reader;
  store: LogStore;
  /** Routes a cancel to the owner of a run. */
  requestCancel(runId: string): Promise<CancelAnswer>;
  health?: () => WriterHealth;
  coverage?: Coverage;
  assets?: Assets;
}

/** What the routes answer with. */
export interface RouteContext extends RouteOptions {
  streams: Streams;
  downloads: Downloads;
  lists: RunLists;
  viewers: Viewers;
  /** Whether anybody may cancel: not without `authorize`. */
  cancellable: boolean;
}

/** One method of one path. `runId` is "" where the path names no run. May throw or reject with a `LivetailError`. */
export interface Endpoint {
  action: Action;
  answer(context: RouteContext, request: HandlerRequest, runId: string): HandlerResponse | Promise<HandlerResponse>;
}

/** The endpoints of one path, by method. `HEAD` is answered as `GET`, and `OPTIONS` by the handler. */
export type Methods = Partial<Record<string, Endpoint>>;

const read = (answer: Endpoint["answer"]): Endpoint => ({ action: "read", answer });

/** What follows the run id in a path → what it answers. */
export const RUN_ROUTES: ReadonlyMap<string, Methods> = new Map<string, Methods>([
  ["", { GET: read(poll), DELETE: { action: "delete", answer: remove } }],
  ["status", { GET: read(status) }],
  ["progress", { GET: read(status) }],
  ["stream", { GET: read(stream), POST: read(stream) }],
  ["result", { GET: read(result) }],
  ["download", { GET: read(download) }],
  ["view", { GET: read(view) }],
  ["cancel", { POST: { action: "cancel", answer: cancel } }],
]);

/** What follows `/-/` in a path → what it answers. */
export const OWN_ROUTES: ReadonlyMap<string, Methods> = new Map<string, Methods>([
  ["client.js", { GET: asset(({ assets }) => assets?.clientJs()) }],
  ["panel.js", { GET: asset(({ assets }) => assets?.panelJs()) }],
  ["runs.js", { GET: asset(({ assets }) => assets?.runsJs()) }],
  ["health", { GET: { action: "health", answer: health } }],
  ["coverage", { GET: { action: "coverage", answer: coverage } }],
]);

/** The path `/`. */
export const LIST_ROUTE: Methods = { GET: { action: "list", answer: list } };

function poll(
  context: RouteContext,
  request: HandlerRequest,
  runId: string,
): HandlerResponse | Promise<HandlerResponse> {
  const { reader, viewers } = context;
  const ask = readPollAsk(request.query, request.header("last-event-id"));
  const mayBeHeld = ask.waitMs > 0 && !viewers.closed;
  if (mayBeHeld) viewers.admit(runId);
  const page = reader.poll(runId, ask, ask.waitMs > 0 ? waitingOf(request, viewers) : request);
  if (!(page instanceof Promise)) return jsonAnswer(page);
  const leave = mayBeHeld ? viewers.enter(runId) : () => {};
  return page.finally(leave).then((later) => jsonAnswer(later));
}

/** What a held request waits for, beside news: that its viewer is gone, or that the viewers are closed for good. */
function waitingOf(request: HandlerRequest, viewers: Viewers): Waiting {
  return {
    get signal() {
      return request.signal;
    },
    get over() {
      return viewers.closed;
    },
  };
}

async function status({ reader }: RouteContext, _request: HandlerRequest, runId: string): Promise<HandlerResponse> {
  return jsonAnswer(JSON.stringify(await reader.status(runId)));
}

const STREAM_HEADERS: Record<string, string> = {
  "Content-Type": "text/event-stream; charset=utf-8",
  "Cache-Control": "no-cache, no-transform",
  "X-Accel-Buffering": "no",
  "X-Content-Type-Options": "nosniff",
};

/**
 * An event stream. The status is decided by one read: what is stored is 200 at once, so is what cannot be read
 * because the store is away (the stream says so), and the end that the viewer has seen is 204. Only a run that is not
 * stored yet keeps the headers back, for at most 10 s: then it is 404, which stops a native EventSource, where an
 * empty stream would have it come back for ever.
 */
async function stream(context: RouteContext, request: HandlerRequest, runId: string): Promise<HandlerResponse> {
  const { reader, streams, viewers } = context;
  const asked = reader.reads;
  const from = readStreamFrom(request.query, request.header("last-event-id"));
  const begin = from.kind === "rubbish" ? BEGINNING : from;
  viewers.admit(runId);
  const leave = viewers.enter(runId);
  const { view } = await reader.arrival(runId, begin, waitingOf(request, viewers)).finally(() => {
    leave();
    // Whoever was waited for in vain because of that is not told that the run does not exist.
    viewers.assertOpen();
  });
  const sawEnd =
    view !== null &&
    from.kind === "cursor" &&
    from.cursor.epoch === view.epoch &&
    from.cursor.version === view.version &&
    from.cursor.next >= view.expected;
  if (sawEnd) return emptyAnswer(204);
  const body = streams.body(runId, () => reader.feed(runId, begin), { from, asked });
  return { status: 200, headers: STREAM_HEADERS, body };
}

async function result(context: RouteContext, _request: HandlerRequest, runId: string): Promise<HandlerResponse> {
  const run = await record(context, runId);
  if (run.status === "completed") return jsonAnswer((await context.store.readResult(runId)) ?? "null");
  if (isTerminal(run.status)) {
    const why = run.error === "" ? "" : `: ${run.error}`;
    throw new LivetailError(
      "RUN_NOT_COMPLETED",
      `The run has ${run.status === "failed" ? "failed" : "been cancelled"}${why}`,
    );
  }
  const body = JSON.stringify({ run_id: runId, status: run.status });
  return withHeaders(jsonAnswer(body, 202), { "Retry-After": "1" });
}

async function download(
  { downloads, viewers }: RouteContext,
  _request: HandlerRequest,
  runId: string,
): Promise<HandlerResponse> {
  viewers.admit(runId);
  const body = await downloads.body(runId).finally(viewers.enter(runId));
  if (body === null) throw new LivetailError("RUN_NOT_FOUND");
  const name = runId.replaceAll(":", "_");
  return typedAnswer("application/x-ndjson; charset=utf-8", body, {
    "Content-Disposition": `attachment; filename="${name}.ndjson"`,
  });
}

function view({ cancellable }: RouteContext, _request: HandlerRequest, runId: string): HandlerResponse {
  return pageAnswer(viewPage(runId, cancellable));
}

/** 202 for a cancel that was news, 200 for one that was not: the run has ended or was told before. */
async function cancel(context: RouteContext, _request: HandlerRequest, runId: string): Promise<HandlerResponse> {
  const before = await record(context, runId);
  const answer = await context.requestCancel(runId);
  if (answer.code === "GONE") throw new LivetailError("RUN_NOT_FOUND");
  const body = { run_id: runId, status: answer.status, cancel_requested: answer.cancelRequested };
  return jsonAnswer(JSON.stringify(body), before.cancelRequested || isTerminal(before.status) ? 200 : 202);
}

async function remove(
  { store, reader }: RouteContext,
  _request: HandlerRequest,
  runId: string,
): Promise<HandlerResponse> {
  const answer = await store.remove(runId);
  if (answer === "GONE") throw new LivetailError("RUN_NOT_FOUND");
  if (answer === "OPEN") throw new LivetailError("RUN_NOT_COMPLETED", "Only a run that has ended can be deleted.");
  reader.refresh(runId);
  return emptyAnswer(204);
}

/** Whoever has a list and asks what is new says so by its tag, and gets 304 for nothing. */
async function list({ lists }: RouteContext, request: HandlerRequest): Promise<HandlerResponse> {
  const has = request.header("if-none-match");
  const { runs, body, tag } = await lists.read(request.query, has !== undefined);
  if (request.header("accept")?.includes("text/html") === true) {
    return withHeaders(pageAnswer(listPage(request, runs)), { Vary: "Accept" });
  }
  // A proxy that packs an answer makes its tag a weak one: W/"…".
  const answer = has?.includes(tag) === true ? emptyAnswer(304) : jsonAnswer(body);
  return withHeaders(answer, { Vary: "Accept", ETag: tag });
}

/** The id in the URL of a page may be all that it takes to read a run: it must not leak as a referrer. */
function pageAnswer({ html, policy }: Page): HandlerResponse {
  const headers = { "Content-Security-Policy": policy, "Referrer-Policy": "no-referrer" };
  return typedAnswer("text/html; charset=utf-8", html, headers);
}

/** Always 200: a service must not be taken out of rotation, with the lines that wait in it, because its store is away. */
async function health({ store, viewers, health }: RouteContext): Promise<HandlerResponse> {
  const ok = await store.ping();
  const { openRuns = 0, waitingLines = 0, droppedLines = 0 } = health?.() ?? {};
  const body = {
    store: ok ? "ok" : "unavailable",
    open_runs: openRuns,
    waiting_lines: waitingLines,
    dropped_lines: droppedLines,
    viewers: viewers.total,
  };
  return jsonAnswer(JSON.stringify(body));
}

async function coverage({ coverage }: RouteContext, request: HandlerRequest): Promise<HandlerResponse> {
  const report = await coverage?.report();
  if (report === undefined) throw new LivetailError("RUN_NOT_FOUND", "This process measures no coverage.");
  const asPage = request.header("accept")?.includes("text/html") === true;
  const answer = asPage ? pageAnswer(coveragePage(report)) : jsonAnswer(JSON.stringify(report));
  return withHeaders(answer, { Vary: "Accept" });
}

function asset(text: (context: RouteContext) => string | null | undefined): Endpoint {
  return {
    action: "asset",
    answer(context) {
      const script = text(context) ?? null;
      if (script === null) return problemAnswer("RUN_NOT_FOUND", "This build has no such script.");
      return typedAnswer("text/javascript; charset=utf-8", script);
    },
  };
}

async function record({ store }: RouteContext, runId: string): Promise<RunRecord> {
  const answer = await store.read({ runId, from: { kind: "none" }, limit: 0, known: null });
  if (answer === null) throw new LivetailError("RUN_NOT_FOUND");
  return answer.run;
}
