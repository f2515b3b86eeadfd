/** The question that a user answers on every request: may this be done? */

/** What a request wants. `health`, `coverage` and `asset` are the paths below `/-/`. */
export type Action = "read" | "list" | "cancel" | "delete" | "health" | "coverage" | "asset";

/** What `authorize` is asked with. */
export interface AuthorizeRequest {
  /** The HTTP method, in capitals. */
  method: string;
  /** The URL as it came. */
  url: string;
  /** A header's value by lower-case name. */
  header(name: string): string | undefined;
  /** The framework's own request object. */
  raw: unknown;
  /** null where the request names no run. */
  runId: string | null;
  /** What is wanted. */
  action: Action;
}

/** `true`: allowed. `false`: 403. Else a status from 400 to 599 with a message for the viewer. */
export type AuthorizeAnswer =
  | boolean
  | {
      /** 400 to 599. */
      status: number;
      /** Why, for the viewer to read. Default: what the status means in general. */
      message?: string | undefined;
    };

/**
 * Decides on every request, resumes too; a preflight alone is not asked about. One that throws or rejects refuses with
 * 503, so that viewers ask again.
 */
export type Authorize = (request: AuthorizeRequest) => AuthorizeAnswer | Promise<AuthorizeAnswer>;
