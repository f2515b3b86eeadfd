/** The kept lines of a run as NDJSON, read page by page as the viewer takes them. */
import type { LiveBody, ViewerSink } from "./exchange.js";
import { parseLine } from "./line.js";
import type { LogStore, ReadAnswer, ReadRequest } from "./store.js";

/** All downloads of a process. */
export interface Downloads {
  /** The body of one: the lines that were kept at this moment; null when there is no such run. Rejects as the store. */
  body(runId: string): Promise<LiveBody | null>;
  /** Cuts every download short. */
  cutAll(): void;
}

const PAGE = 500;

/** Creates the downloads of a process. */
export function createDownloads(store: LogStore): Downloads {
  const downloads = new Set<Download>();
  return {
    async body(runId) {
      const from = { kind: "at", epoch: "", index: 0 } as const;
      const first = await store.read({ runId, from, limit: PAGE, known: null });
      if (first === null) return null;
      return {
        attach(sink) {
          const download = new Download(store, sink, first, () => downloads.delete(download));
          downloads.add(download);
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
  #full = false;
  #ended = false;

  constructor(store: LogStore, sink: ViewerSink, first: ReadAnswer, onEnd: () => void) {
    this.#store = store;
    this.#sink = sink;
    this.#onEnd = onEnd;
    this.#runId = first.run.runId;
    this.#epoch = first.run.epoch;
    this.#end = first.run.next;
    this.#known = { epoch: first.run.epoch, version: first.run.version };
    this.#page = first;
  }

  onDrain(): void {
    this.#full = false;
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

  /** Cuts the connection, so that nobody takes the half for the whole. */
  cut(): void {
    if (this.#finish()) this.#sink.destroy();
  }

  /** Writes pages until the connection takes no more. */
  async #run(): Promise<void> {
    while (!this.#full && !this.#ended) {
      const page = this.#page ?? (await this.#read());
      this.#page = null;
      // A run that began anew or is gone is another one than that of the lines so far.
      if (page?.run.epoch !== this.#epoch) return this.cut();
      let text = "";
      this.#next = page.linesFrom;
      for (const line of page.lines) {
        if (this.#next < this.#end) text += `${JSON.stringify(parseLine(line, this.#next))}\n`;
        this.#next += 1;
      }
      if (text !== "" && !this.#sink.write(text)) this.#full = true;
      if ((this.#next >= this.#end || page.lines.length === 0) && this.#finish()) this.#sink.end();
    }
  }

  #read(): Promise<ReadAnswer | null> {
    return this.#store.read({
      runId: this.#runId,
      from: { kind: "at", epoch: this.#epoch, index: this.#next },
      limit: PAGE,
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
