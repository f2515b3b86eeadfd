/** What a terminal shows of a run: entries, layers, gaps and the summary as coloured text. Pure. */
import type { BackendStat, Gap, Layer, LayerMap, LogEntry, LogLevel, Reset, RunState } from "../protocol.js";
import { harmless } from "./harmless.js";

type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan" | "magenta";

const STYLES: Record<Style, number> = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36, magenta: 35 };
const LEVELS: Record<LogLevel, Style | null> = { debug: "dim", info: null, warn: "yellow", error: "red" };

/** The icon of an event's family; the first prefix that fits. */
const ICONS: readonly (readonly [string, string])[] = [
  ["pipeline_", "◆"],
  ["layer_", "▣"],
  ["phase_", "▸"],
  ["subphase_", "▹"],
  ["llm_call_", "✦"],
  ["decision_point", "◇"],
  ["validation_result", "☑"],
  ["retry_attempt", "↻"],
  ["ingest_", "⇣"],
  ["fetch_", "⇣"],
  ["scoring_", "★"],
  ["job_scored", "★"],
  ["search_", "⌕"],
  ["source_", "⊙"],
  ["cache_hit", "⚡"],
  ["annotation_", "✎"],
  ["outreach_", "✉"],
  ["log_gap", "⋯"],
  ["owner_", "⚠"],
];

const LAYERS: Record<Layer["status"], readonly [icon: string, style: Style]> = {
  pending: ["○", "dim"],
  running: ["●", "cyan"],
  success: ["✔", "green"],
  failed: ["✖", "red"],
  skipped: ["–", "dim"],
};

/** Longest list of `key=value` after a message, and longest value in it, in characters. */
const MAX_PAIRS = 160;
const MAX_VALUE = 60;
const ESC = "\u001b";
const RESET = new RegExp(`^${ESC}\\[0*m`);
/** What follows the first line of a message stands under it. */
const INDENT = "    ";

/** Whether to colour what goes to `stream`: `FORCE_COLOR` decides, then `NO_COLOR`, then whether it is a terminal. */
export function wantsColor(stream: { isTTY?: boolean }, env: NodeJS.ProcessEnv): boolean {
  const forced = env.FORCE_COLOR;
  if (forced !== undefined) return forced !== "0" && forced !== "false";
  if (env.NO_COLOR !== undefined && env.NO_COLOR !== "") return false;
  return stream.isTTY === true && env.TERM !== "dumb";
}

/** Text in a style, or as it is where there are no colours. */
function paint(text: string, style: Style | null, color: boolean): string {
  return color && style !== null ? `\u001b[${STYLES[style]}m${text}\u001b[0m` : text;
}

/**
 * An entry without its last line end. A line that somebody printed is the text that was printed; anything else is
 * time, level, icon, message, the rest as `key=value`, and what it cost.
 */
export function renderEntry(entry: LogEntry, color: boolean): string {
  if (isPrinted(entry)) return closed(harmless(entry.raw ?? entry.message, color));
  const style = LEVELS[entry.level] ?? null;
  const [first = "", ...others] = entry.message.split("\n");
  const parts = [
    paint(`${clockTime(entry.timestamp)} ${harmless(entry.level, false).padEnd(5)}`, style ?? "dim", color),
    paint(`${iconOf(entry.event)} ${harmless(first, false)}`, entry.level === "debug" ? "dim" : style, color),
  ];
  const pairs = pairsOf(entry);
  if (pairs !== "") parts.push(paint(pairs, "dim", color));
  if (entry.cost_usd !== undefined) parts.push(paint(money(entry.cost_usd), "magenta", color));
  if (entry.truncated === true) parts.push(paint("(cut)", "dim", color));
  if (entry.traceback !== undefined) others.push(...entry.traceback.trimEnd().split("\n"));
  const below = others.map((line) => `\n${INDENT}${paint(harmless(line, false), style ?? "dim", color)}`);
  return parts.join(" ") + below.join("");
}

/** A colour that a line leaves on would paint over, or hide, every line after it. */
function closed(line: string): string {
  const last = line.lastIndexOf(ESC);
  return last === -1 || RESET.test(line.slice(last)) ? line : `${line}${ESC}[0m`;
}

/** Text that a child process printed, or that a writer without envelope pushed. */
function isPrinted({ source, stream, timestamp }: LogEntry): boolean {
  return source !== "structured" && (stream !== undefined || timestamp === null);
}

function clockTime(timestamp: string | null): string {
  const at = timestamp === null ? null : new Date(timestamp);
  if (at === null || Number.isNaN(at.getTime())) return "--:--:--";
  return [at.getHours(), at.getMinutes(), at.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":");
}

function iconOf(event: string | undefined): string {
  return ICONS.find(([prefix]) => event?.startsWith(prefix) === true)?.[1] ?? "•";
}

function pairsOf(entry: LogEntry): string {
  const { layer, layer_name, step_name, backend, model, status, error, duration_ms, module, component } = entry;
  const known = { layer: layer_name ?? layer, step: step_name, backend, model, status, error, module, component };
  // What the message says already is not said again.
  const unsaid = Object.entries(known).filter(([, value]) => value !== undefined && !entry.message.includes(value));
  let text = "";
  for (const [name, value] of [...unsaid, ...Object.entries(entry.metadata)]) {
    const shown = shortValue(value);
    if (shown === "" || isTold(entry.message, name, value)) continue;
    const pair = `${harmless(name, false)}=${shown}`;
    if (text.length + pair.length > MAX_PAIRS) return `${text} …`;
    text += text === "" ? pair : ` ${pair}`;
  }
  const told = duration_ms === undefined || /\d ?m?s\b/.test(entry.message);
  return told ? text : `${text}${text === "" ? "" : " "}(${duration(duration_ms)})`;
}

/** Whether a message that was made of an event and its fields has this one. */
function isTold(message: string, name: string, value: unknown): boolean {
  return typeof value !== "object" && message.includes(`${name}=${String(value).slice(0, MAX_VALUE)}`);
}

function shortValue(value: unknown): string {
  if (value === undefined || value === null || value === "") return "";
  const text = typeof value === "string" && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
  return harmless(text.length > MAX_VALUE ? `${text.slice(0, MAX_VALUE)}…` : text, false);
}

/** Milliseconds as a person says them. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** US dollars: two digits after the point, or the first two that are not 0. */
export function money(usd: number): string {
  if (usd === 0) return "$0";
  return `$${usd.toFixed(usd >= 0.01 ? 2 : Math.min(15, 1 - Math.floor(Math.log10(usd))))}`;
}

/** One layer on one line. */
export function renderLayer(name: string, layer: Layer, color: boolean): string {
  const [icon, style] = LAYERS[layer.status];
  const parts = [paint(`${icon} ${harmless(name, false)}`, style, color), harmless(layer.status, false)];
  if (layer.current !== undefined) parts.push(`${layer.current}/${layer.total ?? "?"}`);
  if (layer.duration_ms !== undefined) parts.push(duration(layer.duration_ms));
  if (layer.message !== undefined) parts.push(paint(harmless(layer.message, false), "dim", color));
  return parts.join("  ");
}

/** The layers of `after` that look different in `before`, in their order. Progress alone is no difference. */
export function changedLayers(before: LayerMap, after: LayerMap): [string, Layer][] {
  const look = (layer: Layer | undefined): string => JSON.stringify({ ...layer, current: undefined });
  return inOrder(after).filter(([name, layer]) => look(before[name]) !== look(layer));
}

function inOrder(layers: LayerMap): [string, Layer][] {
  return Object.entries(layers).sort(([, a], [, b]) => a.order - b.order);
}

/** The row that stands where lines are missing. */
export function renderGap(gap: Gap, color: boolean): string {
  const why = gap.reason === "trimmed" ? "no longer kept" : "lost";
  return paint(`── ${count(gap.lost, "line")} missing: ${gap.from} to ${gap.to} (${why}) ──`, "yellow", color);
}

/** The row where the numbering began anew. */
export function renderReset(reset: Reset, color: boolean): string {
  return paint(
    `── the log began anew at line ${reset.first_index} (${harmless(reset.reason, false)}) ──`,
    "yellow",
    color,
  );
}

/** How a run ended: status, layers, cost and tokens by backend. */
export function renderSummary(runId: string, state: RunState, color: boolean): string {
  const style = state.status === "completed" ? "green" : "red";
  const lines = state.expected_log_count === null ? "" : `, ${count(state.expected_log_count, "line")}`;
  const late = state.late_lines > 0 ? `, ${state.late_lines} more after the end` : "";
  const rows = [`${paint(harmless(state.status, false), style, color)}  ${harmless(runId, false)}${lines}${late}`];
  if (state.error !== null) rows.push(`  ${paint(harmless(state.error, false), "red", color)}`);
  for (const [name, layer] of inOrder(state.layer_status)) rows.push(`  ${renderLayer(name, layer, color)}`);
  const { backends, total } = state.backend_stats;
  const used = Object.entries(backends).sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [name, stat] of used)
    rows.push(`  ${paint("$", "magenta", color)} ${costOf(harmless(name, false), stat)}`);
  if (used.length > 1) rows.push(`  ${paint("$", "magenta", color)} ${costOf("total", total)}`);
  return rows.join("\n");
}

function costOf(name: string, stat: BackendStat): string {
  const parts = [name, count(stat.calls, "call")];
  // Calls of which nobody knows the price did not cost nothing.
  if (stat.cost_usd > 0 || stat.unpriced_calls < stat.calls) parts.push(money(stat.cost_usd));
  const { fallbacks = 0, input_tokens: input = 0, output_tokens: output = 0 } = stat;
  if (stat.errors > 0) parts.push(count(stat.errors, "error"));
  if (fallbacks > 0) parts.push(count(fallbacks, "fallback"));
  if (stat.unpriced_calls > 0) parts.push(`${stat.unpriced_calls} unpriced`);
  if (input > 0 || output > 0) parts.push(`${input} tokens in, ${output} out`);
  return parts.join("  ");
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
