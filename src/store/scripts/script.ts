/** A Lua script as Redis is asked for it. */
import { createHash } from "node:crypto";

/** A script and its SHA-1. */
export interface Script {
  text: string;
  sha1: string;
}

/** Makes a script of a text. */
export function script(text: string): Script {
  return { text, sha1: createHash("sha1").update(text).digest("hex") };
}
