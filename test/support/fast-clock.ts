import type { Clock } from "../../src/clock.js";

/** A clock for both sides of the wire on which time flies. */
export interface FastClock extends Clock {
  /** The same for a poller. */
  readonly poller: { now: () => number; setTimer: (callback: () => void, ms: number) => () => void };
}

/** Makes a clock that shows the present and goes `factor` times faster than it, for waits that are long and real. */
export function createFastClock(factor: number): FastClock {
  const begun = Date.now();
  const began = performance.now();
  const now = (): number => Math.floor(begun + (performance.now() - began) * factor);
  const after = (ms: number, run: () => void): (() => void) => {
    const timer = setTimeout(run, ms / factor);
    return () => clearTimeout(timer);
  };
  return { now, after, poller: { now, setTimer: (callback, ms) => after(ms, callback) } };
}
