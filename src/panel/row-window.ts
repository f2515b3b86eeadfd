/** Where rows of different heights stand: which are in sight, and how far down each one is. Pure. */

/** The heights of rows, in pixels, as a Fenwick tree: a height, an offset and a row at an offset in O(log n). */
export class RowHeights {
  #heights: number[] = [];
  /** At i: the sum of as many heights before i as the lowest bit of i says. */
  #sums: number[] = [0];

  constructor(heights: Iterable<number> = []) {
    for (const height of heights) this.push(height);
  }

  get length(): number {
    return this.#heights.length;
  }

  /** The height of all rows. */
  get total(): number {
    return this.top(this.length);
  }

  /** Adds a row below. */
  push(height: number): void {
    this.#heights.push(height);
    const end = this.length;
    let sum = height;
    for (let at = end - 1; at > end - (end & -end); at -= at & -at) sum += this.#sums[at] ?? 0;
    this.#sums.push(sum);
  }

  /** Gives a row another height; false when it has that height. */
  set(row: number, height: number): boolean {
    const more = height - (this.#heights[row] ?? 0);
    if (more === 0) return false;
    this.#heights[row] = height;
    for (let at = row + 1; at <= this.length; at += at & -at) this.#sums[at] = (this.#sums[at] ?? 0) + more;
    return true;
  }

  /** How far down a row begins. */
  top(row: number): number {
    let sum = 0;
    for (let at = Math.min(row, this.length); at > 0; at -= at & -at) sum += this.#sums[at] ?? 0;
    return sum;
  }

  /** The row at an offset; the first or the last one where it lies outside. 0 when there are none. */
  at(offset: number): number {
    let row = 0;
    let left = offset;
    for (let bit = 1 << (31 - Math.clz32(this.length)); bit > 0; bit >>= 1) {
      const sum = this.#sums[row + bit];
      if (sum !== undefined && sum <= left) {
        row += bit;
        left -= sum;
      }
    }
    return Math.max(0, Math.min(row, this.length - 1));
  }
}

/** How many lines of `columns` characters a text takes; with `columns` Infinity, as many as it has itself. */
export function wrappedLines(text: string, columns: number): number {
  let lines = 0;
  for (let from = 0; from <= text.length; ) {
    const next = text.indexOf("\n", from);
    const to = next === -1 ? text.length : next;
    lines += Math.max(1, Math.ceil((to - from) / columns));
    from = to + 1;
  }
  return lines;
}
