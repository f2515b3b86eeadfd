/** Durations as a histogram of fixed size: 4 buckets for each doubling, so a percentile is right to about 10 %. */

const PER_DOUBLING = 4;
/** From below 1 ms to more than 24 hours. */
const BUCKETS = 27 * PER_DOUBLING;

/** How long many things took. */
export class Durations {
  readonly #counts = new Uint32Array(BUCKETS);
  #count = 0;
  #sumMs = 0;
  #maxMs = 0;

  /** Adds one, in milliseconds. */
  add(ms: number): void {
    const doublings = Math.log2(Math.max(1, ms));
    const bucket = Math.min(BUCKETS - 1, Math.floor(doublings * PER_DOUBLING));
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    this.#count++;
    this.#sumMs += ms;
    this.#maxMs = Math.max(this.#maxMs, ms);
  }

  get count(): number {
    return this.#count;
  }

  /** In milliseconds. */
  get sum(): number {
    return this.#sumMs;
  }

  /** In milliseconds. */
  get max(): number {
    return this.#maxMs;
  }

  /** What `share` (0 to 1) of them did not exceed, in milliseconds; 0 when there are none. */
  percentile(share: number): number {
    let left = Math.ceil(this.#count * share);
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      left -= this.#counts[bucket] as number;
      if (left <= 0 && this.#count > 0) return Math.min(this.#maxMs, 2 ** ((bucket + 0.5) / PER_DOUBLING));
    }
    return 0;
  }
}
