import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { createNodeHandler } from "../src/adapters/node.js";
import { getBackendStats } from "../src/client/index.js";
import type { LivetailError } from "../src/errors.js";
import { createLivetail, type Livetail } from "../src/livetail.js";
import type { LivetailOptions } from "../src/livetail-options.js";
import { llm } from "../src/llm.js";
import { type OpenLlmCall, openLlmCall } from "../src/llm-call.js";
import type { LlmOutcome } from "../src/llm-outcome.js";
import { usageOf } from "../src/llm-usage.js";
import type { ListAnswer, LogEntry, PollAnswer } from "../src/protocol.js";
import type { Run } from "../src/run.js";
import { memoryStore } from "../src/store/memory.js";
import { createHandClock } from "./support/hand-clock.js";

const opened: (() => unknown)[] = [];
afterEach(() => Promise.all(opened.splice(0).map((close) => close())));

function open(options: LivetailOptions = {}) {
  const heard: LivetailError[] = [];
  const livetail = createLivetail({ store: memoryStore(), onError: (error) => heard.push(error), ...options });
  opened.push(() => livetail.close());
  return { livetail, heard };
}

/** Serves runs over HTTP; resolves to the URL. */
async function serve(livetail: Livetail): Promise<string> {
  const server = createServer(createNodeHandler(livetail));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  opened.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** The run, read over HTTP. */
async function readOverHttp(livetail: Livetail, run: Run): Promise<PollAnswer> {
  await run.flush();
  const response = await fetch(`${await serve(livetail)}/${run.id}`);
  return (await response.json()) as PollAnswer;
}

/** What is asked of a line: its event and the fields of the call. */
function call({ event, ...entry }: LogEntry) {
  const { index: _, timestamp: __, source: ___, message: ____, metadata, ...fields } = entry;
  return { event, ...fields, ...(Object.keys(metadata).length === 0 ? {} : { metadata }) };
}

describe("a call that is told to a run", () => {
  test("shows when it began and how it ended, with duration, tokens and cost", async () => {
    const clock = createHandClock();
    const { livetail } = open({ clock });
    const run = livetail.createOperationRun("job", "op");
    const info = { backend: "openrouter", model: "gpt-5", step: "grader", tier: "middle", layer: "score" };
    const open_ = openLlmCall(info, run);
    await clock.advance(1500);
    open_.complete({
      model: "gpt-5-2025-08-07",
      usage: { inputTokens: 100, outputTokens: 20, cachedTokens: 60, cacheWriteTokens: 10, reasoningTokens: 5 },
      costUsd: 0.000_123_456,
      finish_reason: "stop",
    });
    const { logs, backend_stats } = await readOverHttp(livetail, run);
    const known = { level: "info", job_id: "job", backend: "openrouter", step_name: "grader", tier: "middle" };
    expect(logs.map(call)).toEqual([
      { event: "llm_call_start", ...known, model: "gpt-5", layer: "score" },
      {
        event: "llm_call_complete",
        ...known,
        model: "gpt-5-2025-08-07",
        layer: "score",
        duration_ms: 1500,
        input_tokens: 100,
        output_tokens: 20,
        cached_tokens: 60,
        cache_write_tokens: 10,
        reasoning_tokens: 5,
        cost_usd: 0.000_123_456,
        cost_source: "provider",
        metadata: { finish_reason: "stop" },
      },
    ]);
    expect(logs[1]?.message).toBe("grader: complete [openrouter] (1500ms)");
    expect(backend_stats.total).toMatchObject({ calls: 1, errors: 0, cost_usd: 0.000_123_456, unpriced_calls: 0 });
  });

  test("that failed counts as a call and an error, with what is known of its tokens and cost", async () => {
    const { livetail } = open();
    const run = livetail.createOperationRun("job", "op");
    const failed = openLlmCall({ backend: "anthropic" }, run);
    failed.fail(new Error("overloaded"), { usage: { inputTokens: 25 }, costUsd: 0.002 });
    const { logs, backend_stats } = await readOverHttp(livetail, run);
    expect(logs[1]).toMatchObject({
      event: "llm_call_error",
      level: "error",
      error: "Error: overloaded",
      input_tokens: 25,
      cost_usd: 0.002,
    });
    expect(logs[1]?.metadata).not.toHaveProperty("aborted");
    expect(backend_stats.backends.anthropic).toMatchObject({ calls: 1, errors: 1, cost_usd: 0.002 });
  });

  test.each([
    ["of the platform", new DOMException("stop", "AbortError")],
    ["of an SDK", new (class APIUserAbortError extends Error {})("Request was aborted.")],
    ["of a cancelled run", Object.assign(new Error("cancelled"), { code: "CANCELLED" })],
  ])("says that it was aborted, by an error %s", async (_, error) => {
    const { livetail } = open();
    const run = livetail.createOperationRun("job", "op");
    openLlmCall({ backend: "b" }, run).fail(error);
    const { logs } = await readOverHttp(livetail, run);
    expect(logs[1]?.metadata).toMatchObject({ aborted: true });
  });

  test("ends once: the first end counts", async () => {
    const { livetail } = open();
    const run = livetail.createOperationRun("job", "op");
    const open_ = openLlmCall({ backend: "b" }, run);
    open_.complete({ costUsd: 1 });
    open_.complete({ costUsd: 2 });
    open_.fail(new Error("late"));
    const { logs, backend_stats } = await readOverHttp(livetail, run);
    expect(logs).toHaveLength(2);
    expect(backend_stats.total).toMatchObject({ calls: 1, errors: 0, cost_usd: 1 });
  });

  test("finds the run that it belongs to below runOperation, and belongs to none outside", async () => {
    const { livetail } = open();
    openLlmCall({ backend: "b" }).complete({ costUsd: 1 });
    let seen: Run | undefined;
    await livetail.runOperation("job", "op", async (run) => {
      seen = run;
      await Promise.resolve();
      openLlmCall({ backend: "b" }).complete({ costUsd: 1 });
    });
    const { backend_stats } = await readOverHttp(livetail, seen as Run);
    expect(backend_stats.total).toMatchObject({ calls: 1, cost_usd: 1 });
  });

  test("that stands in for one that failed counts as a fallback beside the call", async () => {
    const { livetail } = open();
    const run = livetail.createOperationRun("job", "op");
    openLlmCall({ backend: "claude_cli", step: "grade" }, run).fail(new Error("exit code 1"));
    openLlmCall({ backend: "langchain", step: "grade", fallbackOf: "claude_cli" }, run).complete({ costUsd: 0.25 });
    openLlmCall({ backend: "openai", step: "cv" }, run).complete({ costUsd: 0.5 });
    const { logs, backend_stats } = await readOverHttp(livetail, run);
    expect(logs.map(({ event }) => event?.slice("llm_call_".length))).toEqual([
      ...["start", "error"],
      ...["fallback", "start", "complete"],
      ...["start", "complete"],
    ]);
    expect(logs[2]).toMatchObject({ level: "warn", backend: "langchain", metadata: { fallback_of: "claude_cli" } });
    expect(backend_stats.total).toMatchObject({ calls: 3, errors: 1, cost_usd: 0.75, unpriced_calls: 1 });
  });
});

describe("a call without a cost", () => {
  const usage = { inputTokens: 1000, outputTokens: 100 };

  test("is priced by the livetail's table, and says with which model's price", async () => {
    const asked: unknown[] = [];
    const { livetail } = open({
      price(question) {
        asked.push(question);
        return { costUsd: 0.1 + 0.2, model: "gpt-5" };
      },
    });
    const run = livetail.createOperationRun("job", "op");
    openLlmCall({ backend: "azure", provider: "openai", model: "my-deployment" }, run).complete({ usage });
    const { logs, backend_stats } = await readOverHttp(livetail, run);
    expect(asked).toEqual([{ backend: "azure", provider: "openai", model: "my-deployment", usage }]);
    expect(logs[1]).toMatchObject({ cost_usd: 0.3, cost_source: "local", cost_model: "gpt-5", model: "my-deployment" });
    expect(backend_stats.total).toMatchObject({ cost_usd: 0.3, unpriced_calls: 0 });
  });

  test("is not priced when the provider named the cost, or when no tokens or no model are known", async () => {
    const { livetail, heard } = open({
      price() {
        throw new Error("asked");
      },
    });
    const run = livetail.createOperationRun("job", "op");
    openLlmCall({ backend: "b", model: "m" }, run).complete({ usage, costUsd: 0 });
    openLlmCall({ backend: "b", model: "m" }, run).complete({});
    openLlmCall({ backend: "b" }, run).complete({ usage });
    const { logs, backend_stats } = await readOverHttp(livetail, run);
    expect(logs.map(({ cost_usd, cost_source }) => [cost_usd, cost_source])).toEqual([
      [undefined, undefined],
      [0, "provider"],
      [undefined, undefined],
      [undefined, "unknown"],
      [undefined, undefined],
      [undefined, "unknown"],
    ]);
    expect(backend_stats.total).toMatchObject({ calls: 3, cost_usd: 0, unpriced_calls: 2 });
    expect(heard).toEqual([]);
  });

  const rubbish: [string, () => unknown][] = [
    ["nothing", () => null],
    ["NaN dollars", () => ({ costUsd: Number.NaN, model: "m" })],
    ["less than nothing", () => ({ costUsd: -1, model: "m" })],
    ["endless dollars", () => ({ costUsd: Number.POSITIVE_INFINITY, model: "m" })],
    ["text", () => ({ costUsd: "0.5", model: "m" })],
    ["no model", () => ({ costUsd: 1 })],
    ["a promise that rejects", () => Promise.reject(new Error("later"))],
    [
      "an error",
      () => {
        throw new Error("no table");
      },
    ],
    [
      "a getter that throws",
      () => ({
        get costUsd(): number {
          throw new Error("no");
        },
      }),
    ],
  ];
  test.each(rubbish)("stays unpriced when the table answers with %s, which is said once a model", async (_, price) => {
    const { livetail, heard } = open({ price: price as NonNullable<LivetailOptions["price"]> });
    const run = livetail.createOperationRun("job", "op");
    for (const model of ["m", "m", "n"]) openLlmCall({ backend: "b", model }, run).complete({ usage });
    const { logs, backend_stats } = await readOverHttp(livetail, run);
    expect(logs[1]).toMatchObject({ cost_source: "unknown", input_tokens: 1000 });
    expect(logs[1]).not.toHaveProperty("cost_usd");
    expect(backend_stats.total).toMatchObject({ calls: 3, cost_usd: 0, unpriced_calls: 3 });
    expect(heard.map(({ code }) => code)).toEqual(["COST_UNKNOWN", "COST_UNKNOWN"]);
  });
});

describe("what a call is told with", () => {
  const hostile: LlmOutcome[] = [
    undefined as unknown as LlmOutcome,
    null as unknown as LlmOutcome,
    "text" as unknown as LlmOutcome,
    { usage: "none" as unknown as object, model: 5 as unknown as string },
    { costUsd: Number.NaN, usage: { inputTokens: Number.NaN, outputTokens: -1, cachedTokens: 0.5 } },
    { costUsd: -1 },
    {
      get costUsd(): number {
        throw new Error("no");
      },
      get usage(): object {
        throw new Error("no");
      },
    },
    new Proxy(
      {},
      {
        ownKeys() {
          throw new Error("no");
        },
      },
    ),
  ];

  test.each(hostile)("may be rubbish: the call is an unpriced one (%#)", async (outcome) => {
    const { livetail } = open({ price: () => ({ costUsd: 1, model: "m" }) });
    const run = livetail.createOperationRun("job", "op");
    openLlmCall({ backend: "b", model: "m" }, run).complete(outcome);
    const { logs, backend_stats } = await readOverHttp(livetail, run);
    expect(logs[1]).toMatchObject({ event: "llm_call_complete", cost_source: "unknown", model: "m" });
    for (const name of ["cost_usd", "input_tokens", "output_tokens"]) expect(logs[1]).not.toHaveProperty(name);
    expect(backend_stats.total).toMatchObject({ calls: 1, cost_usd: 0, unpriced_calls: 1 });
  });

  test("may have no backend: it is called unknown", async () => {
    const { livetail } = open();
    const run = livetail.createOperationRun("job", "op");
    openLlmCall(undefined as never, run).complete();
    openLlmCall(null as never, run).fail(null);
    const { backend_stats } = await readOverHttp(livetail, run);
    expect(backend_stats.backends.unknown).toMatchObject({ calls: 2, errors: 1 });
  });
});

describe("run.llm", () => {
  const openai = {
    object: "chat.completion",
    model: "gpt-5-2025-08-07",
    usage: {
      prompt_tokens: 100,
      completion_tokens: 20,
      total_tokens: 120,
      prompt_tokens_details: { cached_tokens: 60 },
    },
  };

  test("tells a call around a function, with what the returned answer says, and returns the answer", async () => {
    const { livetail } = open({ price: () => ({ costUsd: 0.5, model: "gpt-5" }) });
    const run = livetail.createOperationRun("job", "op");
    const answer = await run.llm({ backend: "openai", model: "gpt-5", step: "grade" }, async () => openai);
    expect(answer).toBe(openai);
    const { logs } = await readOverHttp(livetail, run);
    expect(logs.map(({ event }) => event)).toEqual(["llm_call_start", "llm_call_complete"]);
    expect(logs[1]).toMatchObject({
      backend: "openai",
      step_name: "grade",
      model: "gpt-5-2025-08-07",
      input_tokens: 100,
      output_tokens: 20,
      cached_tokens: 60,
      cost_usd: 0.5,
      cost_source: "local",
      cost_model: "gpt-5",
    });
  });

  test("counts what was reported before what the answer says, and the later report before the earlier, by field", async () => {
    const { livetail } = open();
    const run = livetail.createOperationRun("job", "op");
    await run.llm({ backend: "openai" }, (call) => {
      call.report({ usage: { inputTokens: 1, outputTokens: 1 }, costUsd: 1, costSource: "local", chunks: 3 });
      call.report({ usage: { outputTokens: 7 }, costUsd: 0.25, model: undefined as never });
      call.report(null as never);
      return openai;
    });
    const { logs } = await readOverHttp(livetail, run);
    expect(logs[1]).toMatchObject({
      model: "gpt-5-2025-08-07",
      input_tokens: 1,
      output_tokens: 7,
      cached_tokens: 60,
      cost_usd: 0.25,
      cost_source: "provider",
      metadata: { chunks: 3 },
    });
  });

  test("throws what the function throws, at once or later, and counts what was reported by then", async () => {
    const { livetail } = open();
    const run = livetail.createOperationRun("job", "op");
    const fault = new Error("no");
    const atOnce = run.llm({ backend: "b" }, () => {
      throw fault;
    });
    await expect(atOnce).rejects.toBe(fault);
    const later = run.llm({ backend: "b" }, async (call) => {
      call.report({ costUsd: 0.125 });
      throw fault;
    });
    await expect(later).rejects.toBe(fault);
    const { backend_stats } = await readOverHttp(livetail, run);
    expect(backend_stats.total).toMatchObject({ calls: 2, errors: 2, cost_usd: 0.125, unpriced_calls: 1 });
  });

  test("is llm below an operation; outside of one the function just runs", async () => {
    const { livetail } = open();
    const outside = await llm({ backend: "b" }, (call) => {
      call.report({ costUsd: 1 });
      return 7;
    });
    expect(outside).toBe(7);
    let seen: Run | undefined;
    await livetail.runOperation("job", "op", async (run) => {
      seen = run;
      await llm({ backend: "b" }, (call) => call.report({ costUsd: 2 }));
    });
    const { backend_stats } = await readOverHttp(livetail, seen as Run);
    expect(backend_stats.total).toMatchObject({ calls: 1, cost_usd: 2 });
  });

  test("is told by a handle that joined, too", async () => {
    const { livetail } = open();
    const run = livetail.createOperationRun("job", "op");
    await run.flush();
    // Two livetails on one store, which is not of one process alone.
    const elsewhere = createLivetail({ store: { ...livetail.store, kind: "redis" } });
    opened.push(() => elsewhere.close());
    const joined = elsewhere.joinRun(run.id);
    await joined?.llm({ backend: "b" }, (call) => call.report({ costUsd: 0.5 }));
    await llm({ backend: "b" }, (call) => call.report({ costUsd: 0.25 }));
    await joined?.flush();
    const { backend_stats } = await readOverHttp(livetail, run);
    expect(backend_stats.total).toMatchObject({ calls: 2, cost_usd: 0.75 });
  });

  test("counts a mixed run right: one that fails, one that stands in for it, one that streams", async () => {
    const { livetail } = open();
    const run = livetail.createOperationRun("job", "op");
    const grade = { step: "grade", layer: "score" };
    await run
      .llm({ ...grade, backend: "claude_cli", model: "claude-sonnet-4-5" }, () => {
        throw new Error("exit code 1");
      })
      .catch(() =>
        run.llm({ ...grade, backend: "langchain", model: "gpt-5", fallbackOf: "claude_cli" }, (call) =>
          call.report({ costUsd: 0.000_000_3, usage: { inputTokens: 10 } }),
        ),
      );
    await run.llm({ backend: "openai", model: "gpt-5" }, async (call) => {
      for (const chunk of [{ choices: [] }, openai]) call.report(usageOf(chunk) as LlmOutcome);
      call.report({ costUsd: 0.000_000_1 });
    });
    const { backend_stats } = await readOverHttp(livetail, run);
    const priced = { errors: 0, unpriced_calls: 0 };
    const failed = { calls: 1, errors: 1, cost_usd: 0, unpriced_calls: 1 };
    const tokens = { input_tokens: 110, output_tokens: 20, cached_tokens: 60 };
    const stream = { ...tokens, input_tokens: 100 };
    expect(backend_stats).toEqual({
      backends: {
        claude_cli: failed,
        langchain: { ...priced, calls: 1, cost_usd: 0.000_000_3, fallbacks: 1, input_tokens: 10 },
        openai: { ...priced, calls: 1, cost_usd: 0.000_000_1, ...stream },
      },
      models: {
        "claude-sonnet-4-5": failed,
        "gpt-5": { ...priced, calls: 1, cost_usd: 0.000_000_3, fallbacks: 1, input_tokens: 10 },
        "gpt-5-2025-08-07": { ...priced, calls: 1, cost_usd: 0.000_000_1, ...stream },
      },
      layers: {
        score: { calls: 2, errors: 1, cost_usd: 0.000_000_3, unpriced_calls: 1, fallbacks: 1, input_tokens: 10 },
      },
      total: { calls: 3, errors: 1, cost_usd: 0.000_000_4, unpriced_calls: 1, fallbacks: 1, ...tokens },
    });
  });
});

test("What calls did stands in the end of a stream, in the client's answer and in the list of runs", async () => {
  const { livetail } = open({ authorize: () => true });
  const run = livetail.createOperationRun("job", "op");
  await run.llm({ backend: "openai", model: "gpt-5" }, (call) =>
    call.report({ costUsd: 0.000_000_007, usage: { inputTokens: 10, cacheWriteTokens: 4 } }),
  );
  await run.complete();
  const stat = {
    ...{ calls: 1, errors: 0, cost_usd: 0.000_000_007, unpriced_calls: 0 },
    ...{ input_tokens: 10, cache_write_tokens: 4 },
  };
  const stats = { backends: { openai: stat }, models: { "gpt-5": stat }, total: stat };

  const url = await serve(livetail);
  expect(await getBackendStats(run.id, { endpointBase: url })).toEqual(stats);
  const stream = await (await fetch(`${url}/${run.id}/stream`)).text();
  const end = /^event: end\n(?:id: .*\n)?data: (.*)$/m.exec(stream)?.[1] ?? "{}";
  expect(JSON.parse(end)).toMatchObject({ status: "completed", backend_stats: stats });
  const { runs } = (await (await fetch(url)).json()) as ListAnswer;
  expect(runs).toEqual([expect.objectContaining({ run_id: run.id, cost: stat })]);
});

describe("a call that is told inside of run.llm", () => {
  const info = { backend: "openai", model: "gpt-5" };

  test("is a part of it: its tokens and cost are, and it is no call of its own", async () => {
    const { livetail } = open({ price: ({ usage }) => ({ costUsd: (usage.inputTokens ?? 0) / 1000, model: "gpt-5" }) });
    let seen: Run | undefined;
    await livetail.runOperation("job", "op", (run) => {
      seen = run;
      return run.llm({ backend: "grader", model: "auto" }, async () => {
        // An SDK that is captured tries again, and then calls another model.
        openLlmCall(info).fail(new Error("429"));
        openLlmCall(info).complete({ usage: { inputTokens: 100, outputTokens: 5 } });
        openLlmCall({ ...info, model: "gpt-5-mini" }).complete({ usage: { inputTokens: 50 }, costUsd: 0.05 });
        return { model: "x", usage: { prompt_tokens: 9999, completion_tokens: 9999 } };
      });
    });
    const { logs, backend_stats } = await readOverHttp(livetail, seen as Run);
    expect(logs.map(({ event }) => event)).toEqual(["llm_call_start", "llm_call_complete"]);
    expect(logs[1]).toMatchObject({
      model: "gpt-5-mini",
      input_tokens: 150,
      output_tokens: 5,
      cost_usd: 0.15,
      cost_source: "local",
      cost_model: "gpt-5",
    });
    expect(backend_stats.total).toMatchObject({ calls: 1, errors: 0, cost_usd: 0.15 });
    expect(Object.keys(backend_stats.backends)).toEqual(["grader"]);
  });

  test("leaves it to the answer when it told nothing", async () => {
    const { livetail } = open();
    const run = livetail.createOperationRun("job", "op");
    await run.llm({ backend: "grader" }, () => {
      openLlmCall(info, run).fail(new Error("429"));
      return { usage: { prompt_tokens: 7 } };
    });
    const { logs } = await readOverHttp(livetail, run);
    expect(logs[1]).toMatchObject({ input_tokens: 7 });
  });

  test("is one of its own in another run, and when it ends after the call that it began in", async () => {
    const { livetail } = open();
    const [run, other] = [livetail.createOperationRun("job", "op"), livetail.createOperationRun("job", "op")];
    const late: OpenLlmCall[] = [];
    await run.llm({ backend: "grader" }, () => {
      openLlmCall(info, other).complete({ costUsd: 1 });
      late.push(openLlmCall(info, run), openLlmCall(info, run));
    });
    late[0]?.complete({ costUsd: 2 });
    late[0]?.complete({ costUsd: 2 });
    late[1]?.fail(new Error("cut"), { costUsd: 0.5 });
    expect((await readOverHttp(livetail, other)).backend_stats.total).toMatchObject({ calls: 1, cost_usd: 1 });
    expect((await readOverHttp(livetail, run)).backend_stats.total).toMatchObject({
      calls: 3,
      errors: 1,
      cost_usd: 2.5,
      unpriced_calls: 1,
    });
  });

  test("is one of its own when it is another run.llm", async () => {
    const { livetail } = open();
    const run = livetail.createOperationRun("job", "op");
    await run.llm({ backend: "outer" }, async (outer) => {
      outer.report({ costUsd: 1 });
      await run.llm({ backend: "inner" }, (inner) => inner.report({ costUsd: 2 }));
    });
    const { backend_stats } = await readOverHttp(livetail, run);
    expect(backend_stats.total).toMatchObject({ calls: 2, cost_usd: 3 });
  });
});

test("A price table that is none is an invalid option", () => {
  expect(() => createLivetail({ price: {} as never })).toThrow(expect.objectContaining({ code: "INVALID_OPTION" }));
});
