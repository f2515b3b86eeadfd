/**
 * What a viewer knows and what it does next, without a clock, a timer or a network: it is handed answers, frames
 * and failures, emits what they mean, and says when to ask again. Polls and streams share it, so that order,
 * gaps, resets and the end are decided in one place.
 */
import {
  type BackendStats,
  type Gap,
  GONE_RUN_MS,
  isTerminal,
  type LayerMap,
  type LogEntry,
  type OwnerInfo,
  type PollAnswer,
  type Reset,
  type RunState,
  type RunStatus,
} from "../protocol.js";
import type { ClientError } from "./request.js";

/** An answer to a poll, or what one frame of a stream says of it. */
export type PollPart = Partial<PollAnswer>;

/** The last answer, with the final state of the run; its lines were reported before. */
export type Completion = RunState & PollPart;

/** What a poller reports, by the name of its callback. */
export interface PollerEvents {
  /** A line: each once, in order. */
  onLog: LogEntry;
  /** All layers, when one changed. */
  onLayerStatus: LayerMap;
  /** The run has ended and every line was reported. */
  onComplete: Completion;
  /** A failure: the first of a series, and the fatal one, after which the poller has stopped. */
  onError: ClientError;
  /** Where the run stands, when that changes. */
  onStatus: RunStatus;
  /** Lines that can no longer be had. */
  onGap: Gap;
  /** The numbering began anew: clear what is shown. */
  onReset: Reset;
  /** Calls and costs, when they change. */
  onBackendStats: BackendStats;
  /** Who executes the run, when that changes. */
  onOwner: OwnerInfo;
}

/** Reports one event; false when nobody is to hear of it any more. */
export type Emit = <Name extends keyof PollerEvents>(name: Name, value: PollerEvents[Name]) => boolean;

/** Where a viewer begins, and its pace. */
export interface PollStateOptions {
  /** A cursor of an earlier poller: goes on where that one was. */
  cursor?: string;
  /** The first index that is wanted. Default 0. */
  since?: number;
  /** The newest so many lines instead. */
  tail?: number;
  /** Milliseconds between two answers at least, except while lines are waiting. Default 200. */
  pollInterval?: number;
  /** Where the jitter comes from: 0 to 1. Default `Math.random`. */
  random?: () => number;
}

/** What one viewer of one run knows. */
export interface PollState {
  /** Where the next request begins, as a query. */
  readonly query: string;
  /** The server's newest cursor that was taken. */
  readonly cursor: string | undefined;
  /** Takes a frame; throws when lines are missing that nobody announced: ask again. */
  take(part: PollPart): void;
  /** As `take`, of the answer to a poll that could be held for `waitMs` and took `tookMs`; returns when to ask again. */
  answer(part: PollAnswer, waitMs: number, tookMs: number): number;
  /** Takes a failure at the time `now`; returns when to ask again: 0.2 to 10 s, growing, jittered. */
  fail(error: ClientError, now: number): number;
}

/** What of the state is reported when it changes. */
export const STATE_EVENTS = {
  status: "onStatus",
  layer_status: "onLayerStatus",
  backend_stats: "onBackendStats",
  owner: "onOwner",
} as const;

/** Makes the state of one viewer of one run; `finish` is called when it is not to ask again. */
export function createPollState(
  { cursor, since = 0, tail, pollInterval = 200, random = Math.random }: PollStateOptions,
  emit: Emit,
  finish: () => void,
): PollState {
  // NaN: not known, any line may be the next.
  let next = cursor ? Number(cursor.split(".")[1]) : tail ? NaN : since;
  let shown: Record<string, string> = {};
  let failures = 0;
  // Whether `onError` heard of this series of failures; a run that is missing is not told before it is given up.
  let told = false;
  let giveUpAt: number | undefined;
  // How long a run may be missing: one never seen may not be stored yet, one seen has its lease and as long again.
  let graceMs = 10_000;
  let doubted: number | undefined;

  /** Throws when something lies between `next` and `index`; in the next answer, too, it is a gap. */
  const reach = (index = 0) => {
    if (!(index > next)) return;
    if (doubted !== next) {
      doubted = next;
      throw "jump";
    }
    skip({ from: next, to: index - 1, lost: index - next, reason: "lost" });
  };

  const skip = (gap: Gap) => {
    if (emit("onGap", gap)) next = gap.to + 1;
  };

  const restart = (reset: Reset) => {
    if (!emit("onReset", reset)) return;
    next = reset.first_index;
    shown = {};
  };

  /** Ends a series of failures: the next one is a first one again. */
  const settle = () => {
    failures = 0;
    told = false;
    giveUpAt = undefined;
  };

  const take = (part: PollPart) => {
    const { reset, gap } = part;
    if (reset) restart(reset);
    else if (cursor && part.cursor && part.cursor.split(".")[0] !== cursor.split(".")[0]) throw "jump";
    if (gap && !(gap.to < next)) {
      reach(gap.from);
      skip(gap);
    }
    for (const entry of part.logs ?? []) {
      reach(entry.index);
      if (!(entry.index < next) && emit("onLog", entry)) next = entry.index + 1;
    }
    reach(part.next_index);
    if (!(next >= 0)) next = part.next_index ?? next;
    cursor = part.cursor ?? cursor;
    settle();
    doubted = undefined;
    graceMs = GONE_RUN_MS;
    if (part.status) {
      let key: keyof typeof STATE_EVENTS;
      for (key in STATE_EVENTS) {
        const text = JSON.stringify(part[key]);
        if (text !== shown[key] && emit(STATE_EVENTS[key], part[key] as never)) shown[key] = text;
      }
      if (isTerminal(part.status) && next >= (part.expected_log_count ?? part.total_count ?? 0)) {
        emit("onComplete", part as Completion);
        finish();
      }
    }
  };

  return {
    get query() {
      return cursor ? `cursor=${encodeURIComponent(cursor)}` : next >= 0 ? `since=${next}` : `tail=${tail}`;
    },
    get cursor() {
      return cursor;
    },
    take,
    answer(part, waitMs, tookMs) {
      const before = cursor;
      const more = part.logs.length;
      take(part);
      return more && next < part.total_count
        ? 0
        : // A server that answers much too soon, with nothing, does not know `wait`.
          waitMs && (cursor !== before || tookMs > waitMs / 2)
          ? pollInterval
          : Math.max(pollInterval, part.next_poll_ms ?? 0);
    },
    fail(error, now) {
      const { status } = error;
      const delay = error.retryAfterMs + 200 + random() * Math.min(9800, 100 * 2 ** ++failures);
      if (status === 400 && cursor) {
        cursor = undefined;
        restart({ reason: "cursor", first_index: 0 });
        return delay;
      }
      if (status === 404) {
        giveUpAt ??= now + graceMs;
        error.fatal = now >= giveUpAt;
      } else error.fatal = /^4(?!08|25|29)/.test(`${status}`); // not 408, 425, 429
      if (error.fatal || (!told && status !== 404)) told = emit("onError", error);
      if (error.fatal) {
        settle();
        finish();
      }
      return delay;
    },
  };
}
