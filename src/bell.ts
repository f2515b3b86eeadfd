/** Tells whoever listens that something has changed. It carries no news itself: who hears it looks. */
import type { Clock } from "./clock.js";

/** Who listens: an object, because a function of its own for each of a thousand viewers is one more thing to touch. */
export interface Listener {
  /** Something has changed. */
  onRing(): void;
  /** Nothing is held any more. */
  onSentAway?(): void;
}

/** Rings at every change for all who listen, and ends the waits that lasted long enough. */
export class Bell {
  readonly #clock: Clock;
  readonly #listeners = new Set<Listener>();
  /** Who is called by a ring; null when somebody came or went since the last one. */
  #called: readonly Listener[] | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many listen and wait. */
  get listeners(): number {
    return this.#listeners.size;
  }

  /** Calls `listener` at every change, until the returned function is called. */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    this.#called = null;
    return () => {
      this.#listeners.delete(listener);
      this.#called = null;
    };
  }

  /** Resolves to true at the next change; to false after `ms`, when `signal` aborts, or at `sendAway()`. */
  wait(ms: number, signal?: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      if (signal?.aborted === true) return resolve(false);
      const settle = (changed: boolean): void => {
        leave();
        signal?.removeEventListener("abort", giveUp);
        cancelTimer();
        resolve(changed);
      };
      const giveUp = (): void => settle(false);
      const cancelTimer = this.#clock.after(ms, giveUp);
      signal?.addEventListener("abort", giveUp);
      const leave = this.listen({ onRing: () => settle(true), onSentAway: giveUp });
    });
  }

  /** Calls everybody. */
  ring(): void {
    for (const listener of this.#everybody()) listener.onRing();
  }

  /** Ends every `wait` now, and tells listeners that want to know. */
  sendAway(): void {
    for (const listener of this.#everybody()) listener.onSentAway?.();
  }

  /** A copy, because a listener that has what it wants takes itself out, and may come again. */
  #everybody(): readonly Listener[] {
    this.#called ??= [...this.#listeners];
    return this.#called;
  }
}
