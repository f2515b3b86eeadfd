/** Random ids in lower-case base32: 5 bits a character. */
import { randomFillSync } from "node:crypto";

const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";
const pool = Buffer.alloc(4096);
let used = pool.length;

/** `length` random characters; 24 hold 120 bits. */
export function randomId(length: number): string {
  // One call to the system for hundreds of ids: every batch that is sent brings an epoch along.
  if (used + length > pool.length) {
    randomFillSync(pool);
    for (let i = 0; i < pool.length; i++) pool[i] = ALPHABET.charCodeAt((pool[i] as number) & 31);
    used = 0;
  }
  used += length;
  // In one piece: what is added up of characters stays a tree of them, ten times as large.
  return pool.toString("latin1", used - length, used);
}
