import { describe, expect, test } from "vitest";
import { type LlmAnswer, usageOf } from "../src/llm-usage.js";

/** Usage as the providers' own documentation shows it, and what it means. */
const documented: [source: string, answer: object, expected: LlmAnswer][] = [
  [
    "platform.openai.com/docs/guides/prompt-caching",
    {
      object: "chat.completion",
      model: "gpt-4o-2024-08-06",
      usage: {
        prompt_tokens: 2006,
        completion_tokens: 300,
        total_tokens: 2306,
        prompt_tokens_details: { cached_tokens: 1920 },
        completion_tokens_details: {
          reasoning_tokens: 0,
          accepted_prediction_tokens: 0,
          rejected_prediction_tokens: 0,
        },
      },
    },
    {
      model: "gpt-4o-2024-08-06",
      usage: { inputTokens: 2006, outputTokens: 300, cachedTokens: 1920, reasoningTokens: 0 },
    },
  ],
  [
    "platform.openai.com/docs/guides/reasoning",
    {
      object: "response",
      model: "gpt-5",
      usage: {
        input_tokens: 75,
        input_tokens_details: { cached_tokens: 0 },
        output_tokens: 1186,
        output_tokens_details: { reasoning_tokens: 1024 },
        total_tokens: 1261,
      },
    },
    { model: "gpt-5", usage: { inputTokens: 75, outputTokens: 1186, cachedTokens: 0, reasoningTokens: 1024 } },
  ],
  [
    "docs.x.ai/docs/api-reference (chat completion): reasoning stands beside the completion",
    {
      object: "chat.completion",
      model: "grok-3-mini",
      usage: {
        prompt_tokens: 32,
        completion_tokens: 9,
        total_tokens: 135,
        prompt_tokens_details: { text_tokens: 32, audio_tokens: 0, image_tokens: 0, cached_tokens: 6 },
        completion_tokens_details: { reasoning_tokens: 94, audio_tokens: 0 },
      },
    },
    { model: "grok-3-mini", usage: { inputTokens: 32, outputTokens: 103, cachedTokens: 6, reasoningTokens: 94 } },
  ],
  [
    "docs.claude.com/en/docs/build-with-claude/prompt-caching",
    {
      type: "message",
      model: "claude-sonnet-4-5",
      usage: {
        input_tokens: 2048,
        cache_read_input_tokens: 1800,
        cache_creation_input_tokens: 248,
        output_tokens: 503,
        cache_creation: { ephemeral_5m_input_tokens: 148, ephemeral_1h_input_tokens: 100 },
      },
    },
    {
      model: "claude-sonnet-4-5",
      usage: {
        inputTokens: 4096,
        outputTokens: 503,
        cachedTokens: 1800,
        cacheWriteTokens: 248,
        cacheWrite1hTokens: 100,
      },
    },
  ],
  [
    "docs.claude.com/en/docs/build-with-claude/streaming (message_start)",
    {
      type: "message_start",
      message: { type: "message", model: "claude-opus-4-1", usage: { input_tokens: 25, output_tokens: 1 } },
    },
    { model: "claude-opus-4-1", usage: { inputTokens: 25, outputTokens: 1 } },
  ],
  [
    "docs.claude.com/en/docs/build-with-claude/streaming (message_delta)",
    { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 15 } },
    { usage: { outputTokens: 15 } },
  ],
  [
    "ai.google.dev/api/generate-content#UsageMetadata: thoughts and what tools brought stand beside the totals",
    {
      candidates: [],
      modelVersion: "gemini-2.5-flash",
      usageMetadata: {
        promptTokenCount: 1000,
        cachedContentTokenCount: 600,
        candidatesTokenCount: 80,
        thoughtsTokenCount: 20,
        toolUsePromptTokenCount: 5,
        totalTokenCount: 1105,
      },
    },
    {
      model: "gemini-2.5-flash",
      usage: { inputTokens: 1005, outputTokens: 100, cachedTokens: 600, reasoningTokens: 20 },
    },
  ],
  [
    "openrouter.ai/docs/use-cases/usage-accounting",
    {
      object: "chat.completion.chunk",
      usage: {
        completion_tokens: 2,
        completion_tokens_details: { reasoning_tokens: 0 },
        cost: 0.95,
        cost_details: { upstream_inference_cost: 19 },
        prompt_tokens: 194,
        prompt_tokens_details: { cached_tokens: 0, cache_write_tokens: 100, audio_tokens: 0 },
        total_tokens: 196,
      },
    },
    {
      usage: { inputTokens: 194, outputTokens: 2, cachedTokens: 0, cacheWriteTokens: 100, reasoningTokens: 0 },
      costUsd: 0.95,
      costSource: "provider",
    },
  ],
];

describe("what an answer says of its tokens", () => {
  test.each(documented)("is read as %s has it", (_, answer, expected) => {
    expect(usageOf(answer)).toEqual(expected);
    expect(usageOf(JSON.parse(JSON.stringify(answer)))).toEqual(expected);
  });

  test("is read of a message of LangChain, which tells one model in its metadata", () => {
    const message = {
      content: "hi",
      response_metadata: { model_name: "gpt-4o-mini" },
      usage_metadata: {
        input_tokens: 350,
        output_tokens: 240,
        total_tokens: 590,
        input_token_details: { cache_creation: 200, cache_read: 100 },
        output_token_details: { reasoning: 200 },
      },
    };
    expect(usageOf(message)).toEqual({
      model: "gpt-4o-mini",
      usage: { inputTokens: 350, outputTokens: 240, cachedTokens: 100, cacheWriteTokens: 200, reasoningTokens: 200 },
    });
  });

  test("is read of usage of the AI SDK, old and new, alone or in an answer", () => {
    const old = { inputTokens: 10, outputTokens: 20, totalTokens: 30, reasoningTokens: 5, cachedInputTokens: 4 };
    const usage = { inputTokens: 10, outputTokens: 20, cachedTokens: 4, reasoningTokens: 5 };
    expect(usageOf(old)).toEqual({ usage });
    const now = {
      inputTokens: 10,
      inputTokenDetails: { noCacheTokens: 3, cacheReadTokens: 4, cacheWriteTokens: 3 },
      outputTokens: 20,
      outputTokenDetails: { textTokens: 15, reasoningTokens: 5 },
      totalTokens: 30,
    };
    expect(usageOf({ usage: now, response: { modelId: "gpt-5" } })).toEqual({
      model: "gpt-5",
      usage: { ...usage, cacheWriteTokens: 3 },
    });
  });

  test("is read of an event that ends a stream of OpenAI's responses", () => {
    const response = { model: "gpt-5", usage: { input_tokens: 3, output_tokens: 4, total_tokens: 7 } };
    const expected = { model: "gpt-5", usage: { inputTokens: 3, outputTokens: 4 } };
    expect(usageOf({ type: "response.completed", sequence_number: 9, response })).toEqual(expected);
  });

  test("holds the fee and what was charged upstream, with a key of one's own", () => {
    const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2, cost: 0.05, is_byok: true };
    expect(usageOf({ usage: { ...usage, cost_details: { upstream_inference_cost: 1 } } }).costUsd).toBe(1.05);
    // What the provider behind it charged is not known: the fee alone would be a wrong cost.
    expect(usageOf({ usage })).not.toHaveProperty("costUsd");
  });
});

describe("an answer that is rubbish", () => {
  const throwing = new Proxy(
    {},
    {
      getOwnPropertyDescriptor() {
        throw new Error("no");
      },
    },
  );

  test.each([
    undefined,
    null,
    5,
    "text",
    [],
    [{ usage: { input_tokens: 1 } }],
    {},
    { usage: null },
    { usage: 7 },
    throwing,
  ])("says nothing (%#)", (answer) => {
    expect(usageOf(answer)).toEqual({});
  });

  test.each([Number.NaN, -1, 1.5, Number.POSITIVE_INFINITY, "12", null, {}, 1e300])(
    "leaves out tokens that are %s",
    (rubbish) => {
      const usage = { prompt_tokens: rubbish, completion_tokens: 7, prompt_tokens_details: { cached_tokens: rubbish } };
      expect(usageOf({ usage })).toEqual({ usage: { outputTokens: 7 } });
    },
  );

  test.each([Number.NaN, -1, Number.POSITIVE_INFINITY, "0.5", 1e7])("has no cost that is %s", (cost) => {
    expect(usageOf({ usage: { prompt_tokens: 1, cost } })).toEqual({ usage: { inputTokens: 1 } });
  });

  test("is not asked for what it would have to compute: a getter may begin a stream", () => {
    let asked = 0;
    const answer = {
      get usage() {
        asked += 1;
        return { input_tokens: 1 };
      },
    };
    expect(usageOf(answer)).toEqual({});
    expect(asked).toBe(0);
  });
});
