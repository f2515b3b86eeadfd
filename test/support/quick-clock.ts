/** A clock for pollers in tests: short delays pass at once, long ones only when the test says so. */
export interface QuickClock {
  now: () => number;
  setTimer: (callback: () => void, ms: number) => () => void;
  /** The delays that were asked for and came to their end, in order. */
  readonly passed: number[];
  /** What is left of the delays of `longMs` or more that are waited for. */
  waiting(): number[];
  /** Moves the hands and calls what has become due. */
  advance(ms: number): void;
}

/** Makes a clock that starts at 0; delays shorter than `longMs` (10 s) move its hands and pass at once. */
export function createQuickClock(longMs = 10_000): QuickClock {
  let time = 0;
  const passed: number[] = [];
  const long = new Map<symbol, { at: number; ms: number; callback: () => void }>();
  return {
    now: () => time,
    passed,
    waiting: () => [...long.values()].map(({ at }) => at - time),
    setTimer(callback, ms) {
      if (ms < longMs) {
        const timer = setImmediate(() => {
          time += ms;
          passed.push(ms);
          callback();
        });
        return () => clearImmediate(timer);
      }
      const key = Symbol();
      long.set(key, { at: time + ms, ms, callback });
      return () => {
        long.delete(key);
      };
    },
    advance(ms) {
      time += ms;
      for (const [key, { at, callback, ms: asked }] of long) {
        if (at > time || !long.delete(key)) continue;
        passed.push(asked);
        callback();
      }
    },
  };
}
