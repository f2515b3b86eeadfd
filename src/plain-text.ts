/** What can be said of a value in plain text. */
import { errorText } from "./json.js";
import { cutText } from "./redact.js";

/** The text of any value, at most `length` UTF-16 units. Never throws. */
export function plainText(value: unknown, length: number): string {
  return cutText(errorText(value), length).toWellFormed();
}
