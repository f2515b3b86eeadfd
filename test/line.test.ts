import { describe, expect, test } from "vitest";
import { parseLine } from "../src/line.js";
import type { LogEntry } from "../src/protocol.js";
import { createLineEncoder } from "../src/serialize.js";

const encoder = createLineEncoder({ now: () => Date.UTC(2026, 0, 14, 10) });
const NOW = "2026-01-14T10:00:00.000Z";
const json = (fields: Record<string, unknown>): LogEntry => parseLine(JSON.stringify(fields), 7);
const text = (line: string): LogEntry => parseLine(line, 7);
const BARE = { index: 7, timestamp: null, level: "info", metadata: {} };

describe("a JSON object", () => {
  test("has the fields of the protocol at the top and unknown ones under metadata", () => {
    const fields = {
      timestamp: "2026-01-14T10:00:00.000Z",
      level: "warn",
      event: "job_scored",
      message: "Scored",
      job_id: "j",
      layer: "l",
      layer_name: "Layer",
      status: "ok",
      duration_ms: 12.5,
      error: "none",
      backend: "b",
      model: "m",
      tier: "middle",
      cost_usd: 0.05,
      cost_source: "provider",
      step_name: "s",
      input_tokens: 1,
      output_tokens: 2,
      total_tokens: 3,
      traceback: "t",
      prompt_preview: "p",
      system_prompt_preview: "sp",
      user_prompt_preview: "up",
      result_preview: "r",
      prompt_length: 4,
      result_length: 5,
      session_id: "sid",
      raw_output: "ro",
      stderr: "se",
      stream: "stdout",
      truncated: true,
    };
    expect(json({ ...fields, own: { a: 1 }, metadata: { b: 2 } })).toEqual({
      index: 7,
      source: "structured",
      ...fields,
      metadata: { own: { a: 1 }, b: 2 },
    });
  });

  test("has what livetail knows lifted out of its metadata, unless the top has it", () => {
    expect(
      json({
        event: "x",
        message: "m",
        model: "top",
        metadata: {
          model: "below",
          backend: "b",
          cost_usd: 1,
          duration_ms: 2,
          stack_trace: "at",
          result_preview: "r",
          k: 1,
        },
      }),
    ).toEqual({
      ...BARE,
      source: "structured",
      event: "x",
      message: "m",
      model: "top",
      backend: "b",
      cost_usd: 1,
      duration_ms: 2,
      traceback: "at",
      result_preview: "r",
      metadata: { model: "below", k: 1 },
    });
  });

  test("keeps a field of a wrong type under metadata", () => {
    const wrong = {
      event: 5,
      level: { a: 1 },
      timestamp: "yesterday",
      message: ["x"],
      backend: 5,
      model: true,
      duration_ms: "12",
      input_tokens: -1,
      error: [1],
      stream: true,
      truncated: "no",
      cost_source: "guess",
    };
    const { message, metadata, ...entry } = json(wrong);
    expect(metadata).toEqual(wrong);
    expect(entry).toEqual({ index: 7, timestamp: null, level: "info", source: "structured" });
    expect(message).toContain("backend=5");
    expect(json({ message: "m", level: "info", metadata: [1] }).metadata).toEqual({ metadata: [1] });
  });

  test("may write ids, layers and tiers as numbers, and leave known fields null", () => {
    const entry = json({ event: "x", message: "m", job_id: 42, layer: 3, tier: 1, error: null, metadata: null });
    expect(entry).toMatchObject({ job_id: "42", layer: "3", tier: "1", metadata: {} });
    expect(entry).not.toHaveProperty("error");
  });

  test.each([-1, 1e13, 1e7, "0.05", null])("with a cost of %s has no cost", (cost_usd) => {
    const entry = json({ event: "x", message: "m", metadata: { cost_usd } });
    expect(entry).not.toHaveProperty("cost_usd");
    expect(json({ event: "x", message: "m", cost_usd })).not.toHaveProperty("cost_usd");
    if (cost_usd !== null) expect(entry.metadata).toEqual({ cost_usd });
  });

  test("cannot set what is the entry's own", () => {
    expect(json({ event: "x", message: "m", index: 99, source: "text", raw: "r", dropped: 3, reason: "why" })).toEqual({
      ...BARE,
      source: "structured",
      event: "x",
      message: "m",
      metadata: { index: 99, source: "text", raw: "r", dropped: 3, reason: "why" },
    });
  });

  test("cannot reach a prototype", () => {
    const entry = parseLine(
      '{"event":"x","__proto__":{"polluted":1},"constructor":{"a":1},"metadata":{"__proto__":{"polluted":2},"toString":1}}',
      7,
    );
    expect(Object.getPrototypeOf(entry)).toBe(Object.prototype);
    expect(Object.getPrototypeOf(entry.metadata)).toBe(Object.prototype);
    expect(Object.keys(entry.metadata)).toEqual(["__proto__", "constructor", "toString"]);
    expect((entry as unknown as Record<string, unknown>).polluted).toBeUndefined();
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    const inEnvelope = parseLine(
      '{"message":"m","__proto__":{"polluted":1},"metadata":{"__proto__":{"polluted":1}}}',
      7,
    );
    expect(Object.getPrototypeOf(inEnvelope.metadata)).toBe(Object.prototype);
  });

  test.each([
    ["warning", "warn"],
    ["WARN", "warn"],
    ["err", "error"],
    ["Fatal", "error"],
    ["critical", "error"],
    ["trace", "debug"],
    [10, "debug"],
    [20, "debug"],
    [30, "info"],
    [40, "warn"],
    [50, "error"],
    [60, "error"],
  ])("of level %s is of level %s", (level, expected) => {
    const entry = json({ message: "m", level });
    expect(entry.level).toBe(expected);
    expect(entry.metadata).toEqual({});
  });

  test.each([["loud"], [5], [100], [null]])("of level %s is of level info", (level) => {
    expect(json({ message: "m", event: "x", level }).level).toBe("info");
  });

  test("without a level has that of its event", () => {
    expect(json({ event: "layer_error" }).level).toBe("error");
    expect(json({ event: "llm_call_fallback" }).level).toBe("warn");
    expect(json({ event: "layer_start" }).level).toBe("info");
    expect(json({ event: "layer_error", level: "info" }).level).toBe("info");
  });

  test.each([
    ["2026-01-14T10:22:33Z", "2026-01-14T10:22:33Z"],
    ["2026-01-14T10:22:33.123456+01:00", "2026-01-14T10:22:33.123456+01:00"],
    ["2026-01-14T10:22:33.5", "2026-01-14T10:22:33.5Z"],
    ["2026-01-14 10:22:33,250", "2026-01-14T10:22:33.250Z"],
    [1_768_386_153_000, "2026-01-14T10:22:33.000Z"],
    [1_768_386_153.5, "2026-01-14T10:22:33.500Z"],
  ])("at %s is an entry at %s", (timestamp, expected) => {
    expect(json({ event: "x", timestamp })).toMatchObject({ timestamp: expected, metadata: {} });
  });

  test.each(["2026-13-14T10:22:33Z", "soon", 5, "x".repeat(100_000)])("at %.20s is at no known time", (timestamp) => {
    expect(json({ event: "x", timestamp })).toMatchObject({ timestamp: null, metadata: { timestamp } });
  });

  test("of pino or winston is understood", () => {
    expect(
      json({
        level: 50,
        time: 1_768_386_153_000,
        pid: 1,
        msg: "it failed",
        err: { type: "E", message: "no", stack: "at" },
      }),
    ).toEqual({
      ...BARE,
      timestamp: "2026-01-14T10:22:33.000Z",
      level: "error",
      source: "structured",
      message: "it failed",
      error: "no",
      traceback: "at",
      metadata: { pid: 1, err: { type: "E", message: "no", stack: "at" } },
    });
    expect(json({ level: "error", message: "it failed", stack: "at" })).toMatchObject({
      traceback: "at",
      metadata: {},
    });
  });
});

describe("a message is built for an event without one", () => {
  test.each([
    [
      { event: "llm_call_complete", step_name: "grader", backend: "claude_cli", duration_ms: 1500 },
      "grader: complete [claude_cli] (1500ms)",
    ],
    [{ event: "llm_call_start", layer: "rank", metadata: { backend: "b" } }, "rank: start [b]"],
    [{ event: "llm_call_error", backend: "b", error: "timeout" }, "llm_call: error [b] - timeout"],
    [
      { event: "layer_complete", layer: "fetch", layer_name: "Fetch job", duration_ms: 12.6 },
      "Fetch job: complete (13ms)",
    ],
    [{ event: "layer_error", layer: "fetch", error: "404" }, "fetch: error - 404"],
    [{ event: "log_gap", dropped: 500, reason: "burst" }, "500 lines are missing here (burst)"],
    [{ event: "log_gap", dropped: 1 }, "1 line is missing here"],
    [
      { event: "job_scored", job_id: "j", score: 0.5, metadata: { backend: "b", deep: {} } },
      "job_scored: job_id=j, backend=b, score=0.5",
    ],
    [{ event: "pipeline_start" }, "pipeline_start"],
    [{ event: "pipeline_error", error: "no network" }, "pipeline_error: error=no network"],
    [{ event: "layer_skip", layer: "fetch", reason: "cached" }, "fetch: skip"],
    [{ event: "phase_start", phase: "rank" }, "phase_start: phase=rank"],
    [
      { event: "subphase_complete", subphase: "sort", duration_ms: 3 },
      "subphase_complete: duration_ms=3, subphase=sort",
    ],
    [{ event: "llm_call_fallback", step_name: "grade", backend: "langchain" }, "grade: fallback [langchain]"],
    [{ event: "decision_point", decision: "apply" }, "decision_point: decision=apply"],
    [{ event: "validation_result", passed: false, validation: "cv" }, "validation_result: passed=false, validation=cv"],
    [{ event: "retry_attempt", attempt: 2, error: "429" }, "retry_attempt: error=429, attempt=2"],
    [{ event: "ingest_batch", rows: 12 }, "ingest_batch: rows=12"],
    [{ event: "fetch_page", url: "u", status: "ok" }, "fetch_page: status=ok, url=u"],
    [{ event: "scoring_started", model: "m" }, "scoring_started: model=m"],
    [{ event: "search_results", metadata: { found: 3 } }, "search_results: found=3"],
    [{ event: "source_failed", source_name: "board" }, "source_failed: source_name=board"],
    [{ event: "cache_hit", key: "k" }, "cache_hit: key=k"],
    [{ event: "annotation_saved", job_id: 7 }, "annotation_saved: job_id=7"],
    [{ event: "outreach_sent", to: "a@b" }, "outreach_sent: to=a@b"],
    [{ event: "anything_else", yes: true }, "anything_else: yes=true"],
    [{ event: "x", message: "" }, "x"],
    [{ a: 1, b: "two" }, "a=1, b=two"],
    [{}, "{}"],
  ])("%j", (fields, message) => {
    expect(json(fields).message).toBe(message);
  });

  test("and says what became of an owner", () => {
    for (const event of ["owner_lost", "owner_changed", "never_started"]) {
      const entry = json({ event });
      expect(entry.message).not.toContain(event);
      expect(entry.message.length).toBeGreaterThan(20);
      expect(entry.level).not.toBe("info");
    }
  });

  test("which stays short when its fields are not", () => {
    const fields = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`f${i}`, "x".repeat(1000)]));
    expect(json({ event: "big", ...fields }).message.length).toBeLessThan(1200);
  });
});

describe("a line of text", () => {
  test.each<[string, Partial<LogEntry>]>([
    [
      "2026-01-14 10:22:33 [INFO] src.module.name: hello: world",
      { timestamp: "2026-01-14T10:22:33Z", level: "info", module: "src.module.name", message: "hello: world" },
    ],
    [
      "2026-01-14 10:22:33,123 [WARNING] no module here",
      { timestamp: "2026-01-14T10:22:33.123Z", level: "warn", message: "no module here" },
    ],
    [
      "2026-01-14 10:22:33,123 - src.module-name - WARNING - hello - world",
      { timestamp: "2026-01-14T10:22:33.123Z", level: "warn", module: "src.module-name", message: "hello - world" },
    ],
    ["CRITICAL:root:a:b", { level: "error", module: "root", message: "a:b" }],
    ["[ERROR] x", { level: "error", message: "x" }],
    ["[debug] x\n  y", { level: "debug", message: "x\n  y" }],
    ["[Generator:job 1] it works", { component: "Generator", context: "job 1", message: "it works" }],
    [
      "[Generator:job-1] [Fallback] again",
      { component: "Generator", context: "job-1", backend: "langchain", message: "[Fallback] again" },
    ],
    [
      "2026-01-14 10:22:33 [ERROR] [Generator:7] x",
      { timestamp: "2026-01-14T10:22:33Z", level: "error", component: "Generator", context: "7", message: "x" },
    ],
  ])("%s is taken apart, and kept whole as raw", (line, expected) => {
    expect(text(line)).toEqual({ ...BARE, source: "text", ...expected, raw: line });
  });

  test.each<[string, Partial<LogEntry>]>([
    ["plain words", {}],
    ["", {}],
    ["   indented", {}],
    ["[Claude CLI] starting", { backend: "claude_cli" }],
    ["step 3 [LangChain] done", { backend: "langchain" }],
    ["[Fallback] again", { backend: "langchain" }],
    ["[vite] hello", {}],
    ["[12:30:45] not a component", {}],
    ["[ERRORS] x", {}],
    ["[1,2,3]", {}],
    ["{not json}", {}],
    ["2026-99-99 10:22:33 [INFO] m: x", {}],
    ["2026-01-14 10:22:33 [STRANGE] m: x", {}],
    ["2026-01-14 10:22:33 - m - STRANGE - x", {}],
    ["2026-01-14 10:22:33 - two words - INFO - x", {}],
    ["info:root:x", {}],
    ["ERROR:no name: x", {}],
    ["ERROR:root:", { level: "error", module: "root" }],
    ["\u001b[31mERROR:root:red\u001b[0m", { level: "error", module: "root" }],
    ["\u001b[1mbold\u001b[0m", {}],
    ["\u001b[31m[ERROR]\u001b[0m red", { level: "error" }],
    ["note: {see below}", {}],
    ["❌ layer: {broken", {}],
  ])("%j keeps its whole text as the message", (line, expected) => {
    expect(text(line)).toEqual({ ...BARE, source: "text", message: line, ...expected });
  });

  test("of the form [event_name] key=value is an event with fields", () => {
    const line = "[job_scored] job_id=12, score=0.85, title=Engineer, Senior, cost_usd=0.002, ok=true, zip=007";
    expect(text(line)).toEqual({
      ...BARE,
      source: "text",
      event: "job_scored",
      job_id: "12",
      cost_usd: 0.002,
      message: line,
      metadata: { score: 0.85, title: "Engineer, Senior", ok: true, zip: "007" },
    });
    const hostile = text("[x] __proto__=1, a=2");
    expect(Object.getPrototypeOf(hostile.metadata)).toBe(Object.prototype);
  });

  test("of the form ❌ layer_key: {json} is the object, with what stood before it", () => {
    const line = '❌ fetch_job: {"error":"404","duration_ms":5,"url":"u"}';
    expect(text(line)).toEqual({
      ...BARE,
      level: "error",
      source: "structured_embedded",
      prefix: "❌ fetch_job:",
      error: "404",
      duration_ms: 5,
      message: "404",
      metadata: { url: "u" },
      raw: line,
    });
    expect(text('❌ a: {"event":"layer_skip","level":"warn","layer":"a"}')).toMatchObject({
      level: "warn",
      message: "a: skip",
    });
    const stamped = '2026-01-14 10:22:33 [WARNING] mod: {"event":"x","n":1}';
    expect(text(stamped)).toMatchObject({
      source: "structured_embedded",
      timestamp: "2026-01-14T10:22:33Z",
      level: "warn",
      module: "mod",
      event: "x",
      metadata: { n: 1 },
      raw: stamped,
    });
  });
});

describe("an envelope of text", () => {
  test("has its message read as text, and its own fields win", () => {
    expect(parseLine(encoder.message("[ERROR] x", { a: 1 }), 7)).toEqual({
      ...BARE,
      timestamp: NOW,
      level: "error",
      source: "text",
      message: "x",
      metadata: { a: 1 },
      raw: "[ERROR] x",
    });
    const stamped = "2020-01-01 00:00:00 [INFO] m: x";
    expect(parseLine(encoder.text(stamped, "stderr"), 7)).toMatchObject({
      timestamp: NOW,
      stream: "stderr",
      module: "m",
      message: "x",
      raw: stamped,
    });
    expect(json({ message: "[a_b] k=1, backend=x", metadata: { k: 2 }, cost_usd: 1 })).toMatchObject({
      event: "a_b",
      backend: "x",
      cost_usd: 1,
      metadata: { k: 2 },
    });
  });

  test("has no raw when its message is the whole text", () => {
    expect(parseLine(encoder.message("hello"), 7)).toEqual({
      ...BARE,
      timestamp: NOW,
      source: "text",
      message: "hello",
    });
  });

  test("may hold a JSON object as text", () => {
    const inner = '{"event":"x","message":"from inside","timestamp":"2020-01-01T00:00:00Z","metadata":{"a":1,"b":1}}';
    expect(parseLine(encoder.message(inner, { b: 2 }), 7)).toEqual({
      ...BARE,
      timestamp: NOW,
      source: "structured",
      event: "x",
      message: "from inside",
      metadata: { a: 1, b: 2 },
      raw: inner,
    });
    const embedded = '❌ a: {"event":"x"}';
    expect(parseLine(encoder.text(embedded, "stdout"), 7)).toMatchObject({
      source: "structured_embedded",
      event: "x",
      raw: embedded,
    });
  });

  test.each([{ event: "x" }, { level: "info" }, { layer: "l" }, { backend: "b" }])("it is none with %j", (fields) => {
    expect(json({ message: "[ERROR] x", ...fields })).toMatchObject({ source: "structured", message: "[ERROR] x" });
  });
});

describe("a hostile line", () => {
  const MILLION = 1_000_000;
  test.each<[string, string]>([
    ["open brackets", "[".repeat(MILLION)],
    ["open braces", "{".repeat(MILLION)],
    ["nested arrays", "[".repeat(MILLION / 2) + "]".repeat(MILLION / 2)],
    ["nested objects", `${'{"a":'.repeat(MILLION / 6)}1${"}".repeat(MILLION / 6)}`],
    ["an envelope of nested objects", JSON.stringify({ message: `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}` })],
    ["nested arrays in a field", `{"a":${"[".repeat(MILLION / 2)}${"]".repeat(MILLION / 2)}}`],
    ["pairs", `[event] ${"a=b, ".repeat(MILLION / 5)}`],
    ["one pair", `[event] a=${"=".repeat(MILLION)}`],
    ["commas", `[event] a=1${", ".repeat(MILLION / 2)}`],
    ["colour codes", "\u001b[31m".repeat(MILLION / 5)],
    ["half a colour code", `\u001b[${"3".repeat(MILLION)}`],
    ["spaces", " ".repeat(MILLION)],
    ["spaces and a brace", `${" ".repeat(MILLION)}{`],
    ["a prefix without end", `❌ ${"a".repeat(MILLION)}: {}`],
    ["embedded rubbish", `❌ a: {${"{".repeat(MILLION)}}`],
    ["colons", `2026-01-14 10:22:33 [INFO] ${"a:".repeat(MILLION / 2)}`],
    ["dots", `2026-01-14 10:22:33 [INFO] ${"a.".repeat(MILLION / 2)}`],
    ["quotes", '"'.repeat(MILLION)],
    ["many fields", `{${Array.from({ length: 100_000 }, (_, i) => `"f${i}":${i}`).join()}}`],
    ["lone surrogates", "\ud800".repeat(MILLION)],
    ["NUL", "\0".repeat(MILLION)],
  ])("of %s is read, and can be sent on as JSON", (_, line) => {
    const entry = parseLine(line, 7);
    expect(JSON.parse(JSON.stringify(entry))).toMatchObject({ index: 7 });
    expect(entry.index).toBe(7);
    expect(typeof entry.message).toBe("string");
    expect(entry.message).not.toBe("");
  });
});

test("whatever the encoder stores, the reader understands", () => {
  const values: unknown[] = ["text", { event: "x", a: 1 }, new Error("boom"), 5, null, [1], { message: 5 }];
  for (const value of values) {
    const entry = parseLine(encoder.message(value, { note: "n" }), 7);
    expect(entry.timestamp).toBe(NOW);
    expect(entry.metadata.note).toBe("n");
    expect(entry.message).not.toBe("");
  }
  expect(parseLine(encoder.message(new Error("boom", { cause: new Error("why") })), 7)).toMatchObject({
    level: "error",
    message: "boom",
    error: "Error: boom",
    traceback: expect.stringContaining("Caused by: Error: why"),
  });
  expect(parseLine(encoder.gap(3, "store_lost"), 7)).toMatchObject({
    level: "warn",
    event: "log_gap",
    dropped: 3,
    reason: "store_lost",
    message: "3 lines are missing here (store_lost)",
  });
  expect(parseLine(encoder.message("x".repeat(50_000)), 7).truncated).toBe(true);
});
