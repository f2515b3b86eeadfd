/** A search through lines, a piece at a time. Pure. */
import { positionOf, type Row } from "./line-rows.js";
import { searchedTextOf } from "./line-text.js";

/** The lines in which a text occurs, whatever the case of its letters. */
export interface LineSearch {
  /** Finds every place in a text. */
  readonly pattern: RegExp;
  /** The lines that match, as far as they were looked at. */
  matches: Row[];
  /** The line that the user is at. */
  current: Row | undefined;
  /** Looks through rows that it has not seen, until `late` says so. Returns whether it has seen all. */
  scan(rows: readonly Row[], late: () => boolean): boolean;
  /** Forgets the matches among rows that are no longer kept. */
  forget(firstSeq: number): void;
  /** Makes the match at a position the current one, and returns it; around the ends. Undefined without any. */
  go(position: number): Row | undefined;
}

/** Makes a search for a text. */
export function createLineSearch(query: string): LineSearch {
  /** Rows before it were looked at. */
  let next = 0;
  const search: LineSearch = {
    pattern: new RegExp(query.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"), "giu"),
    matches: [],
    current: undefined,
    scan(rows, late) {
      let at = positionOf(rows, next);
      for (let row = rows[at]; row; row = rows[++at]) {
        if (row.entry && searchedTextOf(row.entry).search(search.pattern) >= 0) search.matches.push(row);
        next = row.seq + 1;
        if (late()) return false;
      }
      return true;
    },
    forget(firstSeq) {
      search.matches.splice(0, positionOf(search.matches, firstSeq));
    },
    go(position) {
      search.current = search.matches.at(position % search.matches.length);
      return search.current;
    },
  };
  return search;
}
