/**
 * Whether the store can be reached, as all writers of a process see it, and whose turn it is to try. While it is away
 * one of them tries at a time, so that an outage costs the process one timer and few calls, however many runs there
 * are; when it is back, all go on.
 */
import { backOffMs } from "./back-off.js";
import { LivetailError } from "./errors.js";

export class Outage {
  readonly #after: (ms: number, run: () => void) => () => void;
  readonly #report: (error: LivetailError) => void;
  #away = false;
  /** How often the store went away or came back. */
  #changes = 0;
  /** A full store still answers what takes no memory. */
  #full = false;
  #attempts = 0;
  readonly #waiting = new Set<() => void>();
  #cancelTimer: (() => void) | null = null;

  /** `after` is that of a clock; `report` hears of an outage once, and of its end once. */
  constructor(after: (ms: number, run: () => void) => () => void, report: (error: LivetailError) => void) {
    this.#after = after;
    this.#report = report;
  }

  /** Whether the store is away. */
  get away(): boolean {
    return this.#away;
  }

  /**
   * A mark to be taken when a call begins and handed in with what became of it: what a call met that began before the
   * last change says nothing of how things are now.
   */
  get mark(): number {
    return this.#changes;
  }

  /** A call was answered; `stored`: it brought something that takes memory. */
  answered(mark: number, stored: boolean): void {
    if (!this.#away || mark !== this.#changes || (this.#full && !stored)) return;
    this.#change(false);
    this.#attempts = 0;
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#report(new LivetailError("STORE_RECOVERED"));
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const again of waiting) again();
  }

  /** A call could not be answered. */
  failed(mark: number, error: LivetailError): void {
    if (this.#away || mark !== this.#changes) return;
    this.#change(true);
    this.#full = /\bOOM\b/.test(error.message);
    this.#report(error);
  }

  /** Calls `again` when it is time for another attempt; `failures`: how many the caller had in a row. */
  tryLater(failures: number, again: () => void): void {
    if (!this.#away) {
      this.#after(backOffMs(failures), again);
      return;
    }
    this.#waiting.add(again);
    this.#schedule();
  }

  #change(away: boolean): void {
    this.#away = away;
    this.#changes += 1;
  }

  #schedule(): void {
    this.#cancelTimer ??= this.#after(backOffMs(this.#attempts), () => {
      this.#cancelTimer = null;
      this.#attempts += 1;
      const [first] = this.#waiting;
      if (first === undefined) return;
      this.#waiting.delete(first);
      // The first one may have nothing to ask any more: the next has its turn in any case.
      if (this.#waiting.size > 0) this.#schedule();
      first();
    });
  }
}
