/**
 * The numbered lines of one writer, from the oldest that is kept for sending again to the newest that has a number:
 *
 *   keptFrom ── stored, kept ── acked ── in flight ── next ── to be sent ── top
 *
 * A number whose text is no longer here is a hole; one `log_gap` line stands for it.
 */
import { LineQueue, sizeOf } from "./line-queue.js";

/** What goes out in one call. */
export interface Batch {
  /** The number of the first line. */
  first: number;
  /** The number after these lines, more than `first + lines.length` for a hole. */
  upto: number;
  lines: string[];
}

/** A batch holds at most so many lines, and ends with the line that reaches so many bytes. */
const BATCH_LINES = 1000;
const BATCH_BYTES = 262_144;

export class NumberedLines {
  /** Texts of the numbers from #keptFrom on; "" where a batch was set aside. */
  readonly #texts = new LineQueue();
  #keptFrom = 0;
  #keptBytes = 0;
  #next = 0;
  #acked = 0;
  /** The first number that was never acknowledged: lines below it are kept, not waiting. */
  #ackedMost = 0;

  /** The number that the next line will get. */
  get top(): number {
    return this.#keptFrom + this.#texts.size;
  }

  get keptFrom(): number {
    return this.#keptFrom;
  }

  get acked(): number {
    return this.#acked;
  }

  /** The next number to be sent. */
  get next(): number {
    return this.#next;
  }

  /** Stored lines that are kept for sending again. */
  get kept(): number {
    return this.#ackedMost - this.#keptFrom;
  }

  /** Lines that were never acknowledged, and their size. */
  get waiting(): { lines: number; bytes: number } {
    return { lines: this.top - this.#ackedMost, bytes: this.#texts.bytes - this.#keptBytes };
  }

  add(text: string): void {
    this.#texts.push(text);
  }

  /** Moves lines from `queue` to here, as many as one batch holds. */
  take(queue: LineQueue): void {
    let bytes = 0;
    for (let count = 0; count < BATCH_LINES && bytes < BATCH_BYTES; count++) {
      const text = queue.shift();
      if (text === undefined) return;
      this.#texts.push(text);
      bytes += sizeOf(text);
    }
  }

  /** Whether all that is to be sent, and `lines` of `bytes` more, go out in one batch. */
  fitOneBatch(lines: number, bytes: number): boolean {
    if (this.top - this.#next + lines > BATCH_LINES) return false;
    let sum = bytes;
    for (let number = this.#next; number < this.top; number++) {
      const text = this.#textOf(number);
      if (text === "") return false;
      sum += sizeOf(text);
    }
    return sum <= BATCH_BYTES;
  }

  /** The next batch, or null when all is sent. `gap` makes the line that stands for so many missing ones. */
  nextBatch(gap: (missing: number) => string): Batch | null {
    const first = this.#next;
    if (first === this.top) return null;
    const lines: string[] = [];
    let upto = first;
    if (this.#textOf(first) === "") {
      upto = Math.max(first, this.#keptFrom);
      while (upto < this.top && this.#textOf(upto) === "") upto += 1;
      lines.push(gap(upto - first));
    } else {
      let bytes = 0;
      for (; upto < this.top && lines.length < BATCH_LINES && bytes < BATCH_BYTES; upto++) {
        const text = this.#textOf(upto);
        if (text === "") break;
        lines.push(text);
        bytes += sizeOf(text);
      }
    }
    this.#next = upto;
    return { first, upto, lines };
  }

  /** The store has the lines below `upto`; returns how many it has for the first time, and their size. */
  acknowledge(upto: number): { lines: number; bytes: number } {
    this.#acked = Math.max(this.#acked, upto);
    let bytes = 0;
    for (let number = this.#ackedMost; number < this.#acked; number++) bytes += sizeOf(this.#textOf(number));
    const lines = Math.max(0, this.#acked - this.#ackedMost);
    this.#ackedMost += lines;
    this.#keptBytes += bytes;
    return { lines, bytes };
  }

  /** Keeps at most so much of what the store has; returns the size of what was forgotten. */
  keepAtMost(lines: number, bytes: number): number {
    const before = this.#keptBytes;
    while (this.#keptFrom < this.#acked && (this.#acked - this.#keptFrom > lines || this.#keptBytes > bytes)) {
      this.#keptBytes -= sizeOf(this.#texts.shift() ?? "");
      this.#keptFrom += 1;
    }
    return before - this.#keptBytes;
  }

  /** The store turned out to have only the lines below `have`. */
  rewind(have: number): void {
    this.#acked = Math.min(have, this.top);
  }

  /** Everything that is not acknowledged is to be sent again. */
  resend(): void {
    this.#next = this.#acked;
  }

  /** Makes a hole of a batch; returns how many lines are gone and their size. */
  setAside(batch: Batch): { lines: number; bytes: number } {
    const gone = { lines: 0, bytes: 0 };
    for (let number = Math.max(batch.first, this.#keptFrom); number < batch.upto; number++) {
      const text = this.#textOf(number);
      if (text === "") continue;
      gone.lines += 1;
      gone.bytes += sizeOf(text);
      this.#texts.replace(number - this.#keptFrom, "");
    }
    return gone;
  }

  /** Nothing waits any more, whatever became of it. */
  giveUpWaiting(): void {
    this.#keptBytes = this.#texts.bytes;
    this.#ackedMost = this.top;
  }

  #textOf(number: number): string {
    return number < this.#keptFrom ? "" : (this.#texts.at(number - this.#keptFrom) ?? "");
  }
}
