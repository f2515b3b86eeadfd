/** The newest lines of a run. */

/** Consecutive lines, encoded and bounded by their size: new ones come in at one end, old ones leave at the other. */
export class LineWindow {
  #lines: string[] = [];
  /** How many places at the head of `#lines` are empty; they are given back in one go, so that dropping is cheap. */
  #dropped = 0;
  #next: number;
  #bytes = 0;

  /** An empty window at index `at`. */
  constructor(at: number) {
    this.#next = at;
  }

  /** The index of the oldest line here; `next` when there is none. */
  get first(): number {
    return this.#next - (this.#lines.length - this.#dropped);
  }

  /** The index of the line that would come next. */
  get next(): number {
    return this.#next;
  }

  /** Roughly: the length of the texts. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds the line with index `next`. */
  push(line: string): void {
    this.#lines.push(line);
    this.#bytes += line.length;
    this.#next += 1;
  }

  /** Drops the oldest lines until at most `maxBytes` are left. */
  trim(maxBytes: number): void {
    while (this.#bytes > maxBytes && this.#dropped < this.#lines.length) {
      this.#bytes -= (this.#lines[this.#dropped] as string).length;
      this.#lines[this.#dropped] = "";
      this.#dropped += 1;
    }
    if (this.#dropped * 2 > this.#lines.length) {
      this.#lines = this.#lines.slice(this.#dropped);
      this.#dropped = 0;
    }
  }

  /** The lines from `from` on: at most `limit` and, beyond the first, at most `maxBytes`. */
  slice(from: number, limit: number, maxBytes: number): string[] {
    const begin = from - this.first + this.#dropped;
    const end = Math.min(begin + limit, this.#lines.length);
    if (maxBytes >= this.#bytes) return this.#lines.slice(begin, end);
    let bytes = 0;
    let at = begin;
    while (at < end) {
      bytes += (this.#lines[at] as string).length;
      if (bytes > maxBytes && at > begin) break;
      at += 1;
    }
    return this.#lines.slice(begin, at);
  }
}
