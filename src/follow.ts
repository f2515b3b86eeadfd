/** A run as a Node program reads it: an async iterator over the same shared feed as every other viewer. */
import type { Clock } from "./clock.js";
import { LivetailError } from "./errors.js";
import { UNKNOWN_RUN_MS } from "./poll.js";
import { formatCursor, type Gap, GONE_RUN_MS, type LogEntry, type Reset, type RunState } from "./protocol.js";
import type { RunFeed } from "./run-feed.js";
import { BEGINNING, type From, gapAt, type Position, positionOf, resetAt, stepAt } from "./run-view.js";

/** What `follow` takes. */
export interface FollowOptions {
  /** Default: the first line that there ever was, so that what can no longer be had is told as a gap. */
  from?: From;
  /** Ends the iteration. */
  signal?: AbortSignal;
}

/** What happens in a run, in order. `cursor` is the position after it: with it, `follow` can go on later. */
export type FollowEvent =
  | { type: "log"; entry: LogEntry; cursor: string }
  | { type: "gap"; gap: Gap; cursor: string }
  | { type: "reset"; reset: Reset; cursor: string }
  | { type: "state"; state: RunState; store: "ok" | "unavailable"; cursor: string }
  /** The store cannot be reached, and nothing is known of the run yet. */
  | { type: "unavailable" }
  /** The last one. */
  | { type: "end"; state: RunState; cursor: string };

/** Lines taken at a time. */
const PAGE = 500;

/** Where a run is followed. */
export interface FollowHost {
  /** The run's feed, and how many reads the process had begun by then. */
  enter(): { feed: RunFeed; asked: number };
  /** Nobody follows any more. */
  leave(feed: RunFeed): void;
}

/** See `Reader.follow`. One generator: each one around it would add its own turns to every event. */
export async function* follow(
  host: FollowHost,
  clock: Clock,
  { from = BEGINNING, signal }: FollowOptions,
): AsyncGenerator<FollowEvent, void, undefined> {
  let position: Position | null = null;
  let revision = -1;
  let patienceMs = UNKNOWN_RUN_MS;
  let missingSince: number | null = null;
  let rouse = (): void => {};

  const { feed, asked } = host.enter();
  const onNews = (): void => rouse();
  /** Resolves at the next change, when `signal` aborts, and when nothing is read any more. */
  const changed = (): Promise<void> =>
    new Promise((resolve) => {
      if (signal?.aborted === true) resolve();
      else rouse = resolve;
    });
  // A feed lasts for as long as somebody listens, and a consumer may be busy with one event for long.
  const stopListening = feed.changes.listen({ onRing: onNews, onSentAway: onNews });
  signal?.addEventListener("abort", onNews);
  try {
    await feed.ready();
    while (signal?.aborted !== true && !feed.closed) {
      const { view } = feed;
      if (view === null) {
        if (feed.unavailable !== null && revision !== feed.revision) yield { type: "unavailable" };
        revision = feed.revision;
        if (feed.unavailable !== null) missingSince = null;
        else missingSince ??= clock.now();
        const leftMs = missingSince === null ? OUTAGE_MS : missingSince + patienceMs - clock.now();
        if (leftMs <= 0) throw new LivetailError("RUN_NOT_FOUND");
        await feed.changes.wait(leftMs, signal);
        continue;
      }
      missingSince = null;
      patienceMs = GONE_RUN_MS;
      position ??= positionOf(view, from);
      const step = stepAt(view, position);
      if (step === "reset") {
        if (feed.lastRead <= asked) {
          if (feed.unavailable === null) await feed.fresh(asked);
          else await changed();
          continue;
        }
        const reset = resetAt(view, position);
        position = { epoch: view.epoch, next: view.first };
        yield { type: "reset", reset, cursor: formatCursor(view.epoch, position.next) };
        continue;
      }
      position.epoch = view.epoch;
      if (step !== "finished" && revision !== feed.revision) {
        revision = feed.revision;
        const store = feed.unavailable === null ? "ok" : "unavailable";
        yield { type: "state", state: JSON.parse(view.state), store, cursor: formatCursor(view.epoch, position.next) };
      } else if (step === "gap") {
        const gap = gapAt(view, position);
        position.next = view.first;
        yield { type: "gap", gap, cursor: formatCursor(view.epoch, position.next) };
      } else if (step === "lines") {
        const found = feed.lines(position.next, PAGE);
        const lines = found instanceof Promise ? await found.catch(() => null) : found;
        for (const entry of lines?.entries ?? []) {
          position.next += 1;
          yield { type: "log", entry: JSON.parse(entry), cursor: formatCursor(view.epoch, position.next) };
        }
        if (lines === null && feed.unavailable !== null) await changed();
      } else if (step === "finished") {
        const cursor = formatCursor(view.epoch, position.next, view.version);
        yield { type: "end", state: JSON.parse(view.state), cursor };
        return;
      } else {
        await changed();
      }
    }
  } finally {
    stopListening();
    signal?.removeEventListener("abort", onNews);
    host.leave(feed);
  }
}

/** How long an outage is waited out before one looks again. */
const OUTAGE_MS = 60_000;
