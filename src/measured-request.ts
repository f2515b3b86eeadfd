/** The request that is being worked on, so that a run which begins in it can be counted as its own. */
import { AsyncLocalStorage } from "node:async_hooks";

/** A request that is measured. */
export interface MeasuredRequest {
  /** On the monotonic clock, in milliseconds. */
  readonly begunAt: number;
  /** The first run that began in it. */
  runId: string | null;
}

const KEY = Symbol.for("livetail.request");

// On globalThis, because the ESM and the CJS copy of this package can meet in one process.
const shared = globalThis as { [KEY]?: AsyncLocalStorage<MeasuredRequest> };
shared[KEY] ??= new AsyncLocalStorage<MeasuredRequest>();
const storage = shared[KEY];

/** Calls `fn`, and all that it starts, as the work on `request`; returns what it returns. */
export function withRequest<T>(request: MeasuredRequest, fn: () => T): T {
  return storage.run(request, fn);
}

/** Tells the request that is being worked on, if any is measured, of a run that begins. */
export function tellRequest(runId: string): void {
  const request = storage.getStore();
  if (request !== undefined) request.runId ??= runId;
}
