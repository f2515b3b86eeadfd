/** Random ids in lower-case base32: 5 bits a character. */
import { randomFillSync } from "node:crypto";

const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";
const pool = new Uint8Array(4096);
let used = pool.length;

/** `length` random characters; 24 hold 120 bits. */
export function randomId(length: number): string {
  // One call to the system for hundreds of ids: every batch that is sent brings an epoch along.
  if (used + length > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  let id = "";
  for (const end = used + length; used < end; used++) id += ALPHABET[(pool[used] as number) & 31];
  return id;
}
