/** The rows that a list keeps: lines, and notes where lines are missing. Pure; bounded in number and size. */
import type { LogEntry } from "../protocol.js";
import { bisect } from "./row-window.js";

/** One row. */
export interface Row {
  /** Grows with every row that ever came, and orders them. */
  readonly seq: number;
  /** The index of its line; of a note, that of the first line that it speaks of. */
  readonly index: number;
  /** Null for a note. */
  readonly entry: LogEntry | null;
  /** What a note says. */
  readonly note: string;
  /** How many lines it stands for: of a line 1. */
  readonly lines: number;
  /** The length of its JSON text. */
  readonly size: number;
  /** In pixels, as it was measured or is thought to be; 0: nobody knows yet. */
  height: number;
  measured: boolean;
}

/**
 * The JSON text of all kept lines, in characters: up to twice as much memory, and rows that on a page of usual width are
 * together less high than what a browser can scroll through (some 17 million pixels).
 */
const MAX_SIZE = 64 * 1024 * 1024;
/** So much of what is kept goes at once, so that making room is rare. */
const SHARE = 0.05;

/** Rows in the order in which they came. The oldest make room; then the first row is a note of how many lines did. */
export class LineRows {
  /** All of them; another array after some have gone. */
  rows: Row[] = [];
  readonly #maxLines: number;
  readonly #onDrop: (entry: LogEntry) => void;
  #size = 0;
  #next = 0;

  /** Keeps at most `maxLines` rows, and tells of each line that goes. */
  constructor(maxLines: number, onDrop: (entry: LogEntry) => void) {
    this.#maxLines = maxLines;
    this.#onDrop = onDrop;
  }

  /** Adds a line. */
  line(entry: LogEntry): Row {
    return this.#add(entry.index, entry, "", 1, JSON.stringify(entry).length);
  }

  /** Adds a note that stands for `lines` lines from `index`. */
  note(note: string, index: number, lines: number): Row {
    return this.#add(index, null, note, lines, 0);
  }

  /** Lets the oldest rows go if there are too many; false when all stay. */
  trim(): boolean {
    const few = (share: number) => this.rows.length - gone <= this.#maxLines * share && this.#size <= MAX_SIZE * share;
    let gone = 0;
    if (few(1)) return false;
    let last: Row | undefined;
    let lines = 0;
    while (gone < this.rows.length - 1 && !few(1 - SHARE)) {
      last = this.rows[gone++];
      lines += last?.lines ?? 0;
      this.#drop(last);
    }
    const { seq = 0, index = 0 } = last ?? {};
    const note = { seq, index, entry: null, note: earlierLines(lines), lines, size: 0, height: 0, measured: false };
    this.rows = [note, ...this.rows.slice(gone)];
    return true;
  }

  /** Lets all go. */
  clear(): void {
    for (const row of this.rows) this.#drop(row);
    this.rows = [];
  }

  #drop(row: Row | undefined): void {
    this.#size -= row?.size ?? 0;
    if (row?.entry) this.#onDrop(row.entry);
  }

  #add(index: number, entry: LogEntry | null, note: string, lines: number, size: number): Row {
    const row = { seq: this.#next++, index, entry, note, lines, size, height: 0, measured: false };
    this.rows.push(row);
    this.#size += size;
    return row;
  }
}

/** What stands where lines are missing that came before: they made room, or with `lost` they were lost. */
export function earlierLines(count: number, lost = false): string {
  const [noun, verb, past] = count === 1 ? ["line", "is", "was"] : ["lines", "are", "were"];
  return `${count.toLocaleString("en")} earlier ${noun} ${lost ? `${past} lost` : `${verb} not kept`}`;
}

/** The first position whose row's `key` is `value` or more; the length when there is none. */
export function positionOf(rows: readonly Row[], key: "seq" | "index", value: number): number {
  return bisect(rows.length, (at) => (rows[at]?.[key] ?? 0) < value);
}
