/** How long a viewer may take nothing of what it is sent, in milliseconds. */
const STUCK_MS = 30_000;

/** Notices a viewer whose connection takes nothing for 30 s. */
export class StuckWatch {
  /** Since when the connection takes nothing more, and how much it had not taken when it was looked at last. */
  #since: number | null = null;
  #bytes = 0;

  /** Whether the viewer is behind: nothing may be written until it has drained. */
  get full(): boolean {
    return this.#since !== null;
  }

  /** The connection takes no more. */
  fill(now: number): void {
    this.#since ??= now;
  }

  /** The connection has taken everything. */
  drain(): void {
    this.#since = null;
  }

  /** Whether it is time to cut the viewer off. To be called about once a second; even a sip counts as taking. */
  isStuck(now: number, pendingBytes: number): boolean {
    if (this.#since !== null && pendingBytes < this.#bytes) this.#since = now;
    this.#bytes = pendingBytes;
    return this.#since !== null && now - this.#since >= STUCK_MS;
  }
}
