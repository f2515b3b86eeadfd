/** Deadlines of one length, any number of them under one timer. */

/** What waits for its deadline, in the order of the deadlines. */
export class Deadlines {
  readonly #ms: number;
  readonly #waiting = new Set<{ at: number; onDue: () => void }>();
  #timer: ReturnType<typeof setTimeout> | null = null;

  /** `ms`: how long each lasts. */
  constructor(ms: number) {
    this.#ms = ms;
  }

  /** Calls `onDue` in time, unless the returned function is called before. Keeps the process alive until then. */
  add(onDue: () => void): () => void {
    const deadline = { at: performance.now() + this.#ms, onDue };
    this.#waiting.add(deadline);
    this.#timer ??= setTimeout(this.#look, this.#ms);
    return () => {
      if (!this.#waiting.delete(deadline) || this.#waiting.size > 0 || this.#timer === null) return;
      clearTimeout(this.#timer);
      this.#timer = null;
    };
  }

  /** The result of `work`; rejects with what `late` makes when that takes too long. */
  within<T>(work: Promise<T>, late: () => Error): Promise<T> {
    return new Promise((resolve, reject) => {
      const cancel = this.add(() => reject(late()));
      work.then(
        (result) => {
          cancel();
          resolve(result);
        },
        (error) => {
          cancel();
          reject(error);
        },
      );
    });
  }

  // What has arrived by then is read first: in an event loop that was blocked, timers come before it.
  readonly #look = (): void => void setImmediate(this.#expire);

  readonly #expire = (): void => {
    // Another one, if all were cancelled since it was time to look and one was added then.
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const now = performance.now();
    for (const deadline of this.#waiting) {
      // Timers may be a little early.
      if (deadline.at > now + 1) {
        this.#timer = setTimeout(this.#look, deadline.at - now);
        return;
      }
      this.#waiting.delete(deadline);
      deadline.onDue();
    }
  };
}
