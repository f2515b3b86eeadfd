import { type Clock, systemClock } from "../../src/clock.js";

/** Real time, `factor` times as fast: what takes a minute by this clock takes a minute divided by `factor`. */
export function createScaledClock(factor: number): Clock {
  const began = Date.now();
  return {
    now: () => began + (Date.now() - began) * factor,
    after: (ms, run) => systemClock.after(ms / factor, run),
  };
}
