/** What `createLivetail` takes, and what is wrong with it. */
import { types } from "node:util";
import type { Authorize, CorsOptions } from "./access.js";
import type { BacklogLimits } from "./backlog.js";
import { checkBudget } from "./budget.js";
import type { Clock } from "./clock.js";
import { CLOSE_SIGNALS, type CloseSignal } from "./close-on-signals.js";
import { LivetailError } from "./errors.js";
import type { EventRule, EventRules, LineParser } from "./line-rules.js";
import type { EventFields, OpenEvents } from "./logger.js";
import type { PriceFn } from "./price.js";
import type { LogLevel } from "./protocol.js";
import type { RedisInput } from "./store/redis.js";
import type { LogStore, StoreLimits } from "./store.js";

/** What `createLivetail` takes. Everything is optional. */
export interface LivetailOptions<Rules extends object = OpenEvents>
  extends Partial<StoreLimits>,
    Partial<BacklogLimits> {
  /**
   * An ioredis client, Cluster, URL or options: livetail opens connections of its own. Default: the environment's
   * `REDIS_URL`, else an embedded store that serves this process only.
   */
  redis?: RedisInput;
  /** A store of your own making, in place of `redis`; you close it. */
  store?: LogStore;
  /** Stands before every Redis key and channel. Default: the client's own. */
  keyPrefix?: string;
  /** Writes run ids inside braces in Redis keys. Default: true on a Cluster. */
  hashTags?: boolean;
  /** How long a Redis command may take. Default 2,000. */
  commandTimeoutMs?: number;
  /** How long a lease lasts; renewed at a third of it. Default 30,000. */
  leaseMs?: number;
  /** The id of this process as an owner. Default: host, process id and a random part. */
  ownerId?: string;
  /** Where this process can be reached, for whoever routes by `ownerOf`. Default: none. */
  ownerUrl?: string;
  /** Longest line in UTF-8 bytes; a longer one is cut. Default 16,384. */
  maxLineBytes?: number;
  /** Keys whose values are redacted, besides those of protocol §7. */
  redactKeys?: readonly string[];
  /**
   * What is a secret in the words of lines, besides keys of known services, tokens, private keys, and passwords in URLs
   * and assignments: all that a pattern matches in a text is replaced, and looking for it takes as long as it takes.
   * `false`: words are stored as they are. Default: none of your own.
   */
  redactPatterns?: readonly RegExp[] | false;
  /**
   * What is to be known of events of your own: a schema (of any validator that speaks https://standardschema.dev) and a
   * readable message, applied where a line is written by this livetail: by `run.logger`, `run.log` or a capture. An
   * event that is not what its schema says is logged all the same, with `invalid` under its metadata, and told to
   * `onError` once (`INVALID_EVENT`).
   */
  events?: EventRules<Rules>;
  /**
   * Read lines of text that are no JSON, in turn until one knows it, once for each line, where it is written: their
   * cost counts, their layers are set. One that throws is told to `onError` once (`RULE_FAILED`).
   */
  parsers?: readonly LineParser[];
  /** Lines of loggers below this level are not made. Default `debug`. */
  level?: LogLevel;
  /** What calls of models cost that nobody named the cost of. Default: they are unpriced. */
  price?: PriceFn;
  /** What the calls of one run may cost, in dollars; a run's own option stands above it. Default: no limit. */
  budgetUsd?: number;
  /** How long `complete()`, `fail()`, `release()`, `flush()` and `close()` wait for the store. Default 60,000. */
  endTimeoutMs?: number;
  /**
   * Gives runs that are open at `close()` back (`queued`, for another process to adopt) instead of failing them as
   * `OWNER_CLOSED`; for the workers of a queue. One that was asked to cancel ends as cancelled either way. A run's
   * own option stands above it. Default false.
   */
  releaseOnClose?: boolean;
  /**
   * Calls `close()` at the first of these signals (SIGTERM, SIGINT, SIGHUP, SIGQUIT), at most for `endTimeoutMs`, and
   * then lets the process end by that signal, as it would have without livetail: by exit code 143 after SIGTERM. If
   * something else in the process listens for the signal too, ending the process is left to that. A second signal
   * ends it at once. Default: none.
   */
  closeOnSignals?: readonly CloseSignal[];
  /**
   * Hears of what went wrong: an outage once (`STORE_UNAVAILABLE`) and its end once (`STORE_RECOVERED`), a refused
   * claim, a fenced writer, lines after the end. Must not throw. Default: a line on stderr.
   */
  onError?: (error: LivetailError, runId: string | null) => void;
  /** Asked on every request. Without it only reading is possible, and the unguessable id is the capability. */
  authorize?: Authorize;
  /** Which pages of other origins may read. Default: none. */
  cors?: CorsOptions;
  /** Streams, held polls and downloads of this process. Default 10,000. */
  maxViewers?: number;
  /** The same of one run. Default 1,000. */
  maxViewersPerRun?: number;
  /** The clock and its timers. Default: the real ones. */
  clock?: Clock;
}

/** The named options that are set. */
export function pick(options: LivetailOptions, names: readonly string[]): Record<string, never> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = options[name as keyof LivetailOptions];
      return value === undefined ? [] : [[name, value as never]];
    }),
  );
}

const POSITIVE = [
  "maxLines",
  "maxBufferBytes",
  "openTtlSeconds",
  "endedTtlSeconds",
  "queuedTtlSeconds",
  "maxWaitingLines",
  "maxWaitingBytes",
  "maxKeptBytes",
  "commandTimeoutMs",
  "leaseMs",
  "maxLineBytes",
  "endTimeoutMs",
  "maxViewers",
  "maxViewersPerRun",
] as const;

/** Longer timers fire at once. */
const MAX_TIMER_MS = 2_147_483_647;

/** Throws `INVALID_OPTION` for an option that is not valid, before anything is made of it. */
export function checkOptions(options: LivetailOptions): void {
  for (const name of POSITIVE) {
    const value = options[name];
    const most = name.endsWith("Ms") ? MAX_TIMER_MS : Number.MAX_SAFE_INTEGER;
    if (value !== undefined && !(Number.isInteger(value) && value > 0 && value <= most)) {
      throw new LivetailError("INVALID_OPTION", `The option ${name} must be a whole number from 1 to ${most}.`);
    }
  }
  for (const signal of options.closeOnSignals ?? []) {
    if (CLOSE_SIGNALS.includes(signal)) continue;
    throw new LivetailError("INVALID_OPTION", `The option closeOnSignals takes ${CLOSE_SIGNALS.join(", ")}.`);
  }
  checkBudget(options.budgetUsd);
  if (options.price !== undefined && typeof options.price !== "function") {
    throw new LivetailError("INVALID_OPTION", "The option price must be a function.");
  }
  const { redactPatterns = [] } = options;
  const patterns: unknown = redactPatterns === false ? [] : redactPatterns;
  if (!Array.isArray(patterns) || !patterns.every((pattern) => types.isRegExp(pattern))) {
    throw new LivetailError("INVALID_OPTION", "The option redactPatterns takes regular expressions, or false.");
  }
  for (const [event, rule] of Object.entries(options.events ?? {})) {
    if (isRule(rule)) continue;
    throw new LivetailError("INVALID_OPTION", `The option events has no rule for ${JSON.stringify(event)}.`);
  }
  if (options.parsers?.every((parser) => typeof parser === "function") === false) {
    throw new LivetailError("INVALID_OPTION", "The option parsers takes functions.");
  }
  if (options.redis !== undefined && options.store !== undefined) {
    throw new LivetailError("INVALID_OPTION", "Only one of the options redis and store can be given.");
  }
}

function isRule(rule: EventRule<EventFields> | null | undefined): boolean {
  if (typeof rule !== "object" || rule === null) return false;
  const { message, schema } = rule;
  const checks = schema === undefined || typeof schema?.["~standard"]?.validate === "function";
  return checks && (message === undefined || typeof message === "function");
}
