/** The handler's WHATWG face: a Request in, a Response out, for whatever speaks fetch. */
import { problemAnswer } from "./answer.js";
import { type HandlerRequest, isLiveBody, type LiveBody } from "./exchange.js";
import type { Handler } from "./handler.js";

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
  { handler }: { handler: Handler },
  options: FetchHandlerOptions = {},
): (request: Request) => Promise<Response> {
  const mount = (options.mount ?? "").replace(/^\/*(?=[^/])/, "/").replace(/\/+$/, "");
  return async (request) => {
    const { pathname, search } = new URL(request.url);
    const below = pathname.startsWith(mount) ? pathname.slice(mount.length) : null;
    const inside = below === "" || below?.startsWith("/") === true;
    const answer = inside
      ? await handler.handle(plainValues(request, below || "/", search.slice(1), mount))
      : problemAnswer("RUN_NOT_FOUND", "Nothing is served at this path.");
    const { status, headers, body } = answer;
    if (isLiveBody(body)) return new Response(liveStream(body, request.signal), { status, headers });
    if (body === null || request.method === "HEAD") return new Response(null, { status, headers });
    return new Response(typeof body === "string" ? body : new Uint8Array(body), { status, headers });
  };
}

function plainValues(request: Request, path: string, query: string, mount: string): HandlerRequest {
  return {
    method: request.method,
    path,
    query,
    url: request.url,
    mount,
    raw: request,
    header: (name) => request.headers.get(name) ?? undefined,
    get signal() {
      return request.signal;
    },
  };
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
