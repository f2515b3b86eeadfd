/** The answers of the handler: JSON, HTML, problems. */
import { ERRORS, type ErrorCode, type LivetailError } from "./errors.js";
import type { HandlerResponse } from "./exchange.js";
import type { Problem } from "./protocol.js";

const PLAIN = { "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff" };

/** Headers of a JSON answer. One object for all of them: nobody changes it. */
const JSON_HEADERS: Record<string, string> = { "Content-Type": "application/json; charset=utf-8", ...PLAIN };

/** An answer whose body is JSON, as text or as bytes. */
export function jsonAnswer(body: string | Uint8Array, status = 200): HandlerResponse {
  return { status, headers: JSON_HEADERS, body };
}

/** An answer with a body of some type. */
export function typedAnswer(
  contentType: string,
  body: HandlerResponse["body"],
  headers: Record<string, string> = {},
): HandlerResponse {
  return { status: 200, headers: { "Content-Type": contentType, ...PLAIN, ...headers }, body };
}

/** An answer without a body. */
export function emptyAnswer(status: number, headers: Record<string, string> = {}): HandlerResponse {
  return { status, headers: { ...PLAIN, ...headers }, body: null };
}

/** When to ask again after a refusal that passes, in seconds. */
const RETRY_AFTER: Partial<Record<ErrorCode, string>> = {
  TOO_MANY_VIEWERS: "5",
  TOO_MANY_OPERATIONS: "5",
  STORE_UNAVAILABLE: "1",
};

/** An error as `application/problem+json`. `status` replaces the table's. */
export function problemAnswer(
  code: ErrorCode,
  detail: string = ERRORS[code][1],
  status: number = ERRORS[code][0],
): HandlerResponse {
  const body: Problem = { type: "about:blank", title: ERRORS[code][1], status, detail, code };
  const headers: Record<string, string> = { "Content-Type": "application/problem+json; charset=utf-8", ...PLAIN };
  const retryAfter = RETRY_AFTER[code] ?? (status === 503 ? "1" : undefined);
  if (retryAfter !== undefined) headers["Retry-After"] = retryAfter;
  // RFC 9110 wants a challenge with every 401; what it has in mind is up to `authorize`.
  if (status === 401) headers["WWW-Authenticate"] = "Bearer";
  return { status, headers, body: JSON.stringify(body) };
}

/** The problem that an error is. One that is no answer of the protocol is the store's fault. */
export function errorAnswer(error: LivetailError): HandlerResponse {
  return error.status > 0 ? problemAnswer(error.code, error.message) : problemAnswer("STORE_UNAVAILABLE");
}

/** An answer with more headers; `Vary` adds to what is there. */
export function withHeaders(answer: HandlerResponse, headers: Record<string, string>): HandlerResponse {
  const all = { ...answer.headers, ...headers };
  if (answer.headers.Vary !== undefined && headers.Vary !== undefined) {
    all.Vary = `${answer.headers.Vary}, ${headers.Vary}`;
  }
  return { ...answer, headers: all };
}
