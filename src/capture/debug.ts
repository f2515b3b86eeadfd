/** What the package `debug` prints → lines of the run that it was printed in. */
import { format } from "node:util";
import { currentRun, type OutputSink } from "../context.js";

/** What `captureDebug` takes. */
export interface DebugCaptureOptions {
  /** Where lines go. Default: the run that is current at each call; what is printed outside of one is only printed. */
  run?: OutputSink;
}

/** The `debug` function itself, as `import debug from "debug"` has it. */
export interface DebugModule {
  /** What debug calls before it writes. */
  formatArgs(this: { namespace: string }, args: unknown[]): void;
}

/**
 * Captures what the enabled namespaces of `debug` print, which is printed all the same, and returns what ends it. A
 * call becomes one line of level `debug` with the namespace as `component`, without colours and the `+12ms`.
 */
export function captureDebug(debug: DebugModule, options: DebugCaptureOptions = {}): () => void {
  const { formatArgs } = debug;
  // The place where a call's arguments pass with its namespace and not yet with the prefix.
  const capturing: DebugModule["formatArgs"] = function (args) {
    const run = options.run ?? currentRun();
    run?.log({ level: "debug", message: format(...args), component: this.namespace });
    formatArgs.call(this, args);
  };
  debug.formatArgs = capturing;
  return () => {
    if (debug.formatArgs === capturing) debug.formatArgs = formatArgs;
  };
}
