import { LivetailError } from "../errors.js";
import { STORE_LIMITS, type StoreLimits } from "../store.js";

/** The limits of a store, with the defaults; throws `INVALID_OPTION` for any that is no whole number of 1 or more. */
export function storeLimits(options: Partial<StoreLimits>): StoreLimits {
  const limits = { ...STORE_LIMITS };
  for (const name of Object.keys(limits) as (keyof StoreLimits)[]) {
    const value = options[name] ?? limits[name];
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new LivetailError("INVALID_OPTION", `The option ${name} must be a whole number of 1 or more.`);
    }
    limits[name] = value;
  }
  return limits;
}
