/**
 * How long the fault tests go on. `npm run test:faults` sets LIVETAIL_FAULTS to `full`: every drill at the length and
 * the lease that the README speaks of. Without it they are the same drills with smaller numbers.
 */
const FULL = process.env.LIVETAIL_FAULTS === "full";

/** `full` under `npm run test:faults`, else `short`. */
export function length<T>(full: T, short: T): T {
  return FULL ? full : short;
}
