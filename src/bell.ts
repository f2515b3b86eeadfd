/** Tells whoever listens that something has changed. It carries no news itself: who hears it looks. */
import type { Clock } from "./clock.js";

/** Rings at every change for all who listen, and ends the waits that lasted long enough. */
export class Bell {
  readonly #clock: Clock;
  readonly #listeners = new Set<() => void>();
  readonly #waiting = new Set<() => void>();
  /** Who is called by a ring; null when somebody came or went since the last one. */
  #called: readonly (() => void)[] | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many listen and wait. */
  get listeners(): number {
    return this.#listeners.size;
  }

  /** Calls `onRing` at every change, and `onSentAway` at `sendAway()`, until the returned function is called. */
  listen(onRing: () => void, onSentAway?: () => void): () => void {
    this.#add(onRing);
    if (onSentAway !== undefined) this.#waiting.add(onSentAway);
    return () => {
      this.#remove(onRing);
      if (onSentAway !== undefined) this.#waiting.delete(onSentAway);
    };
  }

  /** Resolves to true at the next change; to false after `ms`, when `signal` aborts, or at `sendAway()`. */
  wait(ms: number, signal?: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      if (signal?.aborted === true) return resolve(false);
      const settle = (changed: boolean): void => {
        this.#remove(onRing);
        this.#waiting.delete(giveUp);
        signal?.removeEventListener("abort", giveUp);
        cancelTimer();
        resolve(changed);
      };
      const onRing = (): void => settle(true);
      const giveUp = (): void => settle(false);
      const cancelTimer = this.#clock.after(ms, giveUp);
      signal?.addEventListener("abort", giveUp);
      this.#add(onRing);
      this.#waiting.add(giveUp);
    });
  }

  /** Calls everybody. */
  ring(): void {
    // A copy, because a listener that has what it wants takes itself out, and may come again.
    this.#called ??= [...this.#listeners];
    for (const onRing of this.#called) onRing();
  }

  /** Ends every `wait` now, and tells listeners that want to know. */
  sendAway(): void {
    for (const giveUp of [...this.#waiting]) giveUp();
  }

  #add(onRing: () => void): void {
    this.#listeners.add(onRing);
    this.#called = null;
  }

  #remove(onRing: () => void): void {
    this.#listeners.delete(onRing);
    this.#called = null;
  }
}
