import { describe, expect, it } from "vitest";
import { countFacets, FACETS, passes } from "../src/panel/line-filter.js";
import type { LogEntry } from "../src/protocol.js";
import { logEntry } from "./support/log-entry.js";

const LINES: LogEntry[] = [
  logEntry(0),
  logEntry(1, "fetch: start", { event: "layer_start", layer: "fetch" }),
  logEntry(2, "grader: complete", { event: "llm_call_complete", layer: "grade", backend: "claude_cli" }),
  logEntry(3, "grader: error", { event: "llm_call_error", layer: "grade", backend: "openrouter", level: "error" }),
  logEntry(4, "mine", { event: "invented", layer_name: "Grading", level: "warn" }),
];

/** The lines that pass, with what is wanted by the name of its facet. */
const passing = (wanted: Record<string, string[]>): number[] => {
  const filter = FACETS.map(([name]) => new Set(wanted[name]));
  return LINES.filter((entry) => passes(entry, filter)).map(({ index }) => index);
};

describe("a filter", () => {
  it.each<[string, Record<string, string[]>, number[]]>([
    ["nothing", {}, [0, 1, 2, 3, 4]],
    ["a level", { Level: ["error"] }, [3]],
    ["two levels", { Level: ["error", "warn"] }, [3, 4]],
    ["a family of events", { Event: ["llm"] }, [2, 3]],
    ["events of one's own", { Event: ["invented"] }, [4]],
    ["a layer", { Layer: ["grade"] }, [2, 3]],
    ["a layer by its name", { Layer: ["Grading"] }, [4]],
    ["a backend", { Backend: ["claude_cli"] }, [2]],
    ["both of two kinds", { Level: ["error"], Backend: ["claude_cli", "openrouter"] }, [3]],
  ])("shows what is wanted: %s", (_, filter, expected) => {
    expect(passing(filter)).toEqual(expected);
  });
});

describe("the counts to choose from", () => {
  const counting = () => {
    const counts = FACETS.map(() => new Map<string, number>());
    return {
      counts,
      shown: () => Object.fromEntries(FACETS.map(([name], at) => [name, Object.fromEntries(counts[at] ?? [])])),
    };
  };

  it("follow the lines as they come and go", () => {
    const { counts, shown } = counting();
    for (const entry of LINES) countFacets(counts, entry, 1);
    expect(shown()).toEqual({
      Level: { info: 3, error: 1, warn: 1 },
      Event: { layer: 1, llm: 2, invented: 1 },
      Layer: { fetch: 1, grade: 2, Grading: 1 },
      Backend: { claude_cli: 1, openrouter: 1 },
    });
    for (const entry of LINES.slice(0, 3)) countFacets(counts, entry, -1);
    expect(shown()).toMatchObject({ Level: { error: 1, warn: 1 }, Layer: { grade: 1, Grading: 1 } });
  });

  it("take any name for a name", () => {
    const { counts } = counting();
    countFacets(counts, logEntry(0, "x", { layer: "__proto__", backend: "constructor" }), 1);
    expect(counts.slice(2).flatMap((values) => [...values])).toEqual([
      ["__proto__", 1],
      ["constructor", 1],
    ]);
  });
});
