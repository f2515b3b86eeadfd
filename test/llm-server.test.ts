/** The fixtures of test/fixtures/llm are what the providers' own libraries understand. */
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterAll, describe, expect, it } from "vitest";
import { type LlmServer, type ProviderAnswer, startLlmServer } from "./support/llm-server.js";

let next: ProviderAnswer | undefined;
const server: LlmServer = await startLlmServer(() => next);
afterAll(() => server.stop());

const maxRetries = 0;
const openai = new OpenAI({ apiKey: "sk-test", baseURL: `${server.url}/v1`, maxRetries });
const openrouter = new OpenAI({ apiKey: "sk-test", baseURL: `${server.url}/api/v1`, maxRetries });
const anthropic = new Anthropic({ apiKey: "sk-test", baseURL: server.url, maxRetries });
const messages = [{ role: "user" as const, content: "When does it ship?" }];
const chat = { model: "gpt-5-mini", messages };
const claude = { model: "claude-haiku-4-5", max_tokens: 100, messages };

function answering<T>(answer: ProviderAnswer, ask: () => Promise<T>): Promise<T> {
  next = answer;
  return ask().finally(() => {
    next = undefined;
  });
}

async function all<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const events: T[] = [];
  for await (const event of stream) events.push(event);
  return events;
}

describe("the server that speaks as providers do", () => {
  it("answers a chat of OpenAI, and streams it with its usage only to who asked for that", async () => {
    const whole = await openai.chat.completions.create(chat);
    expect(whole.usage?.prompt_tokens_details?.cached_tokens).toBe(1920);
    const bare = await all(await openai.chat.completions.create({ ...chat, stream: true }));
    expect(bare.map(({ choices }) => choices[0]?.delta.content ?? "").join("")).toBe(
      "The order ships on Monday – 12 €.",
    );
    expect(bare.some((chunk) => "usage" in chunk)).toBe(false);
    const told = await all(
      await openai.chat.completions.create({ ...chat, stream: true, stream_options: { include_usage: true } }),
    );
    expect(told.length).toBe(bare.length + 1);
    expect(told.at(-1)).toMatchObject({ choices: [], usage: whole.usage });
  });

  it("answers with responses of OpenAI, and streams them", async () => {
    const whole = await openai.responses.create({ model: "gpt-5-mini", input: "Grade it." });
    expect(whole.output_text).toBe("Grade: 7 of 10.");
    const events = await all(await openai.responses.create({ model: "gpt-5-mini", input: "Grade it.", stream: true }));
    expect(events.at(-1)).toMatchObject({ type: "response.completed", response: { usage: whole.usage } });
    const failed = await answering({ fixture: "openai-responses-failed.sse" }, async () =>
      all(await openai.responses.create({ model: "gpt-5-mini", input: "Grade it.", stream: true })),
    );
    expect(failed.at(-1)).toMatchObject({ type: "response.failed", response: { error: { code: "server_error" } } });
  });

  it("answers with messages of Anthropic, and streams them", async () => {
    const whole = await anthropic.messages.create(claude);
    const streamed = await anthropic.messages.stream(claude).finalMessage();
    expect(streamed.usage).toMatchObject(whole.usage);
    const broken = answering({ fixture: "anthropic-overloaded.sse" }, () =>
      anthropic.messages.stream(claude).finalMessage(),
    );
    await expect(broken).rejects.toThrow(/overloaded_error/);
  });

  it("answers as OpenRouter does, with the cost", async () => {
    const whole = await openrouter.chat.completions.create(chat);
    expect(whole.usage).toMatchObject({ cost: 0.00013865 });
    const events = await all(await openrouter.chat.completions.create({ ...chat, stream: true }));
    expect(events.map(({ choices }) => choices[0]?.delta.content ?? "").join("")).toBe("It is a match.");
    expect(events.at(-1)?.usage).toEqual(whole.usage);
  });

  it.each([
    ["openai-429.json", 429, OpenAI.RateLimitError],
    ["openai-500.json", 500, OpenAI.InternalServerError],
    ["openrouter-429.json", 429, OpenAI.RateLimitError],
  ] as const)("fails as %s says", async (fixture, status, kind) => {
    const failed = answering({ fixture, status }, () => openai.chat.completions.create(chat));
    await expect(failed).rejects.toBeInstanceOf(kind);
  });

  it.each([
    ["anthropic-429.json", 429, Anthropic.RateLimitError],
    ["anthropic-500.json", 500, Anthropic.InternalServerError],
  ] as const)("fails as %s says", async (fixture, status, kind) => {
    const failed = answering({ fixture, status }, () => anthropic.messages.create(claude));
    await expect(failed).rejects.toBeInstanceOf(kind);
  });

  it("ends a stream early, cuts it, and knows when its caller has left", async () => {
    const streamed = { ...chat, stream: true } as const;
    const early = await answering({ events: 2 }, async () => all(await openai.chat.completions.create(streamed)));
    expect(early).toHaveLength(2);
    const cut = answering({ events: 2, ending: "cut" }, async () =>
      all(await openai.chat.completions.create(streamed)),
    );
    await expect(cut).rejects.toThrow();
    await answering({ events: 2, ending: "stay" }, async () => {
      for await (const _ of await openai.chat.completions.create(streamed)) break;
    });
    expect(await server.asked.at(-1)?.closed).toBe(false);
  });

  it("tells what it was asked, and writes in pieces of any size", async () => {
    const whole = await answering({ pieceBytes: 7 }, () => openai.chat.completions.create(chat));
    expect(whole.choices[0]?.message.content).toBe("The order ships on Monday.");
    const asked = server.asked.at(-1);
    expect(asked).toMatchObject({ method: "POST", path: "/v1/chat/completions", body: chat });
    expect(asked?.text).toBe(JSON.stringify(chat));
    expect(await asked?.closed).toBe(true);
  });
});
