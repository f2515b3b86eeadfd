/** A run read over HTTP. */
import { LogPoller } from "../client/index.js";
import { sseTransport } from "../client/sse.js";
import { LivetailError } from "../errors.js";
import { GONE_RUN_MS } from "../protocol.js";
import { FIRST_PATIENCE_MS, type TailEvent, type TailRequest } from "./tail-event.js";

/** The poller gives a request this long at least; what is aborted before was not wanted any more. In milliseconds. */
const LEAST_TIMEOUT_MS = 30_000;
/** Events that may be unread before nothing more is asked for. */
const MOST_UNREAD = 5000;

/**
 * Follows a run below the mount at `url` to its end, through restarts of the server. Throws what the server says of
 * an unknown run, and `STORE_UNAVAILABLE` when it cannot be reached for long.
 */
export async function* followUrl(request: TailRequest): AsyncGenerator<TailEvent> {
  const { runId, url, begin, signal, clock, fetch } = request;
  let unread: TailEvent[] = [];
  let rouse = (): void => {};
  let failure: Error | null = null;
  let over = false;
  let patienceMs = FIRST_PATIENCE_MS;
  let awaySince: number | null = null;
  let seen = false;
  const begunAt = clock.now();

  const push = (event: TailEvent): void => {
    unread.push(event);
    if (unread.length === MOST_UNREAD) poller.stop();
    rouse();
  };
  const finish = (why: Error | null): void => {
    failure ??= why;
    over = true;
    poller.stop();
    rouse();
  };
  const failed = (why: string): void => {
    if (over) return;
    if (awaySince === null) push({ type: "news", text: `${url} cannot be reached (${why}), trying again` });
    awaySince ??= clock.now();
    if (clock.now() - awaySince >= patienceMs) {
      finish(new LivetailError("STORE_UNAVAILABLE", `${url} cannot be reached: ${why}`));
    }
  };
  const answered = (): void => {
    patienceMs = GONE_RUN_MS;
    if (awaySince !== null) push({ type: "news", text: `${url} can be reached again` });
    awaySince = null;
  };

  const poller = new LogPoller(runId, {
    endpointBase: url,
    transport: sseTransport(),
    now: clock.now,
    ...(begin.kind === "tail" ? { tail: begin.count } : { since: begin.index }),
    async fetch(address, init) {
      const askedAt = clock.now();
      try {
        const response = await fetch(address, init);
        if (response.status >= 500) failed(`HTTP ${response.status}`);
        else answered();
        seen ||= response.ok;
        // A stream was held by the server until now: long enough for a run that is about to be stored.
        const unknown = response.status === 404 && !seen && clock.now() - begunAt >= FIRST_PATIENCE_MS;
        if (unknown) finish(new LivetailError("RUN_NOT_FOUND"));
        return response;
      } catch (error) {
        if (init.signal?.aborted !== true || clock.now() - askedAt >= LEAST_TIMEOUT_MS) failed(reasonOf(error));
        throw error;
      }
    },
    onLog: (entry) => push({ type: "log", entry }),
    onGap: (gap) => push({ type: "gap", gap }),
    onReset: (reset) => push({ type: "reset", reset }),
    onLayerStatus: (layers) => push({ type: "layers", layers }),
    onComplete(state) {
      push({ type: "end", state });
      over = true;
    },
    onError(error) {
      if (error.fatal) finish(error);
    },
  });
  const leave = (): void => finish(null);

  signal.addEventListener("abort", leave);
  try {
    poller.start();
    for (;;) {
      const events = unread;
      unread = [];
      if (events.length >= MOST_UNREAD && !over) poller.start();
      yield* events;
      if (unread.length > 0) continue;
      if (failure !== null) throw failure;
      if (over) return;
      await new Promise<void>((resolve) => {
        rouse = resolve;
      });
    }
  } finally {
    signal.removeEventListener("abort", leave);
    poller.stop();
  }
}

/** What fetch hides: the code of the system. */
function reasonOf(error: unknown): string {
  const { cause, message } = error as { cause?: { code?: unknown }; message?: string };
  return String(cause?.code ?? message ?? error);
}
