/** Tells whoever listens that something has changed. It carries no news itself: who hears it looks. */
import type { Clock } from "./clock.js";

/** Rings at every change for all who listen, and ends the waits that lasted long enough. */
export class Bell {
  readonly #clock: Clock;
  readonly #listeners = new Set<() => void>();
  readonly #waiting = new Set<() => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many listen and wait. */
  get listeners(): number {
    return this.#listeners.size;
  }

  /** Calls `onRing` at every change, until the returned function is called. */
  listen(onRing: () => void): () => void {
    this.#listeners.add(onRing);
    return () => {
      this.#listeners.delete(onRing);
    };
  }

  /** Resolves to true at the next change; to false after `ms`, when `signal` aborts, or at `sendAway()`. */
  wait(ms: number, signal?: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      if (signal?.aborted === true) return resolve(false);
      const settle = (changed: boolean): void => {
        this.#listeners.delete(onRing);
        this.#waiting.delete(giveUp);
        signal?.removeEventListener("abort", giveUp);
        cancelTimer();
        resolve(changed);
      };
      const onRing = (): void => settle(true);
      const giveUp = (): void => settle(false);
      const cancelTimer = this.#clock.after(ms, giveUp);
      signal?.addEventListener("abort", giveUp);
      this.#listeners.add(onRing);
      this.#waiting.add(giveUp);
    });
  }

  /** Calls everybody. */
  ring(): void {
    // A copy, because a listener that has what it wants takes itself out, and may come again.
    for (const onRing of [...this.#listeners]) onRing();
  }

  /** Ends every `wait` now. */
  sendAway(): void {
    for (const giveUp of [...this.#waiting]) giveUp();
  }
}
