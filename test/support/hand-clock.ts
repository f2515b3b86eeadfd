import type { Clock } from "../../src/clock.js";

/** A clock whose hands are turned by the test. */
export interface HandClock extends Clock {
  /** Moves the hands timer by timer, and lets everything settle that a timer set going. */
  advance(ms: number): Promise<void>;
  /** How many timers are set. */
  readonly timers: number;
}

/** Lets what was set going come to rest: promises, and stores that answer in a later turn. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** Makes a clock that shows the present and stands still. */
export function createHandClock(): HandClock {
  let time = Date.now();
  let timers: { at: number; run: () => void }[] = [];
  return {
    now: () => time,
    after(ms, run) {
      const timer = { at: time + ms, run };
      timers.push(timer);
      return () => {
        timers = timers.filter((other) => other !== timer);
      };
    },
    get timers() {
      return timers.length;
    },
    async advance(ms) {
      const end = time + ms;
      for (;;) {
        await settle();
        const due = timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
        if (due === undefined) break;
        timers = timers.filter((other) => other !== due);
        time = Math.max(time, due.at);
        due.run();
      }
      time = end;
      await settle();
    },
  };
}
