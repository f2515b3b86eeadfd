/**
 * What a process holds for the store, over all its runs: lines that are not stored yet, and stored ones kept for
 * sending again. Both are bounded; what must give, gives the oldest.
 */

/** A writer as the backlog sees it. */
export interface BacklogMember {
  /** Lines that were never sent, and so may be dropped. */
  readonly unsent: number;
  /** Drops the oldest unsent line, tells the backlog by `remove`, and takes note of it. */
  dropOldest(): void;
  /** Gives up all stored lines that it keeps for sending again; returns their size. */
  forgetKept(): number;
}

/** The caps of a process. */
export interface BacklogLimits {
  /** Lines not stored yet. Default 10,000. */
  maxWaitingLines: number;
  /** Their size in bytes. Default 16 MiB. */
  maxWaitingBytes: number;
  /** Size of stored lines kept for sending again, in bytes. Default 64 MiB. */
  maxKeptBytes: number;
}

/** The defaults of protocol §4. */
const BACKLOG_LIMITS: BacklogLimits = {
  maxWaitingLines: 10_000,
  maxWaitingBytes: 16 * 1_048_576,
  maxKeptBytes: 64 * 1_048_576,
};

/** The lines of a process that wait or are kept. */
export class Backlog {
  /** Lines not stored yet, in flight ones included. */
  lines = 0;
  bytes = 0;
  /** Lines ever dropped. */
  dropped = 0;
  #keptBytes = 0;
  readonly #limits: BacklogLimits;
  readonly #waiting = new Set<BacklogMember>();
  /** Those that keep lines, the longest idle first. */
  readonly #keeping = new Set<BacklogMember>();
  #largest: BacklogMember | null = null;
  #drops = 0;

  constructor(limits: Partial<BacklogLimits> = {}) {
    this.#limits = { ...BACKLOG_LIMITS, ...limits };
  }

  /** A line of `member` waits now. Drops the oldest of the run with most of them while there are too many. */
  add(member: BacklogMember, bytes: number): void {
    this.lines += 1;
    this.bytes += bytes;
    // It is there since its first unsent line: asking that costs less than adding it once more.
    if (member.unsent === 1) this.#waiting.add(member);
    while (this.lines > this.#limits.maxWaitingLines || this.bytes > this.#limits.maxWaitingBytes) {
      const largest = this.#findLargest();
      if (largest === null) return;
      this.dropped += 1;
      largest.dropOldest();
    }
  }

  /** Lines of `member` wait no more: stored, dropped or given up. */
  remove(member: BacklogMember, lines: number, bytes: number): void {
    this.lines -= lines;
    this.bytes -= bytes;
    if (member.unsent === 0) this.#waiting.delete(member);
  }

  /** `member` keeps `bytes` more stored lines (or less); the longest idle give theirs up while there are too many. */
  keep(member: BacklogMember, bytes: number): void {
    this.#keptBytes += bytes;
    this.#keeping.delete(member);
    this.#keeping.add(member);
    for (const idle of this.#keeping) {
      if (this.#keptBytes <= this.#limits.maxKeptBytes) return;
      this.#keptBytes -= idle.forgetKept();
      this.#keeping.delete(idle);
    }
  }

  /** `member` is closed and keeps nothing more. */
  leave(member: BacklogMember): void {
    this.#keptBytes -= member.forgetKept();
    this.#keeping.delete(member);
    this.#waiting.delete(member);
  }

  /** Looking at all runs at every drop would make a burst quadratic; which is largest changes slowly. */
  #findLargest(): BacklogMember | null {
    this.#drops += 1;
    if (this.#largest === null || this.#largest.unsent === 0 || this.#drops % 64 === 0) {
      this.#largest = null;
      for (const member of this.#waiting) {
        if (member.unsent > (this.#largest?.unsent ?? 0)) this.#largest = member;
      }
    }
    return this.#largest;
  }
}
