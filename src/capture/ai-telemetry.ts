/** What the AI SDK tells its telemetry integrations of, in versions 6 and 7, which find them in the same place. */
import { answerOf, failCall } from "./ai-answer.js";
import { type AiModel, beginTold, endTold, keepTold, type ToldCall, withinTold } from "./ai-calls.js";
import { watchStream } from "./ai-stream.js";
import { fieldsIn } from "./fields-in.js";

/** An integration, as the AI SDK calls it. */
export interface Integration {
  /** Version 7: one attempt to ask a model for text. */
  executeLanguageModelCall<T>(asked: Attempt<T>): Promise<T>;
  onLanguageModelCallEnd(event: unknown): void;
  onAbort(event: unknown): void;
  /** Version 6: a step. Version 7 tells of it, too, and says nothing new. */
  onStepStart(event: unknown): void;
  onStepFinish(event: unknown): void;
  /** Version 7: an object, however many attempts it takes. */
  onObjectStepStart(event: unknown): void;
  onObjectStepEnd(event: unknown): void;
  /** Version 7: one attempt to embed. */
  onEmbedStart(event: unknown): void;
  onEmbedEnd(event: unknown): void;
  /** Version 7: an operation, of whatever kind. */
  onError(event: unknown): void;
  onEnd(event: unknown): void;
}

interface Attempt<T> extends AiModel {
  callId: string;
  functionId?: string;
  execute: () => PromiseLike<T>;
}

/** Creates an integration that tells the current run. None of its methods throws or waits on its own account. */
export function createIntegration(): Integration {
  return {
    async executeLanguageModelCall(asked) {
      const told = beginTold(asked, asked.functionId);
      if (told === undefined) return asked.execute();
      try {
        const answer = await withinTold(told, asked.execute);
        if (!told.taken) endWith(answer, told, asked);
        return answer;
      } catch (error) {
        failCall(told.call, error);
        throw error;
      } finally {
        // Whatever asks a model from now on, be it from within this context, is another call.
        told.taken = true;
      }
    },
    onLanguageModelCallEnd: complete,
    onAbort: (event) => failAll(event, new DOMException("The call was aborted.", "AbortError")),

    onStepStart(event) {
      const { model, functionId, abortSignal } = fieldsIn(event);
      if (isVersion7(event) || !isModel(model)) return;
      const told = begin(nameOf(event), model, functionId);
      if (told === undefined || !(abortSignal instanceof AbortSignal)) return;
      // Of ends that are no good ones it tells nothing.
      const abort = (): void => {
        if (!told.taken) failCall(told.call, new DOMException("The call was aborted.", "AbortError"));
        told.taken = true;
      };
      abortSignal.addEventListener("abort", abort, { once: true });
      listening.set(told, () => abortSignal.removeEventListener("abort", abort));
    },
    onStepFinish(event) {
      if (!isVersion7(event)) complete(event);
    },

    onObjectStepStart: beginEvent,
    onObjectStepEnd: complete,
    onEmbedStart: beginEvent,
    onEmbedEnd: complete,
    onError: (event) => failAll(event, fieldsIn(event).error),
    onEnd: (event) => failAll(event, new Error("The attempt failed, and another one was made.")),
  };
}

/** What to do when a step ends for which an abort is listened to. */
const listening = new WeakMap<ToldCall, () => void>();

function beginEvent(event: unknown): void {
  if (isModel(event)) begin(nameOf(event), event, fieldsIn(event).functionId);
}

function begin(name: string, model: AiModel, step: unknown): ToldCall | undefined {
  const told = beginTold(model, step);
  if (told !== undefined) keepTold(name, told);
  return told;
}

function complete(event: unknown): void {
  const told = endTold(nameOf(event));
  if (told === undefined) return;
  listening.get(told)?.();
  told.call.complete(answerOf(event));
}

/** Fails all calls of an operation that have not ended. */
function failAll(event: unknown, error: unknown): void {
  if (!isVersion7(event)) return;
  for (let told = endTold(nameOf(event)); told !== undefined; told = endTold(nameOf(event))) failCall(told.call, error);
}

/** Ends a call with the answer of its attempt, or lets its stream do so. */
function endWith(answer: unknown, told: ToldCall, event: unknown): void {
  const stream = watchStream(answer, told.call);
  if (stream === undefined) return;
  (answer as { stream: unknown }).stream = stream;
  // A copy without credentials is what we get of some answers: the stream is then read without us.
  keepTold(nameOf(event), told);
}

function isVersion7(event: unknown): boolean {
  return typeof fieldsIn(event).callId === "string";
}

function isModel(value: unknown): value is AiModel {
  const { provider, modelId } = fieldsIn(value);
  return typeof provider === "string" && typeof modelId === "string";
}

/**
 * What the beginning and the end of a call have in common: in version 7 their operation. Version 6 does not number what
 * it tells of: of two like steps at once either may be meant, and it does not matter which.
 */
function nameOf(event: unknown): string {
  const { callId, model, stepNumber } = fieldsIn(event);
  if (typeof callId === "string") return callId;
  const { provider, modelId } = fieldsIn(model);
  return `${stepNumber} ${provider} ${modelId}`;
}
