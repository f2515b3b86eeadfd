import { describe, expect, it } from "vitest";
import { familyOf, iconOf, toneOf } from "../src/panel/event-look.js";

describe("the look of an event", () => {
  it.each([
    ["pipeline_start", "pipeline"],
    ["layer_skip", "layer"],
    ["phase_complete", "phase"],
    ["subphase_error", "phase"],
    ["llm_call_fallback", "model"],
    ["decision_point", "decision"],
    ["validation_result", "validation"],
    ["retry_attempt", "retry"],
    ["ingest_page", "fetch"],
    ["fetch_done", "fetch"],
    ["scoring_batch", "scoring"],
    ["job_scored", "scoring"],
    ["search_run", "search"],
    ["source_read", "source"],
    ["cache_hit", "cache"],
    ["annotation_added", "annotation"],
    ["outreach_sent", "outreach"],
    ["log_gap", "livetail"],
    ["owner_lost", "livetail"],
    ["my_own", "other"],
    [undefined, "text"],
  ])("of %s is that of %s", (event, family) => {
    expect(familyOf(event)).toBe(family);
    expect(iconOf(event) === "").toBe(event === undefined);
  });

  it("is green for the Claude CLI, amber for LangChain, and another for other backends", () => {
    expect(["claude_cli", "langchain", "openrouter", undefined].map(toneOf)).toEqual([
      "claude",
      "langchain",
      "tone",
      "",
    ]);
  });
});
