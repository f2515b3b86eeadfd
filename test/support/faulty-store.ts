import { LivetailError } from "../../src/errors.js";
import { memoryStore } from "../../src/store/memory.js";
import type { AppendRequest, LogStore } from "../../src/store.js";

/** What happens to one call: it never reaches the store, or its answer gets lost on the way back. */
export type Fault = "unreachable" | "answer lost" | "refused";

/** A memory store whose writes meet faults, and a record of what was appended. */
export interface FaultyStore {
  store: LogStore;
  /** Every append that was asked for, failed ones included. */
  appends: AppendRequest[];
  /** Most appends that were on their way at once. */
  mostInFlight: number;
  /** How many turns of the event loop an answer takes. Default 1. */
  turnsAway: number;
  /** Decides the fate of the next writes; null: all is well. */
  fate: (method: string) => Fault | null;
}

/** Wraps a memory store. */
export function faultyStore(inner: LogStore = memoryStore()): FaultyStore {
  let inFlight = 0;
  const faulty: FaultyStore = { store: { ...inner }, appends: [], mostInFlight: 0, turnsAway: 1, fate: () => null };
  const wrap =
    <Request, Answer>(method: string, call: (request: Request) => Promise<Answer>) =>
    async (request: Request): Promise<Answer> => {
      if (method === "append") faulty.appends.push(request as AppendRequest);
      const fault = faulty.fate(method);
      inFlight += 1;
      faulty.mostInFlight = Math.max(faulty.mostInFlight, inFlight);
      try {
        // A store that is far away answers in a later turn.
        for (let i = 0; i < faulty.turnsAway; i++) await new Promise((resolve) => setImmediate(resolve));
        if (fault === "unreachable") throw new LivetailError("STORE_UNAVAILABLE");
        if (fault === "refused") throw new LivetailError("STORE_REFUSED");
        const answer = await call(request);
        if (fault === "answer lost") throw new LivetailError("STORE_UNAVAILABLE");
        return answer;
      } finally {
        inFlight -= 1;
      }
    };
  faulty.store.claim = wrap("claim", inner.claim.bind(inner));
  faulty.store.append = wrap("append", inner.append.bind(inner));
  faulty.store.end = wrap("end", inner.end.bind(inner));
  faulty.store.release = wrap("release", inner.release.bind(inner));
  return faulty;
}
