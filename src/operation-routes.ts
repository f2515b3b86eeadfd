/**
 * Slow endpoints as operations: `202 Accepted` with the addresses of the run at once, or the answer as before with a run
 * to watch meanwhile. Plain values in and out; the adapters put them into a framework's handler.
 */
import { jsonAnswer, problemAnswer, withHeaders } from "./answer.js";
import { type Clock, systemClock } from "./clock.js";
import { withRun } from "./context.js";
import { defaultLivetail } from "./default-livetail.js";
import { isLivetailError } from "./errors.js";
import type { HandlerResponse } from "./exchange.js";
import { MAX_MESSAGE_LENGTH } from "./handle.js";
import { errorMessage, isError } from "./json.js";
import type { Livetail } from "./livetail.js";
import { mountPath } from "./mount.js";
import { plainText } from "./plain-text.js";
import { isTerminal, LIMITS, type RunStatus } from "./protocol.js";
import { randomId } from "./random-id.js";
import type { Run, RunOptions } from "./run.js";
import { keyedRunId, keyedText } from "./run-id.js";
import { WorkLimit, type WorkLimitOptions } from "./work-limit.js";

/** What the operations of a server are made with. */
export interface OperationRoutesOptions extends WorkLimitOptions {
  /** Default: the default one. */
  livetail?: Livetail;
  /** Where the routes of livetail are, for the addresses in an answer. Default `/operations`. */
  mount?: string;
  /**
   * What makes the ids of runs with an `Idempotency-Key`. Default: a random one, so that a key is known to this process
   * only; processes with one secret and one store know each other's.
   */
  idempotencySecret?: string;
  /** The clock and its timers. Default: the real ones. */
  clock?: Clock;
}

/** How one operation's runs are made; `Input` is what its framework hands to a handler. */
export interface OperationOptions<Input> {
  /** Whom a run is about, such as the id in the URL. Default: the operation's name. */
  subject?: (input: Input) => string;
  /** More of a run: its metadata, its parent. */
  run?: (input: Input) => Omit<RunOptions, "id" | "handOver" | "takeOver">;
  /**
   * What a request with an `Idempotency-Key` is known again by, beside its key, operation and subject: anything that JSON
   * can say. Default: its body, where that is parsed already (by Fastify, or in front of Express, Koa and Nest); elsewhere
   * nothing.
   */
  fingerprint?: (input: Input) => unknown;
}

/** A request for an operation. */
export interface OperationRequest {
  operation: string;
  subject: string;
  options: RunOptions;
  /** Asked for requests with an `Idempotency-Key`. */
  fingerprint?(): unknown;
  /** A header's value by lower-case name. */
  header(name: string): string | undefined;
  work(run: Run): unknown;
}

/** What is known of a request before anybody looks at its headers. */
export type AskedOperation = Pick<OperationRequest, "operation" | "subject" | "options" | "fingerprint">;

/** The body of a `202 Accepted`. */
export interface AcceptedOperation {
  run_id: string;
  /** `queued`; another status when the request's `Idempotency-Key` came before. */
  status: RunStatus;
  poll_url: string;
  stream_url: string;
  view_url: string;
}

/** What a request of a framework asks for; `body` is the parsed one. Throws what the options' functions throw. */
export function requestFor<Input>(
  operation: string,
  input: Input,
  { subject = () => operation, run = () => ({}), fingerprint }: OperationOptions<Input> = {},
  body?: unknown,
): AskedOperation {
  return {
    operation,
    subject: subject(input),
    options: run(input),
    fingerprint: () => (fingerprint === undefined ? body : fingerprint(input)),
  };
}

/** The operations of a server. */
export interface OperationRoutes {
  /**
   * Begins an operation and answers at the latest after a second: 202 with its run's addresses; 200 with its result (or
   * the 409 of a run that did not complete) when it is there within what `Prefer: wait` asks for; 429 when too many wait;
   * 503 when it is draining. A second request with the same `Idempotency-Key` for the same operation and subject gets
   * the run of the first, or 422 when its fingerprint is another. Never rejects.
   */
  accept(request: OperationRequest): Promise<HandlerResponse>;
  /** Begins a run for an endpoint that answers as it did before. Throws `CLOSED`. */
  watch(request: AskedOperation): WatchedRequest;
  /** Takes nothing more, and resolves when all that was taken is done. To be called before `livetail.close()`. */
  drain(): Promise<void>;
}

/** A run that stands beside a request. Only its first end counts. */
export interface WatchedRequest {
  readonly run: Run;
  /** Calls `fn` with the run as the current one. What it throws or rejects with fails the run, and goes on. */
  within<T>(fn: () => T): T;
  /** The answer is out, or its caller has left (499): below 400 the run is completed, else it failed. */
  ended(status: number): void;
}

/** How long an answer waits for the store to have the run. */
const READABLE_MS = 1000;

/** How the work of an operation ended. */
type Outcome = { completed: true; result: unknown } | { completed: false; error: string };

/** What an `Idempotency-Key` makes of a request: which run is its own, and what that run has to have in its metadata. */
interface Keyed {
  id: string;
  fingerprint: string;
}

/** A run of this process that is not over. */
interface Underway {
  run: Run;
  over: Promise<Outcome>;
  fingerprint: string | undefined;
}

/** Makes them. */
export function createOperationRoutes(options: OperationRoutesOptions = {}): OperationRoutes {
  const { clock = systemClock, idempotencySecret: secret = randomId(32) } = options;
  const livetail = (): Livetail => options.livetail ?? defaultLivetail();
  const mount = mountPath(options.mount ?? "/operations");
  const limit = new WorkLimit(options);
  const underway = new Map<string, Underway>();
  let draining = false;

  const addressed = (answer: HandlerResponse, id: string): HandlerResponse =>
    withHeaders(answer, { Location: `${mount}/${id}`, "X-Run-Id": id });

  const accepted = (id: string, status: RunStatus): HandlerResponse => {
    const url = `${mount}/${id}`;
    const body = { run_id: id, status, poll_url: url, stream_url: `${url}/stream`, view_url: `${url}/view` };
    const answer = jsonAnswer(JSON.stringify(body satisfies AcceptedOperation), 202);
    return addressed(withHeaders(answer, { "Retry-After": "1" }), id);
  };

  const outcome = (id: string, ended: Outcome): HandlerResponse => {
    const answer = ended.completed
      ? jsonAnswer(jsonText(ended.result))
      : problemAnswer("RUN_NOT_COMPLETED", ended.error || undefined);
    return addressed(answer, id);
  };

  /** Resolves when `promise` does, or after `ms`; rejects as it does. */
  const within = <T>(promise: Promise<T>, ms: number): Promise<T | null> => {
    let cancel = (): void => {};
    const late = new Promise<null>((resolve) => {
      cancel = clock.after(ms, () => resolve(null));
    });
    return Promise.race([promise, late]).finally(cancel);
  };

  const begin = ({ operation, subject, options, work }: OperationRequest, keyed: Keyed | undefined): Underway => {
    const metadata = { idempotency_fingerprint: keyed?.fingerprint, ...options.metadata };
    const mine = keyed === undefined ? options : { ...options, id: keyed.id, metadata };
    const run = livetail().createOperationRun(subject, operation, mine);
    const over = new Promise<Outcome>((resolve) => {
      limit.add(async () => {
        try {
          // A key may have come to another process at the same time: its claim says which of them does the work.
          if (keyed !== undefined) await within(run.ready, READABLE_MS);
          run.signal.throwIfAborted();
          run.start();
          const result = await withRun(run, () => work(run));
          void run.complete(result);
          resolve({ completed: true, result });
        } catch (error) {
          void run.fail(error);
          resolve({
            completed: false,
            error: plainText(isError(error) ? errorMessage(error) : error, MAX_MESSAGE_LENGTH),
          });
        }
        underway.delete(run.id);
      });
    });
    const one = { run, over, fingerprint: keyed?.fingerprint };
    underway.set(run.id, one);
    return one;
  };

  /** The answer about a run that another request began, perhaps in another process; null for none. */
  const begunBefore = async ({ id, fingerprint }: Keyed, waits: boolean): Promise<HandlerResponse | null> => {
    const { store } = livetail();
    const answer = await store.read({ runId: id, from: { kind: "none" }, limit: 0, known: null });
    if (answer === null) return null;
    const { status, error, metadata } = answer.run;
    if (!metadata.includes(fingerprint)) return problemAnswer("IDEMPOTENCY_KEY_REUSED");
    if (!waits || !isTerminal(status)) return accepted(id, status);
    if (status !== "completed") return outcome(id, { completed: false, error });
    return addressed(jsonAnswer((await store.readResult(id)) ?? "null"), id);
  };

  const keyedBy = ({ operation, subject, header, fingerprint }: OperationRequest): Keyed | undefined => {
    const key = header("idempotency-key");
    if (key === undefined) return undefined;
    return {
      id: keyedRunId(operation, secret, [operation, subject, key]),
      fingerprint: keyedText(secret, [fingerprint?.()]),
    };
  };

  const accept = async (request: OperationRequest): Promise<HandlerResponse> => {
    const { header } = request;
    const waitSeconds = preferredWait(header("prefer"));
    const keyed = keyedBy(request);
    let mine = keyed && underway.get(keyed.id);
    if (mine === undefined && keyed !== undefined) {
      const answer = await within(begunBefore(keyed, waitSeconds > 0), READABLE_MS);
      if (answer !== null) return answer;
      mine = underway.get(keyed.id);
    }
    if (mine !== undefined && mine.fingerprint !== keyed?.fingerprint) return problemAnswer("IDEMPOTENCY_KEY_REUSED");
    if (mine === undefined) {
      if (draining) return problemAnswer("CLOSED", "This server takes no more operations.", 503);
      if (limit.full) return problemAnswer("TOO_MANY_OPERATIONS");
      mine = begin(request, keyed);
    }
    const { run, over } = mine;
    if (waitSeconds === 0) {
      const status = run.status;
      await within(run.ready, READABLE_MS).catch(() => {});
      return accepted(run.id, status);
    }
    const ended = await within(over, waitSeconds * 1000);
    const answer = ended === null ? accepted(run.id, run.status) : outcome(run.id, ended);
    return withHeaders(answer, { "Preference-Applied": `wait=${waitSeconds}` });
  };

  return {
    accept: (request) =>
      accept(request).catch((error: unknown) =>
        isLivetailError(error, "CLOSED") ? problemAnswer("CLOSED", undefined, 503) : problemAnswer("STORE_UNAVAILABLE"),
      ),
    watch({ operation, subject, options: runOptions }) {
      const run = livetail().createOperationRun(subject, operation, runOptions);
      run.start();
      return {
        run,
        within: (fn) => {
          try {
            const value = withRun(run, fn);
            // The caller gets its own promise back: it may be more than one.
            if (value instanceof Promise) value.catch((error: unknown) => void run.fail(error));
            return value;
          } catch (error) {
            void run.fail(error);
            throw error;
          }
        },
        ended: (status) => void (status < 400 ? run.complete() : run.fail(`Answered with status ${status}.`)),
      };
    },
    drain() {
      draining = true;
      return limit.drained();
    },
  };
}

/** The seconds of `Prefer: wait=N` (RFC 7240), at most 30; 0 for none. */
function preferredWait(prefer: string | undefined): number {
  const seconds = /(?:^|[,;\s])wait\s*=\s*"?(\d{1,9})/i.exec(prefer ?? "")?.[1];
  return seconds === undefined ? 0 : Math.min(Number(seconds), LIMITS.waitMaxSeconds);
}

function jsonText(result: unknown): string {
  try {
    return JSON.stringify(result) ?? "null";
  } catch {
    // What the run could not store either: its last line says why.
    return "null";
  }
}
