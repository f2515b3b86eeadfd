import { SpanStatusCode } from "@opentelemetry/api";
import { SeverityNumber } from "@opentelemetry/api-logs";
import { LoggerProvider } from "@opentelemetry/sdk-logs";
import { BasicTracerProvider } from "@opentelemetry/sdk-trace-base";
import { describe, expect, it } from "vitest";
import { livetailLogProcessor, livetailSpanProcessor } from "../src/capture/opentelemetry.js";
import { callsIn, llmRun } from "./support/llm-run.js";

const tracer = new BasicTracerProvider({ spanProcessors: [livetailSpanProcessor()] }).getTracer("test");
const logger = new LoggerProvider({ processors: [livetailLogProcessor()] }).getLogger("test");

const ASKED = {
  "gen_ai.operation.name": "chat",
  "gen_ai.provider.name": "openai",
  "gen_ai.request.model": "gpt-5-mini",
};
const USED = {
  "gen_ai.response.model": "gpt-5-mini-2025-08-07",
  "gen_ai.usage.input_tokens": 2006,
  "gen_ai.usage.cache_read.input_tokens": 1920,
  "gen_ai.usage.output_tokens": 300,
  "gen_ai.usage.reasoning.output_tokens": 128,
};
const START = { event: "llm_call_start", backend: "openai", model: "gpt-5-mini" };
const CHAT = {
  event: "llm_call_complete",
  backend: "openai",
  model: "gpt-5-mini-2025-08-07",
  input_tokens: 2006,
  cached_tokens: 1920,
  output_tokens: 300,
  reasoning_tokens: 128,
  cost_usd: 0.000_669_5,
  cost_source: "local",
  cost_model: "gpt-5-mini",
};

describe("the span processor", () => {
  it("tells of spans of models as calls, whether they say at their start what they are or at their end", async () => {
    const answer = await llmRun(() => {
      const early = tracer.startSpan("chat gpt-5-mini", { attributes: ASKED, startTime: [100, 0] });
      early.setAttributes(USED);
      early.end([101, 500_000_000]);
      tracer
        .startSpan("chat")
        .setAttributes({ ...ASKED, ...USED })
        .end();
    });
    expect(callsIn(answer)).toEqual([START, CHAT, START, CHAT]);
    expect(answer.logs[1]?.duration_ms).toBe(1500);
    expect(answer.backend_stats.total).toMatchObject({ calls: 2, errors: 0, unpriced_calls: 0, cost_usd: 0.001_339 });
  });

  it("takes the cost that a span tells, in dollars, and leaves a call unpriced that tells nothing", async () => {
    const cost = { "gen_ai.usage.cost.amount": 0.012_345_678, "gen_ai.usage.cost.source": "local" };
    const model = { "gen_ai.system": "anthropic", "gen_ai.request.model": "claude" };
    const answer = await llmRun(() => {
      tracer.startSpan("a", { attributes: { ...model, ...cost } }).end();
      tracer.startSpan("b", { attributes: { ...model, ...cost, "gen_ai.usage.cost.currency": "EUR" } }).end();
      tracer.startSpan("c", { attributes: { ...model, "gen_ai.usage.input_tokens": -1 } }).end();
    });
    const ends = callsIn(answer).filter(({ event }) => event === "llm_call_complete");
    const unpriced = { event: "llm_call_complete", backend: "anthropic", model: "claude", cost_source: "unknown" };
    expect(ends).toEqual([{ ...unpriced, cost_usd: 0.012_345_678, cost_source: "local" }, unpriced, unpriced]);
    expect(answer.backend_stats.total).toMatchObject({ calls: 3, unpriced_calls: 2, cost_usd: 0.012_345_678 });
  });

  it("tells what failed, from the exception or the status", async () => {
    const answer = await llmRun(() => {
      const call = tracer.startSpan("chat", { attributes: ASKED });
      call.recordException(new RangeError("too long"));
      call.setStatus({ code: SpanStatusCode.ERROR });
      call.end();
      tracer.startSpan("GET /jobs").setStatus({ code: SpanStatusCode.ERROR, message: "no answer" }).end();
    });
    expect(answer.logs[1]).toMatchObject({ event: "llm_call_error", level: "error", error: "RangeError: too long" });
    expect(answer.logs[1]?.traceback).toMatch(/^RangeError: too long\n +at /);
    expect(answer.logs[2]).toMatchObject({
      event: "span_end",
      level: "error",
      error: expect.stringContaining("no answer"),
    });
    expect(answer.backend_stats.total).toMatchObject({ calls: 1, errors: 1 });
  });

  it("makes lines of other spans, and of agents, whose tokens are those of the calls below them", async () => {
    const agent = { ...ASKED, ...USED, "gen_ai.operation.name": "invoke_agent" };
    const answer = await llmRun(() => {
      tracer
        .startSpan("db.query", { attributes: { rows: 3, password: "hush" }, startTime: [1, 0] })
        .end([1, 7_000_000]);
      tracer.startSpan("agent", { attributes: agent }).end();
    });
    expect(answer.logs).toMatchObject([
      { level: "debug", event: "span_end", message: "db.query (7ms)", metadata: { rows: 3, password: "[redacted]" } },
      { level: "debug", event: "span_end" },
    ]);
    expect(answer.backend_stats.total.calls).toBe(0);
  });

  it("tells a span to the run that it began in, one outside of a run to none, and only those that it is asked to", async () => {
    const only = ({ name }: { name: string }) => name === "wanted";
    const choosy = new BasicTracerProvider({ spanProcessors: [livetailSpanProcessor({ only })] }).getTracer("test");
    const outside = choosy.startSpan("wanted");
    const answer = await llmRun(async () => {
      const late = choosy.startSpan("wanted");
      outside.end();
      choosy.startSpan("other").end();
      await new Promise((resolve) => setImmediate(resolve));
      late.end();
    });
    expect(answer.logs).toHaveLength(1);
  });
});

describe("the log processor", () => {
  it("logs records with their level, event, error and attributes, and none outside of a run", async () => {
    logger.emit({ body: "outside" });
    const answer = await llmRun(() => {
      logger.emit({ severityNumber: SeverityNumber.DEBUG2, body: "looked", attributes: { jobs: 3 } });
      logger.emit({
        severityNumber: SeverityNumber.WARN,
        eventName: "job.skipped",
        body: { job: 7 },
        timestamp: new Date("2026-01-14T10:20:00Z"),
      });
      logger.emit({
        severityNumber: SeverityNumber.FATAL,
        body: "down",
        attributes: { "exception.message": "no answer", "exception.stacktrace": "Error: no answer\n    at a.js:1" },
      });
      logger.emit({});
    });
    expect(answer.logs).toMatchObject([
      { level: "debug", message: "looked", metadata: { jobs: 3 } },
      { level: "warn", event: "job.skipped", metadata: { job: 7 }, timestamp: "2026-01-14T10:20:00.000Z" },
      { level: "error", message: "down", error: "no answer", traceback: "Error: no answer\n    at a.js:1" },
      { level: "info" },
    ]);
  });
});
