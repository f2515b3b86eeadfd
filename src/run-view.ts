/** What a process knows of a run at one moment, and what that means for a viewer at some position. Pure. */
import type { Cursor, Gap, Reset } from "./protocol.js";
import type { SharedAnswers } from "./shared-answers.js";

/** A run as one process sees it. Never changed, only replaced. */
export interface RunView {
  readonly runId: string;
  readonly operation: string | null;
  readonly subjectId: string | null;
  readonly epoch: string;
  /** The first index of the epoch. */
  readonly base: number;
  /** The index of the oldest line that can be had, from this process or from the store. */
  readonly first: number;
  /** The index up to which this process has the lines. */
  readonly next: number;
  /** Lines ever accepted; more than `next` while the process is catching up. */
  readonly total: number;
  readonly version: number;
  readonly terminal: boolean;
  /** The position at which a viewer has seen everything; Infinity while the run is open. */
  readonly expected: number;
  /** The run's `RunState` as JSON text. */
  readonly state: string;
  /** The cursor of a viewer that has all of it. */
  readonly cursor: string;
  /** Answers made from it, for others who ask the same. */
  readonly answers: SharedAnswers;
}

/** Where a viewer wants to begin. */
export type From =
  | { kind: "cursor"; text: string; cursor: Cursor }
  /** An index that asserts no epoch. */
  | { kind: "since"; index: number }
  /** The newest `count` lines. */
  | { kind: "tail"; count: number };

/** Where a viewer is: the epoch ("" asserts none) and the index of the line that it wants next. */
export interface Position {
  epoch: string;
  next: number;
}

/** What a viewer at a position is due. */
export type Step = "reset" | "gap" | "lines" | "finished" | "idle";

/** From the first line that there ever was. */
export const BEGINNING: From = { kind: "since", index: 0 };

/** Where in a run `from` is. */
export function positionOf(view: RunView, from: From): Position {
  switch (from.kind) {
    case "cursor":
      return { epoch: from.cursor.epoch, next: from.cursor.next };
    case "since":
      return { epoch: "", next: from.index };
    case "tail":
      return { epoch: view.epoch, next: Math.max(view.first, view.total - from.count) };
  }
}

/** What a viewer at a position is due. A reset is true only of a view that was read after the viewer asked. */
export function stepAt(view: RunView, { epoch, next }: Position): Step {
  if ((epoch !== "" && epoch !== view.epoch) || next > view.total) return "reset";
  if (next < view.first) return "gap";
  if (next < view.next) return "lines";
  return next >= view.expected ? "finished" : "idle";
}

/** The reset that a viewer at a position is told. */
export function resetAt(view: RunView, { epoch }: Position): Reset {
  return { reason: epoch !== "" && epoch !== view.epoch ? "epoch" : "ahead", first_index: view.first };
}

/** The gap between a position and the oldest line that can be had. */
export function gapAt(view: RunView, { next }: Position): Gap {
  // A buffer is never trimmed to nothing: one without lines was evicted.
  const lost = next < view.base || view.first === view.total;
  return { from: next, to: view.first - 1, lost: view.first - next, reason: lost ? "lost" : "trimmed" };
}
