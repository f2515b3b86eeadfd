/** What a writer is given by its process and tells its run. */
import type { Backlog } from "./backlog.js";
import type { LivetailError } from "./errors.js";
import type { Outage } from "./outage.js";
import type { TerminalStatus } from "./protocol.js";
import type { LineEncoder } from "./serialize.js";
import type { LogStore, RecreateRequest } from "./store.js";
import type { TurnQueue } from "./turn-queue.js";

/** What the writers of a process share. */
export interface WriterHost {
  readonly store: LogStore;
  readonly encoder: LineEncoder;
  readonly backlog: Backlog;
  /** What a run keeps for sending again: as much as the store keeps. */
  readonly maxLines: number;
  readonly maxBufferBytes: number;
  now(): number;
  newEpoch(): string;
  /** Whether the store is away; an outage is reported once, and so is its end. */
  readonly outage: Outage;
  /** What is to be sent leaves at the end of a turn. */
  readonly turns: TurnQueue;
  /** Something that somebody should know. */
  report(error: LivetailError, runId: string): void;
}

/** What the writer tells its run. */
export interface WriterEvents {
  onFenced(): void;
  onCancelRequested(): void;
  /** The store took what was sent; the run is at `version` now. */
  onStored(version: number): void;
  /** Another end stands, or this one. */
  onEnded(status: TerminalStatus): void;
  /** The end or the release is stored, or nothing will ever be. */
  onClosed(): void;
  /** What is needed to create the run again; null for a writer that joined. */
  describe(): Pick<
    RecreateRequest,
    "birth" | "attempt" | "createdAt" | "startedAt" | "status" | "cancelRequested"
  > | null;
}

/** How a run is closed. */
export type Closing =
  | { kind: "end"; status: TerminalStatus; error: string; errorCode: string; result: string | null }
  | { kind: "release" };
