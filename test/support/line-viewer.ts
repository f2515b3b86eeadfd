/** Viewers of which a test wants the lines, and the ways in which they ask. */
import type { LogPollerOptions } from "../../src/client/index.js";
import type { Completion } from "../../src/client/poll-state.js";
import { sseTransport } from "../../src/client/sse.js";
import { createScaledClock } from "./scaled-clock.js";
import { startViewer } from "./viewer.js";

/** A viewer that keeps count of what it heard. */
export interface LineViewer {
  /** The messages of its lines, in order; a gap or a reset stands in its place as what it is. */
  readonly messages: string[];
  /** The codes that `onError` heard. */
  readonly errors: string[];
  /** How often it was told the end. */
  readonly ends: number;
  /** Resolves when the viewer has seen the end, rejects at a fatal error. */
  readonly finished: Promise<Completion>;
  stop(): void;
}

/** Every way of asking, by what a title calls it. */
export const WAYS: [name: string, how: () => LogPollerOptions][] = [
  ["a poll", () => ({ waitSeconds: 0 })],
  ["a held poll", () => ({})],
  ["a stream", () => ({ transport: sseTransport() })],
];

/** Starts to watch. */
export function startLineViewer(runId: string, options: LogPollerOptions): LineViewer {
  const messages: string[] = [];
  const errors: string[] = [];
  let ends = 0;
  const { finished, stop } = startViewer("viewer", runId, {
    onLog: ({ message }) => messages.push(message),
    onGap: ({ from, to, reason }) => messages.push(`gap ${from}-${to} ${reason}`),
    onReset: ({ reason }) => messages.push(`reset ${reason}`),
    onError: ({ code }) => errors.push(code),
    onComplete: () => {
      ends += 1;
    },
    ...options,
  });
  return {
    messages,
    errors,
    get ends() {
      return ends;
    },
    finished,
    stop,
  };
}

/** The delays of a poller, so many times as short. */
export function hasty(factor: number): LogPollerOptions {
  const { now, after } = createScaledClock(factor);
  return { now, setTimer: (run, ms) => after(ms, run) };
}

/** `line 0`, `line 1`, … */
export function lineTexts(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `line ${i}`);
}
