import { describe, expect, it } from "vitest";
import { harmless, harmlessJson } from "../src/cli/harmless.js";
import {
  changedLayers,
  duration,
  money,
  renderEntry,
  renderGap,
  renderLayer,
  renderReset,
  renderSummary,
  wantsColor,
} from "../src/cli/terminal.js";
import { parseLine } from "../src/line.js";
import type { Layer, RunState } from "../src/protocol.js";
import { createLineEncoder } from "../src/serialize.js";

const ESC = "\u001b";
const encoder = createLineEncoder({ now: () => Date.UTC(2026, 0, 14, 10, 0, 0) });

/** The text of a line that a child printed, stored and read again. */
function printed(line: string, color = false): string {
  return renderEntry(parseLine(encoder.text(line, "stdout"), 0), color);
}

/** What is shown of an object that was logged, without its time. */
function logged(value: unknown, metadata?: Record<string, unknown>): string {
  const text = renderEntry(parseLine(encoder.message(value, metadata), 0), false);
  expect(text).toMatch(/^\d\d:\d\d:\d\d /);
  return text.slice(9);
}

describe("text that goes to a terminal", () => {
  it("keeps colours where they are wanted, and strips them else", () => {
    const text = `${ESC}[1;31mred${ESC}[0m and ${ESC}[38:2:1:2:3mtrue${ESC}[m`;
    expect(harmless(text, true)).toBe(text);
    expect(harmless(text, false)).toBe("red and true");
  });

  it.each([
    ["a title", `${ESC}]0;pwned\u0007x`, "x"],
    ["a title, ended by ST", `${ESC}]2;pwned${ESC}\\x`, "x"],
    ["a link", `${ESC}]8;;http://evil${ESC}\\x${ESC}]8;;${ESC}\\`, "x"],
    ["the clipboard", `${ESC}]52;c;cm0gLXJm\u0007x`, "x"],
    ["clearing and moving", `${ESC}[2J${ESC}[1;1H${ESC}[?1049hx`, "x"],
    ["a report of the cursor", `${ESC}[6nx`, "x"],
    ["a private colour", `${ESC}[>4;1mx${ESC}[?4mx`, "xx"],
    ["a device control string", `${ESC}P+q544e${ESC}\\x`, "x"],
    ["a reset", `${ESC}cx`, "x"],
    ["a character set", `${ESC}(0x`, "x"],
    ["C1 sequences", "\u009b2Jx\u009d0;t\u009cx\u0090", "x0;tx"],
    ["an unfinished title", `${ESC}]0;shown`, "0;shown"],
    ["an unfinished sequence", `${ESC}[31`, "31"],
    ["a lone escape", `x${ESC}`, "x^["],
    ["control characters", "a\rb\bc\u0000d\u007fe\u0007", "a^Mb^Hc^@d^?e^G"],
  ])("makes %s harmless", (_name, text, shown) => {
    expect(harmless(text, true)).toBe(shown);
    expect(harmless(text, false)).toBe(shown);
  });

  it("leaves tabs and every other character alone", () => {
    const text = "a\tgrün 日本語 🚢 \u2028 \ufffd";
    expect(harmless(text, false)).toBe(text);
  });

  it("takes linear time on text that is made to be slow", () => {
    const began = performance.now();
    for (const part of [`${ESC}[`, `${ESC}[0;0`, `${ESC}]`, `${ESC}P${ESC}`, `${ESC}    `])
      harmless(part.repeat(100_000), true);
    expect(performance.now() - began).toBeLessThan(2000);
  });

  it("escapes in JSON what JSON leaves alone, without changing what it says", () => {
    const value = { text: "\u009b2J\u007f\u001b[31m" };
    const text = harmlessJson(JSON.stringify(value));
    expect(text).not.toMatch(/\p{Cc}/u);
    expect(JSON.parse(text)).toEqual(value);
  });
});

describe("an entry on a terminal", () => {
  it.each([
    "plain text",
    "",
    "  indented\twith tab ",
    "[INFO] a level",
    "2026-01-14 10:22:33 [ERROR] module.name: message",
    "[Claude CLI] working",
    "[fetch_done] count=3, source=x",
    '❌ layer_x: {"error": "inside"}',
    "{ no JSON }",
  ])("is the text that a child printed: %j", (line) => {
    expect(printed(line)).toBe(line);
  });

  it("is the text of a line that a writer without envelope stored", () => {
    expect(renderEntry(parseLine("just text", 0), false)).toBe("just text");
  });

  it("keeps a child's colours only where there are colours", () => {
    const line = `${ESC}[32mgreen${ESC}[0m`;
    expect([printed(line, true), printed(line, false)]).toEqual([line, "green"]);
  });

  it("shows time, level, icon, message, the rest and the cost of a structured line", () => {
    const entry = {
      level: "warn",
      event: "llm_call_complete",
      message: "grader: complete [claude_cli] (1500ms)",
      backend: "claude_cli",
      model: "opus",
      duration_ms: 1500,
      cost_usd: 0.05,
      metadata: { attempt: 2, note: "two words" },
    };
    expect(logged(entry)).toBe(
      'warn  ✦ grader: complete [claude_cli] (1500ms) model=opus attempt=2 note="two words" $0.05',
    );
  });

  it("says a field once when the message was made of the event's fields", () => {
    const scored = {
      event: "job_scored",
      layer: "score",
      metadata: { title: "Data Engineer", score: 88, tags: ["a"] },
    };
    expect(logged(scored)).toBe('info  ★ job_scored: layer=score, title=Data Engineer, score=88 tags=["a"]');
    const own = { event: "job_scored", message: "Data Engineer: 88", metadata: { score: 88 } };
    expect(logged(own)).toBe("info  ★ Data Engineer: 88 score=88");
  });

  it("colours the level", () => {
    const line = encoder.message({ level: "error", message: "broken" });
    expect(renderEntry(parseLine(line, 0), true)).toContain(`${ESC}[31m`);
    expect(renderEntry(parseLine(line, 0), false)).not.toContain(ESC);
  });

  it("shows every family of events by an icon of its own", () => {
    const events = [
      "pipeline_start",
      "layer_start",
      "phase_start",
      "subphase_start",
      "llm_call_start",
      "decision_point",
    ];
    events.push("validation_result", "retry_attempt", "fetch_done", "job_scored", "search_done", "source_added");
    events.push("cache_hit", "annotation_added", "outreach_sent", "log_gap", "owner_lost", "made_up");
    const icons = events.map((event) => logged({ event, message: "m" })[6]);
    expect(new Set(icons).size).toBe(events.length);
  });

  it("puts what follows the first line of a message, and a traceback, under it", () => {
    const text = logged({ level: "error", message: "first\nsecond", traceback: "Error: x\n  at y" });
    expect(text.split("\n").slice(1)).toEqual(["    second", "    Error: x", "      at y"]);
  });

  it("lets no field of a structured line act on the terminal", () => {
    const evil = `${ESC}]0;pwned\u0007${ESC}[2J\r`;
    const text = logged({ event: "x", message: `m${evil}`, [`k${evil}`]: `v${evil}`, traceback: evil, error: evil });
    expect(text).not.toMatch(/[^\P{Cc}\n]/u);
  });

  it("cuts long values and long lists of them", () => {
    const metadata = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`key${i}`, "x".repeat(500)]));
    const text = logged({ event: "x", message: "m", metadata });
    expect(text.length).toBeLessThan(250);
    expect(text).toContain("…");
  });

  it("shows a line that has no valid time", () => {
    expect(renderEntry(parseLine('{"level":"info","message":"m"}', 0), false)).toBe("--:--:-- info  • m");
  });
});

describe("layers, gaps and the summary on a terminal", () => {
  const layer = (fields: Partial<Layer>): Layer => ({ status: "running", order: 0, ...fields });

  it("shows a layer on one line, and only if more than its progress changed", () => {
    expect(renderLayer("read", layer({ current: 3, total: 10, message: "x\ny" }), false)).toBe(
      "● read  running  3/10  x^Jy",
    );
    expect(renderLayer("read", layer({ status: "failed", duration_ms: 1500 }), false)).toBe("✖ read  failed  1.5 s");
    const before = { a: layer({ current: 1 }), b: layer({ order: 1 }) };
    const after = { b: layer({ order: 1, status: "success" }), c: layer({ order: 2 }), a: layer({ current: 2 }) };
    expect(changedLayers(before, after).map(([name]) => name)).toEqual(["b", "c"]);
  });

  it("shows gaps with their exact number, and resets", () => {
    expect(renderGap({ from: 0, to: 499, lost: 500, reason: "trimmed" }, false)).toContain(
      "500 lines missing: 0 to 499",
    );
    expect(renderGap({ from: 5, to: 5, lost: 1, reason: "lost" }, false)).toContain("1 line missing: 5 to 5 (lost)");
    expect(renderReset({ reason: "epoch", first_index: 7 }, false)).toContain("anew at line 7");
  });

  it("sums up status, error, layers, and cost and tokens by backend", () => {
    const stat = (calls: number, cost_usd: number, errors = 0, unpriced_calls = 0) => ({
      calls,
      errors,
      cost_usd,
      unpriced_calls,
    });
    const state: RunState = {
      status: "failed",
      layer_status: { b: layer({ order: 1, status: "failed" }), a: layer({ status: "success" }) },
      backend_stats: {
        backends: {
          x: { ...stat(2, 0.5, 1), fallbacks: 1, input_tokens: 1200, output_tokens: 30 },
          claude: stat(1, 0, 0, 1),
          partly: stat(2, 0.000012, 0, 1),
        },
        total: stat(5, 0.500012, 1, 2),
      },
      owner: { id: null, url: null, state: "none", attempt: 1 },
      error: "it broke",
      error_code: null,
      cancel_requested: false,
      late_lines: 2,
      expected_log_count: 12,
    };
    expect(renderSummary("op_x", state, false).split("\n")).toEqual([
      "failed  op_x, 12 lines, 2 more after the end",
      "  it broke",
      "  ✔ a  success",
      "  ✖ b  failed",
      "  $ claude  1 call  1 unpriced",
      "  $ partly  2 calls  $0.000012  1 unpriced",
      "  $ x  2 calls  $0.50  1 error  1 fallback  1200 tokens in, 30 out",
      "  $ total  5 calls  $0.50  1 error  2 unpriced",
    ]);
  });

  it("says durations and amounts as a person does", () => {
    expect([0, 999, 1500, 59_999, 61_000, 119_900].map(duration)).toEqual([
      "0 ms",
      "999 ms",
      "1.5 s",
      "60.0 s",
      "1 min 1 s",
      "2 min 0 s",
    ]);
    expect([0, 0.05, 12.345, 0.0001234, 1e-9].map(money)).toEqual([
      "$0",
      "$0.05",
      "$12.35",
      "$0.00012",
      "$0.0000000010",
    ]);
  });

  it("colours a terminal, unless the environment says otherwise", () => {
    expect(wantsColor({ isTTY: true }, {})).toBe(true);
    expect(wantsColor({}, {})).toBe(false);
    expect(wantsColor({ isTTY: true }, { NO_COLOR: "1" })).toBe(false);
    expect(wantsColor({ isTTY: true }, { TERM: "dumb" })).toBe(false);
    expect(wantsColor({}, { FORCE_COLOR: "1", NO_COLOR: "1" })).toBe(true);
    expect(wantsColor({ isTTY: true }, { FORCE_COLOR: "0" })).toBe(false);
  });
});
