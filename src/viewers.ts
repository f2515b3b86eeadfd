/** How many viewers are attached, in all and to each run. */
import { LivetailError } from "./errors.js";

export class Viewers {
  readonly #most: number;
  readonly #mostOfRun: number;
  readonly #ofRun = new Map<string, number>();
  #total = 0;

  constructor(most: number, mostOfRun: number) {
    this.#most = most;
    this.#mostOfRun = mostOfRun;
  }

  /** Streams and held polls, of all runs. */
  get total(): number {
    return this.#total;
  }

  /** Throws `TOO_MANY_VIEWERS` if one more of this run is one too many. */
  admit(runId: string): void {
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
