/** The id of a run: `op_{operation}_{random}`. */
import { createHmac } from "node:crypto";
import { randomId } from "./random-id.js";

const SLUG_LENGTH = 90;
const RANDOM_LENGTH = 24;
const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";

/** A new id; `random` (default: 120 bits) is what nobody can guess of it. */
export function newRunId(operation: string, random: string = randomId(RANDOM_LENGTH)): string {
  const slug = operation.replace(/[^A-Za-z0-9._-]+/g, "-").slice(0, SLUG_LENGTH);
  return `op_${slug || "run"}_${random}`;
}

/** The id that belongs to `words`, the same each time, for whoever knows `secret`; nobody else can guess it. */
export function keyedRunId(operation: string, secret: string, words: readonly string[]): string {
  return newRunId(operation, keyedText(secret, words));
}

/** 120 bits as text that belong to `words`, likewise. Throws what JSON throws. */
export function keyedText(secret: string, words: readonly unknown[]): string {
  const digest = createHmac("sha256", secret).update(JSON.stringify(words)).digest();
  return Array.from(digest.subarray(0, RANDOM_LENGTH), (byte) => ALPHABET[byte & 31]).join("");
}
