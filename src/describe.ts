/**
 * The readable message of an entry whose line has none.
 */
import type { LogEntry } from "./protocol.js";

/** What is read of an entry; one that is not whole yet will do. */
type Described = Readonly<Partial<LogEntry>>;

const MAX_PARTS = 8;
const MAX_PART = 120;

/** One sentence about an entry, from its event and the fields that tell most; "" when there are none. */
export function describeEntry(entry: Described): string {
  const { event } = entry;
  if (event === undefined) return entry.error ?? tellingFields(entry);
  switch (event) {
    case "log_gap": {
      const { dropped = 1, reason } = entry;
      return `${dropped} ${dropped === 1 ? "line is" : "lines are"} missing here${reason === undefined ? "" : ` (${reason})`}`;
    }
    case "owner_lost":
      return "The process that executed this run is gone; the run has ended";
    case "owner_changed":
      return "Another process has taken this run over";
    case "never_started":
      return "Nobody began this run in time; it has ended";
  }
  if (event.startsWith("layer_")) {
    const name = entry.layer_name ?? entry.layer ?? "layer";
    return `${name}: ${event.slice("layer_".length)}${duration(entry)}${failure(entry)}`;
  }
  if (event.startsWith("llm_call_")) {
    const name = entry.step_name ?? entry.layer_name ?? entry.layer ?? "llm_call";
    const backend = entry.backend === undefined ? "" : ` [${entry.backend}]`;
    return `${name}: ${event.slice("llm_call_".length)}${backend}${duration(entry)}${failure(entry)}`;
  }
  const fields = tellingFields(entry);
  return fields === "" ? event : `${event}: ${fields}`;
}

function duration({ duration_ms }: Described): string {
  return duration_ms === undefined ? "" : ` (${Math.round(duration_ms)}ms)`;
}

function failure({ error }: Described): string {
  return error === undefined ? "" : ` - ${part(error)}`;
}

const TELLING = [
  "job_id",
  "layer_name",
  "layer",
  "step_name",
  "status",
  "backend",
  "model",
  "cost_usd",
  "duration_ms",
  "error",
] as const satisfies readonly (keyof LogEntry)[];

function tellingFields(entry: Described): string {
  const parts: string[] = [];
  for (const name of TELLING) {
    const value = entry[name];
    if (value !== undefined) parts.push(`${name}=${part(value)}`);
  }
  for (const [name, value] of Object.entries(entry.metadata ?? {})) {
    if (parts.length >= MAX_PARTS) break;
    if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") {
      parts.push(`${name}=${part(value)}`);
    }
  }
  return parts.slice(0, MAX_PARTS).join(", ");
}

function part(value: string | number | boolean): string {
  const text = String(value);
  return text.length <= MAX_PART ? text : `${text.slice(0, MAX_PART)}…`;
}
