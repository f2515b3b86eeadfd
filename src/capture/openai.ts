/**
 * Calls that go through OpenAI's SDK → the run that they are made in: `new OpenAI({ fetch: openaiFetch() })`. With a
 * `baseURL` also those of OpenRouter, and of whoever else speaks like OpenAI.
 */
import { type WatchedFetchOptions, watchFetch } from "./watched-fetch.js";

/** What `openaiFetch` takes. */
export interface OpenAiFetchOptions extends WatchedFetchOptions {
  /**
   * Whether a chat stream that has no `stream_options` is asked for its usage, without which its cost stays unknown.
   * What that adds to the stream is taken out again before the caller gets it. Default: at `api.openai.com` only,
   * because not everybody who speaks like OpenAI takes the wish.
   */
  includeUsage?: boolean;
}

/**
 * A `fetch` for the SDK of OpenAI. Each request for a chat completion, response, completion or embedding is a call of
 * the current run, retries of the SDK too; everything else, and everything outside of a run, only passes.
 */
export function openaiFetch(options: OpenAiFetchOptions = {}): typeof globalThis.fetch {
  const { includeUsage } = options;
  return watchFetch(
    {
      name: "openai",
      paths: ["/chat/completions", "/responses", "/completions", "/embeddings"],
      asksForUsage: (host) => includeUsage ?? host === "api.openai.com",
    },
    options,
  );
}
