import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { createNodeHandler } from "../src/adapters/node.js";
import { genaiPrices } from "../src/capture/genai-prices.js";
import { createLivetail } from "../src/livetail.js";
import type { LlmCallInfo } from "../src/llm-call.js";
import type { PollAnswer } from "../src/protocol.js";
import { memoryStore } from "../src/store/memory.js";

const opened: (() => unknown)[] = [];
afterEach(() => Promise.all(opened.splice(0).map((close) => close())));

/** One call of which a provider answered with `answer`, as a run tells of it over HTTP. */
async function priced(info: LlmCallInfo, answer: unknown) {
  const heard: string[] = [];
  const livetail = createLivetail({
    store: memoryStore(),
    price: genaiPrices(),
    onError: ({ code, message }) => heard.push(`${code}: ${message}`),
  });
  opened.push(() => livetail.close());
  const server = createServer(createNodeHandler(livetail));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  opened.push(() => new Promise((resolve) => server.close(resolve)));

  const run = livetail.createOperationRun("job", "op");
  await run.llm(info, () => answer);
  await run.flush();
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/${run.id}`;
  const response = await fetch(url, { headers: { connection: "close" } });
  const { logs, backend_stats } = (await response.json()) as PollAnswer;
  const { model, cost_usd, cost_source, cost_model } = logs[1] ?? {};
  return { heard, line: { model, cost_usd, cost_source, cost_model }, total: backend_stats.total };
}

/** Dollars a million tokens, as the providers list them, times tokens. */
const cost = (...parts: [usdPerMillion: number, tokens: number][]) =>
  Math.round(parts.reduce((sum, [usd, tokens]) => sum + usd * 1000 * tokens, 0)) / 1e9;

const anthropic = {
  type: "message",
  model: "claude-sonnet-4-5-20250929",
  usage: {
    input_tokens: 21,
    cache_read_input_tokens: 1801,
    cache_creation_input_tokens: 248,
    output_tokens: 503,
    cache_creation: { ephemeral_5m_input_tokens: 148, ephemeral_1h_input_tokens: 100 },
  },
};

const calls: [name: string, info: LlmCallInfo, answer: object, usd: number, model: string][] = [
  [
    "OpenAI, with cached input and reasoning",
    { backend: "openai" },
    {
      model: "gpt-5-mini-2025-08-07",
      usage: {
        prompt_tokens: 1007,
        completion_tokens: 301,
        total_tokens: 1308,
        prompt_tokens_details: { cached_tokens: 640 },
        completion_tokens_details: { reasoning_tokens: 256 },
      },
    },
    cost([0.25, 367], [0.025, 640], [2, 301]),
    "gpt-5-mini",
  ],
  [
    "Anthropic, with cache reads and writes of both kinds",
    { backend: "anthropic" },
    anthropic,
    cost([3, 21], [0.3, 1801], [3.75, 148], [6, 100], [15, 503]),
    "claude-sonnet-4-5",
  ],
  [
    "Gemini, with cached input and thoughts",
    { backend: "gemini" },
    {
      modelVersion: "gemini-2.5-flash",
      usageMetadata: {
        promptTokenCount: 1003,
        cachedContentTokenCount: 600,
        candidatesTokenCount: 80,
        thoughtsTokenCount: 21,
        totalTokenCount: 1104,
      },
    },
    cost([0.3, 403], [0.03, 600], [2.5, 101]),
    "gemini-2.5-flash",
  ],
  [
    "a backend that is no provider, by the model's name",
    { backend: "langchain" },
    anthropic,
    cost([3, 21], [0.3, 1801], [3.75, 148], [6, 100], [15, 503]),
    "claude-sonnet-4-5",
  ],
  [
    "a provider that the call names",
    { backend: "our-proxy", provider: "openai", model: "gpt-4o" },
    { usage: { prompt_tokens: 11, completion_tokens: 7 } },
    cost([2.5, 11], [10, 7]),
    "gpt-4o",
  ],
];

test.each(calls)("A call is priced to the nano-dollar: %s", async (_, info, answer, usd, model) => {
  const { heard, line, total } = await priced(info, answer);
  expect(line).toMatchObject({ cost_usd: usd, cost_source: "local", cost_model: model });
  expect(total).toMatchObject({ calls: 1, cost_usd: usd, unpriced_calls: 0 });
  expect(heard).toEqual([]);
});

test("A model that is matched loosely says by which one's price", async () => {
  const answer = { model: "gpt-5-nano-2031-01-01", usage: { prompt_tokens: 1000, completion_tokens: 100 } };
  const { line } = await priced({ backend: "openai" }, answer);
  expect(line).toMatchObject({ model: "gpt-5-nano-2031-01-01", cost_model: "gpt-5-nano" });
});

test("What the provider charged is not computed again", async () => {
  const answer = { model: "openai/gpt-5-mini", usage: { prompt_tokens: 194, completion_tokens: 2, cost: 0.95 } };
  const { line } = await priced({ backend: "openrouter" }, answer);
  expect(line).toMatchObject({ cost_usd: 0.95, cost_source: "provider", cost_model: undefined });
});

const unpriced: [name: string, info: LlmCallInfo, answer: object, why: RegExp][] = [
  [
    "a model that is not in the table",
    { backend: "openai" },
    { model: "gpt-99-turbo", usage: { prompt_tokens: 1, completion_tokens: 1 } },
    /does not have it/,
  ],
  [
    "a provider that has no such model",
    { backend: "b", provider: "anthropic" },
    { model: "gpt-5", usage: { prompt_tokens: 1, completion_tokens: 1 } },
    /does not have it/,
  ],
  [
    "usage that contradicts itself",
    { backend: "openai" },
    { model: "gpt-5", usage: { prompt_tokens: 10, prompt_tokens_details: { cached_tokens: 600 } } },
    /cannot exceed/,
  ],
];

test.each(unpriced)("A call is unpriced, and that is said: %s", async (_, info, answer, why) => {
  const { heard, line, total } = await priced(info, answer);
  expect(line).toMatchObject({ cost_usd: undefined, cost_source: "unknown", cost_model: undefined });
  expect(total).toMatchObject({ calls: 1, cost_usd: 0, unpriced_calls: 1 });
  expect(heard).toEqual([expect.stringMatching(/^COST_UNKNOWN: /)]);
  expect(heard[0]).toMatch(why);
});
