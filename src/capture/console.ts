/** What a program prints by `console` → lines of the run that it was printed in. */
import { format, inspect, types } from "node:util";
import { currentRun, type OutputSink } from "../context.js";
import type { LogLevel } from "../protocol.js";

/** What `captureConsole` takes. */
export interface ConsoleCaptureOptions {
  /** Where lines go. Default: the run that is current at each call; what is printed outside of one is only printed. */
  run?: OutputSink;
  /** Whether lines that go to a run are printed, too. Default true. */
  print?: boolean;
  /** The console. Default: the global one. */
  console?: Pick<Console, Method>;
}

type Method = "debug" | "log" | "info" | "warn" | "error" | "dir";

/** Others, such as `table` and `trace`, print by means of these. */
const LEVELS: Record<Method, LogLevel> = {
  debug: "debug",
  log: "info",
  info: "info",
  dir: "info",
  warn: "warn",
  error: "error",
};

/**
 * Captures a console from now on, and returns what gives it back as it was. A call becomes one line, with the text that
 * it prints as message; the first Error among its arguments becomes `error` and `traceback`. Never throws.
 */
export function captureConsole(options: ConsoleCaptureOptions = {}): () => void {
  const { run: sink, print = true, console: captured = console } = options;
  const restore: (() => void)[] = [];
  // What prints while a line is taken in (a getter, a custom inspect) is printed and not taken in, or it had no end.
  let busy = false;

  for (const method of Object.keys(LEVELS) as Method[]) {
    const original = captured[method];
    const capturing = (...args: unknown[]): void => {
      const run = busy ? undefined : (sink ?? currentRun());
      if (run === undefined || print) original.apply(captured, args as [unknown]);
      if (run === undefined) return;
      busy = true;
      try {
        const error = method === "dir" ? undefined : args.find(types.isNativeError);
        const line = { level: LEVELS[method], message: textOf(method, args) };
        run.log(error === undefined ? line : { ...line, error });
      } finally {
        busy = false;
      }
    };
    captured[method] = capturing;
    restore.push(() => {
      // Whoever captured it after us goes on calling us: what is not ours any more is left alone, and does nothing.
      if (captured[method] === capturing) captured[method] = original;
    });
  }
  return () => {
    for (const each of restore) each();
  };
}

/** The text that a call prints, without the stacks of errors. */
function textOf(method: Method, args: unknown[]): string {
  try {
    if (method === "dir") return inspect(args[0], args[1] as object | undefined);
    return format(...args.map((arg) => (types.isNativeError(arg) ? String(arg) : arg)));
  } catch {
    // A custom inspect, a getter or a proxy threw; `print` has thrown that already.
    return "[what was printed cannot be shown]";
  }
}
