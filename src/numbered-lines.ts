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
  /** Numbers whose line stands for lines that were dropped, and how many. */
  readonly #standIns: { number: number; lines: number }[] = [];

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

  /** Numbers that were never acknowledged, the size of their lines, and how many of them are lines that were logged. */
  get waiting(): { lines: number; bytes: number; logged: number } {
    let logged = 0;
    for (let number = this.#ackedMost; number < this.top; number++) if (this.#textOf(number) !== "") logged += 1;
    for (const { number } of this.#standIns) if (number >= this.#ackedMost && this.#textOf(number) !== "") logged -= 1;
    return { lines: this.top - this.#ackedMost, bytes: this.#texts.bytes - this.#keptBytes, logged };
  }

  /** Adds the line that stands for `lines` dropped ones. */
  addGap(text: string, lines: number): void {
    this.#standIns.push({ number: this.top, lines });
    this.#texts.push(text);
  }

  /** Moves lines from `queue` to here, as many as one batch holds. */
  take(queue: LineQueue): void {
    const texts = queue.some(0, BATCH_LINES, BATCH_BYTES);
    for (const text of texts) this.#texts.push(text);
    queue.drop(texts.length);
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
    let lines: string[];
    let upto: number;
    if (this.#textOf(first) === "") {
      upto = Math.max(first, this.#keptFrom);
      while (upto < this.top && this.#textOf(upto) === "") upto += 1;
      lines = [gap(this.#missing(first, upto))];
    } else {
      lines = this.#texts.some(first - this.#keptFrom, BATCH_LINES, BATCH_BYTES);
      upto = first + lines.length;
    }
    this.#next = upto;
    return { first, upto, lines };
  }

  /** The store has the lines below `upto`; returns how many it has for the first time, and their size. */
  acknowledge(upto: number): { lines: number; bytes: number } {
    this.#acked = Math.max(this.#acked, upto);
    const lines = Math.max(0, this.#acked - this.#ackedMost);
    const from = this.#ackedMost - this.#keptFrom;
    const bytes = this.#texts.bytesOf(from, from + lines);
    this.#ackedMost += lines;
    this.#keptBytes += bytes;
    return { lines, bytes };
  }

  /** Keeps at most so much of what the store has; returns the size of what was forgotten. */
  keepAtMost(lines: number, bytes: number): number {
    const most = this.#acked - this.#keptFrom;
    let count = Math.max(0, most - lines);
    let freed = this.#texts.bytesOf(0, count);
    for (; count < most && this.#keptBytes - freed > bytes; count++) freed += sizeOf(this.#texts.at(count) ?? "");
    this.#texts.drop(count);
    this.#keptFrom += count;
    this.#keptBytes -= freed;
    return freed;
  }

  /** The store turned out to have only the lines below `have`. */
  rewind(have: number): void {
    this.#acked = Math.min(have, this.top);
  }

  /** Everything that is not acknowledged is to be sent again. */
  resend(): void {
    this.#next = this.#acked;
  }

  /** Makes a hole of a batch; returns how many logged lines are gone and the size of all. */
  setAside(batch: Batch): { lines: number; bytes: number } {
    const gone = { lines: 0, bytes: 0 };
    for (let number = Math.max(batch.first, this.#keptFrom); number < batch.upto; number++) {
      const text = this.#textOf(number);
      if (text === "") continue;
      if (!this.#standIns.some((each) => each.number === number)) gone.lines += 1;
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

  /** How many logged lines the numbers from `first` to `upto` stand for. */
  #missing(first: number, upto: number): number {
    let missing = upto - first;
    for (const { number, lines } of this.#standIns) if (number >= first && number < upto) missing += lines - 1;
    return missing;
  }

  #textOf(number: number): string {
    return number < this.#keptFrom ? "" : (this.#texts.at(number - this.#keptFrom) ?? "");
  }
}
