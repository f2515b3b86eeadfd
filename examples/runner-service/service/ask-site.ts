/** A request to a job site, as patient as the site asks for. */
import { setTimeout as delay } from "node:timers/promises";

/** A request that the site was too busy for, and that is made again. */
export type Retry = { url: string; status: number; wait_seconds: number };

/** How a site is asked. */
export interface Asking {
  /** Ends the request, and the wait for the next one. */
  signal?: AbortSignal | undefined;
  /** Hears of each request that is made again. */
  onRetry?(retry: Retry): void;
}

const MOST_ATTEMPTS = 3;

/** What the site answers. Where it says when to come back, it is asked again then. Rejects with what went wrong. */
export async function askSite(url: URL, { signal, onRetry }: Asking = {}): Promise<Response> {
  for (let attempt = 1; ; attempt++) {
    const response = await fetch(url, { signal: signal ?? null });
    if (response.ok) return response;
    await response.body?.cancel();
    const { status, headers } = response;
    const seconds = Number(headers.get("retry-after"));
    if (status === 404) throw new Error(`${url.pathname} does not exist.`);
    if (seconds === 0 || attempt === MOST_ATTEMPTS) throw new Error(`${url.pathname} answers ${status}.`);
    onRetry?.({ url: url.pathname + url.search, status, wait_seconds: seconds });
    await delay(seconds * 1000, undefined, signal && { signal });
  }
}
