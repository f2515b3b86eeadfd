/** A run in React 18 or later. */
import { useMemo, useSyncExternalStore } from "react";
import { createRunStore, NO_RUN, type RunSnapshot, type RunStoreOptions } from "./run-store.js";

export type { RunSnapshot, RunStoreOptions } from "./run-store.js";

const unknown = (): RunSnapshot => NO_RUN;

/**
 * Watches a run while the component is mounted, and renders it once for each batch of lines. Without an id it waits for
 * one; another `runId` or `endpointBase` begins anew, the other options are those of its first render. On a server it
 * is what is known before the first answer.
 */
export function useRun(runId: string | null | undefined, options: RunStoreOptions = {}): RunSnapshot {
  const { endpointBase } = options;
  const store = useMemo(() => createRunStore(runId, options), [runId, endpointBase]);
  return useSyncExternalStore(store.subscribe, store.getSnapshot, unknown);
}
