import type { LogEntry } from "../../src/protocol.js";

/** An entry as a server sends it, a quarter of a second after the one before. */
export function logEntry(index: number, message = `line ${index}`, more: Partial<LogEntry> = {}): LogEntry {
  const timestamp = new Date(Date.UTC(2026, 0, 14, 10) + index * 250).toISOString();
  return { index, timestamp, level: "info", source: "structured", message, metadata: {}, ...more };
}
