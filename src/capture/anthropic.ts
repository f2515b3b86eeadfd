/** Calls that go through Anthropic's SDK → the run that they are made in: `new Anthropic({ fetch: anthropicFetch() })`. */
import { type WatchedFetchOptions, watchFetch } from "./watched-fetch.js";

/** What `anthropicFetch` takes. */
export type AnthropicFetchOptions = WatchedFetchOptions;

/**
 * A `fetch` for the SDK of Anthropic. Each request for a message is a call of the current run, retries of the SDK too;
 * everything else, and everything outside of a run, only passes.
 */
export function anthropicFetch(options: AnthropicFetchOptions = {}): typeof globalThis.fetch {
  return watchFetch({ name: "anthropic", paths: ["/v1/messages"] }, options);
}
