/**
 * The one error class and the one table of what can go wrong: code → HTTP status and message.
 * This file imports nothing, so that a browser can have it.
 */

/** Code → HTTP status (0: never an answer, writers only) and what it says. */
export const ERRORS = {
  INVALID_RUN_ID: [400, "The run id is not valid."],
  INVALID_PARAMETER: [400, "A parameter is not valid."],
  UNAUTHORIZED: [401, "This request carries no valid credentials."],
  FORBIDDEN: [403, "This request is not allowed."],
  RUN_NOT_FOUND: [404, "There is no such run; it never existed or has expired."],
  METHOD_NOT_ALLOWED: [405, "This method is not allowed here."],
  RUN_NOT_COMPLETED: [409, "The run has not completed."],
  IDEMPOTENCY_KEY_REUSED: [422, "This Idempotency-Key came with another request before."],
  TOO_MANY_VIEWERS: [429, "Too many viewers are attached."],
  TOO_MANY_OPERATIONS: [429, "Too many operations wait already."],
  STORE_UNAVAILABLE: [503, "The store cannot be reached."],
  RUN_ENDED: [0, "The run has ended; nothing more can be written to it."],
  FENCED: [0, "Another owner has taken the run over."],
  OWNED: [0, "The run has a live owner."],
  TOO_MANY_PRODUCERS: [0, "The run has too many producers."],
  STORE_REFUSED: [0, "The store refused a write that will not be tried again."],
  CANCELLED: [0, "The run was cancelled."],
  STORE_RECOVERED: [0, "The store can be reached again."],
  INVALID_OPTION: [0, "An option is not valid."],
  BUDGET_EXCEEDED: [0, "The run has cost as much as it may."],
  COST_UNKNOWN: [0, "What a call costs is not known."],
  INVALID_EVENT: [0, "An event is not what its schema says; it is logged as it is."],
  RULE_FAILED: [0, "A rule for lines threw; the line is logged as it is."],
  CLOSED: [0, "This livetail is closed."],
} as const satisfies Record<string, readonly [number, string]>;

/** What identifies an error; compare this, not the class. */
export type ErrorCode = keyof typeof ERRORS;

/** Every error that livetail makes. `code` identifies it, `status` is its HTTP status or 0. */
export class LivetailError extends Error {
  /** What it is: the one thing to tell errors apart by. */
  readonly code: ErrorCode;
  /** The HTTP status of an answer with it; 0 where it is none. */
  readonly status: number;

  /** `detail` replaces the table's message; `options.cause` keeps what led here. */
  constructor(code: ErrorCode, detail?: string, options?: { cause?: unknown }) {
    super(detail ?? ERRORS[code][1], options);
    this.name = "LivetailError";
    this.code = code;
    this.status = ERRORS[code][0];
  }
}

/** Whether a thrown value is a livetail error (of this copy of the package or another), of `code` if given. */
export function isLivetailError(error: unknown, code?: ErrorCode): error is LivetailError {
  if (typeof error !== "object" || error === null) return false;
  const found = error as { name?: unknown; code?: unknown };
  return found.name === "LivetailError" && (code === undefined || found.code === code);
}
