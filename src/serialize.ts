/** A value → the text of one stored line. */
import type { LogLevel } from "./protocol.js";

/** What an encoder keeps to. */
export interface LineEncoderOptions {
  /** Longest line in UTF-8 bytes. Default 16,384. */
  maxLineBytes?: number;
  /** Keys whose values are secrets, besides those of the protocol. */
  redactKeys?: readonly string[];
  /** The clock, milliseconds since 1970. Default `Date.now`. */
  now?: () => number;
}

/** Makes stored lines: always valid JSON of one line, within the cap; never throws. */
export interface LineEncoder {
  message(value: unknown, metadata?: unknown, bindings?: string): string;
  event(level: LogLevel, event: string, fields: Record<string, unknown> | undefined, bindings?: string): string;
  bindings(fields: Record<string, unknown>): string;
  text(line: string, stream: "stdout" | "stderr"): string;
  gap(dropped: number, reason: "burst" | "store_unavailable" | "store_lost"): string;
}

/** Creates an encoder. */
export function createLineEncoder(options: LineEncoderOptions = {}): LineEncoder {
  const now = options.now ?? Date.now;
  const time = () => new Date(now()).toISOString();
  return {
    message: (value, metadata) => JSON.stringify({ timestamp: time(), message: String(value), metadata }),
    event: (level, event, fields) => JSON.stringify({ timestamp: time(), level, event, metadata: fields }),
    bindings: () => "",
    text: (line, stream) => JSON.stringify({ timestamp: time(), message: line, stream }),
    gap: (dropped, reason) =>
      JSON.stringify({ timestamp: time(), level: "warn", event: "log_gap", dropped, reason }),
  };
}
