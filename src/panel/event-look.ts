/** How an event looks: its family, its icon and its colour. Pure. */

/** What the events of a family begin with, and their icon. */
const FAMILIES: readonly string[] =
  "pipeline_◆ layer_▣ phase_▸ subphase_▹ llm_call_✦ decision_point◇ validation_result☑ retry_attempt↻ ingest_⇣ fetch_⇣ scoring_★ job_scored★ search_⌕ source_⊙ cache_hit⚡ annotation_✎ outreach_✉ log_gap⋯ owner_⚠ never_started⚠".split(
    " ",
  );

/** The family of an event (`pipeline`, `llm_call`, …) and its icon. */
function lookOf(event: string | undefined): [family: string, icon: string] {
  if (event === undefined) return ["text", ""];
  const found = FAMILIES.find((family) => event.startsWith(family.slice(0, -1))) ?? "other•";
  return [found.slice(0, -1).replace(/_$/, ""), found.slice(-1)];
}

/** The family of an event: `pipeline`, `layer`, `llm_call`, …; `other` for an invented event, `text` where there is none. */
export function familyOf(event: string | undefined): string {
  return lookOf(event)[0];
}

/** The icon of an event's family; "" where there is no event. */
export function iconOf(event: string | undefined): string {
  return lookOf(event)[1];
}

/** The tone of a backend, a class of the style: Claude CLI is green, LangChain, which is fallen back to, amber. */
export function toneOf(backend: string | undefined): "claude" | "langchain" | "tone" | "" {
  if (backend === undefined) return "";
  return backend === "claude_cli" ? "claude" : backend === "langchain" ? "langchain" : "tone";
}
