/** The rows that a list keeps: lines, and notes where lines are missing. Pure; bounded in number and size. */
import type { LogEntry } from "../protocol.js";
import { count } from "./amounts.js";
import { bisect } from "./row-window.js";

/** One row. */
export interface Row {
  /** Grows with every row that ever came, and orders them. */
  readonly seq: number;
  /** The index of its line; of a note, that of the first line that it speaks of. */
  readonly index: number;
  /** None for a note. */
  readonly entry: LogEntry | undefined;
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

/** Rows in the order in which they came. The oldest make room; then the first row is a note of how many lines did. */
export interface LineRows {
  /** All of them. */
  readonly rows: readonly Row[];
  /** Adds a line. */
  line(entry: LogEntry): Row;
  /** Adds a note that stands for `lines` lines from `index`. */
  note(note: string, index: number, lines: number): Row;
  /** Lets the oldest rows go if there are too many; false when all stay. */
  trim(): boolean;
  /** Lets all go. */
  clear(): unknown;
}

/**
 * The JSON text of all kept lines, in characters: up to twice as much memory, and rows that on a page of usual width are
 * together less high than what a browser can scroll through (some 17 million pixels).
 */
const MAX_SIZE = 64 * 1024 * 1024;
/** So much of what is kept goes at once, so that making room is rare. */
const SHARE = 0.05;

/** Keeps at most `maxLines` rows, and tells of each line that goes. */
export function createLineRows(maxLines: number, onDrop: (entry: LogEntry) => void): LineRows {
  const rows: Row[] = [];
  let held = 0;
  let next = 0;
  const rowOf = (index: number, lines: number, note: string, entry?: LogEntry): Row => {
    const size = entry ? JSON.stringify(entry).length : 0;
    return { seq: next++, index, lines, note, entry, size, height: 0, measured: false };
  };
  const add = (row: Row) => {
    rows.push(row);
    held += row.size;
    return row;
  };
  const drop = (count: number) => {
    const gone = rows.splice(0, count);
    for (const { size, entry } of gone) {
      held -= size;
      if (entry) onDrop(entry);
    }
    return gone;
  };
  return {
    rows,
    line: (entry) => add(rowOf(entry.index, 1, "", entry)),
    note: (note, index, lines) => add(rowOf(index, lines, note)),
    trim() {
      const gone: Row[] = [];
      while (rows.length > maxLines || held > MAX_SIZE) gone.push(...drop(Math.ceil(rows.length * SHARE)));
      const last = gone.at(-1);
      if (!last) return false;
      const lines = gone.reduce((sum, row) => sum + row.lines, 0);
      rows.unshift({ ...rowOf(last.index, lines, earlierLines(lines)), seq: last.seq });
      return true;
    },
    clear: () => drop(Infinity),
  };
}

/** What stands where lines are missing that came before: they made room, or with `lost` they were lost. */
export function earlierLines(lines: number, lost = false): string {
  return `${count(lines, "earlier line")} ${lines === 1 ? "is" : "are"} ${lost ? "lost" : "not kept"}`;
}

/** The first position of a row that came as `seq` or later; the length when there is none. */
export function positionOf(rows: readonly Row[], seq: number): number {
  return bisect(rows.length, (at) => (rows[at]?.seq ?? 0) < seq);
}
