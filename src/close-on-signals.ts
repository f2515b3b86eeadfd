/**
 * What closes when the process is told to end. A listener of ours keeps Node from ending the process by itself, so
 * whoever registers one has to end it afterwards, as it would have ended without it.
 */
import { constants } from "node:os";

/** The signals that may end a process and that it can hear. */
export const CLOSE_SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"] as const;

/** One of them. */
export type CloseSignal = (typeof CLOSE_SIGNALS)[number];

/** What is used of `process`. */
export interface SignalHost {
  readonly pid: number;
  prependListener(signal: CloseSignal, listener: () => void): unknown;
  off(signal: CloseSignal, listener: () => void): unknown;
  listenerCount(signal: CloseSignal): number;
  kill(pid: number, signal: CloseSignal): unknown;
  exit(code: number): unknown;
}

/** All that closes at one signal. */
interface Watch {
  readonly closers: Set<() => Promise<void>>;
  stop(): void;
}

const WATCHES = Symbol.for("livetail.signals");

/**
 * Calls `close` at the first of `signals`. When all that was registered for it here has closed, the process ends by
 * that signal, unless something else listened for it too: then ending is left to that. A second signal is not waited
 * with. `close` must not reject, nor take for ever. Returns what takes it away again.
 */
export function closeOnSignals(
  signals: readonly CloseSignal[],
  close: () => Promise<void>,
  host: SignalHost = process,
): () => void {
  // On the host, because the ESM and the CJS copy of this package can meet in one process.
  const shared = host as SignalHost & { [WATCHES]?: Map<CloseSignal, Watch> };
  shared[WATCHES] ??= new Map();
  const watches = shared[WATCHES];
  for (const signal of signals) {
    if (!watches.has(signal))
      watches.set(
        signal,
        watch(host, signal, () => watches.delete(signal)),
      );
    watches.get(signal)?.closers.add(close);
  }
  return () => {
    for (const signal of signals) {
      const entered = watches.get(signal);
      if (entered?.closers.delete(close) && entered.closers.size === 0) entered.stop();
    }
  };
}

function watch(host: SignalHost, signal: CloseSignal, onStop: () => void): Watch {
  const closers = new Set<() => Promise<void>>();
  let closing = false;
  const stop = (): void => {
    host.off(signal, onSignal);
    onStop();
  };
  const end = (): void => {
    stop();
    host.kill(host.pid, signal);
    // The first process of a container is spared by signals that it does not listen for.
    if (host.pid === 1) host.exit(128 + constants.signals[signal]);
  };
  const onSignal = (): void => {
    const alone = host.listenerCount(signal) === 1;
    if (closing) {
      if (alone) end();
      return;
    }
    closing = true;
    void Promise.all([...closers].map((close) => close())).then(() => {
      closing = false;
      if (alone) end();
    });
  };
  // Before the others, so that those who listen once are still there to be counted.
  host.prependListener(signal, onSignal);
  return { closers, stop };
}
