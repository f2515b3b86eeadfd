/** How an event looks: its family, its icon and its colour. Pure. */

/** The first word of the events of a family, and their icon. */
const ICONS = new Map(
  Object.entries({
    pipeline: "◆",
    layer: "▣",
    phase: "▸",
    subphase: "▹",
    llm: "✦",
    decision: "◇",
    validation: "☑",
    retry: "↻",
    ingest: "⇣",
    fetch: "⇣",
    scoring: "★",
    job: "★",
    search: "⌕",
    source: "⊙",
    cache: "⚡",
    annotation: "✎",
    outreach: "✉",
    log: "⋯",
    owner: "⚠",
    never: "⚠",
  }),
);

/** The family of an event, which is its first word: `pipeline`, `layer`, `llm`, …; "" where there is no event. */
export function familyOf(event = ""): string {
  return event.split("_")[0] ?? "";
}

/** The icon of an event's family; "" where there is no event. */
export function iconOf(event?: string): string {
  return event ? (ICONS.get(familyOf(event)) ?? "•") : "";
}

/** The tone of a backend, a class of the style: Claude CLI is green, LangChain, which is fallen back to, amber. */
export function toneOf(backend = ""): string {
  return backend && (/^(claude|langchain)/.exec(backend)?.[0] ?? "tone");
}
