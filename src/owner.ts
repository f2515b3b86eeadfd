/**
 * Ownership for a whole process: one identity, one lease length, one timer that renews all leases and sweeps, one
 * channel on which cancels arrive (protocol §5).
 */
import type { Clock } from "./clock.js";
import { LivetailError } from "./errors.js";
import type { LineEncoder } from "./serialize.js";
import type { LogStore, OwnerLease } from "./store.js";

/** A handle that wants its lease renewed. */
export interface LeaseHolder {
  readonly id: string;
  /** Renews the lease, and learns whether somebody asked for a cancel; never rejects. */
  heartbeat(): Promise<void>;
  /** True when nothing is left to renew or to send again. */
  settled(now: number): boolean;
}

/** A lease is over this many sweeps before its owner counts as lost. */
const LOST_AFTER_SWEEPS = 4;

export interface OwnerOptions {
  store: LogStore;
  clock: Clock;
  encoder: LineEncoder;
  id: string;
  /** Where this process can be reached, "" when nowhere. */
  url: string;
  /** Default 30,000. */
  leaseMs: number;
  newEpoch(): string;
  report(error: LivetailError, runId?: string): void;
}

/** The owner of a process. */
export class Owner {
  readonly lease: OwnerLease;
  readonly #options: OwnerOptions;
  readonly #holders = new Set<LeaseHolder>();
  readonly #periodMs: number;
  #unwatch: (() => void) | null = null;
  #cancelTimer: (() => void) | null = null;
  #closed = false;
  #sweeping = false;

  constructor(options: OwnerOptions) {
    this.#options = options;
    this.lease = { id: options.id, url: options.url, leaseMs: options.leaseMs };
    this.#periodMs = Math.max(1, Math.floor(options.leaseMs / 3));
    this.#schedule();
  }

  /** From now on the handle's lease is renewed and cancels reach it. */
  enter(holder: LeaseHolder): void {
    this.#holders.add(holder);
    this.#unwatch ??= this.#options.store.watchOwner(this.lease.id, (runId) => {
      // The store says whether it is so: a channel is heard in all databases of a Redis, with runs of the same id.
      for (const each of this.#holders) if (each.id === runId) void each.heartbeat();
    });
  }

  /** The handle needs nothing any more. */
  leave(holder: LeaseHolder): void {
    this.#holders.delete(holder);
  }

  /** Stops the timer and the channel. */
  close(): void {
    this.#closed = true;
    this.#cancelTimer?.();
    this.#unwatch?.();
    this.#holders.clear();
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#cancelTimer = this.#options.clock.after(this.#periodMs, () => {
      this.#schedule();
      const now = this.#options.clock.now();
      for (const holder of this.#holders) {
        if (holder.settled(now)) this.#holders.delete(holder);
        else void holder.heartbeat();
      }
      void this.sweep();
    });
  }

  /** Counts leases that are over, for all processes; one of them per period does it. */
  async sweep(): Promise<void> {
    if (this.#sweeping) return;
    this.#sweeping = true;
    const { store, encoder, newEpoch, report } = this.#options;
    try {
      await store.sweep({
        // A little less than the timer's period, or the process that swept last would find its own mark still there.
        periodMs: Math.max(1, Math.floor(this.#periodMs * 0.9)),
        lostAfterSweeps: LOST_AFTER_SWEEPS,
        newEpoch,
        ownerLostLine: () => encoder.event("error", "owner_lost", undefined),
        neverStartedLine: () => encoder.event("error", "never_started", undefined),
      });
    } catch (error) {
      // An outage is told by those who write; the next sweep comes by itself.
      if (error instanceof LivetailError && error.code === "STORE_REFUSED") report(error);
    } finally {
      this.#sweeping = false;
    }
  }
}
