import { type Clock, systemClock } from "../../src/clock.js";

/** Real time, but what would be tried again within some seconds is tried again at once. Heartbeats keep their pace. */
export const eagerClock: Clock = {
  now: Date.now,
  after(ms, run) {
    if (ms > 5000) return systemClock.after(ms, run);
    const immediate = setImmediate(run);
    return () => clearImmediate(immediate);
  },
};
