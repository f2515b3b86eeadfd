/** The argument of an option → a number. */
import { LivetailError } from "../errors.js";

/** Reads a whole number from `least` to `most`; throws `INVALID_OPTION`. */
export function wholeNumber(option: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most) {
    throw new LivetailError("INVALID_OPTION", `${option} takes a whole number from ${least} to ${most}, not ${text}.`);
  }
  return value;
}
