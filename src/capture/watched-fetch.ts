/**
 * A `fetch` that tells the current run of the calls of models that go through it. Whoever calls it gets what it would
 * get without: the same bytes when it reads them, the same errors, and an abort is an abort.
 */
import { currentRun } from "../context.js";
import { openLlmCall } from "../llm-call.js";
import { askingForUsage, createUsageRemover } from "./usage-chunk.js";
import { watchResponse } from "./watched-response.js";

/** What a wrapper for an SDK's `fetch` option takes. */
export interface WatchedFetchOptions {
  /** Who answers, as calls, errors and cost are counted. Default: `openrouter` by its host, else the SDK's provider. */
  backend?: string;
  /** The step that calls, such as `grader`. Default: none. */
  step?: string;
  /** The fetch that does the work. Default: the global one. */
  fetch?: typeof globalThis.fetch;
}

/** What is known of an SDK's provider. */
export interface Provider {
  name: string;
  /** How the paths of its calls end. */
  paths: readonly string[];
  /** Whether to ask for the usage of a chat stream that did not ask for it, at this host. Default: never. */
  asksForUsage?: (host: string) => boolean;
}

type Fetch = typeof globalThis.fetch;

/** A request that is a call of a model. */
interface Ask {
  backend: string;
  provider: string;
  model: string | undefined;
  /** The body that asks for the usage as well, where that is wanted. */
  body: string | undefined;
}

/** Longer requests are not looked into: the answer tells the model. In UTF-16 units. */
const MAX_LENGTH = 4 * 1024 * 1024;

/** Wraps a fetch for the SDK of a provider. Outside of a run it is that fetch. */
export function watchFetch(provider: Provider, options: WatchedFetchOptions): Fetch {
  const { backend, step, fetch = globalThis.fetch } = options;
  const watched = async (...[input, init]: Parameters<Fetch>): Promise<Response> => {
    const ask = readAsk(provider, input, init);
    if (ask === undefined) return fetch(input, init);
    const call = openLlmCall({
      backend: backend ?? ask.backend,
      // A name of the user's own says nothing of whose prices count.
      ...(backend === undefined ? {} : { provider: ask.provider }),
      ...(ask.model === undefined ? {} : { model: ask.model }),
      ...(step === undefined ? {} : { step }),
    });
    try {
      const response = await fetch(input, ask.body === undefined ? init : { ...init, body: ask.body });
      const remover = ask.body === undefined ? undefined : createUsageRemover();
      return watchResponse(response, call, { signal: init?.signal, remover });
    } catch (error) {
      call.fail(error);
      throw error;
    }
  };
  return (input, init) => (currentRun() === undefined ? fetch(input, init) : watched(input, init));
}

function readAsk(provider: Provider, input: Parameters<Fetch>[0], init: RequestInit | undefined): Ask | undefined {
  const request = typeof input === "object" && "url" in input ? input : undefined;
  const address = request?.url ?? String(input);
  const method = init?.method ?? request?.method ?? "GET";
  if (String(method).toUpperCase() !== "POST" || !URL.canParse(address)) return undefined;
  const url = new URL(address);
  const path = provider.paths.find((each) => url.pathname.endsWith(each));
  if (path === undefined) return undefined;

  const name = /(^|\.)openrouter\.ai$/.test(url.hostname) ? "openrouter" : provider.name;
  const text = typeof init?.body === "string" && init.body.length <= MAX_LENGTH ? init.body : "";
  const body = fieldsOf(text);
  const asksForUsage =
    provider.asksForUsage?.(url.hostname) === true &&
    path === "/chat/completions" &&
    body.stream === true &&
    !("stream_options" in body) &&
    !new Headers(init?.headers).has("content-length");
  return {
    backend: name,
    provider: name,
    model: typeof body.model === "string" ? body.model : undefined,
    body: asksForUsage ? askingForUsage(text) : undefined,
  };
}

function fieldsOf(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    // The provider says what it thinks of it.
    return {};
  }
}
