/** A run as a value that a view shows: snapshots of it, one for each batch of lines. Frameworks stand on it. */
import type { BackendStats, LayerMap, LogEntry, OwnerInfo, RunStatus } from "../protocol.js";
import { LogPoller, type LogPollerCallbacks, type LogPollerOptions } from "./log-poller.js";
import type { Completion } from "./poll-state.js";
import type { ClientError } from "./request.js";

/** How a run is watched: as `LogPoller` is told, but for its callbacks. */
export interface RunStoreOptions extends Omit<LogPollerOptions, keyof LogPollerCallbacks> {
  /** Lines that are kept, the newest. Default 1,000. */
  maxLines?: number;
}

/** A run as far as it is known. One that has not changed is the same object, and so are its parts. */
export interface RunSnapshot {
  /** The newest lines, in order. */
  readonly lines: readonly LogEntry[];
  /** Lines that can no longer be had. */
  readonly missing: number;
  /** Null before the first answer, as are the others. */
  readonly status: RunStatus | null;
  /** Its layers by name. */
  readonly layers: LayerMap;
  /** What its calls of models did and cost. */
  readonly stats: BackendStats | null;
  /** Who executes it. */
  readonly owner: OwnerInfo | null;
  /** The final state; null while the run is open, or lines of it are on their way. */
  readonly completion: Completion | null;
  /** Why nothing comes; null again when something does. After a fatal one the run is not asked for any more. */
  readonly error: ClientError | null;
}

/** A run that is watched while somebody listens. */
export interface RunStore {
  getSnapshot(): RunSnapshot;
  /** Calls back after each change of the snapshot, until the returned function is called. */
  subscribe(onChange: () => void): () => void;
}

/** What is known before the first answer, and on a server. */
export const NO_RUN: RunSnapshot = Object.freeze({
  lines: Object.freeze([]),
  missing: 0,
  status: null,
  layers: Object.freeze({}),
  stats: null,
  owner: null,
  completion: null,
  error: null,
});

/**
 * Makes the store of a run; of none, for an id that is not known yet, it stays empty. Nothing is asked for before the
 * first listener; when the last has left, and no other came in the same turn, the poller stops.
 */
export function createRunStore(runId: string | null | undefined, options: RunStoreOptions = {}): RunStore {
  const { maxLines = 1000, fetch: send = globalThis.fetch, ...rest } = options;
  const listeners = new Set<() => void>();
  let snapshot = NO_RUN;
  let batch: LogEntry[] = [];
  let change: Partial<RunSnapshot> | undefined;
  let poller: LogPoller | undefined;

  // However much comes in one answer, it is told once.
  const put = (part: Partial<RunSnapshot>) => {
    if (!change) queueMicrotask(tell);
    change = { ...change, ...part };
  };
  const tell = () => {
    snapshot = { ...snapshot, ...change };
    if (batch.length > 0) {
      const lines = [...snapshot.lines, ...batch];
      snapshot = { ...snapshot, lines: lines.slice(Math.max(0, lines.length - maxLines)) };
    }
    batch = [];
    change = undefined;
    for (const listener of [...listeners]) listener();
  };
  const missing = () => change?.missing ?? snapshot.missing;

  const open = (id: string) =>
    new LogPoller(id, {
      ...rest,
      async fetch(url, init) {
        // A server that is back may hold a poll for as long as nothing happens: it is asked not to until it has answered.
        const response = await send(snapshot.error ? url.replace(/&wait=\d+/, "&wait=0") : url, init);
        if (response.ok && snapshot.error) put({ error: null });
        return response;
      },
      onLog(entry) {
        batch.push(entry);
        put({});
      },
      onGap: ({ lost }) => put({ missing: missing() + lost }),
      onReset() {
        batch = [];
        put({ lines: [], missing: 0 });
      },
      onStatus: (status) => put({ status }),
      onLayerStatus: (layers) => put({ layers }),
      onBackendStats: (stats) => put({ stats }),
      onOwner: (owner) => put({ owner }),
      onComplete: (completion) => put({ completion }),
      onError: (error) => put({ error }),
    });

  return {
    getSnapshot: () => snapshot,
    subscribe(onChange) {
      // One listener may be here twice.
      const listener = () => onChange();
      listeners.add(listener);
      if (runId && !snapshot.completion) {
        poller ??= open(runId);
        poller.start();
      }
      return () => {
        listeners.delete(listener);
        queueMicrotask(() => {
          if (listeners.size === 0) poller?.stop();
        });
      };
    },
  };
}
