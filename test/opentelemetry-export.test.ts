import * as api from "@opentelemetry/api";
import { InMemoryLogRecordExporter, LoggerProvider, SimpleLogRecordProcessor } from "@opentelemetry/sdk-logs";
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { afterEach, describe, expect, it } from "vitest";
import { exportRun, livetailLogProcessor, livetailSpanProcessor } from "../src/capture/opentelemetry.js";
import { createLivetail, type Livetail } from "../src/livetail.js";
import { memoryStore } from "../src/store/memory.js";

let livetail: Livetail;
afterEach(() => livetail.close());

function open() {
  livetail = createLivetail({ store: memoryStore() });
  const spans = new InMemorySpanExporter();
  const logs = new InMemoryLogRecordExporter();
  // Beside those that bring what is recorded into runs.
  const tracers = new BasicTracerProvider({
    spanProcessors: [new SimpleSpanProcessor(spans), livetailSpanProcessor()],
  });
  const loggers = new LoggerProvider({
    processors: [new SimpleLogRecordProcessor({ exporter: logs }), livetailLogProcessor()],
  });
  const options = { api, livetail, tracer: tracers.getTracer("test"), logger: loggers.getLogger("test") };
  return { spans, logs, options };
}

describe("a run as a span", () => {
  it("has its times, its layers as children, its cost, and its lines as log records", async () => {
    const { spans, logs, options } = open();
    let exported = Promise.resolve();
    const result = await livetail.runOperation("job-42", "generate-cv", async (run) => {
      // Within the run itself: what it records must not come back as its lines.
      exported = exportRun(run.id, options);
      run.layer("fetch", "running");
      run.layer("fetch", "success", undefined, { current: 3, total: 3 });
      run.layer("later", "pending");
      run.logger.llmCallComplete({ backend: "openai", model: "gpt-5-mini", costUsd: 0.25 });
      run.log("plain");
      return run.id;
    });
    await exported;
    const [fetch, root] = spans.getFinishedSpans();
    const stored = await livetail.store.read({ runId: result, from: { kind: "none" }, limit: 0, known: null });
    expect(spans.getFinishedSpans()).toHaveLength(2);
    expect(root).toMatchObject({
      name: "generate-cv",
      status: { code: api.SpanStatusCode.OK },
      attributes: {
        "livetail.run_id": result,
        "livetail.subject_id": "job-42",
        "livetail.status": "completed",
        "livetail.llm.calls": 1,
        "gen_ai.usage.cost.amount": 0.25,
      },
    });
    const ms = ([seconds, nanoseconds]: readonly [number, number]) => Math.round(seconds * 1000 + nanoseconds / 1e6);
    expect([ms(root?.startTime ?? [0, 0]), ms(root?.endTime ?? [0, 0])]).toEqual([
      stored?.run.createdAt,
      stored?.run.finishedAt,
    ]);
    expect(fetch).toMatchObject({ name: "fetch", attributes: { "livetail.layer.total": 3 } });
    expect(fetch?.parentSpanContext?.spanId).toBe(root?.spanContext().spanId);
    const records = logs.getFinishedLogRecords();
    expect(records.map(({ body, eventName }) => [body, eventName])).toEqual([
      [expect.stringContaining("openai"), "llm_call_complete"],
      ["plain", undefined],
    ]);
    expect(records[0]?.spanContext?.spanId).toBe(root?.spanContext().spanId);
    expect(records[0]?.attributes).toMatchObject({ "livetail.cost_usd": 0.25, "livetail.backend": "openai" });
    expect(stored?.run.next).toBe(2);
  });

  it("says what failed, in the run and in its layers", async () => {
    const { spans, logs, options } = open();
    const failing = livetail.runOperation("s", "import", (run) => {
      run.layer("score", "running");
      throw Object.assign(new RangeError(`no such job in ${run.operation}`), { code: "NO_JOB" });
    });
    await expect(failing).rejects.toThrow("no such job");
    await exportRun((await livetail.latestRun("s")) ?? "", options);
    const [layer, root] = spans.getFinishedSpans();
    expect(layer).toMatchObject({ name: "score", status: { code: api.SpanStatusCode.ERROR } });
    expect(root).toMatchObject({
      status: { code: api.SpanStatusCode.ERROR, message: "no such job in import" },
      attributes: { "error.type": "NO_JOB", "livetail.status": "failed" },
    });
    expect(logs.getFinishedLogRecords().at(-1)?.severityText).toBe("ERROR");
  });

  it("ends where it is when nobody wants to follow the run any more", async () => {
    const { spans, options } = open();
    const run = livetail.createOperationRun("s", "long");
    run.log("one");
    await run.flush();
    const leave = new AbortController();
    const logger = { emit: () => leave.abort() };
    await exportRun(run.id, { ...options, logger, signal: leave.signal });
    expect(spans.getFinishedSpans()).toMatchObject([{ name: "long", ended: true }]);
    expect(run.status).toBe("running");
  });
});
