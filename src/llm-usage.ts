/**
 * What an answer of a provider says of its tokens, its model and its cost, whatever the provider calls them. Reads
 * data that stands in the answer and runs nothing of it: a getter may begin a stream, or throw.
 */
import { isCost } from "./fields.js";

/** Tokens of one call. What is absent is unknown, which is not 0. */
export interface LlmUsage {
  /** All that went in, those read from a cache and those written to one included. */
  inputTokens?: number;
  /** All that came out, reasoning included. */
  outputTokens?: number;
  /** Of the input: read from a cache. */
  cachedTokens?: number;
  /** Of the input: written to a cache. */
  cacheWriteTokens?: number;
  /** Of those written to a cache: kept there for an hour, which costs more. */
  cacheWrite1hTokens?: number;
  /** Of the output: reasoning. */
  reasoningTokens?: number;
}

/** What an answer says; it may be handed to `complete`, `fail` or `report` of a call as it is. */
export interface LlmAnswer {
  /** The model that answered. */
  model?: string;
  /** The tokens of the call. */
  usage?: LlmUsage;
  /** Dollars, when the provider says so. */
  costUsd?: number;
  /** Who said so. */
  costSource?: "provider";
}

/**
 * Reads the answer of a provider: chat completions and responses of OpenAI, messages of Anthropic, Gemini, OpenRouter,
 * messages of LangChain, usage of the AI SDK; an answer, a chunk of a stream that carries usage, or the usage alone.
 * What is not there, or is no number of tokens, is left out: `{}` for what says nothing. Never throws.
 */
export function usageOf(answer: unknown): LlmAnswer {
  try {
    return readAnswer(answer);
  } catch {
    // A proxy: nothing can be read from it, and that is what is answered.
    return {};
  }
}

function readAnswer(answer: unknown): LlmAnswer {
  if (!isObject(answer)) return {};
  const said: LlmAnswer = {};
  const model = modelOf(answer);
  if (model !== undefined) said.model = model;
  // Events of a stream wrap what they tell of: Anthropic's `message_start`, OpenAI's `response.completed`.
  const inner = objectIn(answer, "message") ?? objectIn(answer, "response");
  const raw =
    objectIn(answer, "usage") ?? objectIn(answer, "usageMetadata") ?? objectIn(answer, "usage_metadata") ?? null;
  if (raw === null && inner !== undefined && numbersIn(answer) === null) return { ...readAnswer(inner), ...said };

  const usage = readUsage(raw ?? answer);
  if (usage !== null) said.usage = usage;
  const cost = raw === null ? undefined : costOf(raw);
  if (cost !== undefined) Object.assign(said, { costUsd: cost, costSource: "provider" });
  return said;
}

const MODEL_NAMES = ["model", "modelVersion", "modelId", "model_name"] as const;

function modelOf(answer: object): string | undefined {
  const places = [answer, objectIn(answer, "response_metadata"), objectIn(answer, "response")];
  for (const place of places) {
    if (place === undefined) continue;
    for (const name of MODEL_NAMES) {
      const model = member(place, name);
      if (typeof model === "string" && model !== "") return model;
    }
  }
  return undefined;
}

/** What OpenRouter charged; with a key of one's own for the provider behind it, that one charges as well. */
function costOf(usage: object): number | undefined {
  const cost = member(usage, "cost");
  if (!isCost(cost)) return undefined;
  if (member(usage, "is_byok") !== true) return cost;
  const upstream = member(objectIn(usage, "cost_details"), "upstream_inference_cost");
  return isCost(upstream) && isCost(cost + upstream) ? cost + upstream : undefined;
}

function readUsage(raw: object): LlmUsage | null {
  const numbers = numbersIn(raw);
  if (numbers === null) return null;
  const usage: LlmUsage = {};
  for (const [name, value] of Object.entries(numbers) as [keyof LlmUsage, number | undefined][]) {
    if (value !== undefined) usage[name] = value;
  }
  return Object.keys(usage).length === 0 ? null : usage;
}

type Numbers = { [name in keyof LlmUsage]-?: number | undefined };

/** The tokens that a usage of any of the shapes tells; null when it is of none. */
function numbersIn(raw: object): Numbers | null {
  if (has(raw, "prompt_tokens") || has(raw, "completion_tokens")) return chatTokens(raw);
  if (has(raw, "promptTokenCount") || has(raw, "candidatesTokenCount")) return geminiTokens(raw);
  if (has(raw, "input_tokens") || has(raw, "output_tokens")) return messageTokens(raw);
  if (has(raw, "inputTokens") || has(raw, "outputTokens")) return ownTokens(raw);
  return null;
}

/**
 * Chat completions of OpenAI, and all that speak like it. The totals hold everything; only xAI counts reasoning beside
 * the completion, which its total shows.
 */
function chatTokens(raw: object): Numbers {
  const input = objectIn(raw, "prompt_tokens_details");
  const prompt = tokens(raw, "prompt_tokens");
  const completion = tokens(raw, "completion_tokens");
  const reasoning = tokens(objectIn(raw, "completion_tokens_details"), "reasoning_tokens");
  const apart = tokens(raw, "total_tokens") === sum(prompt, completion, reasoning);
  return {
    inputTokens: prompt,
    outputTokens: completion !== undefined && apart ? sum(completion, reasoning) : completion,
    cachedTokens: tokens(input, "cached_tokens") ?? tokens(raw, "prompt_cache_hit_tokens"),
    cacheWriteTokens: tokens(input, "cache_write_tokens"),
    cacheWrite1hTokens: undefined,
    reasoningTokens: reasoning,
  };
}

/** Gemini: the prompt holds what was cached; thoughts, and what tools brought, stand beside the totals. */
function geminiTokens(raw: object): Numbers {
  const thoughts = tokens(raw, "thoughtsTokenCount");
  return {
    inputTokens: sum(tokens(raw, "promptTokenCount"), tokens(raw, "toolUsePromptTokenCount")),
    outputTokens: sum(tokens(raw, "candidatesTokenCount"), thoughts),
    cachedTokens: tokens(raw, "cachedContentTokenCount"),
    cacheWriteTokens: undefined,
    cacheWrite1hTokens: undefined,
    reasoningTokens: thoughts,
  };
}

/**
 * `input_tokens` and `output_tokens`: OpenAI's responses and LangChain's messages, whose totals hold everything, and
 * Anthropic's messages, whose input leaves out what was read from the cache and written to it.
 */
function messageTokens(raw: object): Numbers {
  const read = tokens(raw, "cache_read_input_tokens");
  const written = tokens(raw, "cache_creation_input_tokens");
  const input = objectIn(raw, "input_tokens_details") ?? objectIn(raw, "input_token_details");
  const output = objectIn(raw, "output_tokens_details") ?? objectIn(raw, "output_token_details");
  const total = tokens(raw, "input_tokens");
  return {
    inputTokens: total === undefined ? undefined : sum(total, read, written),
    outputTokens: tokens(raw, "output_tokens"),
    cachedTokens: read ?? tokens(input, "cached_tokens") ?? tokens(input, "cache_read"),
    cacheWriteTokens: written ?? tokens(input, "cache_write_tokens") ?? tokens(input, "cache_creation"),
    cacheWrite1hTokens: tokens(objectIn(raw, "cache_creation"), "ephemeral_1h_input_tokens"),
    reasoningTokens:
      tokens(output, "reasoning_tokens") ?? tokens(output, "thinking_tokens") ?? tokens(output, "reasoning"),
  };
}

/** The AI SDK, and `LlmUsage` itself. The totals hold everything. */
function ownTokens(raw: object): Numbers {
  const input = objectIn(raw, "inputTokenDetails");
  return {
    inputTokens: tokens(raw, "inputTokens"),
    outputTokens: tokens(raw, "outputTokens"),
    cachedTokens: tokens(raw, "cachedTokens") ?? tokens(input, "cacheReadTokens") ?? tokens(raw, "cachedInputTokens"),
    cacheWriteTokens: tokens(raw, "cacheWriteTokens") ?? tokens(input, "cacheWriteTokens"),
    cacheWrite1hTokens: tokens(raw, "cacheWrite1hTokens"),
    reasoningTokens: tokens(raw, "reasoningTokens") ?? tokens(objectIn(raw, "outputTokenDetails"), "reasoningTokens"),
  };
}

function sum(...parts: (number | undefined)[]): number | undefined {
  const known = parts.filter((part) => part !== undefined);
  return known.length === 0 ? undefined : known.reduce((a, b) => a + b, 0);
}

/** More than any call has; a larger number is rubbish. */
const MAX_TOKENS = 1e12;

/** Whether a value is a number of tokens. */
export function isTokens(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_TOKENS;
}

function tokens(holder: object | undefined, name: string): number | undefined {
  const value = member(holder, name);
  return isTokens(value) ? value : undefined;
}

function has(holder: object, name: string): boolean {
  return member(holder, name) !== undefined;
}

/** A property that is data of the object itself. */
function member(holder: object | undefined, name: string): unknown {
  return holder === undefined ? undefined : Object.getOwnPropertyDescriptor(holder, name)?.value;
}

function objectIn(holder: object, name: string): object | undefined {
  const value = member(holder, name);
  return isObject(value) ? value : undefined;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
