import OpenAI from "openai";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { genaiPrices } from "../src/capture/genai-prices.js";
import { openaiFetch } from "../src/capture/openai.js";
import { endedCalls, llmRun } from "./support/llm-run.js";
import { type LlmRequest, type ProviderAnswer, startLlmServer } from "./support/llm-server.js";

let answer: (asked: LlmRequest, number: number) => ProviderAnswer | undefined = () => undefined;
const server = await startLlmServer((asked, number) => answer(asked, number));
afterEach(() => {
  answer = () => undefined;
  server.asked.length = 0;
});
afterAll(() => server.stop());

const params = { model: "gpt-5-mini", messages: [{ role: "user" as const, content: "When does it ship?" }] };
const streamed = { ...params, stream: true } as const;

/** Sends what is for api.openai.com to the server of the test. */
const asOpenAi: typeof fetch = (input, init) =>
  fetch(String(input).replace("https://api.openai.com", server.url), init);

function client(options: Parameters<typeof openaiFetch>[0] = {}, maxRetries = 0): OpenAI {
  const baseURL = `${server.url}/v1`;
  return new OpenAI({ apiKey: "sk-test", baseURL, maxRetries, fetch: openaiFetch(options) });
}

async function all<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const events: T[] = [];
  for await (const event of stream) events.push(event);
  return events;
}

/** 86 plain tokens, 1,920 cached and 300 that came out. */
const CHAT_COST = 0.000_669_5;
const chatCall = {
  event: "llm_call_complete",
  backend: "openai",
  model: "gpt-5-mini-2025-08-07",
  input_tokens: 2006,
  cached_tokens: 1920,
  output_tokens: 300,
  reasoning_tokens: 128,
  cost_usd: CHAT_COST,
  cost_source: "local",
};

describe("the fetch for OpenAI's SDK", () => {
  it("tells a chat to the run that it is made in, with its tokens and its cost", async () => {
    const run = await llmRun(async () => {
      const { choices } = await client({ step: "grader" }).chat.completions.create(params);
      expect(choices[0]?.message.content).toBe("The order ships on Monday.");
    });
    expect(run.logs[0]).toMatchObject({ event: "llm_call_start", backend: "openai", model: "gpt-5-mini" });
    expect(endedCalls(run)).toMatchObject([{ ...chatCall, step_name: "grader" }]);
    expect(run.backend_stats.backends).toMatchObject({
      openai: { calls: 1, errors: 0, cost_usd: CHAT_COST, unpriced_calls: 0 },
    });
    expect(server.asked[0]?.text).toBe(JSON.stringify(params));
  });

  it("takes the prices of a table of many providers", async () => {
    const run = await llmRun(() => client().chat.completions.create(params), genaiPrices());
    expect(endedCalls(run)).toMatchObject([{ ...chatCall, cost_model: "gpt-5-mini" }]);
  });

  it("asks OpenAI for the usage of a chat stream, and hands on what the caller would have got", async () => {
    const openai = (fetch: typeof globalThis.fetch) => new OpenAI({ apiKey: "sk-test", maxRetries: 0, fetch });
    const without = await all(await openai(asOpenAi).chat.completions.create(streamed));
    const run = await llmRun(async () => {
      const watched = openai(openaiFetch({ fetch: asOpenAi }));
      expect(await all(await watched.chat.completions.create(streamed))).toEqual(without);
    });
    expect(endedCalls(run)).toMatchObject([chatCall]);
    expect(server.asked[0]?.text).toBe(JSON.stringify(streamed));
    expect(server.asked[1]?.body).toEqual({ ...streamed, stream_options: { include_usage: true } });
  });

  it("leaves a request that says what it wants as it is, and hands on its usage", async () => {
    const wanted = { ...streamed, stream_options: { include_usage: true } };
    const run = await llmRun(async () => {
      const watched = new OpenAI({ apiKey: "sk-test", fetch: openaiFetch({ fetch: asOpenAi }) });
      const chunks = await all(await watched.chat.completions.create(wanted));
      expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { prompt_tokens: 2006 } });
      await all(await watched.chat.completions.create({ ...streamed, stream_options: { include_usage: false } }));
    });
    expect(server.asked.map(({ body }) => body.stream_options)).toEqual([
      { include_usage: true },
      { include_usage: false },
    ]);
    expect(endedCalls(run)).toMatchObject([chatCall, { cost_source: "unknown" }]);
  });

  it("adds nothing to the requests of others unless told, and says why the cost of a stream is unknown", async () => {
    const run = await llmRun(async () => {
      await all(await client().chat.completions.create(streamed));
      await all(await client({ includeUsage: true }).chat.completions.create(streamed));
    });
    expect(server.asked.map(({ body }) => body.stream_options)).toEqual([undefined, { include_usage: true }]);
    expect(endedCalls(run)).toMatchObject([
      {
        event: "llm_call_complete",
        cost_source: "unknown",
        metadata: { unpriced_because: "the answer does not tell its tokens" },
      },
      chatCall,
    ]);
    expect(run.backend_stats.total).toMatchObject({ calls: 2, errors: 0, cost_usd: CHAT_COST, unpriced_calls: 1 });
  });

  it("tells responses, streamed and not, and what became of one that failed", async () => {
    const ask = { model: "gpt-5-mini", input: "Grade it." };
    const run = await llmRun(async () => {
      const openai = client();
      expect((await openai.responses.create(ask)).output_text).toBe("Grade: 7 of 10.");
      expect(await all(await openai.responses.create({ ...ask, stream: true }))).toHaveLength(13);
      answer = () => ({ fixture: "openai-responses-failed.sse" });
      await all(await openai.responses.create({ ...ask, stream: true }));
    });
    // 476 plain tokens, 1,024 cached and 420 that came out.
    const told = { input_tokens: 1500, cached_tokens: 1024, output_tokens: 420, cost_usd: 0.000_984_6 };
    expect(endedCalls(run)).toMatchObject([
      { event: "llm_call_complete", ...told, reasoning_tokens: 256 },
      { event: "llm_call_complete", ...told, reasoning_tokens: 256 },
      { event: "llm_call_error", error: "The model had an error while it answered." },
    ]);
    expect(run.backend_stats.total).toMatchObject({ calls: 3, errors: 1, cost_usd: 0.001_969_2, unpriced_calls: 1 });
  });

  it("takes OpenRouter by its host, and its word for the cost", async () => {
    const baseURL = "https://openrouter.ai/api/v1";
    const run = await llmRun(async () => {
      const toServer: typeof fetch = (input, init) =>
        fetch(String(input).replace("https://openrouter.ai", server.url), init);
      const openrouter = new OpenAI({ apiKey: "sk-test", baseURL, fetch: openaiFetch({ fetch: toServer }) });
      await openrouter.chat.completions.create(params);
      await all(await openrouter.chat.completions.create(streamed));
    });
    const told = {
      event: "llm_call_complete",
      backend: "openrouter",
      model: "meta-llama/llama-3.3-70b-instruct",
      input_tokens: 194,
      output_tokens: 52,
      cached_tokens: 64,
      reasoning_tokens: 17,
      cost_usd: 0.000_138_65,
      cost_source: "provider",
    };
    expect(endedCalls(run)).toMatchObject([told, told]);
    expect(run.backend_stats.backends.openrouter).toMatchObject({ calls: 2, cost_usd: 0.000_277_3 });
    expect(server.asked[1]?.text).toBe(JSON.stringify(streamed));
  });

  it("tells each retry of the SDK as a call, with the provider's words for the last", async () => {
    answer = () => ({ fixture: "openai-429.json", status: 429, headers: { "retry-after-ms": "1" } });
    const run = await llmRun(async () => {
      const failed = client({ backend: "writer" }, 2).chat.completions.create(params);
      await expect(failed).rejects.toThrow(OpenAI.RateLimitError);
    });
    expect(endedCalls(run)).toMatchObject([
      {
        event: "llm_call_error",
        backend: "writer",
        error: "HTTP 429: Too Many Requests",
        metadata: { http_status: 429 },
      },
      { event: "llm_call_error", error: "HTTP 429: Too Many Requests" },
      { event: "llm_call_error", error: expect.stringMatching(/^HTTP 429: Rate limit reached for gpt-5-mini/) },
    ]);
    expect(run.backend_stats.backends).toMatchObject({
      writer: { calls: 3, errors: 3, cost_usd: 0, unpriced_calls: 3 },
    });
  });

  it("tells a call that succeeds after an error of the server", async () => {
    answer = (_, number) =>
      number === 0 ? { fixture: "openai-500.json", status: 500, headers: { "retry-after-ms": "1" } } : undefined;
    const run = await llmRun(() => client({}, 1).chat.completions.create(params));
    expect(endedCalls(run)).toMatchObject([{ event: "llm_call_error" }, chatCall]);
    expect(run.backend_stats.total).toMatchObject({ calls: 2, errors: 1, cost_usd: CHAT_COST });
  });

  it("tells a stream that its caller aborts, or leaves, as one that was aborted", async () => {
    answer = () => ({ events: 3, ending: "stay" });
    const run = await llmRun(async () => {
      const openai = client();
      const aborted = await openai.chat.completions.create(streamed);
      for await (const { choices } of aborted) {
        if (choices[0]?.delta.content === " ships") aborted.controller.abort();
      }
      for await (const _ of await openai.chat.completions.create(streamed)) break;
      const controller = new AbortController();
      answer = () => ({
        before: () => {
          controller.abort();
          return new Promise(() => {});
        },
      });
      const { signal } = controller;
      await expect(openai.chat.completions.create(params, { signal })).rejects.toThrow("aborted");
    });
    expect(endedCalls(run)).toMatchObject(
      Array.from({ length: 3 }, () => ({ event: "llm_call_error", backend: "openai", metadata: { aborted: true } })),
    );
    for (const { closed } of server.asked) expect(await closed).toBe(false);
  });

  it("ends the call of a stream that nobody reads when that is aborted", async () => {
    answer = () => ({ events: 3, ending: "stay" });
    const run = await llmRun(async () => {
      const stream = await client().chat.completions.create(streamed);
      stream.controller.abort();
    });
    expect(endedCalls(run)).toMatchObject([{ event: "llm_call_error", metadata: { aborted: true } }]);
  });

  it("tells a stream that ends early, or is cut, as an error", async () => {
    const run = await llmRun(async () => {
      answer = () => ({ events: 3 });
      expect(await all(await client().chat.completions.create(streamed))).toHaveLength(3);
      answer = () => ({ events: 3, ending: "cut" });
      await expect(client().chat.completions.create(streamed).then(all)).rejects.toThrow("terminated");
    });
    expect(endedCalls(run)).toMatchObject([
      { event: "llm_call_error", error: "The answer ended before it was complete." },
      { event: "llm_call_error", error: "TypeError: terminated" },
    ]);
  });

  it("tells rubbish, errors inside of an answer, and a provider that cannot be reached", async () => {
    const run = await llmRun(async () => {
      const openai = client();
      answer = () => ({ text: "{{{" });
      await expect(openai.chat.completions.create(params)).rejects.toThrow(SyntaxError);
      answer = () => ({ fixture: "openai-chat.sse", edit: () => "data: {{{\n\n" });
      await expect(openai.chat.completions.create(streamed).then(all)).rejects.toThrow(SyntaxError);
      answer = () => ({ text: '{"error":{"message":"No provider left.","code":502}}' });
      await openai.chat.completions.create(params);
      const nobody = new OpenAI({
        apiKey: "sk-test",
        baseURL: "http://127.0.0.1:1/v1",
        maxRetries: 0,
        fetch: openaiFetch(),
      });
      await expect(nobody.chat.completions.create(params)).rejects.toThrow(OpenAI.APIConnectionError);
    });
    expect(endedCalls(run)).toMatchObject([
      { event: "llm_call_error", error: "The answer is no JSON." },
      { event: "llm_call_error", error: "The answer is no JSON." },
      { event: "llm_call_error", error: "No provider left." },
      { event: "llm_call_error", error: "TypeError: fetch failed" },
    ]);
  });

  it("completes a call without usage, unpriced", async () => {
    const run = await llmRun(async () => {
      for (const usage of ["null", "{}", '{"prompt_tokens":-1,"completion_tokens":"many"}', '"many"']) {
        answer = () => ({ edit: (text) => text.replace(/"usage": \{[\s\S]*?\n {2}\}/, `"usage": ${usage}`) });
        await client().chat.completions.create(params);
      }
    });
    const unpriced = { event: "llm_call_complete", cost_source: "unknown" };
    expect(endedCalls(run)).toMatchObject(Array.from({ length: 4 }, () => unpriced));
    expect(endedCalls(run).map((call) => [call.input_tokens, call.cost_usd])).toEqual(
      Array.from({ length: 4 }, () => [undefined, undefined]),
    );
    expect(run.backend_stats.total).toMatchObject({ calls: 4, errors: 0, cost_usd: 0, unpriced_calls: 4 });
  });

  it("tells embeddings, and nothing of requests that are no calls of a model, or are made outside of a run", async () => {
    answer = ({ path }) => {
      if (path === "/v1/embeddings") {
        return {
          status: 200,
          text: '{"object":"list","data":[],"model":"e","usage":{"prompt_tokens":8,"total_tokens":8}}',
        };
      }
      return path === "/v1/models" ? { status: 200, text: '{"object":"list","data":[]}' } : undefined;
    };
    const openai = client();
    await openai.chat.completions.create(params);
    const run = await llmRun(async () => {
      await openai.embeddings.create({ model: "e", input: "text", encoding_format: "float" });
      await openai.models.list();
    });
    expect(endedCalls(run)).toMatchObject([{ event: "llm_call_complete", model: "e", input_tokens: 8 }]);
    expect(run.logs).toHaveLength(2);
  });

  it("tells calls to the run that each was made in, while many are under way", async () => {
    const openai = client();
    const ask = (): Promise<unknown> => Promise.all([1, 2, 3].map(() => openai.chat.completions.create(params)));
    const runs = await Promise.all([1, 2, 3].map(() => llmRun(ask)));
    for (const run of runs) {
      expect(run.backend_stats.total).toMatchObject({ calls: 3, errors: 0, cost_usd: 0.002_008_5, unpriced_calls: 0 });
    }
  });
});
