/** Bounds the work of a process: so much at once, so much that waits for its turn. */

/** What a limit is made with. */
export interface WorkLimitOptions {
  /** How much is done at once. Default 100. */
  maxConcurrent?: number;
  /** How much may wait besides. Default 1,000. */
  maxQueued?: number;
}

/** Work that begins when there is room for it, in the order in which it came. */
export class WorkLimit {
  readonly #maxConcurrent: number;
  readonly #maxQueued: number;
  readonly #waiting: (() => Promise<void>)[] = [];
  #running = 0;
  #whenIdle: (() => void)[] = [];

  constructor({ maxConcurrent = 100, maxQueued = 1000 }: WorkLimitOptions = {}) {
    this.#maxConcurrent = maxConcurrent;
    this.#maxQueued = maxQueued;
  }

  /** Whether nothing more may come. */
  get full(): boolean {
    return this.#running >= this.#maxConcurrent && this.#waiting.length >= this.#maxQueued;
  }

  /** Begins `work`, which never rejects, in a turn of its own when there is room for it. To be asked if it is `full`. */
  add(work: () => Promise<void>): void {
    this.#waiting.push(work);
    this.#next();
  }

  /** Resolves when everything that came is done. */
  drained(): Promise<void> {
    if (this.#running === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#whenIdle.push(resolve);
    });
  }

  #next(): void {
    if (this.#running >= this.#maxConcurrent) return;
    const work = this.#waiting.shift();
    if (work === undefined) {
      if (this.#running === 0) for (const resolve of this.#whenIdle.splice(0)) resolve();
      return;
    }
    this.#running++;
    // What computes first must not hold back the answer that names it.
    setImmediate(() =>
      work().finally(() => {
        this.#running--;
        this.#next();
      }),
    );
  }
}
