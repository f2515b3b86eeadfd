import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sumTotals } from "../src/backend-stats.js";
import { type LogSink, withRun } from "../src/context.js";
import { createTotals } from "../src/cost.js";
import { parseLine } from "../src/line.js";
import { StructuredLogger, type StructuredLoggerOptions } from "../src/logger.js";
import type { LogEntry } from "../src/protocol.js";
import { createLineEncoder } from "../src/serialize.js";

type Fields = Record<string, unknown>;

const encoder = createLineEncoder({ now: () => 0 });

/** A sink that keeps everything. */
function recorder() {
  const lines: Fields[] = [];
  const layers: unknown[][] = [];
  const order: string[] = [];
  const totals = createTotals();
  const sink: LogSink = {
    write(text) {
      lines.push(JSON.parse(text));
      order.push("line");
    },
    count: (...told) => totals.count(...told),
    layer(...call) {
      layers.push(call);
      order.push("layer");
    },
  };
  return { sink, lines, layers, order, stats: () => sumTotals([totals.text()]) };
}

function logTo(options: StructuredLoggerOptions = {}) {
  const record = recorder();
  return { ...record, logger: new StructuredLogger({ sink: record.sink, encoder, ...options }) };
}

const HEAD = { timestamp: "1970-01-01T00:00:00.000Z", level: "info" };

describe("an event of your own", () => {
  test("is a line of its level, counted when it tells a cost", () => {
    const { logger, lines, stats } = logTo();
    logger.info("job_scored", { job_id: "j", score: 0.9, cost_usd: 0.002, backend: "openrouter" });
    logger.debug("d");
    logger.warn("w", { a: 1 });
    logger.error("e", { error: new Error("boom") });
    expect(lines).toEqual([
      { ...HEAD, event: "job_scored", job_id: "j", cost_usd: 0.002, backend: "openrouter", metadata: { score: 0.9 } },
      { ...HEAD, level: "debug", event: "d" },
      { ...HEAD, level: "warn", event: "w", metadata: { a: 1 } },
      { ...HEAD, level: "error", event: "e", error: "Error: boom", traceback: expect.stringContaining("logger.test") },
    ]);
    expect(stats().backends).toEqual({
      openrouter: { calls: 1, errors: 0, cost_usd: 0.002, unpriced_calls: 0 },
    });
  });

  test("is counted when its cost is in camelCase, in metadata, or its backend is bound", () => {
    const { logger, stats } = logTo();
    logger.info("x", { costUsd: 1, backend: "b" });
    logger.info("x", { metadata: { cost_usd: 1, backend: "b" } });
    logger.child({ backend: "b" }).info("x", { cost_usd: 1 });
    logger.info("x", { cost_usd: 1 });
    expect(stats().backends).toEqual({ b: { calls: 3, errors: 0, cost_usd: 3, unpriced_calls: 0 } });
  });

  test("can be logged by a method that was taken off its logger", () => {
    const { logger, lines } = logTo();
    const { info } = logger;
    info("x");
    expect(lines).toEqual([{ ...HEAD, event: "x" }]);
  });
});

describe("the vocabulary", () => {
  const error = new Error("boom");
  const failed = { level: "error", error: "Error: boom", traceback: expect.any(String) };
  const calls: [string, (logger: StructuredLogger) => void, Fields][] = [
    ["pipelineStart", (l) => l.pipelineStart({ a: 1 }), { event: "pipeline_start", metadata: { a: 1 } }],
    ["pipelineComplete", (l) => l.pipelineComplete({ duration_ms: 5 }), { event: "pipeline_complete", duration_ms: 5 }],
    ["pipelineError", (l) => l.pipelineError(error), { event: "pipeline_error", ...failed }],
    ["layerStart", (l) => l.layerStart("x"), { event: "layer_start", layer: "x" }],
    [
      "layerComplete",
      (l) => l.layerComplete("x", { durationMs: 5 }),
      { event: "layer_complete", layer: "x", duration_ms: 5 },
    ],
    ["layerError", (l) => l.layerError("x", error), { event: "layer_error", layer: "x", ...failed }],
    ["layerSkip", (l) => l.layerSkip("x", "why"), { event: "layer_skip", layer: "x", metadata: { reason: "why" } }],
    ["phaseStart", (l) => l.phaseStart("p"), { event: "phase_start", metadata: { phase: "p" } }],
    ["phaseComplete", (l) => l.phaseComplete("p"), { event: "phase_complete", metadata: { phase: "p" } }],
    ["phaseError", (l) => l.phaseError("p", error), { event: "phase_error", metadata: { phase: "p" }, ...failed }],
    ["subphaseStart", (l) => l.subphaseStart("s"), { event: "subphase_start", metadata: { subphase: "s" } }],
    ["subphaseComplete", (l) => l.subphaseComplete("s"), { event: "subphase_complete", metadata: { subphase: "s" } }],
    [
      "subphaseError",
      (l) => l.subphaseError("s", error),
      { event: "subphase_error", metadata: { subphase: "s" }, ...failed },
    ],
    ["llmCallStart", (l) => l.llmCallStart({ backend: "b" }), { event: "llm_call_start", backend: "b" }],
    ["llmCallComplete", (l) => l.llmCallComplete({ backend: "b" }), { event: "llm_call_complete", backend: "b" }],
    [
      "llmCallError",
      (l) => l.llmCallError({ backend: "b" }, error),
      { event: "llm_call_error", backend: "b", ...failed },
    ],
    [
      "llmCallFallback",
      (l) => l.llmCallFallback({ backend: "b" }),
      { event: "llm_call_fallback", level: "warn", backend: "b" },
    ],
    [
      "decisionPoint",
      (l) => l.decisionPoint("retry", { n: 1 }),
      { event: "decision_point", metadata: { decision: "retry", n: 1 } },
    ],
    [
      "validationResult",
      (l) => l.validationResult("schema", true),
      { event: "validation_result", metadata: { validation: "schema", passed: true } },
    ],
    [
      "validationResult of a failure",
      (l) => l.validationResult("schema", false),
      { event: "validation_result", level: "warn", metadata: { validation: "schema", passed: false } },
    ],
  ];

  test.each(calls)("%s is one line in snake_case", (_, call, expected) => {
    const { logger, lines } = logTo();
    call(logger);
    expect(lines).toEqual([{ ...HEAD, ...expected }]);
  });

  test.each(calls)("%s says something readable", (_, call) => {
    const texts: string[] = [];
    call(logTo({ sink: { write: (text) => texts.push(text), count() {}, layer() {} } }).logger);
    expect(parseLine(texts[0] as string, 0).message).toMatch(/\w+/);
  });

  test("sets the layers, each after its line, with its name winning over metadata", () => {
    const { logger, layers, lines, order } = logTo();
    logger.layerStart("fetch", { total: 3, layer: "other" });
    logger.layerComplete("fetch");
    logger.layerError("rank", new TypeError("no"), { a: 1 });
    logger.layerError("rank", "text");
    logger.layerSkip("send", "dry run");
    logger.layerSkip("send");
    expect(layers).toEqual([
      ["fetch", "running", undefined, { total: 3, layer: "other" }],
      ["fetch", "success", undefined, undefined],
      ["rank", "failed", "TypeError: no", { a: 1 }],
      ["rank", "failed", "text", undefined],
      ["send", "skipped", "dry run", undefined],
      ["send", "skipped", undefined, undefined],
    ]);
    expect(lines[0]).toMatchObject({ layer: "fetch", metadata: { total: 3 } });
    expect(lines[3]).toMatchObject({ error: "text" });
    expect(order).toEqual(Array.from({ length: 6 }, () => ["line", "layer"]).flat());
  });

  test("takes a call's fields in camelCase and in snake_case", () => {
    const { logger, lines, stats } = logTo();
    const call = { backend: "b", model: "m", tier: "high" };
    logger.llmCallComplete({
      ...call,
      stepName: "s",
      costUsd: 0.05,
      costSource: "provider",
      durationMs: 9,
      inputTokens: 3,
      cached: 1,
    });
    logger.llmCallComplete({
      ...call,
      step_name: "s",
      cost_usd: 0.05,
      cost_source: "provider",
      duration_ms: 9,
      input_tokens: 3,
      cached: 1,
    });
    expect(lines[0]).toEqual({
      ...HEAD,
      event: "llm_call_complete",
      ...call,
      step_name: "s",
      cost_usd: 0.05,
      cost_source: "provider",
      duration_ms: 9,
      input_tokens: 3,
      metadata: { cached: 1 },
    });
    expect(lines[1]).toEqual(lines[0]);
    expect(stats().total).toEqual({ input_tokens: 6, calls: 2, errors: 0, cost_usd: 0.1, unpriced_calls: 0 });
  });

  test("counts complete, failed and fallback calls, not those that begin", () => {
    const { logger, stats } = logTo();
    logger.llmCallStart({ backend: "b", costUsd: 1 });
    logger.llmCallComplete({ backend: "b" });
    logger.llmCallError({ backend: "b", costUsd: 0.5 }, new Error("x"));
    logger.llmCallError({ backend: "b", error: "timeout" });
    logger.llmCallFallback({ backend: "b", durationMs: 5 });
    logger.llmCallFallback({ backend: "b" });
    expect(stats().total).toEqual({ fallbacks: 2, calls: 4, errors: 2, cost_usd: 0.5, unpriced_calls: 3 });
  });
});

describe("a level", () => {
  test("leaves out the lines below it, not the layers and not the money", () => {
    const { logger, lines, layers, stats } = logTo({ level: "warn" });
    logger.debug("d");
    logger.info("i");
    logger.layerStart("x");
    logger.layerComplete("x");
    logger.llmCallComplete({ backend: "b", costUsd: 1 });
    logger.validationResult("v", true);
    logger.warn("w");
    logger.validationResult("v", false);
    logger.layerError("x", "no");
    expect(lines.map((line) => line.event)).toEqual(["w", "validation_result", "layer_error"]);
    expect(layers.map(([, status]) => status)).toEqual(["running", "success", "failed"]);
    expect(stats().total).toMatchObject({ calls: 1, cost_usd: 1 });
  });

  test("that is off costs nothing: its methods are one and the same function that does nothing", () => {
    const { logger } = logTo({ level: "error" });
    expect(logger.debug).toBe(logger.info);
    expect(logger.info).toBe(logger.warn);
    expect(logger.warn).not.toBe(logger.error);
  });
});

describe("bindings", () => {
  test("stand in every line, a child's over its parent's, a call's own over both", () => {
    const { logger, lines } = logTo({ jobId: "j", bindings: { tenant: "t", layer: "outer" } });
    const child = logger.child({ layer: "inner", password: "hunter2" });
    logger.info("a");
    child.info("b", { score: 1 });
    child.info("c", { layer: "own" });
    child.child({ job_id: "k" }).info("d");
    expect(lines).toEqual([
      { ...HEAD, event: "a", job_id: "j", tenant: "t", layer: "outer" },
      { ...HEAD, event: "b", job_id: "j", tenant: "t", layer: "inner", password: "[redacted]", metadata: { score: 1 } },
      { ...HEAD, event: "c", job_id: "j", tenant: "t", layer: "own", password: "[redacted]" },
      { ...HEAD, event: "d", job_id: "k", tenant: "t", layer: "inner", password: "[redacted]" },
    ]);
  });

  test("of a child keep the parent's level and place", () => {
    const { logger, lines } = logTo({ level: "warn" });
    const child = logger.child({ a: 1 });
    child.info("no");
    child.warn("yes");
    expect(lines.map((line) => line.event)).toEqual(["yes"]);
  });

  test("are what they were when the logger was made", () => {
    const bound = { tag: "before" };
    const { logger, lines } = logTo({ bindings: bound });
    bound.tag = "after";
    logger.info("x");
    expect(lines[0]).toMatchObject({ tag: "before" });
  });
});

describe("without a sink", () => {
  test("a logger writes to the run that is current at each call", () => {
    const out: string[] = [];
    const logger = new StructuredLogger({ encoder, out: { write: (text) => out.push(text) } });
    const [a, b] = [recorder(), recorder()];
    const calls = { log() {}, price: () => null, now: () => 0 };
    const unused = { calls, log() {}, logOutput() {} };
    withRun({ id: "a", sink: a.sink, ...unused }, () => {
      logger.info("in_a");
      withRun({ id: "b", sink: b.sink, ...unused }, () => logger.layerStart("in_b"));
      logger.llmCallComplete({ backend: "x", costUsd: 1 });
    });
    logger.info("outside");
    expect(a.lines.map((line) => line.event)).toEqual(["in_a", "llm_call_complete"]);
    expect(a.stats().total.cost_usd).toBe(1);
    expect(b.layers).toEqual([["in_b", "running", undefined, undefined]]);
    expect(out.map((text) => JSON.parse(text).event)).toEqual(["outside"]);
  });

  test("and without a run it prints JSON lines", () => {
    const out: string[] = [];
    const logger = new StructuredLogger({ encoder, out: { write: (text) => out.push(text) } });
    logger.layerStart("x");
    logger.llmCallComplete({ backend: "b", costUsd: 1 });
    logger.info("multi\nline");
    expect(out).toHaveLength(3);
    for (const text of out) expect(text).toMatch(/^\{[^\n]*\}\n$/);
  });
});

describe("a log call never throws", () => {
  const trap = () => {
    throw new Error("trap");
  };
  const hostile: unknown[] = [
    new Proxy({}, { ownKeys: trap, get: trap, getPrototypeOf: trap, has: trap, getOwnPropertyDescriptor: trap }),
    Object.defineProperty({ a: 1 }, "cost_usd", { get: trap, enumerable: true }),
    Object.assign(Object.create(null), { toString: trap }),
    null,
    undefined,
    5,
    "text",
    Symbol("s"),
    10n,
    () => 1,
    [1, 2],
    new Map([["a", 1]]),
    new Error("e"),
  ];
  /** Every method, with rubbish in every place. */
  function everyCall(logger: StructuredLogger, rubbish: never): void {
    for (const own of ["debug", "info", "warn", "error"] as const) {
      logger[own](rubbish);
      logger[own]("x", rubbish);
    }
    for (const name of Object.getOwnPropertyNames(StructuredLogger.prototype)) {
      const method: unknown = Object.getOwnPropertyDescriptor(StructuredLogger.prototype, name)?.value;
      if (typeof method !== "function" || name === "constructor") continue;
      Reflect.apply(method, logger, [rubbish, rubbish, rubbish]);
      Reflect.apply(method, logger, ["x", "y", rubbish]);
    }
    logger.child(rubbish).info("from a child", rubbish);
  }

  test("whatever it is handed, and every line that it makes can be read", () => {
    const entries: LogEntry[] = [];
    const sink: LogSink = { write: (text) => entries.push(parseLine(text, entries.length)), count() {}, layer() {} };
    const logger = new StructuredLogger({ sink, encoder });
    for (const rubbish of hostile) everyCall(logger, rubbish as never);
    expect(entries.length).toBeGreaterThan(hostile.length * 40);
    for (const entry of entries) expect(entry.message).not.toBe("");
  });

  test("also when the sink or out throws, which it counts", () => {
    const sink: LogSink = { write: trap, count: trap, layer: trap };
    for (const options of [{ sink }, { out: { write: trap } }]) {
      const logger = new StructuredLogger({ ...options, encoder });
      logger.info("x");
      logger.layerStart("y");
      logger.llmCallComplete({ backend: "b" });
      expect(logger.failures).toBeGreaterThanOrEqual(3);
      for (const rubbish of hostile) everyCall(logger, rubbish as never);
    }
  });
});

describe("in a process of its own", () => {
  let folder = "";
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "livetail-logger-"));
    await build({
      entryPoints: [fileURLToPath(new URL("../src/logger.ts", import.meta.url))],
      outfile: join(folder, "logger.mjs"),
      bundle: true,
      format: "esm",
      platform: "node",
      target: "node20",
    });
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function start(program: string) {
    const code = `import { StructuredLogger } from "./logger.mjs"; const logger = new StructuredLogger({ jobId: "j" }); ${program}`;
    return spawn(process.execPath, ["--input-type=module", "--eval", code], {
      cwd: folder,
      stdio: ["ignore", "pipe", "pipe"],
    });
  }

  test("it prints to stdout, so that a parent can capture it", async () => {
    const child = start('logger.layerStart("fetch"); logger.info("done", { n: 1 });');
    let printed = "";
    for await (const chunk of child.stdout) printed += chunk;
    const lines = printed
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines).toMatchObject([
      { event: "layer_start", layer: "fetch", job_id: "j" },
      { event: "done", job_id: "j", metadata: { n: 1 } },
    ]);
  });

  test("it survives that nobody reads its stdout any more", async () => {
    const child = start(
      'process.on("SIGTERM", () => {}); let n = 0; const t = setInterval(() => { logger.info("tick", { text: "x".repeat(5000) }); if (++n === 200) { clearInterval(t); console.error("survived"); } }, 1);',
    );
    child.stdout.once("data", () => child.stdout.destroy());
    let errors = "";
    child.stderr.on("data", (chunk) => {
      errors += chunk;
    });
    const code = await new Promise((resolve) => child.once("close", resolve));
    expect(errors).toBe("survived\n");
    expect(code).toBe(0);
  });
});
