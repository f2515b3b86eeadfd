/**
 * Counts the timers of a process, whoever makes them. Imported for its effect, before what is to be counted; who is
 * not to be counted takes the real ones from here.
 */

/** The functions as they were. */
export const real = { setTimeout, setImmediate };

const alive = new Set<unknown>();

/** What was counted: timers that are under way now, the most that there were at once, and how many were ever made. */
export const timers = {
  get alive(): number {
    return alive.size;
  },
  most: 0,
  made: 0,
};

function counted<Timer>(make: (callback: () => void) => Timer, once: boolean, callback: () => void): Timer {
  const timer = make(() => {
    if (once) alive.delete(timer);
    callback();
  });
  alive.add(timer);
  timers.made += 1;
  timers.most = Math.max(timers.most, alive.size);
  return timer;
}

const { setInterval, clearTimeout, clearInterval } = globalThis;

Object.assign(globalThis, {
  setTimeout: (callback: (...args: unknown[]) => void, ms?: number, ...args: unknown[]) =>
    counted(
      (run) => real.setTimeout(run, ms),
      true,
      () => callback(...args),
    ),
  setInterval: (callback: (...args: unknown[]) => void, ms?: number, ...args: unknown[]) =>
    counted(
      (run) => setInterval(run, ms),
      false,
      () => callback(...args),
    ),
  clearTimeout(timer: NodeJS.Timeout | undefined) {
    alive.delete(timer);
    clearTimeout(timer);
  },
  clearInterval(timer: NodeJS.Timeout | undefined) {
    alive.delete(timer);
    clearInterval(timer);
  },
});
