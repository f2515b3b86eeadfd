/** Sends fuzzed requests to a handler that speaks fetch. */
import type { Handler } from "../../src/handler.js";
import { type DriverOptions, shown, until } from "./request-driver.js";
import type { FuzzedRequest } from "./request-grammar.js";
import type { SeenAnswer } from "./request-verdict.js";

type Handle = (request: Request) => Promise<Response>;

interface Caller {
  request: FuzzedRequest;
  abort: AbortController;
  answer: SeenAnswer | null;
  /** Its answer is a stream that has begun. */
  streaming: boolean;
}

/**
 * Sends requests at once, waits until each is answered or a viewer, and leaves. What cannot be said as a Request is
 * left out. Rejects when a request has neither an answer nor a viewer, or leaves a viewer behind.
 */
export async function sendFetched(
  handle: Handle,
  handler: Handler,
  requests: readonly FuzzedRequest[],
  { onAnswer, onHeld }: Pick<DriverOptions, "onAnswer" | "onHeld">,
): Promise<void> {
  const callers: Caller[] = [];
  const work: Promise<void>[] = [];
  for (const fuzzed of requests) {
    const abort = new AbortController();
    const request = asRequest(fuzzed, abort.signal);
    if (request === null) continue;
    const caller: Caller = { request: asFetched(fuzzed, request), abort, answer: null, streaming: false };
    callers.push(caller);
    work.push(take(handle(request), caller));
  }
  const open = (): Caller[] => callers.filter(({ answer, streaming }) => answer === null || streaming);
  await until(
    () => open().length === handler.viewers() && open().every(({ request }) => request.mayStay),
    () => `${handler.viewers()} viewers, without an answer: ${open().map(({ request }) => shown(request))}`,
  );
  for (const { request, answer } of callers) {
    if (answer === null) onHeld(request);
    else onAnswer(request, answer);
  }
  for (const { abort } of open()) abort.abort();
  await until(
    () => handler.viewers() === 0,
    () => `${handler.viewers()} viewers are left`,
  );
  await Promise.all(work);
}

/** The request as a Request; null for what cannot be one. */
function asRequest({ target, method, headers, body }: FuzzedRequest, signal: AbortSignal): Request | null {
  const url = target.startsWith("/") ? `http://localhost${target}` : target;
  const bodied = body !== "" && method !== "GET" && method !== "HEAD" && method !== "get";
  try {
    return new Request(url, {
      method,
      headers: headers.map(([name, value]): [string, string] => [name, value]),
      signal,
      ...(bodied && { body }),
    });
  } catch {
    return null;
  }
}

/** What it says once its URL and method were read as fetch reads them. */
function asFetched(fuzzed: FuzzedRequest, { method }: Request): FuzzedRequest {
  const dots = /\/(?:\.|%2e){1,2}(?:[/?]|$)/i.test(fuzzed.target);
  const said = fuzzed.said === null || dots ? null : { ...fuzzed.said, method };
  return { ...fuzzed, method, said, strange: false, mayStay: fuzzed.mayStay || said === null };
}

async function take(answering: Promise<Response>, caller: Caller): Promise<void> {
  const response = await answering.catch((error: unknown) => {
    throw new Error(`rejected: ${shown(caller.request)}`, { cause: error });
  });
  // Whoever has left wants no answer.
  if (caller.abort.signal.aborted) return;
  const { status, headers } = response;
  const seen = (text: string): SeenAnswer => ({
    status,
    header: (name) => headers.get(name) ?? undefined,
    names: [...headers.keys()],
    text,
  });
  if (headers.get("content-type")?.startsWith("text/event-stream") !== true || response.body === null) {
    caller.answer = seen(await response.text());
    return;
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      text += value;
      caller.streaming = true;
      if (text.includes("event: hello\n")) caller.answer = seen(text);
    }
    caller.streaming = false;
    caller.answer = seen(text);
  } catch (error) {
    if (!caller.abort.signal.aborted) throw error;
  }
}
