/**
 * What the AI SDK asks of models → calls of the run that they are made in.
 *
 * AI SDK 7, and 6 as far as it tells: `captureAi()`, once. AI SDK 5, and all that 6 does not tell: a model that is
 * wrapped with `livetailMiddleware()`. Both at once count a call once.
 */
import { currentRun } from "../context.js";
import { openLlmCall } from "../llm-call.js";
import { answerOf, failCall } from "./ai-answer.js";
import { type AiModel, callInfo, takeOver } from "./ai-calls.js";
import { watchStream } from "./ai-stream.js";
import { createIntegration, type Integration } from "./ai-telemetry.js";

/** What the middleware takes. */
export interface AiMiddlewareOptions {
  /** Who is counted as having answered. Default: the provider's name up to its first dot, such as `openai`. */
  backend?: string;
  /** The step that calls, such as `grader`. */
  step?: string;
}

/** A middleware of `wrapLanguageModel` (AI SDK 5, 6 and 7), `wrapEmbeddingModel` (6 and 7) and `wrapProvider`. */
export interface AiMiddleware {
  /** Nothing: each version of the AI SDK wants another word here, and none reads it. */
  readonly specificationVersion: never;
  /** Called by the AI SDK around a call that answers at once. */
  wrapGenerate<T>(asked: { doGenerate: () => PromiseLike<T>; model: AiModel }): Promise<T>;
  /** Called by the AI SDK around a call that streams. */
  wrapStream<T extends object>(asked: { doStream: () => PromiseLike<T>; model: AiModel }): Promise<T>;
  /** Called by the AI SDK around a call for embeddings. */
  wrapEmbed<T>(asked: { doEmbed: () => PromiseLike<T>; model: AiModel }): Promise<T>;
}

/**
 * Creates a middleware that tells the current run of each call of the model, retries, failures and aborts among them.
 * The caller gets the same answers, streams and errors as without; outside of a run it does nothing.
 */
export function livetailMiddleware(options: AiMiddlewareOptions = {}): AiMiddleware {
  const open = (model: AiModel) => {
    const run = currentRun();
    if (run === undefined) return undefined;
    return takeOver(model) ?? openLlmCall(callInfo(model, options), run);
  };
  const once = async <T>(model: AiModel, ask: () => PromiseLike<T>): Promise<T> => {
    const call = open(model);
    if (call === undefined) return ask();
    try {
      const answer = await ask();
      call.complete(answerOf(answer));
      return answer;
    } catch (error) {
      failCall(call, error);
      throw error;
    }
  };
  return {
    specificationVersion: undefined as never,
    wrapGenerate: ({ doGenerate, model }) => once(model, doGenerate),
    wrapEmbed: ({ doEmbed, model }) => once(model, doEmbed),
    async wrapStream({ doStream, model }) {
      const call = open(model);
      if (call === undefined) return doStream();
      try {
        const answer = await doStream();
        const stream = watchStream(answer, call);
        return stream === undefined ? answer : { ...answer, stream };
      } catch (error) {
        failCall(call, error);
        throw error;
      }
    },
  };
}

const KEY = Symbol.for("livetail.ai.captures");

const shared = globalThis as {
  [KEY]?: { count: number; integration: Integration };
  /** Where the AI SDK, of version 6 and 7, keeps those who want to hear of its calls. */
  AI_SDK_TELEMETRY_INTEGRATIONS?: unknown[];
};

/**
 * Captures what AI SDK 6 and 7 tell from now on, and returns what undoes it. Version 7 tells of each call of a model
 * and of an embedding, unless it is given `telemetry: { isEnabled: false }` or integrations of its own. Version 6 tells
 * of the steps of `generateText` and `streamText` that begin and that end well: for failures, objects and embeddings
 * wrap the model. Calling it again captures nothing twice. Outside of a run it does nothing.
 */
export function captureAi(): () => void {
  shared[KEY] ??= { count: 0, integration: createIntegration() };
  const captures = shared[KEY];
  if (++captures.count === 1) {
    shared.AI_SDK_TELEMETRY_INTEGRATIONS ??= [];
    shared.AI_SDK_TELEMETRY_INTEGRATIONS.push(captures.integration);
  }
  let undone = false;
  return () => {
    if (undone) return;
    undone = true;
    if (--captures.count > 0) return;
    const all = shared.AI_SDK_TELEMETRY_INTEGRATIONS ?? [];
    const place = all.indexOf(captures.integration);
    if (place >= 0) all.splice(place, 1);
  };
}
