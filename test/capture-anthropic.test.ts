import Anthropic from "@anthropic-ai/sdk";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { anthropicFetch } from "../src/capture/anthropic.js";
import { genaiPrices } from "../src/capture/genai-prices.js";
import { endedCalls, llmRun } from "./support/llm-run.js";
import { type LlmRequest, type ProviderAnswer, startLlmServer } from "./support/llm-server.js";

let answer: (asked: LlmRequest, number: number) => ProviderAnswer | undefined = () => undefined;
const server = await startLlmServer((asked, number) => answer(asked, number));
afterEach(() => {
  answer = () => undefined;
  server.asked.length = 0;
});
afterAll(() => server.stop());

const params = {
  model: "claude-haiku-4-5",
  max_tokens: 400,
  messages: [{ role: "user" as const, content: "Which jobs match?" }],
};

function client(maxRetries = 0): Anthropic {
  return new Anthropic({ apiKey: "sk-ant-test", baseURL: server.url, maxRetries, fetch: anthropicFetch() });
}

/** 12 plain tokens, 6,144 read from the cache, 2,048 written to it, 310 that came out. */
const COST = 0.004_736_4;
const told = {
  event: "llm_call_complete",
  backend: "anthropic",
  model: "claude-haiku-4-5-20251001",
  input_tokens: 8204,
  cached_tokens: 6144,
  output_tokens: 310,
  cost_usd: COST,
  cost_source: "local",
};

describe("the fetch for Anthropic's SDK", () => {
  it("tells messages, streamed and not, with what was read from the cache and written to it", async () => {
    const run = await llmRun(async () => {
      const anthropic = client();
      const whole = await anthropic.messages.create(params);
      const streamed = await anthropic.messages.stream(params).finalMessage();
      expect(streamed.content).toEqual([{ type: "text", text: "Three jobs match the profile – 95 €." }]);
      expect(streamed.usage).toMatchObject(whole.usage);
    });
    expect(endedCalls(run)).toMatchObject([told, told]);
    expect(run.backend_stats.backends).toMatchObject({
      anthropic: { calls: 2, errors: 0, cost_usd: 0.009_472_8, unpriced_calls: 0 },
    });
    expect(server.asked[0]?.text).toBe(JSON.stringify(params));
    expect(server.asked[1]?.text).toBe(JSON.stringify({ ...params, stream: true }));
  });

  it("takes the prices of a table of many providers", async () => {
    const run = await llmRun(() => client().messages.stream(params).finalMessage(), genaiPrices());
    expect(endedCalls(run)).toMatchObject([{ ...told, cost_model: "claude-haiku-4-5" }]);
  });

  it("merges what the first event of a stream says with what the last one says", async () => {
    answer = () => ({
      // As older answers did: the end tells of the output alone.
      edit: (text) => text.replace(/("usage":\{)"input_tokens":12,[^{}]*("output_tokens":310)/, "$1$2"),
    });
    const run = await llmRun(() => client().messages.stream(params).finalMessage());
    expect(endedCalls(run)).toMatchObject([told]);
  });

  it("tells an error in the middle of a stream with the tokens that are known by then", async () => {
    answer = () => ({ fixture: "anthropic-overloaded.sse" });
    const run = await llmRun(async () => {
      await expect(client().messages.stream(params).finalMessage()).rejects.toThrow("overloaded_error");
    });
    // The input is paid for, and the one token that came out.
    expect(endedCalls(run)).toMatchObject([
      { event: "llm_call_error", error: "Overloaded", input_tokens: 8204, output_tokens: 1, cost_usd: 0.003_191_4 },
    ]);
    expect(run.backend_stats.total).toMatchObject({ calls: 1, errors: 1, cost_usd: 0.003_191_4, unpriced_calls: 0 });
  });

  it("tells a stream that is aborted with the tokens that are known by then", async () => {
    answer = () => ({ events: 4, ending: "stay" });
    const run = await llmRun(async () => {
      const stream = client().messages.stream(params);
      stream.on("text", () => stream.abort());
      await expect(stream.finalMessage()).rejects.toThrow(Anthropic.APIUserAbortError);
    });
    expect(endedCalls(run)).toMatchObject([
      { event: "llm_call_error", metadata: { aborted: true }, input_tokens: 8204, cost_usd: 0.003_191_4 },
    ]);
    expect(await server.asked[0]?.closed).toBe(false);
  });

  it("tells each retry of the SDK as a call", async () => {
    answer = (_, number) =>
      number < 2 ? { fixture: "anthropic-429.json", status: 429, headers: { "retry-after-ms": "1" } } : undefined;
    const run = await llmRun(() => client(2).messages.create(params));
    expect(endedCalls(run)).toMatchObject([{ event: "llm_call_error" }, { event: "llm_call_error" }, told]);
    answer = () => ({ fixture: "anthropic-500.json", status: 500 });
    const failed = await llmRun(async () => {
      await expect(client().messages.create(params)).rejects.toThrow(Anthropic.InternalServerError);
    });
    expect(endedCalls(failed)).toMatchObject([{ error: "HTTP 500: Internal server error" }]);
  });

  it("tells a stream that ends early as an error, and nothing of requests that are no messages", async () => {
    const run = await llmRun(async () => {
      answer = () => ({ events: 5 });
      for await (const _ of await client().messages.create({ ...params, stream: true }));
      answer = () => ({ status: 200, text: '{"input_tokens":14}' });
      await client().messages.countTokens({ model: params.model, messages: params.messages });
    });
    expect(endedCalls(run)).toMatchObject([
      { event: "llm_call_error", error: "The answer ended before it was complete.", input_tokens: 8204 },
    ]);
    expect(run.logs).toHaveLength(2);
  });
});
