/** The stream of a model's answer, watched while somebody else reads it. */
import type { LlmOutcome, OpenLlmCall } from "../llm-call.js";
import { answerOf, failCall, isCutShort } from "./ai-answer.js";
import { fieldsIn, textIn } from "./fields-in.js";

/**
 * The stream of an answer, with the same parts, errors and end: nothing is read before it is asked for, and a reader
 * that leaves makes the model stop. Ends the call when the stream finishes, fails, is cancelled, or is over too early.
 * An answer without a stream ends it at once.
 */
export function watchStream(answer: unknown, call: OpenLlmCall): ReadableStream<unknown> | undefined {
  const { stream } = fieldsIn(answer);
  if (!isStream(stream)) {
    call.complete(answerOf(answer));
    return undefined;
  }
  // Locked only by the first read: until then the stream may still be read without us.
  let locked: ReadableStreamDefaultReader<unknown> | undefined;
  const reader = (): ReadableStreamDefaultReader<unknown> => {
    locked ??= stream.getReader();
    return locked;
  };
  const seen: Seen = { finished: false };
  return new ReadableStream<unknown>(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader().read();
          if (done) {
            if (!seen.finished) failCall(call, seen.error ?? tooEarly(), known(seen));
            controller.close();
            return;
          }
          look(value, seen, call);
          controller.enqueue(value);
        } catch (error) {
          failCall(call, error, known(seen));
          controller.error(error);
        }
      },
      cancel(reason) {
        if (!seen.finished) failCall(call, new DOMException("The reader left the stream.", "AbortError"), known(seen));
        return reader().cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}

function isStream(value: unknown): value is ReadableStream<unknown> {
  return typeof fieldsIn(value).getReader === "function";
}

/** What the parts so far have told. */
interface Seen {
  finished: boolean;
  model?: string;
  error?: unknown;
}

function look(part: unknown, seen: Seen, call: OpenLlmCall): void {
  const { type, error } = fieldsIn(part);
  if (type === "response-metadata") {
    const model = textIn(part, "modelId");
    if (model !== undefined) seen.model = model;
  } else if (type === "error") {
    seen.error ??= error;
  } else if (type === "finish") {
    seen.finished = true;
    const outcome = { ...known(seen), ...answerOf(part) };
    // Most providers finish a stream, too, that failed or broke off.
    const error = seen.error ?? (isCutShort(part) ? tooEarly() : undefined);
    if (error !== undefined) failCall(call, error, outcome);
    else call.complete(outcome);
  }
}

function tooEarly(): Error {
  return new Error("The stream ended before the answer did.");
}

function known({ model }: Seen): LlmOutcome {
  return model === undefined ? {} : { model };
}
