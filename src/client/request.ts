/** One request of a client: its options, its URL, and what it throws. */
import type { Problem } from "../protocol.js";

/** What a request carries: pairs, a `Headers`, or an object. */
export type ClientHeaders = Record<string, string> | [string, string][] | Headers;

/** Where the server is and how it is asked. */
export interface ClientOptions {
  /** Where the handler is mounted; an absolute URL outside a browser. Default `/operations`. */
  endpointBase?: string;
  /** Headers of every request. A function is asked each time, and once more after a 401. */
  headers?: ClientHeaders | (() => ClientHeaders | Promise<ClientHeaders>);
  /** As for `fetch`. Default `same-origin`. */
  credentials?: "omit" | "same-origin" | "include";
  /** What requests go through. Default: the global `fetch`. */
  fetch?: (url: string, init: RequestInit) => Promise<Response>;
}

/**
 * What clients report and throw; its `name` is `LivetailError`. The class itself stays out, because its table of
 * messages would be a fifth of the bundle, and the server sends the message anyway.
 */
export interface ClientError extends Error {
  /** What the server said; else `HTTP_` and the status; else `NO_ANSWER`: no network, a time-out, a useless body. */
  code: string;
  /** The HTTP status, or 0. */
  status: number;
  /** Whether the client has given up. */
  fatal: boolean;
  /** What `Retry-After` asked for, in milliseconds, at most an hour; 0 for nothing. */
  retryAfterMs: number;
}

/** The URL of a run, without a trailing slash. */
export function runUrl(runId: string, { endpointBase = "/operations" }: ClientOptions): string {
  return `${endpointBase}/${encodeURIComponent(runId)}`;
}

/** Sends one request and resolves to what `read` makes of a 2xx answer; rejects with a client error, whatever fails. */
export async function request<Result>(
  url: string,
  options: ClientOptions,
  init: RequestInit,
  read: (response: Response) => Promise<Result>,
): Promise<Result> {
  const { fetch = globalThis.fetch, headers = {} } = options;
  let status = 0;
  let retryAfterMs = 0;
  let problem: Partial<Problem> = {};
  let cause: unknown;
  try {
    // All options go along: `fetch` takes `credentials` and ignores what it does not know.
    const send = async () =>
      fetch(url, { ...options, ...init, headers: typeof headers === "function" ? await headers() : headers });
    let response = await send();
    if (response.status === 401 && typeof headers === "function") response = await send();
    if (response.ok) return await read(response);
    status = response.status;
    retryAfterMs = Math.min(Number(response.headers.get("retry-after")) || 0, 3600) * 1000;
    problem = { ...(await response.json()) };
  } catch (error) {
    cause = error;
  }
  const { code = status ? `HTTP_${status}` : "NO_ANSWER", detail = code } = problem;
  throw Object.assign(new Error(detail, { cause }), {
    name: "LivetailError",
    code,
    status,
    fatal: false,
    retryAfterMs,
  });
}
