/**
 * The end of a run that something else wrote. Its pushes may still be under way when its status says that it has
 * ended, so that an end with fewer lines than announced is shown as still open for a while (protocol §3). Pure.
 */
import { isTerminal } from "./protocol.js";
import { type ReadAnswer, STORE_LIMITS } from "./store.js";

const HOLD_MS = 10_000;

/** Whether the end of a run is not to be believed yet; `seenMs`: for how long we have seen it as ended. */
export function isHeldBack({ run, now }: ReadAnswer, seenMs: number): boolean {
  // The epoch that a store gives to a foreign run which lacks lines. One that keeps no more than a buffer holds lacks
  // them for good.
  const lacking = run.epoch === "1" && run.next - run.first < STORE_LIMITS.maxLines;
  if (!lacking || !isTerminal(run.status)) return false;
  // A writer whose clock is ahead must not hold its end back for ever.
  return seenMs < HOLD_MS && (run.finishedAt === 0 || now < run.finishedAt + HOLD_MS);
}

/** The answer for a run whose end is held back: numbered as it was while open, in its epoch of that time. */
export function asOpen(answer: ReadAnswer): ReadAnswer {
  const { run, linesFrom } = answer;
  return {
    ...answer,
    linesFrom: linesFrom - run.first,
    run: {
      ...run,
      status: "running",
      epoch: "0",
      first: 0,
      next: run.next - run.first,
      expectedLogCount: null,
      error: "",
      errorCode: "",
      finishedAt: 0,
    },
  };
}
