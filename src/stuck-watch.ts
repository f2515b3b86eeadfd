/** How long a viewer may take nothing of what it is sent, in milliseconds. */
const STUCK_MS = 30_000;

/** Notices a viewer whose connection takes nothing for 30 s, or takes too long for one piece. */
export class StuckWatch {
  /** Since when the connection takes nothing more, and how much it had not taken when it was looked at last. */
  #since: number | null = null;
  #bytes = 0;
  /** Since when, sips or not. */
  #fullSince: number | null = null;
  readonly #pieceMs: number;

  /** What fills the connection must be taken within `pieceMs`; default: as long as something of it is taken. */
  constructor(pieceMs = Number.POSITIVE_INFINITY) {
    this.#pieceMs = pieceMs;
  }

  /** Whether the viewer is behind: nothing may be written until it has drained. */
  get full(): boolean {
    return this.#since !== null;
  }

  /** The connection takes no more. */
  fill(now: number): void {
    this.#since ??= now;
    this.#fullSince ??= now;
  }

  /** The connection has taken everything. */
  drain(): void {
    this.#since = null;
    this.#fullSince = null;
  }

  /**
   * Whether it is time to cut the viewer off. To be called about once a second; even a sip counts as taking, until the
   * piece is due.
   */
  isStuck(now: number, pendingBytes: number): boolean {
    if (this.#since !== null && pendingBytes < this.#bytes) this.#since = now;
    this.#bytes = pendingBytes;
    if (this.#since === null || this.#fullSince === null) return false;
    return now - this.#since >= STUCK_MS || now - this.#fullSince >= this.#pieceMs;
  }
}
