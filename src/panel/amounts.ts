/** Times, money and numbers as the panel writes them. Pure. */

/** A duration: `320ms`, `1.2s`, `12s`, `03:05`, `2:14:00`; whole seconds bear no fraction, so that a clock can tick. */
export function duration(ms: number): string {
  if (ms >= 59_500) return clock(Math.round(ms / 1000) * 1000, 19);
  if (ms < 1000 && ms) return `${Math.round(ms)}ms`;
  return `${(ms / 1000).toFixed(ms % 1000 && ms < 9950 ? 1 : 0)}s`;
}

/** Hours, if there are any, minutes and seconds; without milliseconds if `end` is 19, with them if it is 23. */
export function clock(ms: number, end: number): string {
  const hours = Math.floor(ms / 3_600_000);
  return (hours ? `${hours}:` : "") + new Date(ms).toISOString().slice(14, end);
}

/** The time that has passed in whole seconds, for a clock that ticks; never less than 0, whatever two clocks say. */
export function ticking(ms: number): string {
  return duration(Math.max(0, Math.floor(ms / 1000)) * 1000);
}

/** US dollars, with as many digits as a small amount needs: `$12.30`, `$0.05`, `$0.000043`. */
export function money(usd: number): string {
  return `$${usd < 1 ? usd.toFixed(9).replace(/0{1,7}$/, "") : usd.toFixed(2)}`;
}

/** A number and what it counts: `1 call`, `1,204 calls`. */
export function count(number: number, noun: string): string {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}
