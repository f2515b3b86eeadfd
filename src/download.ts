/** The kept lines of a run as NDJSON, read page by page as the viewer takes them. */
import type { Clock } from "./clock.js";
import { entryText } from "./entry-text.js";
import { type LiveBody, NO_VIEWER, type ViewerSink } from "./exchange.js";
import type { LogStore, ReadAnswer, ReadRequest } from "./store.js";
import { StuckWatch } from "./stuck-watch.js";
import type { Viewers } from "./viewers.js";

/** All downloads of a process. */
export interface Downloads {
  /** The body of one: the lines that were kept at this moment; null when there is no such run. Rejects as the store. */
  body(runId: string): Promise<LiveBody | null>;
  /** Cuts every download short. */
  cutAll(): void;
}

/** Lines in a read: few at first, then as many as make a piece. */
const FIRST_PAGE = 16;
const MOST_PAGE = 500;
/** What one download holds ready, in UTF-16 units: about this much, or the first page. */
const PIECE = 65_536;
/** A stream ends after five minutes anyway; a download that only sips would keep its place for ever. */
const PIECE_MS = 60_000;
/** How often all downloads are looked after. */
const ROUND_MS = 1000;

/** Creates the downloads of a process, each one of its `viewers`. Their timer runs only while there is a download. */
export function createDownloads(store: LogStore, clock: Clock, viewers: Viewers): Downloads {
  const downloads = new Set<Download>();
  let cancelRound: (() => void) | null = null;

  const round = (): void => {
    const now = clock.now();
    for (const download of [...downloads]) download.lookAfter(now);
    cancelRound = downloads.size > 0 ? clock.after(ROUND_MS, round) : null;
  };
  return {
    async body(runId) {
      const from = { kind: "at", epoch: "", index: 0 } as const;
      const first = await store.read({ runId, from, limit: FIRST_PAGE, known: null });
      if (first === null) return null;
      return {
        attach(sink) {
          if (viewers.closed) {
            sink.destroy();
            return NO_VIEWER;
          }
          const leave = viewers.enter(runId);
          const download = new Download(store, clock, sink, first, () => {
            leave();
            downloads.delete(download);
            if (downloads.size > 0) return;
            cancelRound?.();
            cancelRound = null;
          });
          downloads.add(download);
          cancelRound ??= clock.after(ROUND_MS, round);
          download.onDrain();
          return download;
        },
      };
    },
    cutAll() {
      for (const download of [...downloads]) download.cut();
    },
  };
}

class Download {
  readonly #store: LogStore;
  readonly #clock: Clock;
  readonly #sink: ViewerSink;
  readonly #onEnd: () => void;
  readonly #runId: string;
  readonly #epoch: string;
  /** Lines that came after the download began are not part of it, or one of a fast run would never end. */
  readonly #end: number;
  /** The page that is written next, already read. */
  #page: ReadAnswer | null;
  #next = 0;
  /** So that the store leaves out the state, which nobody wants here. */
  readonly #known: ReadRequest["known"];
  #busy = false;
  #limit = FIRST_PAGE;
  readonly #stuck = new StuckWatch(PIECE_MS);
  #ended = false;

  constructor(store: LogStore, clock: Clock, sink: ViewerSink, first: ReadAnswer, onEnd: () => void) {
    this.#store = store;
    this.#clock = clock;
    this.#sink = sink;
    this.#onEnd = onEnd;
    this.#runId = first.run.runId;
    this.#epoch = first.run.epoch;
    this.#end = first.run.next;
    this.#known = { epoch: first.run.epoch, version: first.run.version };
    this.#page = first;
  }

  onDrain(): void {
    this.#stuck.drain();
    if (this.#busy) return;
    this.#busy = true;
    this.#run().then(
      () => {
        this.#busy = false;
      },
      () => this.cut(),
    );
  }

  onClose(): void {
    this.#finish();
  }

  /** Once a second: cuts off a viewer that takes nothing, or less than a piece a minute. */
  lookAfter(now: number): void {
    if (this.#stuck.isStuck(now, this.#sink.pendingBytes)) this.cut();
  }

  /** Cuts the connection, so that nobody takes the half for the whole. */
  cut(): void {
    if (this.#finish()) this.#sink.destroy();
  }

  /** Writes pages until the connection takes no more. */
  async #run(): Promise<void> {
    while (!this.#stuck.full && !this.#ended) {
      const page = this.#page ?? (await this.#read());
      this.#page = null;
      // A run that began anew or is gone is another one than that of the lines so far.
      if (page?.run.epoch !== this.#epoch) return this.cut();
      let text = "";
      this.#next = page.linesFrom;
      for (const line of page.lines) {
        if (this.#next < this.#end) text += `${entryText(line, this.#next)}\n`;
        this.#next += 1;
      }
      if (text !== "") this.#limit = pageFor(text.length / page.lines.length);
      if (text !== "" && !this.#sink.write(text)) this.#stuck.fill(this.#clock.now());
      if ((this.#next >= this.#end || page.lines.length === 0) && this.#finish()) this.#sink.end();
    }
  }

  #read(): Promise<ReadAnswer | null> {
    return this.#store.read({
      runId: this.#runId,
      from: { kind: "at", epoch: this.#epoch, index: this.#next },
      limit: this.#limit,
      known: this.#known,
    });
  }

  /** False when that was done before. */
  #finish(): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    this.#onEnd();
    return true;
  }
}

/** How many lines of this length make a piece. */
function pageFor(lineLength: number): number {
  return Math.max(1, Math.min(MOST_PAGE, Math.floor(PIECE / lineLength)));
}
