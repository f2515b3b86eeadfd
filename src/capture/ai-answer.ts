/** What models answer to the AI SDK, and what it fails with, in the shapes of its versions 5, 6 and 7. */
import { errorMessage, isError } from "../json.js";
import type { LlmOutcome, OpenLlmCall } from "../llm-call.js";
import { type LlmUsage, usageOf } from "../llm-usage.js";
import { fieldsIn, textIn } from "./fields-in.js";

/**
 * Reads an answer: a result of `doGenerate` or `doEmbed`, the part of a stream that finishes it, or a step as the
 * telemetry tells of it. What it does not say is left out. Never throws.
 */
export function answerOf(answer: unknown): LlmOutcome {
  try {
    return readAnswer(answer);
  } catch {
    // A getter threw: nothing is known, and that is what is told.
    return {};
  }
}

function readAnswer(answer: unknown): LlmOutcome {
  const { usage, response, providerMetadata, finishReason } = fieldsIn(answer);
  const outcome: LlmOutcome = {};
  const model = textIn(response, "modelId");
  if (model !== undefined) outcome.model = model;
  // Version 5 has text here, the others what all providers mean by it and what this one said.
  const reason = textIn(finishReason, "unified") ?? textIn({ finishReason }, "finishReason");
  if (reason !== undefined) outcome.finish_reason = reason;
  const tokens = tokensOf(usage, providerMetadata);
  if (tokens !== undefined) outcome.usage = tokens;
  const costUsd = costOf(usage, providerMetadata);
  if (costUsd !== undefined) Object.assign(outcome, { costUsd, costSource: "provider" });
  return outcome;
}

/** Totals hold what was cached, except those of Anthropic in version 5, whose own count stands in its metadata. */
function tokensOf(usage: unknown, providerMetadata: unknown): LlmUsage | undefined {
  const { inputTokens, outputTokens, tokens, raw } = fieldsIn(usage);
  if (tokens !== undefined) return usageOf({ inputTokens: tokens }).usage;
  if (typeof inputTokens !== "object" && typeof outputTokens !== "object") {
    const anthropic = fieldsIn(fieldsIn(providerMetadata).anthropic);
    const own = raw === undefined ? usageOf({ usage: anthropic.usage }).usage : undefined;
    return own ?? usageOf({ usage }).usage;
  }
  const input = fieldsIn(inputTokens);
  const output = fieldsIn(outputTokens);
  return usageOf({
    inputTokens: input.total,
    outputTokens: output.total,
    cachedTokens: input.cacheRead,
    cacheWriteTokens: input.cacheWrite,
    cacheWrite1hTokens: usageOf({ usage: raw }).usage?.cacheWrite1hTokens,
    reasoningTokens: output.reasoning,
  }).usage;
}

/** What the provider charged: OpenRouter says so in its own provider's metadata, and in the usage as it was sent. */
function costOf(usage: unknown, providerMetadata: unknown): number | undefined {
  const openrouter = fieldsIn(fieldsIn(fieldsIn(providerMetadata).openrouter).usage);
  return usageOf({ usage: fieldsIn(usage).raw }).costUsd ?? usageOf({ usage: openrouter }).costUsd;
}

/**
 * Whether an answer is a part of one: version 7 says so. Others say that nobody said why it ended, which also is what
 * some models always do; so its tokens must be missing, too.
 */
export function isCutShort(answer: unknown): boolean {
  const { finishReason } = fieldsIn(answer);
  const { finish_reason, usage } = answerOf(answer);
  if (finish_reason === "interrupted") return true;
  const unnamed = finishReason === "unknown" || (finish_reason === "other" && fieldsIn(finishReason).raw === undefined);
  return unnamed && usage === undefined;
}

/** Ends a call with what it failed with, but not with the request and the answer that the AI SDK hangs on its errors. */
export function failCall(call: OpenLlmCall, error: unknown, outcome: LlmOutcome = {}): void {
  if (!isError(error)) {
    call.fail(error, outcome);
    return;
  }
  const bare = new Error(errorMessage(error));
  bare.name = String(error.name);
  if (typeof error.stack === "string") bare.stack = error.stack;
  const { statusCode } = fieldsIn(error);
  call.fail(bare, typeof statusCode === "number" ? { ...outcome, status_code: statusCode } : outcome);
}
