/**
 * Event streams: every viewer is a position in the shared feed of its run. Nothing is queued for a viewer: one that
 * is behind gets the next piece when its connection has drained, out of the feed or, when that has moved on, out of
 * the store by its cursor.
 */
import type { Listener } from "./bell.js";
import type { Clock } from "./clock.js";
import { type LiveBody, NO_VIEWER, type ViewerSink } from "./exchange.js";
import { formatCursor, GONE_RUN_MS, LIMITS } from "./protocol.js";
import type { RunFeed } from "./run-feed.js";
import { type From, gapAt, type Position, positionOf, type RunView, resetAt, stepAt } from "./run-view.js";
import type { Frames } from "./shared-frames.js";
import { frame, PING, RETRY } from "./sse.js";
import { StuckWatch } from "./stuck-watch.js";
import type { Viewers } from "./viewers.js";

/** What a stream is asked with. */
export interface StreamAsk {
  /** `cursor`: what came is no cursor, and the viewer has to be told so. */
  from: From | { kind: "rubbish" };
  /** The number of reads that the process had begun when the request came. */
  asked: number;
}

/** All event streams of a process. */
export interface Streams {
  /** The body of one stream. `openFeed` is called when a viewer is attached. */
  body(runId: string, openFeed: () => RunFeed, ask: StreamAsk): LiveBody;
  /** Ends every stream; its viewers come back with their cursors. */
  endAll(): void;
}

/** At most four `state` frames a second. */
const STATE_GAP_MS = 250;
/** How often all streams are looked after. */
const ROUND_MS = 1000;

/** Creates the streams of a process, each one of its `viewers`. Their timers run only while there is a stream. */
export function createStreams(clock: Clock, viewers: Viewers): Streams {
  const streams = new Set<Stream>();
  const withheld = new Set<Stream>();
  let roundTimer: (() => void) | null = null;
  let stateTimer: (() => void) | null = null;
  let pingAt = 0;

  const round = (): void => {
    const now = clock.now();
    const ping = now >= pingAt;
    if (ping) pingAt = now + LIMITS.streamPingMs;
    for (const stream of [...streams]) stream.lookAfter(now, ping);
    roundTimer = streams.size > 0 ? clock.after(ROUND_MS, round) : null;
  };

  const host: StreamHost = {
    clock,
    withhold(stream) {
      withheld.add(stream);
      stateTimer ??= clock.after(STATE_GAP_MS, () => {
        stateTimer = null;
        const due = [...withheld];
        withheld.clear();
        for (const one of due) one.pump();
      });
    },
    leave(stream) {
      streams.delete(stream);
      withheld.delete(stream);
      if (streams.size > 0) return;
      roundTimer?.();
      stateTimer?.();
      roundTimer = null;
      stateTimer = null;
    },
  };

  return {
    body: (runId, openFeed, ask) => ({
      attach(sink) {
        if (viewers.closed) {
          sink.end();
          return NO_VIEWER;
        }
        const feed = openFeed();
        const stream = new Stream(host, feed, sink, ask, viewers.enter(runId));
        if (streams.size === 0) pingAt = clock.now() + LIMITS.streamPingMs;
        streams.add(stream);
        roundTimer ??= clock.after(ROUND_MS, round);
        stream.begin();
        return stream;
      },
    }),
    endAll() {
      for (const stream of [...streams]) stream.hangUp();
    },
  };
}

interface StreamHost {
  clock: Clock;
  /** Pumps the stream again when its next `state` is due. */
  withhold(stream: Stream): void;
  leave(stream: Stream): void;
}

class Stream implements Listener {
  readonly #host: StreamHost;
  readonly #feed: RunFeed;
  readonly #sink: ViewerSink;
  readonly #ask: StreamAsk;
  readonly #onEnd: () => void;
  readonly #begunAt: number;
  #stopListening: () => void = () => {};
  #position: Position | null = null;
  /** The revision of the feed that the last `state` told. */
  #revision = -1;
  #stateAt = Number.NEGATIVE_INFINITY;
  #ended = false;
  /** The viewer came with a cursor that is none, and was not told so yet. */
  #rubbish: boolean;
  /** Something is read for this viewer alone. */
  #reading = false;
  readonly #stuck = new StuckWatch();
  #missingSince: number | null = null;

  constructor(host: StreamHost, feed: RunFeed, sink: ViewerSink, ask: StreamAsk, onEnd: () => void) {
    this.#host = host;
    this.#feed = feed;
    this.#sink = sink;
    this.#ask = ask;
    this.#rubbish = ask.from.kind === "rubbish";
    this.#onEnd = onEnd;
    this.#begunAt = host.clock.now();
  }

  begin(): void {
    this.#stopListening = this.#feed.changes.listen(this);
    this.#write(RETRY);
    this.#after(this.#feed.ready());
  }

  onRing(): void {
    this.pump();
  }

  onDrain(): void {
    this.#stuck.drain();
    this.pump();
  }

  onClose(): void {
    this.#finish();
  }

  /** Ends the body properly: the viewer comes back unless it has seen the end of the run. */
  end(): void {
    if (this.#finish()) this.#sink.end();
  }

  /** Ends the body without waiting for a viewer that is behind: it comes back with its cursor either way. */
  hangUp(): void {
    if (!this.#finish()) return;
    if (this.#stuck.full) this.#sink.destroy();
    else this.#sink.end();
  }

  /** Once a second: keeps the connection alive, and ends what has lasted too long. */
  lookAfter(now: number, ping: boolean): void {
    if (this.#feed.view !== null || this.#feed.unavailable !== null) this.#missingSince = null;
    else this.#missingSince ??= now;

    if (this.#stuck.isStuck(now, this.#sink.pendingBytes)) {
      if (this.#finish()) this.#sink.destroy();
    } else if (now - this.#begunAt >= LIMITS.streamMaxMs || now - (this.#missingSince ?? now) >= GONE_RUN_MS) {
      this.end();
    } else if (ping && !this.#stuck.full) {
      this.#write(PING);
    }
  }

  /** Writes what the viewer is due, for as long as the connection takes it. */
  pump(): void {
    while (!this.#ended && !this.#reading && !this.#stuck.full && this.#step()) {}
  }

  /** Writes one thing; false when nothing is due now. */
  #step(): boolean {
    const feed = this.#feed;
    const { view } = feed;
    if (view === null) {
      // What was never read has no state but that of the store.
      if (feed.unavailable !== null) this.#tellState();
      return false;
    }
    this.#position ??= this.#hello(view);
    const position = this.#position;
    const step = this.#rubbish ? "reset" : stepAt(view, position);
    if (step === "reset") {
      if (!this.#rubbish && feed.lastRead <= this.#ask.asked) {
        if (feed.unavailable === null) this.#after(feed.fresh(this.#ask.asked));
        return false;
      }
      const reset = this.#rubbish ? { reason: "cursor", first_index: view.first } : resetAt(view, position);
      this.#rubbish = false;
      this.#position = { epoch: view.epoch, next: view.first };
      this.#write(frame("reset", this.#id(), JSON.stringify(reset)));
      return true;
    }
    position.epoch = view.epoch;
    if (step !== "finished" && this.#tellState()) return true;
    switch (step) {
      case "gap": {
        const gap = gapAt(view, position);
        position.next = view.first;
        this.#write(frame("gap", this.#id(), JSON.stringify(gap)));
        return true;
      }
      case "lines": {
        // Only the store has them: when it is back, the feed tells.
        if (feed.unavailable !== null && !feed.keeps(position.next)) return false;
        const frames = feed.frames.lines(position.next);
        if (frames instanceof Promise) {
          this.#after(frames.then((older) => this.#take(older, view.epoch)));
          return false;
        }
        this.#take(frames, view.epoch);
        // All that is known of an open run is all that is due.
        return frames.to < view.next || view.next >= view.expected;
      }
      case "finished":
        this.#write(feed.frames.state("end", formatCursor(view.epoch, position.next, view.version)));
        this.end();
        return false;
      case "idle":
        return false;
    }
  }

  /** Tells the state if it is another one than the last that was told; false: it is not, or it is too early. */
  #tellState(): boolean {
    const { revision, frames } = this.#feed;
    if (this.#revision === revision) return false;
    const now = this.#host.clock.now();
    if (now - this.#stateAt < STATE_GAP_MS) {
      this.#host.withhold(this);
      return false;
    }
    this.#revision = revision;
    this.#stateAt = now;
    this.#write(frames.state("state", this.#id()));
    return true;
  }

  /** The first frame. Its id is where the viewer stands, so that one that is cut off now is told a reset next time. */
  #hello(view: RunView): Position {
    const { from } = this.#ask;
    const position = from.kind === "rubbish" ? { epoch: NO_EPOCH, next: 0 } : positionOf(view, from);
    const hello = {
      run_id: view.runId,
      operation: view.operation,
      subject_id: view.subjectId,
      first_index: view.first,
      next_index: view.total,
    };
    this.#write(frame("hello", formatCursor(position.epoch || view.epoch, position.next), JSON.stringify(hello)));
    return position;
  }

  #take(frames: Frames | null, epoch: string): void {
    const position = this.#position;
    if (frames === null || position === null || position.epoch !== epoch || this.#ended) return;
    position.next = frames.to;
    this.#write(frames.bytes);
  }

  /** Where the viewer stands, as an id; "" when nothing is known yet. */
  #id(): string {
    const position = this.#position;
    if (position !== null) return formatCursor(position.epoch || this.#feed.view?.epoch || NO_EPOCH, position.next);
    const { from } = this.#ask;
    return from.kind === "cursor" ? formatCursor(from.cursor.epoch, from.cursor.next) : "";
  }

  /** Goes on when `work` is done. One that failed is seen in the feed, which tells when that is over. */
  #after(work: Promise<unknown>): void {
    this.#reading = true;
    const goOn = (): void => {
      this.#reading = false;
      this.pump();
    };
    work.then(goOn, goOn);
  }

  #write(chunk: string | Uint8Array): void {
    try {
      if (!this.#sink.write(chunk)) this.#stuck.fill(this.#host.clock.now());
    } catch {
      // A connection that throws is gone; the other viewers of the run must not suffer for it.
      if (this.#finish()) this.#sink.destroy();
    }
  }

  /** False when that was done before. */
  #finish(): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    this.#stopListening();
    this.#host.leave(this);
    this.#onEnd();
    return true;
  }
}

/** The epoch of a viewer whose cursor was none. No run of ours has it, so that a cut viewer is told a reset then. */
const NO_EPOCH = "0";
