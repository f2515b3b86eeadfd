import { describe, expect, it } from "vitest";
import { FacetCounts, type LineFilter, passes } from "../src/panel/line-filter.js";
import type { LogEntry } from "../src/protocol.js";
import { logEntry } from "./support/log-entry.js";

const LINES: LogEntry[] = [
  logEntry(0),
  logEntry(1, "fetch: start", { event: "layer_start", layer: "fetch" }),
  logEntry(2, "grader: complete", { event: "llm_call_complete", layer: "grade", backend: "claude_cli" }),
  logEntry(3, "grader: error", { event: "llm_call_error", layer: "grade", backend: "openrouter", level: "error" }),
  logEntry(4, "mine", { event: "invented", layer_name: "Grading", level: "warn" }),
];

const passing = (filter: LineFilter | null): number[] =>
  LINES.filter((entry) => passes(entry, filter)).map(({ index }) => index);

describe("a filter", () => {
  it.each<[string, LineFilter | null, number[]]>([
    ["nothing", null, [0, 1, 2, 3, 4]],
    ["an empty filter", {}, [0, 1, 2, 3, 4]],
    ["a level", { levels: ["error"] }, [3]],
    ["two levels", { levels: ["error", "warn"] }, [3, 4]],
    ["a family of events", { families: ["llm_call"] }, [2, 3]],
    ["events of one's own", { families: ["other"] }, [4]],
    ["lines without an event", { families: ["text"] }, [0]],
    ["a layer", { layers: ["grade"] }, [2, 3]],
    ["a layer by its name", { layers: ["Grading"] }, [4]],
    ["a backend", { backends: ["claude_cli"] }, [2]],
    ["both of two kinds", { levels: ["error"], backends: ["claude_cli", "openrouter"] }, [3]],
    ["an empty list", { levels: [] }, []],
  ])("shows what is wanted: %s", (_, filter, expected) => {
    expect(passing(filter)).toEqual(expected);
  });
});

describe("the counts to choose from", () => {
  it("follow the lines as they come and go", () => {
    const counts = new FacetCounts();
    for (const entry of LINES) counts.count(entry);
    expect(Object.fromEntries(counts.levels)).toEqual({ info: 3, error: 1, warn: 1 });
    expect(Object.fromEntries(counts.families)).toEqual({ text: 1, layer: 1, llm_call: 2, other: 1 });
    expect(Object.fromEntries(counts.layers)).toEqual({ fetch: 1, grade: 2, Grading: 1 });
    expect(Object.fromEntries(counts.backends)).toEqual({ claude_cli: 1, openrouter: 1 });
    for (const entry of LINES.slice(0, 3)) counts.count(entry, -1);
    expect(Object.fromEntries(counts.levels)).toEqual({ error: 1, warn: 1 });
    expect(Object.fromEntries(counts.layers)).toEqual({ grade: 1, Grading: 1 });
  });

  it("take any name for a name", () => {
    const counts = new FacetCounts();
    counts.count(logEntry(0, "x", { layer: "__proto__", backend: "constructor" }));
    expect([...counts.layers, ...counts.backends]).toEqual([
      ["__proto__", 1],
      ["constructor", 1],
    ]);
  });
});
