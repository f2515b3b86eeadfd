/** The answer to a call of a model, watched while its caller reads it: how the call ended, its tokens and its cost. */
import type { LlmOutcome, OpenLlmCall } from "../llm-call.js";
import { createAnswerReader } from "./answer-reader.js";
import type { UsageRemover } from "./usage-chunk.js";
import { watchBody } from "./watched-body.js";

/** What a watched answer is watched with. */
export interface WatchedResponseOptions {
  /** The request's: aborting it ends the call, whether anybody reads or not. */
  signal?: AbortSignal | null | undefined;
  /** Takes out of the body what the caller did not ask for. Default: nothing. */
  remover?: UsageRemover | undefined;
}

const NOTHING = new Uint8Array();

/** The response as its caller gets it. `call` ends with the body: at its end, when reading fails, or when the reader leaves. */
export function watchResponse(response: Response, call: OpenLlmCall, options: WatchedResponseOptions): Response {
  const { signal, remover } = options;
  const { body, ok, headers } = response;
  const reader = createAnswerReader(headers.get("content-type") ?? "");

  const end = (error?: { cause: unknown; aborted?: boolean }): void => {
    signal?.removeEventListener("abort", onAbort);
    const { failure, finished, rubbish, unknownBecause, ...said } = error === undefined ? reader.end() : reader.told();
    const outcome: LlmOutcome = said;
    if (!ok) call.fail(httpError(response, failure), { ...outcome, http_status: response.status });
    else if (failure !== undefined) call.fail(failure, outcome);
    else if (rubbish) call.fail("The answer is no JSON.", outcome);
    else if (finished && unknownBecause !== undefined) call.complete({ ...outcome, unpriced_because: unknownBecause });
    else if (finished) call.complete(outcome);
    else if (error === undefined) call.fail("The answer ended before it was complete.", outcome);
    else call.fail(error.cause, error.aborted === true ? { ...outcome, aborted: true } : outcome);
  };
  const onAbort = (): void => end({ cause: signal?.reason, aborted: true });

  if (body !== null && !(body instanceof ReadableStream)) {
    // Another library's: it can be read once, by the caller.
    if (ok) call.complete({ unpriced_because: "the answer is no stream that can be watched" });
    else call.fail(httpError(response, undefined), { http_status: response.status });
    return response;
  }
  if (body === null) {
    end();
    return response;
  }
  signal?.addEventListener("abort", onAbort, { once: true });
  const watched = watchBody(body, {
    pass(piece) {
      reader.push(piece);
      return remover === undefined ? piece : remover.push(piece);
    },
    ended() {
      const rest = remover?.end() ?? NOTHING;
      end();
      return rest;
    },
    failed: (cause) => end({ cause }),
    left: () => end({ cause: "The caller left before the answer was complete.", aborted: true }),
  });
  return withBody(response, watched);
}

/** A copy of a response with another body. A constructor cannot be told these members. */
function withBody(response: Response, body: ReadableStream): Response {
  const { status, statusText, headers, url, redirected, type } = response;
  const copy = new Response(body, { status, statusText, headers });
  for (const [name, value] of Object.entries({ url, redirected, type })) Object.defineProperty(copy, name, { value });
  return copy;
}

function httpError({ status, statusText }: Response, said: string | undefined): string {
  const words = said ?? statusText;
  return words === "" ? `HTTP ${status}` : `HTTP ${status}: ${words}`;
}
