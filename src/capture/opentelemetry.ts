/** What OpenTelemetry records → lines and calls of the run that it is recorded in. */
import { type CurrentRun, currentRun } from "../context.js";
import { type LlmCallInfo, type LlmOutcome, type OpenLlmCall, openLlmCall } from "../llm-call.js";
import { usageOf } from "../llm-usage.js";
import type { LogLevel } from "../protocol.js";
import { timeOf } from "../text-line.js";
import { textIn } from "./fields-in.js";
import { RUN_ATTRIBUTE } from "./opentelemetry-export.js";

export { exportRun } from "./opentelemetry-export.js";

/** What this file needs of a span. */
export interface OtelSpan {
  /** What was done. */
  readonly name: string;
  /** Its fields. */
  readonly attributes: Attributes;
  /** How it ended; code 2 is an error. */
  readonly status: { readonly code: number; readonly message?: string | undefined };
  /** What happened in it, exceptions among them. */
  readonly events: readonly { readonly name: string; readonly attributes?: Attributes | undefined }[];
  /** Seconds, and nanoseconds beside them. */
  readonly duration: readonly [number, number];
}

type Attributes = Readonly<Record<string, unknown>>;

/** A span processor, as `BasicTracerProvider` and `NodeSDK` take one. None of its methods throws or waits. */
export interface LivetailSpanProcessor {
  /** A span begins. */
  onStart(span: OtelSpan): void;
  /** A span has ended. */
  onEnd(span: OtelSpan): void;
  /** Resolves at once: nothing waits here. */
  forceFlush(): Promise<void>;
  /** Resolves at once: nothing was opened. */
  shutdown(): Promise<void>;
}

/** What the span processor takes. */
export interface SpanProcessorOptions {
  /** Which spans become lines when they end. Default: all. Calls of models are told in any case. */
  only?: (span: OtelSpan) => boolean;
}

/** A span that has begun in a run. */
interface Begun {
  run: CurrentRun;
  call: OpenLlmCall | undefined;
}

/**
 * Creates a span processor: a span that began in a run becomes a line of it when it ends, and a call of a model if it
 * keeps the semantic conventions of generative AI. Spans of agents and tools, whose tokens are those of the calls below
 * them, are lines. A call that another capture sees as well counts twice.
 */
export function livetailSpanProcessor({ only = () => true }: SpanProcessorOptions = {}): LivetailSpanProcessor {
  const begun = new WeakMap<OtelSpan, Begun>();
  return {
    onStart(span) {
      const run = currentRun();
      if (run === undefined || span.attributes[RUN_ATTRIBUTE] !== undefined) return;
      const call = isModelCall(span) ? openLlmCall(infoOf(span), run) : undefined;
      begun.set(span, { run, call });
    },
    onEnd(span) {
      const found = begun.get(span);
      if (found === undefined) return;
      begun.delete(span);
      // Some say only at the end what it was.
      const call = found.call ?? (isModelCall(span) ? openLlmCall(infoOf(span), found.run) : undefined);
      if (call !== undefined) {
        const failure = failureOf(span);
        if (failure === undefined) call.complete(outcomeOf(span));
        else call.fail(failure, outcomeOf(span));
      } else if (only(span)) {
        found.run.log(lineOf(span));
      }
    },
    forceFlush: () => Promise.resolve(),
    shutdown: () => Promise.resolve(),
  };
}

/** What has tokens of its own: not an agent, a tool or a workflow. */
const NO_CALLS = ["create_agent", "invoke_agent", "execute_tool", "invoke_workflow"];

function isModelCall({ attributes }: OtelSpan): boolean {
  if (NO_CALLS.includes(String(attributes["gen_ai.operation.name"]))) return false;
  return textIn(attributes, "gen_ai.request.model") !== undefined;
}

function infoOf({ attributes }: OtelSpan): LlmCallInfo {
  const provider = textIn(attributes, "gen_ai.provider.name") ?? textIn(attributes, "gen_ai.system") ?? "unknown";
  const info: LlmCallInfo = { backend: provider.split(".", 1)[0] ?? provider };
  const model = textIn(attributes, "gen_ai.request.model");
  if (model !== undefined) info.model = model;
  return info;
}

function outcomeOf({ attributes, duration }: OtelSpan): LlmOutcome {
  const { usage } = usageOf({
    inputTokens: attributes["gen_ai.usage.input_tokens"] ?? attributes["gen_ai.usage.prompt_tokens"],
    outputTokens: attributes["gen_ai.usage.output_tokens"] ?? attributes["gen_ai.usage.completion_tokens"],
    cachedTokens: attributes["gen_ai.usage.cache_read.input_tokens"],
    cacheWriteTokens: attributes["gen_ai.usage.cache_creation.input_tokens"],
    reasoningTokens: attributes["gen_ai.usage.reasoning.output_tokens"],
  });
  const outcome: LlmOutcome = { duration_ms: millisecondsOf(duration) };
  if (usage !== undefined) outcome.usage = usage;
  const model = textIn(attributes, "gen_ai.response.model");
  if (model !== undefined) outcome.model = model;
  const cost = attributes["gen_ai.usage.cost.amount"];
  const currency = attributes["gen_ai.usage.cost.currency"] ?? "USD";
  if (typeof cost === "number" && currency === "USD") {
    outcome.costUsd = cost;
    outcome.costSource = attributes["gen_ai.usage.cost.source"] === "local" ? "local" : "provider";
  }
  return outcome;
}

const STATUS_ERROR = 2;

/** The error of a span that failed: the exception that it recorded, else what its status says. */
function failureOf({ status, events, attributes }: OtelSpan): Error | undefined {
  if (status.code !== STATUS_ERROR) return undefined;
  const exception = events.findLast(({ name }) => name === "exception")?.attributes ?? {};
  const said = textIn(exception, "exception.message") ?? textIn(status, "message");
  const type = textIn(exception, "exception.type") ?? textIn(attributes, "error.type");
  const error = new Error(said ?? type ?? "The span failed.");
  if (type !== undefined) error.name = type;
  // Where it was made says nothing: the stack is that of the exception.
  error.stack = textIn(exception, "exception.stacktrace") ?? String(error);
  return error;
}

function lineOf(span: OtelSpan): Record<string, unknown> {
  const error = failureOf(span);
  const durationMs = millisecondsOf(span.duration);
  return {
    level: error === undefined ? "debug" : "error",
    event: "span_end",
    message: `${span.name} (${durationMs}ms)`,
    duration_ms: durationMs,
    ...(error === undefined ? {} : { error }),
    metadata: { ...span.attributes },
  };
}

function millisecondsOf([seconds, nanoseconds]: readonly [number, number]): number {
  return Math.round(seconds * 1000 + nanoseconds / 1e6);
}

/** What this file needs of a log record. */
export interface OtelLogRecord {
  /** How grave it is, 1 to 24. */
  readonly severityNumber?: number | undefined;
  /** The same as a word. */
  readonly severityText?: string | undefined;
  /** What it says. */
  readonly body?: unknown;
  /** What happened. */
  readonly eventName?: string | undefined;
  /** Its fields. */
  readonly attributes: Attributes;
  /** Seconds since 1970, and nanoseconds beside them. */
  readonly hrTime: readonly [number, number];
}

/** A log record processor, as `LoggerProvider` takes one. None of its methods throws or waits. */
export interface LivetailLogProcessor {
  /** A record was made. */
  onEmit(record: OtelLogRecord): void;
  /** Resolves at once: nothing waits here. */
  forceFlush(): Promise<void>;
  /** Resolves at once: nothing was opened. */
  shutdown(): Promise<void>;
}

/** Creates a log record processor: what is logged in a run becomes a line of it, outside of one nothing. */
export function livetailLogProcessor(): LivetailLogProcessor {
  return {
    onEmit(record) {
      const run = currentRun();
      if (run === undefined || record.attributes[RUN_ATTRIBUTE] !== undefined) return;
      const { body, eventName, hrTime, attributes } = record;
      const fields = typeof body === "object" && body !== null ? { metadata: { ...attributes, ...body } } : undefined;
      const error = textIn(attributes, "exception.message");
      const traceback = textIn(attributes, "exception.stacktrace");
      run.log({
        timestamp: timeOf(hrTime[0] * 1000 + hrTime[1] / 1e6),
        level: levelOf(record),
        ...(eventName === undefined ? {} : { event: eventName }),
        ...(body === undefined || fields !== undefined ? {} : { message: String(body) }),
        ...(error === undefined ? {} : { error }),
        ...(traceback === undefined ? {} : { traceback }),
        ...(fields ?? { metadata: { ...attributes } }),
      });
    },
    forceFlush: () => Promise.resolve(),
    shutdown: () => Promise.resolve(),
  };
}

/** Of the ranges of severity: trace and debug, info, warn, error and fatal. */
function levelOf({ severityNumber = 9 }: OtelLogRecord): LogLevel {
  if (severityNumber >= 17) return "error";
  if (severityNumber >= 13) return "warn";
  return severityNumber >= 9 ? "info" : "debug";
}
