import { setTimeout as delay } from "node:timers/promises";

/** Waits until it holds; throws with what was waited for after `ms`. */
export async function until(holds: () => boolean | Promise<boolean>, what: string, ms = 15_000): Promise<void> {
  const deadline = performance.now() + ms;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`Waited ${ms} ms in vain for ${what}.`);
    await delay(5);
  }
}

/** What `promise` resolves to; throws with what was waited for after `ms`. */
export async function within<T>(promise: Promise<T>, what: string, ms = 30_000): Promise<T> {
  const leave = new AbortController();
  const late = delay(ms, undefined, { signal: leave.signal }).then(() => {
    throw new Error(`Waited ${ms} ms in vain for ${what}.`);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    leave.abort();
    late.catch(() => {});
  }
}
