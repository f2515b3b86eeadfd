/** Reading runs: polls, streams and `follow()`, over one shared feed per run. */
import { type Clock, systemClock } from "./clock.js";
import { LivetailError } from "./errors.js";
import { type FollowEvent, type FollowOptions, follow } from "./follow.js";
import { type PollAsk, poll, UNKNOWN_RUN_MS, type Waiting } from "./poll.js";
import type { StatusAnswer } from "./protocol.js";
import { RunFeed } from "./run-feed.js";
import { readStatus } from "./run-status.js";
import { BEGINNING, type From } from "./run-view.js";
import type { LogStore } from "./store.js";

/** What `createReader` takes. */
export interface ReaderOptions {
  store: LogStore;
  /** Default: the real one. */
  clock?: Clock;
  /**
   * How much of a run's newest lines is kept while it is read, in bytes of JSON; as much again of older pages, and of
   * answers. Default 1.25 MiB: a store's 1 MiB with what entries have beyond lines.
   */
  windowBytes?: number;
  /** The same for all runs together; the run that was read longest ago gives first. Default 64 MiB. */
  totalWindowBytes?: number;
  /** Hears once a feed of a failed read that is no outage: viewers are told `STORE_UNAVAILABLE`. Default: nobody. */
  report?: (error: LivetailError, runId: string) => void;
}

/** The reading side of one process. */
export interface Reader {
  /**
   * A `PollAnswer` as bytes of JSON; at once where the feed has it, and the same bytes for all who ask the same.
   * Throws or rejects with `RUN_NOT_FOUND` and `STORE_UNAVAILABLE`.
   */
  poll(runId: string, ask: PollAsk, waiting?: Waiting): Buffer | Promise<Buffer>;
  /**
   * Everything of a run from `from` on (default: the first line that can be had), until its end was seen. Waits
   * through outages of the store. Throws `RUN_NOT_FOUND` when there is no such run for 10 s, or 60 s after it was seen.
   */
  follow(runId: string, options?: FollowOptions): AsyncGenerator<FollowEvent, void, undefined>;
  /** The state of a run without its lines. Rejects with `RUN_NOT_FOUND` and `STORE_UNAVAILABLE`. */
  status(runId: string): Promise<StatusAnswer>;
  /** The shared feed of a run; it lasts for as long as somebody listens to it, and 10 s longer. */
  feed(runId: string, from: From): RunFeed;
  /**
   * The feed of a run, when the run was read or the store proved unreachable. A run that is not stored yet is waited
   * for; rejects with `RUN_NOT_FOUND` after 10 s.
   */
  arrival(runId: string, from: From, waiting?: Waiting): Promise<RunFeed>;
  /** Reads a run again if it has a feed: something was done to it of which the store tells nobody. */
  refresh(runId: string): void;
  /** How many reads of runs were begun so far: a viewer's mark of when it asked. */
  readonly reads: number;
  /** Bytes that all feeds keep now. */
  readonly keptBytes: number;
  /** How many runs have a feed now. */
  readonly feeds: number;
  /** Answers every held poll now. */
  answerHeld(): void;
  /** Ends feeds and timers; what is asked later is answered `STORE_UNAVAILABLE`. The store stays open. */
  close(): void;
}

/** How long a feed outlives its last reader. */
const LINGER_MS = 10_000;
/** How often feeds are read though no hint came. */
const SAFETY_MS = 1000;

/** Creates the reading side of a process; `close()` it, then close the store. */
export function createReader(options: ReaderOptions): Reader {
  const { store, clock = systemClock, windowBytes = 1_310_720, totalWindowBytes = 67_108_864 } = options;
  const report = options.report ?? (() => {});
  const feeds = new Map<string, RunFeed>();
  const statuses = new Map<string, Promise<StatusAnswer | null>>();
  let reads = 0;
  let keptBytes = 0;
  let closed = false;
  let cancelTick: (() => void) | null = null;

  const drop = (feed: RunFeed): void => {
    feeds.delete(feed.runId);
    feed.close();
  };

  const tick = (): void => {
    cancelTick = null;
    const now = clock.now();
    for (const feed of feeds.values()) {
      if (feed.changes.listeners > 0) feed.lastUsed = now;
      if (feed.lastUsed > now - LINGER_MS) feed.refresh();
      else drop(feed);
    }
    if (feeds.size > 0) cancelTick = clock.after(SAFETY_MS, tick);
  };

  /** Lets the feeds that were read longest ago forget their lines, down to nine tenths, so that it is not done often. */
  const makeRoom = (): void => {
    const byUse = [...feeds.values()].sort((a, b) => a.lastUsed - b.lastUsed);
    for (const feed of byUse) {
      if (keptBytes <= totalWindowBytes * 0.9) return;
      feed.forget();
    }
  };

  const open = (runId: string, from: From): RunFeed => {
    if (closed) throw new LivetailError("STORE_UNAVAILABLE", "Runs are not read any more.");
    let feed = feeds.get(runId);
    if (feed === undefined) {
      const numberRead = (): number => {
        reads += 1;
        return reads;
      };
      const onKept = (bytes: number): void => {
        keptBytes += bytes;
        if (bytes > 0 && keptBytes > totalWindowBytes) makeRoom();
      };
      feed = new RunFeed({ runId, from, store, clock, windowBytes, numberRead, onKept, report });
      feeds.set(runId, feed);
      cancelTick ??= clock.after(SAFETY_MS, tick);
    }
    feed.lastUsed = clock.now();
    return feed;
  };

  /** The feed of a run for somebody who asks it now, and calls `leave` afterwards. */
  const enter = (runId: string, from: From): RunFeed => {
    const feed = open(runId, from);
    feed.askers += 1;
    return feed;
  };

  /** A feed that found no run goes with the last who asked, so that guessed ids leave nothing behind. */
  const leave = (feed: RunFeed): void => {
    feed.askers -= 1;
    const unused = feed.askers === 0 && feed.changes.listeners === 0;
    if (feed.absent && unused && feeds.get(feed.runId) === feed) drop(feed);
  };

  return {
    poll(runId, ask, waiting = {}) {
      const asked = reads;
      const feed = open(runId, ask.from);
      const answer = poll(feed, ask, asked, clock, waiting);
      if (!(answer instanceof Promise)) return answer;
      feed.askers += 1;
      return answer.finally(() => leave(feed));
    },

    follow(runId, options = {}) {
      const { from = BEGINNING } = options;
      return follow({ enter: () => ({ feed: enter(runId, from), asked: reads }), leave }, clock, options);
    },

    async status(runId) {
      let reading = statuses.get(runId);
      if (reading === undefined) {
        reading = readStatus(store, runId).finally(() => statuses.delete(runId));
        statuses.set(runId, reading);
      }
      const status = await reading;
      if (status === null) throw new LivetailError("RUN_NOT_FOUND");
      return status;
    },

    feed: open,

    async arrival(runId, from, waiting = {}) {
      const feed = enter(runId, from);
      try {
        const until = clock.now() + UNKNOWN_RUN_MS;
        await feed.ready();
        while (feed.view === null && feed.unavailable === null) {
          const leftMs = until - clock.now();
          if (leftMs > 0 && waiting.over !== true && (await feed.changes.wait(leftMs, waiting.signal))) continue;
          throw new LivetailError("RUN_NOT_FOUND");
        }
        return feed;
      } finally {
        leave(feed);
      }
    },

    refresh(runId) {
      void feeds.get(runId)?.fresh();
    },

    get reads() {
      return reads;
    },

    get keptBytes() {
      return keptBytes;
    },

    get feeds() {
      return feeds.size;
    },

    answerHeld() {
      for (const feed of feeds.values()) feed.changes.sendAway();
    },

    close() {
      closed = true;
      cancelTick?.();
      cancelTick = null;
      for (const feed of [...feeds.values()]) drop(feed);
    },
  };
}
