/** How an event looks: its family, its icon and its colour. Pure. */

/** Family → its icon and the prefixes of its events. The first prefix that fits wins. */
const FAMILIES: readonly (readonly [family: string, icon: string, ...prefixes: string[]])[] = [
  ["pipeline", "◆", "pipeline_"],
  ["layer", "▣", "layer_"],
  ["phase", "▸", "phase_", "subphase_"],
  ["model", "✦", "llm_call_"],
  ["decision", "◇", "decision_point"],
  ["validation", "☑", "validation_result"],
  ["retry", "↻", "retry_attempt"],
  ["fetch", "⇣", "ingest_", "fetch_"],
  ["scoring", "★", "scoring_", "job_scored"],
  ["search", "⌕", "search_"],
  ["source", "⊙", "source_"],
  ["cache", "⚡", "cache_hit"],
  ["annotation", "✎", "annotation_"],
  ["outreach", "✉", "outreach_"],
  ["livetail", "⚠", "log_gap", "owner_", "never_started"],
];

/** Family → icon of what is not in the table. */
const TEXT = ["text", ""] as const;
const OTHER = ["other", "•"] as const;

function find(event: string | undefined): readonly [family: string, icon: string, ...prefixes: string[]] {
  if (event === undefined) return TEXT;
  return FAMILIES.find(([, , ...prefixes]) => prefixes.some((prefix) => event.startsWith(prefix))) ?? OTHER;
}

/** The family of an event: `pipeline`, `layer`, `model`, …; `other` for an invented event, `text` where there is none. */
export function familyOf(event: string | undefined): string {
  return find(event)[0];
}

/** The icon of an event's family; "" where there is no event. */
export function iconOf(event: string | undefined): string {
  return find(event)[1];
}

/** The tone of a backend, a class of the style: Claude CLI is green, LangChain, which is fallen back to, amber. */
export function toneOf(backend: string | undefined): "claude" | "langchain" | "tone" | "" {
  if (backend === undefined) return "";
  return backend === "claude_cli" ? "claude" : backend === "langchain" ? "langchain" : "tone";
}
