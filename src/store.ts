/**
 * The seam between livetail and whatever keeps the lines. It exposes no connection, no transaction and no
 * type of a database. Two implementations pass one contract suite: `store/memory.ts` and `store/redis.ts`.
 *
 * Guarantees that every implementation gives:
 * - each method that writes is atomic and, repeated with the same request, changes nothing more;
 * - it answers with a code for everything that protocol §4 foresees, and rejects only when the store cannot
 *   be reached (`STORE_UNAVAILABLE`) or refused (`STORE_REFUSED`);
 * - all that one `read` answers belongs to one moment; a read never writes.
 */
import type { RunStatus, RunSummary, TerminalStatus } from "./protocol.js";

/** The handle under whose lease a run is executed. */
export interface OwnerLease {
  id: string;
  /** Where the process can be reached, for whoever routes to it; "" when unknown. */
  url: string;
  /** How long the lease lasts from now, by the store's clock. */
  leaseMs: number;
}

/** What a run is created with. */
export interface RunBirth {
  subjectId: string;
  operation: string;
  /** "" for none. */
  parentId: string;
  /** JSON object as text, "" for none. */
  metadata: string;
}

/** Who wants to own a run, and what the run is created with if there is none. */
export interface ClaimRequest {
  runId: string;
  /** The claimer's producer id: repeated with it, a claim answers as before. */
  producer: string;
  /** A random epoch for the run if it is created, or if the server is another one. */
  newEpoch: string;
  /** null: create without an owner (`handOver`). */
  owner: OwnerLease | null;
  /** Claim in spite of a live lease. */
  takeOver: boolean;
  birth: RunBirth;
  /** The line that is stored when an earlier owner is replaced: `{event: "owner_changed"}`. */
  ownerChangedLine: string;
}

/** `OK` with what the owner has to know; `RUN_ENDED`; `OWNED` by one whose lease is not over. */
export type ClaimAnswer =
  | {
      code: "OK";
      epoch: string;
      fence: number;
      next: number;
      version: number;
      attempt: number;
      status: RunStatus;
      cancelRequested: boolean;
      /** The stored layers as JSON text, "" for none. */
      layers: string;
    }
  | { code: "RUN_ENDED"; status: TerminalStatus }
  | { code: "OWNED"; owner: string };

/**
 * The fence, the numbers and the totals that every write of a producer carries. A producer numbers its lines
 * from 0; `first` is the number of the first line here.
 */
export interface WriteRequest {
  runId: string;
  producer: string;
  /** 0: unfenced (a producer that joined by id alone). */
  fence: number;
  /** The owner's lease, renewed by this write; null for a producer that joined. */
  owner: OwnerLease | null;
  /** The epoch that the producer knows, "" for none. */
  epoch: string;
  /** A random epoch, in force if this write has to begin one. */
  newEpoch: string;
  /** How many of its lines the store has acknowledged in this epoch. */
  acked: number;
  /** The largest `next` that it was told in this epoch. */
  told: number;
  first: number;
  /**
   * The producer's number after these lines: `first + lines.length`, or more for the one `log_gap` line that
   * stands for a hole. A batch with a hole is accepted only if `first` is what the store has.
   */
  upto: number;
  /** Stored texts. None: a heartbeat. */
  lines: readonly string[];
  /** How many lines it ever logged; what the store lacks of them after the end is late. */
  logged: number;
  /** Its running totals as JSON text, "" when unchanged. */
  totals: string;
  /** queued → running. */
  start: boolean;
}

/** Layers that travel with an append: written only if the stored text is still `replaces`. */
export interface LayersWrite {
  text: string;
  /** SHA-1 (hex) of the text that was merged into, "" when there was none. */
  replacesSha1: string;
}

/** Lines of a producer, or a heartbeat when there are none, and layers that come along. */
export interface AppendRequest extends WriteRequest {
  layers: LayersWrite | null;
}

/** The last lines of a run and how it ended. */
export interface EndRequest extends WriteRequest {
  status: TerminalStatus;
  /** "" for none. */
  error: string;
  errorCode: string;
  /** JSON text, null for none. */
  result: string | null;
}

/** What stands against a write, in the order in which it is looked at; protocol §4.3 says what the producer then does. */
export type Refusal =
  | { code: "GONE" }
  | { code: "RUN_ENDED"; status: TerminalStatus }
  | { code: "FENCED" }
  | { code: "EPOCH"; epoch: string; have: number; next: number }
  | { code: "ORDER"; have: number }
  | { code: "TOO_MANY_PRODUCERS" };

/** A refusal, or `OK`: every line up to `upto` is stored. */
export type AppendAnswer =
  | Refusal
  | {
      code: "OK";
      epoch: string;
      next: number;
      version: number;
      cancelRequested: boolean;
      /** The stored layers when the ones that came along were not merged into them; null when they were written. */
      layers: string | null;
    };

/** What an end or a release is answered: a refusal, or `OK`. */
export type EndAnswer = Refusal | { code: "OK"; epoch: string; next: number; version: number };

/** What its owner knows of a run that the store lost. */
export interface RecreateRequest {
  runId: string;
  producer: string;
  newEpoch: string;
  fence: number;
  owner: OwnerLease;
  birth: RunBirth;
  /** The first index of the new epoch: what the producer was told minus what it is about to send again. */
  base: number;
  /** The producer's number of the first line that it is about to send again. */
  have: number;
  status: RunStatus;
  attempt: number;
  totals: string;
  /** JSON text, "" for none. */
  layers: string;
  cancelRequested: boolean;
  /** Milliseconds since 1970; 0 when not yet. */
  createdAt: number;
  startedAt: number;
}

/** `OK`, for the same request again too, or `EXISTS`. */
export type RecreateAnswer =
  | { code: "OK"; epoch: string; next: number; version: number }
  /** Somebody created it in between: append and see. */
  | { code: "EXISTS" };

/** A run as stored. Times are milliseconds since 1970 by the store's clock, 0 when not yet. */
export interface RunRecord {
  runId: string;
  status: RunStatus;
  /** `0` for a run that something else wrote. */
  epoch: string;
  base: number;
  /** The index of the oldest line that is kept. */
  first: number;
  /** Lines ever accepted. */
  next: number;
  version: number;
  /** null while open. */
  expectedLogCount: number | null;
  lateLines: number;
  /** "" for none. */
  owner: string;
  ownerUrl: string;
  leaseUntil: number;
  stalledSweeps: number;
  attempt: number;
  cancelRequested: boolean;
  subjectId: string;
  operation: string;
  parentId: string;
  /** JSON text, "" for none. */
  metadata: string;
  error: string;
  errorCode: string;
  createdAt: number;
  startedAt: number;
  finishedAt: number;
}

/** Which page of which run, and what the reader has of it. */
export interface ReadRequest {
  runId: string;
  /**
   * Where to begin. `at` within `epoch` ("" asserts none); in another epoch or beyond `next`, lines come from
   * `first`. `tail`: the newest K. `none`: no lines.
   */
  from: { kind: "at"; epoch: string; index: number } | { kind: "tail"; count: number } | { kind: "none" };
  /** At most this many lines. */
  limit: number;
  /** What the reader has: with the same epoch and version, `layers` and `totals` are left out. */
  known: { epoch: string; version: number } | null;
}

/** A page of a run with its state, of one moment. */
export interface ReadAnswer {
  /** The store's clock, milliseconds since 1970. */
  now: number;
  run: RunRecord;
  /** Index of `lines[0]`; `run.first` or more. */
  linesFrom: number;
  lines: string[];
  /** null when `known` is still right. */
  state: {
    /** JSON text, "" for none. */
    layers: string;
    /** One JSON text per producer. */
    totals: string[];
  } | null;
}

/** The status that stands, and whether a cancel is asked for; `GONE` when there is no such run. */
export type CancelAnswer = { code: "GONE" } | { code: "OK"; status: RunStatus; cancelRequested: boolean };

/** Which runs to list: those that fit all that is given, at most `limit`. */
export interface ListRequest {
  /** `open`: queued or running, however long ago it was created. */
  status?: RunStatus | "open";
  operation?: string;
  subjectId?: string;
  parentId?: string;
  limit: number;
}

/** What one sweep did. */
export interface SweepReport {
  /** False when another process swept in this period. */
  swept: boolean;
  /** Runs that were ended, with the code: `OWNER_LOST` or `NEVER_STARTED`. */
  ended: { runId: string; errorCode: string }[];
  /** Runs whose lease is over, not yet ended. */
  stalled: string[];
}

/** How to sweep, and what to write to the runs that it ends. */
export interface SweepRequest {
  /** One sweep per period over all processes. */
  periodMs: number;
  /** A run is ended at this many sweeps that found its lease over. */
  lostAfterSweeps: number;
  newEpoch: () => string;
  /** The last line of a run whose owner is lost: `{event: "owner_lost"}`. */
  ownerLostLine: () => string;
  neverStartedLine: () => string;
}

/** Lines as one append stored them, all of which are kept, and what a read right after it would say of the run. */
export interface AppendedLines {
  epoch: string;
  /** The index of the oldest line that is kept. */
  first: number;
  /** The index of `lines[0]`. */
  from: number;
  lines: string[];
}

/** A hint that a run has something new. Any may get lost, and whoever hears one may always read instead. */
export interface Hint {
  next: number;
  version: number;
  /** What is new, if it is lines alone and the store sends them along; Redis does so with few bytes. */
  appended?: AppendedLines;
}

/** Where runs are kept. Every implementation gives the guarantees at the top of this file. */
export interface LogStore {
  /** `memory` serves one process only. */
  readonly kind: "memory" | "redis";

  /** Creates or adopts a run. Who owns it is decided here and only here. */
  claim(request: ClaimRequest): Promise<ClaimAnswer>;

  /** Appends lines, renews the lease, writes layers and totals; without lines it is a heartbeat. */
  append(request: AppendRequest): Promise<AppendAnswer>;

  /** Ends a run, with its last lines. A second end changes nothing: `RUN_ENDED` with the status that stands. */
  end(request: EndRequest): Promise<EndAnswer>;

  /** Gives a run back: `queued`, no owner, lines kept. */
  release(request: WriteRequest): Promise<EndAnswer>;

  /** Creates a run again that the store lost; only its owner calls this. */
  recreate(request: RecreateRequest): Promise<RecreateAnswer>;

  /** Asks for a cancel; a run without an owner ends at once. */
  cancel(runId: string): Promise<CancelAnswer>;

  /** One page of a run with its state; null when there is no such run. */
  read(request: ReadRequest): Promise<ReadAnswer | null>;

  /** What is left of a run when its lines have expired; null for nothing. */
  readSummary(runId: string): Promise<RunSummary | null>;

  /** The result of a completed run as JSON text; null for none. */
  readResult(runId: string): Promise<string | null>;

  /** Status of the children of a run, by child id. */
  readChildren(runId: string): Promise<Record<string, RunStatus>>;

  /** Deletes an ended run. */
  remove(runId: string): Promise<"OK" | "GONE" | "OPEN">;

  /** Recent runs, newest first. */
  list(request: ListRequest): Promise<RunSummary[]>;

  /** The newest run of a subject (of `operation`, if given); null for none. */
  latest(subjectId: string, operation: string | null): Promise<string | null>;

  /** Counts leases that are over and ends the runs of lost owners. */
  sweep(request: SweepRequest): Promise<SweepReport>;

  /** Calls `onHint` whenever the run may have something new, until the returned function is called. Never throws. */
  watch(runId: string, onHint: (hint: Hint) => void): () => void;

  /** Calls `onCancel` for each run of `ownerId` that shall be cancelled, until the returned function is called. */
  watchOwner(ownerId: string, onCancel: (runId: string) => void): () => void;

  /** Resolves to true when the store answers; never rejects. */
  ping(): Promise<boolean>;

  /** How many open runs the store knows of. */
  countOpen(): Promise<number>;

  /** Frees what the store made; what it was handed stays open. Later calls reject with `CLOSED`. */
  close(): Promise<void>;
}

/** What a store keeps, and for how long. */
export interface StoreLimits {
  /** Lines kept of a run. Default 1,000. */
  maxLines: number;
  /** Bytes of lines kept of a run. Default 1 MiB. */
  maxBufferBytes: number;
  /** How long an open run is kept after its last write. Default 86,400 (24 h). */
  openTtlSeconds: number;
  /** How long an ended run is kept. Default 21,600 (6 h). */
  endedTtlSeconds: number;
  /** How long a run without an owner waits for one. Default 86,400 (24 h). */
  queuedTtlSeconds: number;
}

/** The defaults of protocol §3. */
export const STORE_LIMITS: StoreLimits = {
  maxLines: 1000,
  maxBufferBytes: 1_048_576,
  openTtlSeconds: 86_400,
  endedTtlSeconds: 21_600,
  queuedTtlSeconds: 86_400,
};

/** Producers of one run, protocol §5. */
export const MAX_PRODUCERS = 1000;
