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
 * The heights of rows, in pixels, and their sums, which are added up anew from the first row that changed when they are
 * asked for: 100,000 additions take a tenth of a millisecond.
 */
export class RowHeights {
  readonly #heights: number[];
  /** At i: how far down row i begins, as far as `#known`. */
  readonly #tops = [0];
  #known = 0;

  constructor(heights: number[] = []) {
    this.#heights = heights;
  }

  /** The height of all rows. */
  get total(): number {
    return this.top(this.#heights.length);
  }

  /** Adds a row below. */
  push(height: number): void {
    this.#heights.push(height);
  }

  /** Gives a row another height; false when it has that height. */
  set(row: number, height: number): boolean {
    if (this.#heights[row] === height) return false;
    this.#heights[row] = height;
    this.#known = Math.min(this.#known, row);
    return true;
  }

  /** How far down a row begins; of the one after the last, how far down the last one ends. */
  top(row: number): number {
    for (; this.#known < row; this.#known++) {
      this.#tops[this.#known + 1] = (this.#tops[this.#known] ?? 0) + (this.#heights[this.#known] ?? 0);
    }
    return this.#tops[row] ?? 0;
  }

  /** The row at an offset; the first or the last one where it lies outside. 0 when there are none. */
  at(offset: number): number {
    const { length } = this.#heights;
    return Math.max(
      0,
      Math.min(
        bisect(length, (at) => this.top(at + 1) <= offset),
        length - 1,
      ),
    );
  }
}

/** How many lines of `columns` characters a text takes; with `columns` Infinity, as many as it has itself. */
export function wrappedLines(text: string, columns: number): number {
  return text.split("\n").reduce((lines, { length }) => lines + Math.max(1, Math.ceil(length / columns)), 0);
}
