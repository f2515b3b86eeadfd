/** The event vocabulary as methods. */
import type { LogSink } from "./context.js";
import type { LogLevel } from "./protocol.js";
import type { LineEncoder } from "./serialize.js";

/** What a logger is made with. */
export interface StructuredLoggerOptions {
  jobId?: string;
  sink?: LogSink;
  /** Default `debug`. */
  level?: LogLevel;
  bindings?: Record<string, unknown>;
  encoder?: LineEncoder;
  /** Where lines go without a run. Default `process.stdout`. */
  out?: { write(text: string): unknown };
}

/** Logs events; filled in soon. */
export class StructuredLogger {
  constructor(readonly options: StructuredLoggerOptions = {}) {}
}
