/** Times, money and numbers as the panel writes them. Pure. */

/** A duration: `320ms`, `1.2s`, `12s`, `3m 05s`, `2h 14m`; whole seconds bear no fraction, so that a clock can tick. */
export function duration(ms: number): string {
  if (ms % 1000 && ms < 9950) return ms < 1000 ? `${Math.round(ms)}ms` : `${(ms / 1000).toFixed(1)}s`;
  const seconds = Math.round(ms / 1000);
  const [size, large, small] = seconds < 3600 ? [60, "m", "s"] : [3600, "h", "m"];
  const rest = Math.floor((seconds % size) / (size / 60));
  return seconds < 60
    ? `${seconds}s`
    : `${Math.floor(seconds / size)}${large} ${String(rest).padStart(2, "0")}${small}`;
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
