/** The rows that a list keeps: lines, and notes where lines are missing. Pure; bounded in number and size. */
import type { LogEntry } from "../protocol.js";

/** One row. */
export interface Row {
  /** Grows by one with every row that ever came, and orders them. */
  readonly seq: number;
  /** The index of its line; of a note, that of the first line that it speaks of. */
  readonly index: number;
  /** Null for a note. */
  readonly entry: LogEntry | null;
  /** What a note says. */
  readonly note: string;
  /** How many lines a note stands for. */
  readonly lost: number;
  /** As it was measured, in pixels; 0: not yet. */
  height: number;
}

/** JSON text of all kept lines, in characters: about twice as much memory, and a list that a browser can be tall enough for. */
const MAX_CHARS = 32 * 1024 * 1024;
/** So much goes at once, so that making room is rare. */
const SHARE = 20;

/** Rows in the order in which they came. The oldest make room; a note as the first row says how many lines did. */
export class LineRows {
  readonly #maxLines: number;
  readonly #onDrop: (entry: LogEntry) => void;
  #rows: Row[] = [];
  #sizes: number[] = [];
  #chars = 0;
  #next = 0;

  /** Keeps at most `maxLines` rows, and tells of each line that goes. */
  constructor(maxLines: number, onDrop: (entry: LogEntry) => void = () => {}) {
    this.#maxLines = maxLines;
    this.#onDrop = onDrop;
  }

  /** All of them; another array after some made room. */
  get rows(): readonly Row[] {
    return this.#rows;
  }

  /** Adds a line. */
  line(entry: LogEntry): Row {
    return this.#push(entry.index, entry, "", 0);
  }

  /** Adds a note that stands for `lost` lines from `index`. */
  note(text: string, index: number, lost = 0): Row {
    return this.#push(index, null, text, lost);
  }

  /** Lets the oldest rows go if there are too many; false when all stay. */
  trim(): boolean {
    if (this.#rows.length <= this.#maxLines && this.#chars <= MAX_CHARS) return false;
    const mostRows = this.#maxLines - this.#maxLines / SHARE;
    const mostChars = MAX_CHARS - MAX_CHARS / SHARE;
    let gone = 0;
    let lost = 0;
    for (; gone < this.#rows.length - 1; gone++) {
      if (this.#rows.length - gone < mostRows && this.#chars <= mostChars) break;
      const row = this.#rows[gone];
      this.#chars -= this.#sizes[gone] ?? 0;
      lost += row?.entry ? 1 : (row?.lost ?? 0);
      if (row?.entry) this.#onDrop(row.entry);
    }
    const { seq = 0, index = 0 } = this.#rows[gone - 1] ?? {};
    this.#rows = [{ seq, index, entry: null, note: earlier(lost), lost, height: 0 }, ...this.#rows.slice(gone)];
    this.#sizes = [0, ...this.#sizes.slice(gone)];
    return true;
  }

  #push(index: number, entry: LogEntry | null, note: string, lost: number): Row {
    const row: Row = { seq: this.#next++, index, entry, note, lost, height: 0 };
    const size = entry === null ? 0 : JSON.stringify(entry).length;
    this.#rows.push(row);
    this.#sizes.push(size);
    this.#chars += size;
    return row;
  }
}

/** What stands where lines are missing that came before. */
export function earlier(lost: number, how = "are not kept"): string {
  return `${lost.toLocaleString("en")} earlier ${lost === 1 ? "line" : "lines"} ${lost === 1 ? how.replace("are", "is").replace("were", "was") : how}`;
}

/** The first position whose row's `key` is `value` or more; the length when there is none. */
export function positionOf(rows: readonly Row[], key: "seq" | "index", value: number): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((rows[middle]?.[key] ?? 0) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
