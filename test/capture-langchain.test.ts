import { AsyncResource } from "node:async_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { InMemoryCache } from "@langchain/core/caches";
import { CallbackManager } from "@langchain/core/callbacks/manager";
import { RunnableLambda } from "@langchain/core/runnables";
import { ChatOpenAI, type ChatOpenAIFields, OpenAI } from "@langchain/openai";
import { afterEach, describe, expect, it } from "vitest";
import { captureLangchain, livetailCallbacks } from "../src/capture/langchain.js";
import { withRun } from "../src/context.js";
import { callsIn, llmRun } from "./support/llm-run.js";
import { type LlmRequest, type ProviderAnswer, startLlmServer } from "./support/llm-server.js";
import { until } from "./support/until.js";

const opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0)) await close();
});

/** A provider, and models of LangChain that ask it. */
async function serve(answer?: (asked: LlmRequest, number: number) => ProviderAnswer | undefined) {
  const server = await startLlmServer(answer);
  opened.push(server.stop);
  const baseURL = `${server.url}/v1`;
  const common = { apiKey: "none", maxRetries: 0, callbacks: [livetailCallbacks()], configuration: { baseURL } };
  const chat = (fields: ChatOpenAIFields = {}) => new ChatOpenAI({ model: "gpt-5-mini", ...common, ...fields });
  return { server, chat, common };
}

async function readAll(stream: Promise<AsyncIterable<{ text: string }>>): Promise<string> {
  let text = "";
  for await (const chunk of await stream) text += chunk.text;
  return text;
}

const ASKED = { backend: "langchain", metadata: { provider: "openai" } };
const START = { event: "llm_call_start", model: "gpt-5-mini", ...ASKED };
const PRICED = { cost_source: "local", cost_model: "gpt-5-mini" };
const CHAT = {
  event: "llm_call_complete",
  model: "gpt-5-mini-2025-08-07",
  ...ASKED,
  input_tokens: 2006,
  cached_tokens: 1920,
  output_tokens: 300,
  reasoning_tokens: 128,
  cost_usd: 0.000_669_5,
  ...PRICED,
};
const RESPONSE = {
  ...CHAT,
  input_tokens: 1500,
  cached_tokens: 1024,
  output_tokens: 420,
  reasoning_tokens: 256,
  cost_usd: 0.000_984_6,
};

describe("the callbacks for LangChain", () => {
  it("tell of an answer, with what was cached and reasoned, to the nano-dollar", async () => {
    const { chat } = await serve();
    let text = "";
    const answer = await llmRun(async () => {
      text = (await chat().invoke("When?")).text;
    });
    expect(text).toBe("The order ships on Monday.");
    expect(callsIn(answer)).toEqual([START, CHAT]);
    expect(answer.backend_stats.total).toMatchObject({ calls: 1, errors: 0, unpriced_calls: 0, cost_usd: 0.000_669_5 });
    expect(answer.backend_stats.backends.langchain).toMatchObject({ calls: 1, cost_usd: 0.000_669_5 });
  });

  it("tell of a stream when it has been read", async () => {
    const { chat } = await serve();
    let text = "";
    const answer = await llmRun(async () => {
      text = await readAll(chat().stream("When?"));
    });
    expect(text).toBe("The order ships on Monday – 12 €.");
    expect(callsIn(answer)).toEqual([START, CHAT]);
  });

  it("tell of the responses of OpenAI, whole and streamed", async () => {
    const { chat } = await serve();
    const answer = await llmRun(async () => {
      await chat({ useResponsesApi: true }).invoke("Grade it.");
      await readAll(chat({ useResponsesApi: true }).stream("Grade it."));
    });
    expect(callsIn(answer)).toEqual([START, RESPONSE, START, RESPONSE]);
  });

  it("tell of each prompt of a batch, and of each turn of a loop with tools", async () => {
    const asks = [{ id: "call_1", type: "function", function: { name: "weather", arguments: "{}" } }];
    const { chat } = await serve(({ body }) =>
      JSON.stringify(body.messages).includes('"role":"tool"') || body.tools === undefined
        ? undefined
        : {
            edit: (text) =>
              text.replace('"content": "The order ships on Monday."', `"tool_calls": ${JSON.stringify(asks)}`),
          },
    );
    const answer = await llmRun(async () => {
      await chat().batch(["a", "b", "c"]);
      const model = chat().bindTools([{ name: "weather", schema: { type: "object", properties: {} } }]);
      const turn = await model.invoke("Rain?");
      expect(turn.tool_calls).toMatchObject([{ name: "weather" }]);
      await model.invoke([
        { role: "user", content: "Rain?" },
        turn,
        { role: "tool", content: "no", tool_call_id: "call_1" },
      ]);
    });
    expect(answer.backend_stats.total).toMatchObject({ calls: 5, errors: 0, cost_usd: 0.003_347_5 });
  });

  it("tell of a model of text, whose usage stands elsewhere", async () => {
    const text = JSON.stringify({
      model: "gpt-5-mini",
      choices: [{ text: "Monday.", index: 0, logprobs: null, finish_reason: "stop" }],
      usage: { prompt_tokens: 5, completion_tokens: 7, total_tokens: 12 },
    });
    const { common } = await serve(({ path }) => (path === "/v1/completions" ? { text, status: 200 } : undefined));
    const answer = await llmRun(() => new OpenAI({ model: "gpt-5-mini", ...common }).invoke("When?"));
    expect(callsIn(answer)).toMatchObject([
      { event: "llm_call_start" },
      { input_tokens: 5, output_tokens: 7, cost_usd: 0.000_015_25 },
    ]);
  });

  it("say that a call failed, and hand on what it failed with", async () => {
    const { chat } = await serve((_, number) =>
      number === 0
        ? { fixture: "openai-429.json", status: 429 }
        : { text: "<html>502</html>", type: number === 1 ? "application/json" : "text/html" },
    );
    const answer = await llmRun(async () => {
      await expect(chat().invoke("When?")).rejects.toMatchObject({ status: 429 });
      await expect(chat().invoke("When?")).rejects.toThrow("JSON");
      // What is no JSON is an answer to LangChain, in which it then finds nothing.
      await expect(chat().invoke("When?")).rejects.toThrow(TypeError);
    });
    expect(callsIn(answer)).toMatchObject([
      START,
      {
        event: "llm_call_error",
        ...ASKED,
        error: expect.stringContaining("Rate limit reached"),
        cost_source: "unknown",
      },
      START,
      { event: "llm_call_error" },
      START,
      { event: "llm_call_complete", model: "gpt-5-mini", cost_source: "unknown" },
    ]);
    expect(answer.backend_stats.total).toMatchObject({ calls: 3, errors: 2, unpriced_calls: 3, cost_usd: 0 });
  });

  it("say that a call was aborted, whole or in the middle of its stream", async () => {
    const { chat, server } = await serve(({ body }) =>
      body.stream === true ? { events: 2, ending: "stay" } : { before: () => new Promise(() => {}) },
    );
    const answer = await llmRun(async () => {
      const whole = new AbortController();
      const asked = chat().invoke("When?", { signal: whole.signal });
      await until(() => server.asked.length === 1, "the request");
      whole.abort();
      await expect(asked).rejects.toThrow();
      const streamed = new AbortController();
      const stream = await chat().stream("When?", { signal: streamed.signal });
      const read = async () => {
        for await (const _ of stream) streamed.abort();
      };
      await expect(read()).rejects.toThrow();
      await Promise.all(server.asked.map(({ closed }) => closed));
    });
    expect(callsIn(answer)).toMatchObject([
      START,
      { event: "llm_call_error", metadata: { aborted: true } },
      START,
      { event: "llm_call_error", metadata: { aborted: true } },
    ]);
  });

  it("say that a connection was cut, and leave a call unpriced of whose tokens nobody told", async () => {
    const { chat } = await serve(({ body, path }, number) => {
      if (number === 0) return { events: 3, ending: "cut" };
      if (path === "/v1/responses") return { edit: (text) => text.replace('"usage"', '"used"') };
      if (body.stream === true) return undefined;
      return { edit: (text) => text.replace('"usage"', '"used"') };
    });
    const answer = await llmRun(async () => {
      await expect(readAll(chat().stream("When?"))).rejects.toThrow();
      await chat().invoke("When?");
      await readAll(chat({ streamUsage: false }).stream("When?"));
      await chat({ useResponsesApi: true }).invoke("When?");
    });
    const unpriced = { event: "llm_call_complete", model: "gpt-5-mini-2025-08-07", ...ASKED, cost_source: "unknown" };
    const ends = callsIn(answer).filter(({ event }) => event !== "llm_call_start");
    expect(ends).toEqual([expect.objectContaining({ event: "llm_call_error" }), unpriced, unpriced, unpriced]);
    expect(answer.backend_stats.total).toMatchObject({ calls: 4, errors: 1, unpriced_calls: 4, cost_usd: 0 });
  });

  it("take what the provider says that it cost, and another name for who answered", async () => {
    const { server } = await serve();
    const model = new ChatOpenAI({
      model: "meta-llama/llama-3.3-70b-instruct",
      apiKey: "none",
      configuration: { baseURL: `${server.url}/api/v1` },
      callbacks: [livetailCallbacks({ backend: "openrouter" })],
    });
    const answer = await llmRun(async () => {
      await model.invoke("A match?", { runName: "matcher" });
      await readAll(model.stream("A match?", { runName: "matcher" }));
    });
    const said = { backend: "openrouter", step_name: "matcher", cost_usd: 0.000_138_65, cost_source: "provider" };
    expect(callsIn(answer)).toMatchObject([{ event: "llm_call_start" }, said, { event: "llm_call_start" }, said]);
  });

  it("count nothing as paid for what LangChain's own cache answers", async () => {
    const { chat, server } = await serve();
    const model = chat({ cache: new InMemoryCache() });
    const answer = await llmRun(async () => {
      await model.invoke("When?");
      await model.invoke("When?");
    });
    expect(server.asked).toHaveLength(1);
    expect(callsIn(answer)[3]).toEqual({
      event: "llm_call_complete",
      model: "gpt-5-mini",
      backend: "langchain",
      cost_usd: 0,
      cost_source: "local",
      metadata: { provider: "openai", cached: true },
    });
    expect(answer.backend_stats.total).toMatchObject({ calls: 2, unpriced_calls: 0, cost_usd: 0.000_669_5 });
  });
});

describe("a fallback of LangChain", () => {
  const failing = ({ body }: LlmRequest): ProviderAnswer | undefined =>
    body.model === "gpt-5" ? { fixture: "openai-500.json", status: 500 } : undefined;
  const events = [
    ["llm_call_start", "gpt-5"],
    ["llm_call_error", "gpt-5"],
    ["llm_call_fallback", "gpt-5-mini"],
    ["llm_call_start", "gpt-5-mini"],
    ["llm_call_complete", "gpt-5-mini-2025-08-07"],
  ];

  it("is told as one when the model or the chain before it failed, whole and streamed", async () => {
    const { chat } = await serve(failing);
    opened.push(captureLangchain(CallbackManager));
    const models = chat({ model: "gpt-5" }).withFallbacks([chat()]);
    const upper = RunnableLambda.from((text: string) => text.toUpperCase());
    const chains = upper.pipe(chat({ model: "gpt-5" })).withFallbacks([upper.pipe(chat())]);
    for (const work of [
      () => models.invoke("When?"),
      () => readAll(models.stream("When?")),
      () => chains.invoke("When?"),
    ]) {
      const answer = await llmRun(work);
      expect(callsIn(answer).map(({ event, model }) => [event, model])).toEqual(events);
      expect(answer.backend_stats.total).toMatchObject({ calls: 2, errors: 1, cost_usd: 0.000_669_5 });
    }
  });

  it("is none when the same model is asked again", async () => {
    const { chat } = await serve((_, number) =>
      number === 0 ? { fixture: "openai-500.json", status: 500 } : undefined,
    );
    opened.push(captureLangchain(CallbackManager));
    const insisting = RunnableLambda.from((text: string, config) =>
      chat()
        .invoke(text, config)
        .catch(() => chat().invoke(text, config)),
    );
    const model = insisting.withFallbacks([chat()]);
    const answer = await llmRun(() => model.invoke("When?"));
    expect(callsIn(answer).map(({ event }) => event)).not.toContain("llm_call_fallback");
    expect(answer.backend_stats.total).toMatchObject({ calls: 2, errors: 1 });
  });
});

describe("the capture of LangChain", () => {
  it("finds models that have no callbacks, below whatever runs them and wherever that began", async () => {
    const { chat } = await serve();
    const before = new AsyncResource("BEFORE");
    const undo = captureLangchain(CallbackManager);
    const model = chat({ callbacks: [] });
    const nested = RunnableLambda.from(async (text: string) => {
      await delay(1);
      return (await model.invoke(text)).text;
    });
    const answer = await llmRun(async (run) => {
      await nested.invoke("When?");
      await before.runInAsyncScope(() => withRun(run, () => model.invoke("When?")));
      undo();
      await model.invoke("When?");
    });
    expect(answer.backend_stats.total).toMatchObject({ calls: 2, cost_usd: 0.001_339 });
  });

  it("counts a call once, however often it is told of it, and none outside of a run", async () => {
    const { chat, server } = await serve();
    opened.push(captureLangchain(CallbackManager), captureLangchain(CallbackManager));
    await chat().invoke("When?");
    const answer = await llmRun(() => chat().invoke("When?", { callbacks: [livetailCallbacks()] }));
    expect(server.asked).toHaveLength(2);
    expect(callsIn(answer)).toEqual([START, CHAT]);
  });

  it("gives the class back as it was, and takes no other", () => {
    const original = CallbackManager._configureSync;
    const undo = captureLangchain(CallbackManager);
    // Outside of a run nothing is configured where nothing was.
    expect(CallbackManager._configureSync()).toBeUndefined();
    undo();
    expect(CallbackManager._configureSync).toBe(original);
    expect(() => captureLangchain({} as never)).toThrow(TypeError);
  });
});
