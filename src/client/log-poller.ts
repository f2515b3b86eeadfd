import type { LogEntry } from "../protocol.js";
import {
  createPollState,
  type Emit,
  type PollerEvents,
  type PollState,
  type PollStateOptions,
  STATE_EVENTS,
} from "./poll-state.js";
import { type ClientError, type ClientOptions, request, runUrl } from "./request.js";
import { takeSlot } from "./request-slots.js";
import type { Transport } from "./transport.js";

type EventName = keyof PollerEvents;
type Listener = ((value: never) => void) | undefined;

/** Registers a callback, one of any number; returns what takes it away again. */
export type Subscribe<Name extends EventName> = (callback: (value: PollerEvents[Name]) => void) => () => void;

/** What a poller may be told; callbacks may stand here too. */
export interface LogPollerOptions extends ClientOptions, PollStateOptions, LogPollerCallbacks {
  /** How long the server may hold a poll, 0 to 30 seconds. Default 20; 0: plain polls. */
  waitSeconds?: number;
  /** Lines in an answer at most, 1 to 1,000. Default 500. */
  limit?: number;
  /** A stream in place of polls: `sseTransport()` of `livetail/client/sse`. */
  transport?: Transport;
  /** Milliseconds since 1970. Default `Date.now`. */
  now?: () => number;
  /** Calls back after so many milliseconds, unless the returned function is called first. Default: `setTimeout`. */
  setTimer?: (callback: () => void, ms: number) => () => void;
}

/** Callbacks as options, called before those that are registered by method. */
export type LogPollerCallbacks = { [Name in EventName]?: (value: PollerEvents[Name]) => void };

const EVENTS: readonly EventName[] = [
  ...Object.values(STATE_EVENTS),
  "onLog",
  "onComplete",
  "onError",
  "onGap",
  "onReset",
];

/** Entries that an iterator may leave unread before the poller pauses; it goes on when all are read. */
const MOST_UNREAD = 5000;

/**
 * Watches one run: history, then live, to its end. Its timers keep a Node process alive while it runs, because
 * watching is what such a process is there for.
 */
export class LogPoller implements AsyncIterable<LogEntry> {
  /** Calls back with each line, once and in order. Returns what takes the callback away, as all of these do. */
  declare readonly onLog: Subscribe<"onLog">;
  /** Calls back with all layers when one changed. */
  declare readonly onLayerStatus: Subscribe<"onLayerStatus">;
  /** Calls back once, when the run has ended and every line was reported. */
  declare readonly onComplete: Subscribe<"onComplete">;
  /** Calls back with the first failure of a series, and with the fatal one. */
  declare readonly onError: Subscribe<"onError">;
  /** Calls back with the status when it changes. */
  declare readonly onStatus: Subscribe<"onStatus">;
  /** Calls back with lines that can no longer be had. */
  declare readonly onGap: Subscribe<"onGap">;
  /** Calls back when the numbering began anew: clear what is shown. */
  declare readonly onReset: Subscribe<"onReset">;
  /** Calls back with calls and costs when they change. */
  declare readonly onBackendStats: Subscribe<"onBackendStats">;
  /** Calls back with who executes the run when that changes. */
  declare readonly onOwner: Subscribe<"onOwner">;

  /**
   * Begins, or goes on where it stopped; does nothing while it runs. A run that is over is asked for once more and
   * completes again. Returns the poller; throws a TypeError for a relative `endpointBase` where there is no page.
   */
  declare readonly start: () => this;
  /** Ends requests and timers at once; nothing is reported any more. */
  declare readonly stop: () => void;
  /**
   * Starts the poller and yields its lines, for one reader at a time; ends with the run or with `stop()`, throws a
   * fatal error, and stops the poller when it is left. While more than 5,000 lines are unread, nothing is asked for.
   */
  declare readonly [Symbol.asyncIterator]: () => AsyncGenerator<LogEntry, void>;

  readonly #state: PollState;

  /** Where it stands, to be kept whole and given to another poller; undefined before the first answer. */
  get cursor(): string | undefined {
    return this.#state.cursor;
  }

  // All state stands in this closure: minifiers shorten variables but not properties, and the size is promised.
  constructor(runId: string, options: LogPollerOptions = {}) {
    const { waitSeconds = 20, limit = 500, now = Date.now, setTimer = startTimer } = options;
    const url = runUrl(runId, options);
    const listeners = {} as Record<EventName, Set<Listener>>;
    let { transport } = options;
    let session: AbortController | undefined;
    let origin: string;
    let cancel: (() => void) | undefined;
    let failure: ClientError | undefined;
    let unread: LogEntry[] = [];
    let rouse: (() => void) | undefined;

    const emit: Emit = (name, value) => {
      if (!session) return false;
      for (const callback of listeners[name]) {
        try {
          callback?.(value as never);
        } catch (error) {
          console.error(error);
        }
      }
      return true;
    };
    const stop = () => {
      session?.abort();
      session = undefined;
      wake();
      rouse?.();
    };
    const state = createPollState(options, emit, stop);

    const turn = async () => {
      const controller = new AbortController();
      const release = (waitSeconds || transport) && takeSlot(origin);
      const stream = release ? transport : undefined;
      const wait = release ? waitSeconds : 0;
      const asked = now();
      let cancelWatch: (() => void) | undefined;
      let delay = 0;
      // Lets go of everything itself: a read that is aborted while its body ends may never settle (Node 20).
      const end = () => {
        cancelWatch?.();
        controller.abort();
        if (release) release();
      };
      // A poll is held for 30 s at most, a stream is pinged every 15 s: what is silent for longer is gone.
      const watch = (unanswered?: Transport) => {
        cancelWatch?.();
        if (cancel === end) {
          cancelWatch = setTimer(() => {
            if (unanswered) transport = undefined;
            controller.abort();
          }, 45_000);
        }
      };
      cancel = end;
      // A proxy that keeps streams back may keep their heads back, too.
      watch(stream);
      try {
        delay = await request(
          `${url}${stream?.path ?? ""}?${state.query}&limit=${limit}&wait=${wait}`,
          options,
          { ...stream?.init, signal: controller.signal },
          async (response) => {
            watch();
            if (!stream) return state.answer(await response.json(), wait * 1000, now() - asked);
            // Comes back with the first frame: where streams deliver nothing, polls do.
            transport = undefined;
            return stream.read(
              response,
              (part) => {
                transport = stream;
                state.take(part);
              },
              watch,
            );
          },
        );
      } catch (error) {
        if (cancel === end) {
          failure = error as ClientError;
          // So does one that waits for the whole answer, until it gives up.
          if (stream && failure.status === 504) transport = undefined;
          delay = state.fail(failure, now());
        }
      }
      if (cancel === end) {
        end();
        cancel = setTimer(wake, delay);
      }
    };

    const wake = () => {
      cancel?.();
      cancel = undefined;
      if (session && unread.length <= MOST_UNREAD && !globalThis.document?.hidden) turn();
    };

    const start = () => {
      if (!session) {
        origin = new URL(url, globalThis.location?.href).origin;
        failure = undefined;
        session = new AbortController();
        for (const type of ["visibilitychange", "online"]) {
          globalThis.addEventListener?.(type, wake, { signal: session.signal });
        }
        wake();
      }
      return this;
    };

    this.#state = state;
    this.start = start;
    this.stop = stop;
    this[Symbol.asyncIterator] = async function* () {
      const push = (entry: LogEntry) => {
        unread.push(entry);
        if (unread.length > MOST_UNREAD) wake();
        rouse?.();
      };
      listeners.onLog.add(push);
      try {
        start();
        while (session || unread.length > 0) {
          const entry = unread.shift();
          if (entry) yield entry;
          else {
            if (!cancel) wake();
            await new Promise<void>((resolve) => {
              rouse = resolve;
            });
          }
        }
        if (failure?.fatal) throw failure;
      } finally {
        stop();
        unread = [];
        listeners.onLog.delete(push);
      }
    };
    for (const name of EVENTS) {
      const callbacks = new Set<Listener>([options[name]]);
      listeners[name] = callbacks;
      (this as Record<EventName, unknown>)[name] = (callback: () => void) => {
        callbacks.add(callback);
        return () => callbacks.delete(callback);
      };
    }
  }
}

function startTimer(callback: () => void, ms: number): () => void {
  const timer = setTimeout(callback, ms);
  return () => clearTimeout(timer);
}
