/**
 * The current run: what code below `runOperation`, and in a child that joined a run, logs to without being handed one.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { Price, PricedCall } from "./price.js";
import type { LayerStatus } from "./protocol.js";

/** Where a logger puts what it makes. None of the methods throws or waits. */
export interface LogSink {
  /** Appends a stored line: JSON text of one line, as a line encoder makes it. */
  write(text: string): void;
  /** Adds the cost that an event and its fields tell, if any, to the running totals; `bindings` hold what they leave out. */
  count(fields: Record<string, unknown>, event?: unknown, bindings?: Record<string, unknown>): void;
  /** Sets the status of a layer. */
  layer(name: string, status: LayerStatus, message?: string, metadata?: Record<string, unknown>): void;
}

/** Where lines go that somebody else made: another logger, a console, a program. None of the methods throws or waits. */
export interface OutputSink {
  /** Logs a line: text, an object with the fields of a structured line, or an Error. */
  log(value: unknown, metadata?: Record<string, unknown>): void;
  /** Logs a line that was printed, without its newline; a JSON object is kept as a structured line. */
  logOutput(line: string, stream?: "stdout" | "stderr"): void;
}

/** Where calls of models are told. None of the methods throws or waits. */
export interface CallSink {
  /** Logs the event of a call and counts what it tells. */
  log(event: CallEvent, fields: Record<string, unknown>): void;
  /** What a call costs by the table of the livetail; null when nobody knows. */
  price(call: PricedCall): Price | null;
  /** Milliseconds since 1970. */
  now(): number;
}

/** What becomes of a call of a model. */
export type CallEvent = "start" | "complete" | "error" | "fallback";

/** The run that the code which is executing now belongs to. */
export interface CurrentRun extends OutputSink {
  readonly id: string;
  readonly sink: LogSink;
  readonly calls: CallSink;
}

/** What `bindRun` binds: a function, or whatever emits events. */
export type Bindable = ((...args: never[]) => unknown) | { emit(event: never, ...args: never[]): unknown };

const KEY = Symbol.for("livetail.context");
const JOINED = Symbol.for("livetail.joined");

// On globalThis, because the ESM and the CJS copy of this package can meet in one process.
const shared = globalThis as { [KEY]?: AsyncLocalStorage<CurrentRun>; [JOINED]?: { run: CurrentRun | undefined } };
shared[KEY] ??= new AsyncLocalStorage<CurrentRun>();
shared[JOINED] ??= { run: undefined };
const storage = shared[KEY];

/** The run that this whole process or thread is a part of: what `currentRun` finds outside of any other. */
export const joinedRun = shared[JOINED];

/** Runs `fn`, and all that it starts, with `run` as the current run; returns what `fn` returns. */
export function withRun<T>(run: CurrentRun, fn: () => T): T {
  return storage.run(run, fn);
}

/** The current run, or undefined outside of one. */
export function currentRun(): CurrentRun | undefined {
  return storage.getStore() ?? joinedRun.run;
}

/**
 * Binds `target` to `run`, wherever it is called from: a function is returned bound, with its `this`; of an emitter,
 * all listeners run in the run from now on, and it is returned itself.
 */
export function bindRun<T extends Bindable>(run: CurrentRun, target: T): T {
  if (typeof target === "function") {
    return function (this: unknown, ...args: never[]) {
      return storage.run(run, () => target.apply(this, args));
    } as T;
  }
  const { emit } = target;
  target.emit = (...args) => storage.run(run, () => emit.apply(target, args));
  return target;
}
