import { freePort } from "./redis.js";

/**
 * A free port of 127.0.0.1 for a server that is stopped and started again: below the range out of which systems take
 * the ports of outgoing connections, so that no client that tries to come back sits on it meanwhile.
 */
export async function lastingPort(): Promise<number> {
  for (;;) {
    try {
      return await freePort(20_000 + Math.floor(Math.random() * 10_000));
    } catch {
      // Taken: another one.
    }
  }
}
