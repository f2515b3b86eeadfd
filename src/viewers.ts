/** How many viewers are attached, in all and to each run, and whether any more are taken. */
import { LivetailError } from "./errors.js";

/** The viewers of a process, counted: streams, held polls and downloads. */
export class Viewers {
  readonly #most: number;
  readonly #mostOfRun: number;
  readonly #ofRun = new Map<string, number>();
  #total = 0;
  #closed = false;

  /** At most `most` in all, and `mostOfRun` of one run. */
  constructor(most: number, mostOfRun: number) {
    this.#most = most;
    this.#mostOfRun = mostOfRun;
  }

  /** Those of all runs. */
  get total(): number {
    return this.#total;
  }

  /** Whether `close` was called. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Refuses everybody from now on. */
  close(): void {
    this.#closed = true;
  }

  /** Throws `STORE_UNAVAILABLE` once it is closed. */
  assertOpen(): void {
    if (this.#closed) throw new LivetailError("STORE_UNAVAILABLE", "This process is closing.");
  }

  /** Throws `TOO_MANY_VIEWERS` if one more of this run is one too many, and as `assertOpen` does. */
  admit(runId: string): void {
    this.assertOpen();
    if (this.#total >= this.#most || (this.#ofRun.get(runId) ?? 0) >= this.#mostOfRun) {
      throw new LivetailError("TOO_MANY_VIEWERS");
    }
  }

  /** Counts one viewer until the returned function is called, once. */
  enter(runId: string): () => void {
    this.#total += 1;
    this.#ofRun.set(runId, (this.#ofRun.get(runId) ?? 0) + 1);
    return () => {
      this.#total -= 1;
      const left = (this.#ofRun.get(runId) ?? 1) - 1;
      if (left > 0) this.#ofRun.set(runId, left);
      else this.#ofRun.delete(runId);
    };
  }
}
