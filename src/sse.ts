/**
 * The frames of an event stream as text. Pure; what comes in is parsed by eventsource-parser in the client.
 */
import { type FrameName, LIMITS } from "./protocol.js";

/** The first bytes of every stream: when a viewer that was cut off comes back, in milliseconds. */
export const RETRY = `retry: ${LIMITS.streamRetryMs}\n\n`;

/** A comment that keeps a connection alive. It has no id and is no event. */
export const PING = ": ping\n\n";

/**
 * One frame. `id` is the cursor of a viewer that has it (`{epoch}.{N}`; "" leaves it out), `data` is JSON text, which
 * never holds a line break.
 */
export function frame(name: FrameName, id: string, data: string): string {
  return id === "" ? `event: ${name}\ndata: ${data}\n\n` : `id: ${id}\nevent: ${name}\ndata: ${data}\n\n`;
}

/** The `log` frames of consecutive entries, given as JSON texts; `from` is the index of the first. */
export function logFrames(epoch: string, from: number, entries: readonly string[]): string {
  let text = "";
  let next = from;
  for (const entry of entries) {
    next += 1;
    text += `id: ${epoch}.${next}\nevent: log\ndata: ${entry}\n\n`;
  }
  return text;
}
