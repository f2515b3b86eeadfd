/** A search through lines, a piece at a time. Pure. */
import type { LogEntry } from "../protocol.js";
import { plainText } from "./ansi.js";
import { positionOf, type Row } from "./line-rows.js";

/** Lines between two looks at the clock. */
const STRIDE = 50;

/** What of a line is searched, and copied: all that a row shows of its text, its traceback among it. */
export function textOf(entry: LogEntry): string {
  const { tag, error } = asideOf(entry);
  const said = [tag, plainText(entry.message), error].filter((part) => part !== "").join(" ");
  return entry.traceback === undefined ? said : `${said}\n${plainText(entry.traceback).trimEnd()}`;
}

/** What a row shows before a message (the module or component that wrote it), and after it (an error that it leaves out). */
export function asideOf({ module, component, context, error, message }: LogEntry): { tag: string; error: string } {
  return {
    tag: module ?? [component, context].filter((part) => part !== undefined).join(":"),
    error: error === undefined || message.includes(error) ? "" : plainText(error),
  };
}

/** The lines in which a text occurs, whatever the case of its letters. */
export class LineSearch {
  /** Finds every place in a text. */
  readonly pattern: RegExp;
  /** The line that the user is at. */
  current: Row | null = null;
  #matches: Row[] = [];
  /** Rows before it were looked at. */
  #next = 0;

  constructor(query: string) {
    this.pattern = new RegExp(query.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"), "giu");
  }

  /** How many lines match so far. */
  get count(): number {
    return this.#matches.length;
  }

  /** The last of them; -1 without any. */
  get last(): number {
    return this.#matches.at(-1)?.seq ?? -1;
  }

  /** Which of them is the current one, from 1; 0: none. */
  get position(): number {
    const { current } = this;
    if (current === null) return 0;
    const at = positionOf(this.#matches, "seq", current.seq);
    return this.#matches[at] === current ? at + 1 : 0;
  }

  /** Looks through rows that it has not seen, until `late` says so. Returns whether it has seen all. */
  scan(rows: readonly Row[], late: () => boolean): boolean {
    let at = positionOf(rows, "seq", this.#next);
    for (let seen = 1; at < rows.length; at++, seen++) {
      const row = rows[at];
      if (row === undefined) break;
      if (row.entry !== null && textOf(row.entry).search(this.pattern) !== -1) this.#matches.push(row);
      this.#next = row.seq + 1;
      if (seen % STRIDE === 0 && late()) return false;
    }
    return true;
  }

  /** Forgets the matches among rows that are no longer kept. */
  forget(firstSeq: number): void {
    this.#matches.splice(0, positionOf(this.#matches, "seq", firstSeq));
    if (this.current !== null && this.current.seq < firstSeq) this.current = null;
  }

  /** Makes the match after `from` the current one, or that before it; around the ends. Returns it, or null without any. */
  step(from: number, direction: 1 | -1): Row | null {
    const { length } = this.#matches;
    const at =
      direction === 1 ? positionOf(this.#matches, "seq", from + 1) : positionOf(this.#matches, "seq", from) - 1;
    this.current = this.#matches[(at + length) % length] ?? null;
    return this.current;
  }
}
