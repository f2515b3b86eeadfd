/** One poll: a page of a run out of its feed, at once where that can be, else when there is something new. */
import type { Clock } from "./clock.js";
import { LivetailError } from "./errors.js";
import { pageBytes } from "./page-bytes.js";
import type { Gap, Reset } from "./protocol.js";
import type { RunFeed } from "./run-feed.js";
import { type From, gapAt, positionOf, type RunView, resetAt, type Step, stepAt } from "./run-view.js";

/** What a poll asks. Never changed: all who ask the same share one. */
export interface PollAsk {
  readonly from: From;
  /** Lines in the answer, at most. */
  readonly limit: number;
  /** How long the answer may be held until there is something new, in milliseconds. */
  readonly waitMs: number;
}

/** Who waits for an answer; `signal` aborts when it is gone, and is not asked for before something is held. */
export interface Waiting {
  readonly signal?: AbortSignal | undefined;
  /** True: nothing is held any more. */
  readonly over?: boolean;
}

/** How long a viewer waits for a run that is not stored yet, in milliseconds. */
export const UNKNOWN_RUN_MS = 10_000;

/**
 * A `PollAnswer` as bytes of JSON, which nobody may change: all who ask the same get the same. `asked` is the number of reads that the process had begun when the request came.
 * Rejects with `RUN_NOT_FOUND` (a run that is not stored yet is waited for as the ask says, at most 10 s) and
 * `STORE_UNAVAILABLE`.
 */
export function poll(
  feed: RunFeed,
  ask: PollAsk,
  asked: number,
  clock: Clock,
  waiting: Waiting,
): Buffer | Promise<Buffer> {
  const { view } = feed;
  const { from, limit, waitMs } = ask;
  if (view === null) return pollLater(feed, ask, asked, clock, waiting);
  if (from.kind === "cursor" && from.text === view.cursor) {
    if (view.next >= view.expected || (waitMs === 0 && feed.unavailable === null)) return idleBytes(view, feed.paceMs);
  } else {
    const place = placeIn(view, from);
    if (place.step === "lines" && !place.doubtful && feed.keeps(place.next)) {
      return keptBytes(feed, view, place, limit);
    }
  }
  return pollLater(feed, ask, asked, clock, waiting);
}

async function pollLater(feed: RunFeed, ask: PollAsk, asked: number, clock: Clock, waiting: Waiting): Promise<Buffer> {
  const begun = clock.now();
  let waitMs = ask.waitMs;
  /** The state that the viewer may have: an owner can stall without a new version. */
  let state: string | null = null;
  /** False when it is time to answer with what there is. */
  const hold = async (maxMs: number): Promise<boolean> => {
    const leftMs = begun + Math.min(waitMs, maxMs) - clock.now();
    if (leftMs <= 0 || waiting.over === true) return false;
    if (!(await feed.changes.wait(leftMs, waiting.signal))) waitMs = 0;
    return true;
  };

  await feed.ready();
  for (;;) {
    const { view } = feed;
    if (view === null) {
      if (feed.unavailable !== null) throw feed.unavailable;
      if (await hold(UNKNOWN_RUN_MS)) continue;
      throw new LivetailError("RUN_NOT_FOUND");
    }
    const place = placeIn(view, ask.from);
    if (place.doubtful && feed.lastRead <= asked) {
      await feed.fresh(asked);
      if (feed.unavailable !== null) throw feed.unavailable;
    } else if (place.step === "lines") {
      if (feed.keeps(place.next)) return keptBytes(feed, view, place, ask.limit);
      const lines = await feed.lines(place.next, ask.limit);
      if (lines !== null) return placeBytes(view, place, lines.entries, feed.paceMs);
    } else {
      // A run that has ended may still be on its way here, page by page: then there is something to wait for.
      const finished = place.step === "finished";
      if (feed.unavailable !== null && !finished) throw feed.unavailable;
      state ??= view.state;
      const news = isNews(view, ask.from) || place.gap !== null || place.reset !== null || view.state !== state;
      if (finished || news || !(await hold(waitMs))) return emptyBytes(feed, view, place);
    }
  }
}

/** A position in a view, with what has to be said about how it got there. */
interface Place {
  next: number;
  step: Step;
  gap: Gap | null;
  reset: Reset | null;
  /** Only a read that began after the request can tell whether this is so. */
  doubtful: boolean;
}

function placeIn(view: RunView, from: From): Place {
  let position = positionOf(view, from);
  let step = stepAt(view, position);
  const reset = step === "reset" ? resetAt(view, position) : null;
  if (reset !== null) {
    position = { epoch: view.epoch, next: view.first };
    step = stepAt(view, position);
  }
  const gap = step === "gap" ? gapAt(view, position) : null;
  if (gap !== null) {
    position = { epoch: view.epoch, next: view.first };
    step = stepAt(view, position);
  }
  // Another process has shown the viewer more than this one knows. (A foreign run's version only differs.)
  const behind = from.kind === "cursor" && (from.cursor.version ?? 0) > view.version && view.epoch.length > 1;
  return { next: position.next, step, gap, reset, doubtful: reset !== null || behind };
}

/** Whether there is something new beside lines. Whoever names no version has not seen the state yet. */
function isNews(view: RunView, from: From): boolean {
  return from.kind !== "cursor" || from.cursor.version !== view.version;
}

/** The one answer to everybody who has all of a view. */
function idleBytes(view: RunView, paceMs: number): Buffer {
  return view.answers.get(paceMs) ?? view.answers.keep(paceMs, pageBytes(view, [], view.next, null, null, paceMs));
}

/** The answer without lines. */
function emptyBytes({ paceMs }: RunFeed, view: RunView, place: Place): Buffer {
  const { next, gap, reset } = place;
  const isIdle = next === view.next && gap === null && reset === null;
  return isIdle ? idleBytes(view, paceMs) : placeBytes(view, place, [], paceMs);
}

/** The answer with lines that the feed keeps: held polls, and viewers that come late, ask for the same ones. */
function keptBytes(feed: RunFeed, view: RunView, place: Place, limit: number): Buffer {
  const { next, gap, reset } = place;
  const { paceMs } = feed;
  const end = Math.min(next + limit, view.next);
  const said = gap === null && reset === null ? "" : `-${gap?.from}-${reset?.reason}`;
  const key = `${next}-${end}-${paceMs}${said}`;
  const known = view.answers.get(key);
  if (known !== undefined) return known;
  return view.answers.keep(key, placeBytes(view, place, feed.kept(next, limit).entries, paceMs));
}

function placeBytes(view: RunView, { next, gap, reset }: Place, entries: readonly string[], paceMs: number): Buffer {
  const to = next + entries.length;
  return pageBytes(view, entries, to, gap, reset, paceMs);
}
