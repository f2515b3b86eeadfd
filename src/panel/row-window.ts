/** Where rows of different heights stand: which are in sight, and how far down each one is. Pure. */

/** The first of `count` positions that does not lie before what is looked for; `count` when all do. */
export function bisect(count: number, liesBefore: (at: number) => boolean): number {
  let low = 0;
  for (let high = count; low < high; ) {
    const middle = (low + high) >>> 1;
    if (liesBefore(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The sums of the heights of rows, in pixels; they are added up when they are asked for, anew from the first row that
 * has changed.
 */
export interface RowTops {
  /** How far down a row begins; of the one after the last, how far down the last one ends. */
  top(row: number): number;
  /** The row at an offset; the first or the last one where it lies outside. -1 when there are none. */
  at(offset: number): number;
  /** Says that the heights have changed from this row on. */
  changed(row: number): void;
}

/** Makes the sums over as many rows as `count` says, each as high as `heightOf` says. */
export function createRowTops(count: () => number, heightOf: (row: number) => number): RowTops {
  const tops = [0];
  const top = (row: number) => {
    for (let at = tops.length; at <= row; at++) tops[at] = (tops[at - 1] ?? 0) + heightOf(at - 1);
    return tops[row] ?? 0;
  };
  return {
    top,
    at(offset) {
      const last = count() - 1;
      return Math.min(
        bisect(last, (at) => top(at + 1) <= offset),
        last,
      );
    },
    changed(row) {
      tops.length = Math.min(tops.length, row + 1);
    },
  };
}
