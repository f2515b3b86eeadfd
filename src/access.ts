/** Who may do what: `authorize`, cross-site requests, CORS. */
import { problemAnswer, withHeaders } from "./answer.js";
import type { Action, Authorize } from "./authorize.js";
import { LivetailError } from "./errors.js";
import type { HandlerRequest, HandlerResponse } from "./exchange.js";
import { remembered } from "./remembered.js";
import { authorizeAnswer } from "./schema.js";

export type { Action, Authorize, AuthorizeAnswer, AuthorizeRequest } from "./authorize.js";

/** Which pages of other origins may read. */
export interface CorsOptions {
  /** Origins as a browser sends them (`https://example.com`), or `*` for every one. */
  origins: "*" | readonly string[];
  /** Whether cookies may come along; not with `*`. Default false. */
  credentials?: boolean;
}

/** Decides who may do what. */
export interface Access {
  /** null: go on; else the refusal. At once where `authorize` answers at once. */
  check(request: HandlerRequest, runId: string | null, action: Action): Verdict | Promise<Verdict>;
  /** The answer to `request` with the CORS headers that it needs; without `cors` as it is. */
  withCors(request: HandlerRequest, answer: HandlerResponse): HandlerResponse;
}

/** A refusal, or null for none. */
export type Verdict = HandlerResponse | null;

/** What `createAccess` takes. */
export interface AccessOptions {
  authorize: Authorize | undefined;
  cors: CorsOptions | undefined;
  /** Hears of what `authorize` threw, and of an answer that is none. */
  onError: (error: LivetailError) => void;
}

/** What nobody may do without `authorize`. */
const DEEDS = {
  list: "list runs",
  cancel: "cancel runs",
  delete: "delete runs",
  coverage: "see what can be watched",
} as const;

/** An id of livetail's own making: its random part has 120 bits or more, so that knowing it is a permission to read. */
const UNGUESSABLE = /^op_[A-Za-z0-9._-]+_[a-z0-9]{24,}$/;
const isUnguessable = remembered((runId) => UNGUESSABLE.test(runId));

/** Makes the one place that decides. Throws `INVALID_OPTION` for credentials with every origin. */
export function createAccess({ authorize, cors, onError }: AccessOptions): Access {
  if (cors?.origins === "*" && cors.credentials === true) {
    throw new LivetailError("INVALID_OPTION", "cors.credentials needs a list of origins.");
  }
  const named = (origin: string | undefined): boolean =>
    origin !== undefined && Array.isArray(cors?.origins) && cors.origins.includes(origin);

  const refuse = (detail?: string): HandlerResponse => problemAnswer("FORBIDDEN", detail);

  const verdict = (answer: unknown): Verdict => {
    if (answer === true) return null;
    const { success, data } = authorizeAnswer.safeParse(answer);
    if (!success) {
      onError(
        new LivetailError("INVALID_OPTION", "authorize answered neither true, false nor a status from 400 to 599."),
      );
      return refuse();
    }
    if (typeof data === "boolean") return refuse();
    const code = data.status === 401 ? "UNAUTHORIZED" : data.status === 404 ? "RUN_NOT_FOUND" : "FORBIDDEN";
    return problemAnswer(code, data.message, data.status);
  };

  const failed = (cause: unknown): HandlerResponse => {
    onError(new LivetailError("FORBIDDEN", "authorize failed, so the request was refused.", { cause }));
    // What it asks may be away for a moment: a viewer must not take this for its last word.
    return problemAnswer("FORBIDDEN", "Whether this is allowed could not be found out.", 503);
  };

  const withoutAuthorize = (runId: string | null, action: Action): Verdict => {
    if (action === "health" || action === "asset") return null;
    if (action !== "read") return refuse(`Without authorize nobody may ${DEEDS[action]}.`);
    return runId !== null && isUnguessable(runId)
      ? null
      : refuse("Without authorize only runs whose id nobody can guess may be read.");
  };

  return {
    check(request, runId, action) {
      const changes = action === "cancel" || action === "delete";
      if (changes && request.header("sec-fetch-site") === "cross-site" && !named(request.header("origin"))) {
        return refuse("A page of another site may not do this.");
      }
      if (authorize === undefined) return withoutAuthorize(runId, action);
      const { method, url, raw } = request;
      const header = (name: string): string | undefined => request.header(name);
      try {
        const answer = authorize({ method, url, header, raw, runId, action });
        if (typeof answer !== "object" || answer === null || !("then" in answer)) return verdict(answer);
        // A promise of another library, or of another realm, is no Promise to whoever goes on with the verdict.
        return Promise.resolve(answer).then(verdict).catch(failed);
      } catch (error) {
        return failed(error);
      }
    },

    withCors(request, answer) {
      if (cors === undefined) return answer;
      const origin = request.header("origin");
      const headers: Record<string, string> = cors.origins === "*" ? {} : { Vary: "Origin" };
      if (cors.origins === "*" || named(origin)) {
        headers["Access-Control-Allow-Origin"] = cors.origins === "*" ? "*" : (origin ?? "");
        if (cors.credentials === true) headers["Access-Control-Allow-Credentials"] = "true";
        headers["Access-Control-Expose-Headers"] = "Retry-After, ETag";
        if (request.method === "OPTIONS") {
          headers["Access-Control-Allow-Methods"] = "GET, HEAD, POST, DELETE";
          headers["Access-Control-Allow-Headers"] = request.header("access-control-request-headers") ?? "*";
          headers["Access-Control-Max-Age"] = "600";
        }
      }
      return withHeaders(answer, headers);
    },
  };
}
