/** A run in Vue 3. */
import { type MaybeRefOrGetter, onMounted, shallowReactive, toValue, watch } from "vue";
import { createRunStore, NO_RUN, type RunSnapshot, type RunStoreOptions } from "./run-store.js";

export type { RunSnapshot, RunStoreOptions } from "./run-store.js";

/**
 * Watches a run while the component is mounted; the returned object is reactive, and changes once for each batch of
 * lines. Without an id it waits for one; another begins anew. On a server it is what is known before the first answer.
 */
export function useRun(runId: MaybeRefOrGetter<string | null | undefined>, options: RunStoreOptions = {}): RunSnapshot {
  const run = shallowReactive({ ...NO_RUN });
  onMounted(() => {
    watch(
      () => toValue(runId),
      (id, _before, onCleanup) => {
        const store = createRunStore(id, options);
        const show = () => Object.assign(run, store.getSnapshot());
        show();
        onCleanup(store.subscribe(show));
      },
      { immediate: true },
    );
  });
  return run;
}
