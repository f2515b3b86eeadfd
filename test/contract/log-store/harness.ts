import type { LogStore, StoreLimits } from "../../../src/store.js";

/** The period of every sweep in the suite, in milliseconds. */
export const SWEEP_PERIOD_MS = 10_000;

/** The lease of every owner in the suite, in milliseconds: longer than any case can take. */
export const LEASE_MS = 3_600_000;

/** The keys of a run whose time to live the suite looks at. */
export type RunKey = "buffer" | "meta" | "layers" | "producers" | "result";

/** A store with nothing in it, and the hands that do to it what only faults, time and other programs do. */
export interface StoreHarness {
  readonly store: LogStore;
  /** The limits that are in force. */
  readonly limits: StoreLimits;
  /** Another store on the same server, with the default limits but those given; closed with the harness. */
  another(limits: Partial<StoreLimits>): LogStore;
  /** Moves the end of a run's lease into the past. */
  expireLease(runId: string): Promise<void>;
  /** Makes a queued run without an owner older than `queuedTtlSeconds`. */
  ageQueued(runId: string): Promise<void>;
  /** The store's server process becomes another one; all data are kept. */
  changeServer(): Promise<void>;
  /** The run vanishes as by eviction: every `logs:{id}:…` key is gone. The summary and the indexes stay. */
  lose(runId: string): Promise<void>;
  /** Only the lines of the run vanish. */
  loseBufferOnly(runId: string): Promise<void>;
  /**
   * Back to an older copy of the run: its newest `count` lines are gone from the buffer, from `next`, `len` and
   * `bytes`, and `count` is taken off what is known of each producer (at least 0 stay).
   */
  rollBack(runId: string, count: number): Promise<void>;
  /** Something else pushes lines into the buffer of a run of ours and tells nobody. */
  foreignPush(runId: string, texts: readonly string[]): Promise<void>;
  /** Something else writes a run, in place of what it wrote before: lines and meta without `next`. */
  foreignRun(runId: string, run: ForeignRun): Promise<void>;
  /** Seconds that a key has to live; null when there is no such key, Infinity when it lives for ever. */
  ttlSeconds(runId: string, key: RunKey): Promise<number | null>;
  /** Lets the guard that allows one sweep in `SWEEP_PERIOD_MS` expire; leases stay as they are. */
  nextSweep(): Promise<void>;
  /** Closes the store (which may be closed already) and frees what the harness made. */
  close(): Promise<void>;
}

/** A run as something else writes it. */
export interface ForeignRun {
  lines: readonly string[];
  /** Fields of the hash `logs:{id}:meta`. */
  meta: Readonly<Record<string, string>>;
  /** The text of `logs:{id}:layers`; none when left out. */
  layers?: string;
  /** Running totals as JSON text by producer: the fields `c:{producer}` of `logs:{id}:producers`; none when left out. */
  totals?: Readonly<Record<string, string>>;
}

/** Opens a harness on an empty store with the default limits but those given. */
export type OpenHarness = (limits?: Partial<StoreLimits>) => Promise<StoreHarness>;

/** One behaviour that every store must show. */
export interface StoreCase {
  /** A sentence about the behaviour. */
  title: string;
  /** Limits other than the defaults. */
  limits?: Partial<StoreLimits>;
  /** Rejects when the store behaves otherwise. */
  run(harness: StoreHarness): Promise<void>;
}

/** A group of cases about one matter. */
export interface StoreCases {
  about: string;
  cases: readonly StoreCase[];
}
