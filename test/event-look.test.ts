import { describe, expect, it } from "vitest";
import { familyOf, iconOf, toneOf } from "../src/panel/event-look.js";

describe("the look of an event", () => {
  it.each([
    ["pipeline_start", "pipeline"],
    ["layer_skip", "layer"],
    ["phase_complete", "phase"],
    ["subphase_error", "subphase"],
    ["llm_call_fallback", "llm"],
    ["decision_point", "decision"],
    ["validation_result", "validation"],
    ["retry_attempt", "retry"],
    ["ingest_page", "ingest"],
    ["fetch_done", "fetch"],
    ["scoring_batch", "scoring"],
    ["job_scored", "job"],
    ["search_run", "search"],
    ["source_read", "source"],
    ["cache_hit", "cache"],
    ["annotation_added", "annotation"],
    ["outreach_sent", "outreach"],
    ["log_gap", "log"],
    ["owner_lost", "owner"],
    ["my_own", "my"],
    ["__proto__", ""],
    ["constructor", "constructor"],
    [undefined, ""],
  ])("of %s is that of %s", (event, family) => {
    expect(familyOf(event)).toBe(family);
    expect(iconOf(event)).toMatch(event === undefined ? /^$/ : /^.$/u);
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
