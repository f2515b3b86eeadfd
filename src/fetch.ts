/** The handler's WHATWG face: a Request in, a Response out, for whatever speaks fetch. */
import { problemAnswer } from "./answer.js";
import { type HandlerResponse, isLiveBody, type LiveBody } from "./exchange.js";
import type { Handler } from "./handler.js";
import { belowMount, mountPath } from "./mount.js";

/** What `createFetchHandler` takes. */
export interface FetchHandlerOptions {
  /** The path that the handler is mounted at, as the viewer sees it. Default: the root. */
  mount?: string;
}

/** Bytes that a body holds ready for a viewer before it is behind. */
const READY_BYTES = 65_536;

/**
 * Serves a livetail as `(Request) => Promise<Response>`. What lies outside the mount is answered 404. `authorize` gets
 * the Request as `raw`. Never rejects. A stream ends when its body is cancelled or the request's signal aborts.
 */
export function createFetchHandler(
  livetail: { handler: Handler },
  options: FetchHandlerOptions = {},
): (request: Request) => Promise<Response> {
  const mount = mountPath(options.mount ?? "");
  return (request) => serveFetch(livetail, request, { mount, url: request.url, raw: request });
}

/** Where a Request stands in its framework. */
export interface FetchPlace {
  /** The path of the mount as the viewer sees it, without a trailing slash. */
  mount: string;
  /** The path of the request, mount included. Default: that of its URL. */
  path?: string;
  /** The URL as the framework shows it, for `authorize`. */
  url: string;
  /** The framework's own request object, for `authorize`. */
  raw: unknown;
}

/** Answers a Request. What lies outside the mount is answered 404. Never rejects. */
export async function serveFetch(
  { handler }: { handler: Handler },
  request: Request,
  { mount, path, url, raw }: FetchPlace,
): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  const below = belowMount(path ?? pathname, mount);
  const answer =
    below === null
      ? problemAnswer("RUN_NOT_FOUND", "Nothing is served at this path.")
      : await handler.handle({
          method: request.method,
          path: below || "/",
          query: search.slice(1),
          url,
          mount,
          raw,
          header: (name) => request.headers.get(name) ?? undefined,
          get signal() {
            return request.signal;
          },
        });
  return responseOf(answer, request);
}

/** An answer as a Response to `request`. */
export function responseOf({ status, headers, body }: HandlerResponse, request: Request): Response {
  if (isLiveBody(body)) return new Response(liveStream(body, request.signal), { status, headers });
  if (body === null) return new Response(null, { status, headers });
  const bytes = typeof body === "string" ? encoder.encode(body) : new Uint8Array(body);
  // With its length, so that no bridge has to send it in chunks, and a HEAD says it, too.
  const init = { status, headers: { ...headers, "Content-Length": String(bytes.length) } };
  return new Response(request.method === "HEAD" ? null : bytes, init);
}

/** Whether a Response of `serveFetch` goes on until its run ends or its viewer leaves. */
export function isStreamed(response: Response): boolean {
  return response.body !== null && !response.headers.has("Content-Length");
}

const encoder = new TextEncoder();

/** A viewer's connection as a stream: `pull` is its drain. */
function liveStream(body: LiveBody, signal: AbortSignal): ReadableStream<Uint8Array> {
  let viewer: ReturnType<LiveBody["attach"]> | null = null;
  let open = true;
  /** Whether the viewer was told to wait. */
  let full = false;
  let onAbort = (): void => {};

  /** False when the body was over before. */
  const shut = (): boolean => {
    if (!open) return false;
    open = false;
    signal.removeEventListener("abort", onAbort);
    return true;
  };

  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        viewer = body.attach({
          write(chunk) {
            if (!open) return false;
            controller.enqueue(typeof chunk === "string" ? encoder.encode(chunk) : chunk);
            full = (controller.desiredSize ?? 0) <= 0;
            return !full;
          },
          get pendingBytes() {
            return READY_BYTES - (controller.desiredSize ?? READY_BYTES);
          },
          end() {
            if (shut()) controller.close();
          },
          destroy() {
            if (shut()) controller.error(new DOMException("The viewer was cut off.", "AbortError"));
          },
        });
        onAbort = () => {
          if (!shut()) return;
          viewer?.onClose();
          controller.error(signal.reason);
        };
        if (signal.aborted) onAbort();
        else signal.addEventListener("abort", onAbort);
      },
      pull() {
        if (!full) return;
        full = false;
        viewer?.onDrain();
      },
      cancel() {
        if (shut()) viewer?.onClose();
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: READY_BYTES }),
  );
}
