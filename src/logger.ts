/**
 * The event vocabulary as methods: each call is one stored line, layer methods also set the layer's status, and
 * calls of a model are counted.
 */
import { currentRun, type LogSink } from "./context.js";
import { errorText, isError, kindOf } from "./json.js";
import type { LineRules } from "./line-rules.js";
import type { CostSource, LayerStatus, LogLevel } from "./protocol.js";
import { createLineEncoder, type LineEncoder } from "./serialize.js";

/** Fields that go along with an event. Those of protocol §9 may be written in snake_case or camelCase. */
export type EventFields = Record<string, unknown>;

/** Every event, with any fields: what a logger takes unless it is told more. */
export type OpenEvents = Record<string, EventFields>;

/** The fields of an event; they may be left out where none is required. */
type FieldsOf<Fields> = Record<never, never> extends Fields ? [fields?: Fields] : [fields: Fields];

/** What is known of a call of a model. Everything may also be written in snake_case; other fields go along. */
export interface LlmCall extends EventFields {
  /** The step that called, such as `grader`. */
  stepName?: string;
  /** Who answered, such as `openrouter`. */
  backend?: string;
  /** The model that answered. */
  model?: string;
  /** A class of models of your own, such as `cheap`. */
  tier?: string | number;
  /** Dollars, 0 to a million; leave it out when nobody knows. */
  costUsd?: number;
  /** Who said what it cost. */
  costSource?: CostSource;
  /** Milliseconds. */
  durationMs?: number;
  /** All that went in, cached tokens included. */
  inputTokens?: number;
  /** All that came out, reasoning included. */
  outputTokens?: number;
  /** Of the input: read from a cache. */
  cachedTokens?: number;
  /** Of the input: written to a cache. */
  cacheWriteTokens?: number;
  /** Of the output: reasoning. */
  reasoningTokens?: number;
}

/** What a logger is made with. */
export interface StructuredLoggerOptions {
  /** Stands in every line as `job_id`. */
  jobId?: string;
  /** Where lines go. Default: the current run at each call; outside of one, JSON lines to `out`. */
  sink?: LogSink;
  /** Lines below it are not made; layers and costs are kept. Default `debug`. */
  level?: LogLevel;
  /** Fields that stand in every line. */
  bindings?: EventFields;
  /** Default: an encoder with the protocol's cap and list of secrets. */
  encoder?: LineEncoder;
  /** What is added to an event's fields. Default: nothing. */
  rules?: Pick<LineRules, "event">;
  /** Where lines go without a run, each with a newline. Default `process.stdout`, so that a parent process can capture them. */
  out?: { write(text: string): unknown };
}

/** Logs an event. A method, so that a logger of known events may be handed to whoever takes one of any. */
type Log<Events> = {
  log<Name extends keyof Events & string>(event: Name, ...fields: FieldsOf<Events[Name]>): void;
}["log"];

const RANK: Record<LogLevel, number> = { debug: 10, info: 20, warn: 30, error: 40 };

const ignore = (): void => {};

/**
 * Logs events of a run. No method throws, whatever it is handed and wherever the line goes; none waits. `Events` maps
 * events to their fields: `debug`, `info`, `warn` and `error` then take these and no others.
 */
export class StructuredLogger<Events extends object = OpenEvents> {
  /** Logs an event of your own at level `debug`, with fields. */
  readonly debug: Log<Events>;
  /** Logs an event of your own at level `info`, with fields: `info("job_scored", { job_id, score })`. */
  readonly info: Log<Events>;
  /** Logs an event of your own at level `warn`, with fields. */
  readonly warn: Log<Events>;
  /** Logs an event of your own at level `error`, with fields; an Error under `error` becomes `error` and `traceback`. */
  readonly error: Log<Events>;

  readonly #options: StructuredLoggerOptions;
  readonly #given: LogSink | undefined;
  readonly #encoder: LineEncoder;
  readonly #bindings: EventFields;
  /** The bindings as the encoder wants them. */
  readonly #fragment: string;
  readonly #rank: number;
  #failures = 0;

  /** Creates a logger; without options it writes to the current run, or to stdout outside of one. */
  constructor(options: StructuredLoggerOptions = {}) {
    const { jobId, bindings, level = "debug", encoder = createLineEncoder() } = options;
    this.#options = options;
    this.#given = options.sink;
    this.#encoder = encoder;
    this.#bindings = { ...(jobId === undefined ? {} : { job_id: jobId }), ...copy(bindings) };
    this.#fragment = encoder.bindings(this.#bindings);
    this.#rank = RANK[level];
    // A level that is off is a method that does nothing, not a question at every call.
    this.debug = this.#at("debug");
    this.info = this.#at("info");
    this.warn = this.#at("warn");
    this.error = this.#at("error");
  }

  /** How many calls were lost, wholly or in part, because the sink or `out` threw. */
  get failures(): number {
    return this.#failures;
  }

  /** A logger whose lines carry these fields as well, serialised once. */
  child(bindings: EventFields): StructuredLogger<Events> {
    const { jobId: _, ...options } = this.#options;
    return new StructuredLogger<Events>({
      ...options,
      encoder: this.#encoder,
      bindings: { ...this.#bindings, ...copy(bindings) },
    });
  }

  /** The whole operation begins. */
  pipelineStart(metadata?: EventFields): void {
    this.#open.info("pipeline_start", metadata);
  }

  /** The whole operation is done. */
  pipelineComplete(metadata?: EventFields): void {
    this.#open.info("pipeline_complete", metadata);
  }

  /** The whole operation failed. `error` is anything that was thrown. */
  pipelineError(error: unknown, metadata?: EventFields): void {
    this.#open.error("pipeline_error", join({ error: asError(error) }, metadata));
  }

  /** A layer begins; it is `running`. */
  layerStart(layer: string, metadata?: EventFields): void {
    this.#open.info("layer_start", join({ layer }, metadata));
    this.#layer(layer, "running", undefined, metadata);
  }

  /** A layer is done; it is `success`. */
  layerComplete(layer: string, metadata?: EventFields): void {
    this.#open.info("layer_complete", join({ layer }, metadata));
    this.#layer(layer, "success", undefined, metadata);
  }

  /** A layer failed; it is `failed`, with the error's text as its message. */
  layerError(layer: string, error: unknown, metadata?: EventFields): void {
    this.#open.error("layer_error", join({ layer, error: asError(error) }, metadata));
    this.#layer(layer, "failed", errorText(error), metadata);
  }

  /** A layer is left out; it is `skipped`, with the reason as its message. */
  layerSkip(layer: string, reason?: string, metadata?: EventFields): void {
    this.#open.info("layer_skip", join(reason === undefined ? { layer } : { layer, reason }, metadata));
    this.#layer(layer, "skipped", reason, metadata);
  }

  /** A phase of a layer begins. */
  phaseStart(phase: string, metadata?: EventFields): void {
    this.#open.info("phase_start", join({ phase }, metadata));
  }

  /** A phase of a layer is done. */
  phaseComplete(phase: string, metadata?: EventFields): void {
    this.#open.info("phase_complete", join({ phase }, metadata));
  }

  /** A phase of a layer failed. */
  phaseError(phase: string, error: unknown, metadata?: EventFields): void {
    this.#open.error("phase_error", join({ phase, error: asError(error) }, metadata));
  }

  /** A part of a phase begins. */
  subphaseStart(subphase: string, metadata?: EventFields): void {
    this.#open.info("subphase_start", join({ subphase }, metadata));
  }

  /** A part of a phase is done. */
  subphaseComplete(subphase: string, metadata?: EventFields): void {
    this.#open.info("subphase_complete", join({ subphase }, metadata));
  }

  /** A part of a phase failed. */
  subphaseError(subphase: string, error: unknown, metadata?: EventFields): void {
    this.#open.error("subphase_error", join({ subphase, error: asError(error) }, metadata));
  }

  /** A call of a model begins; nothing is counted yet. */
  llmCallStart(call: LlmCall): void {
    this.#llmCall("info", "llm_call_start", call);
  }

  /** A call of a model is done; its cost is counted, as unpriced when there is none. */
  llmCallComplete(call: LlmCall): void {
    this.#llmCall("info", "llm_call_complete", call);
  }

  /** A call of a model failed; it is counted as a call and as an error. */
  llmCallError(call: LlmCall, error?: unknown): void {
    this.#llmCall("error", "llm_call_error", error === undefined ? call : join({ error: asError(error) }, call));
  }

  /** A call went over to another backend; it is a call of its own if it has a cost or a duration. */
  llmCallFallback(call: LlmCall): void {
    this.#llmCall("warn", "llm_call_fallback", call);
  }

  /** A choice was made. */
  decisionPoint(decision: string, metadata?: EventFields): void {
    this.#open.info("decision_point", join({ decision }, metadata));
  }

  /** Something was checked; what did not pass is a warning. */
  validationResult(validation: string, passed: boolean, metadata?: EventFields): void {
    const fields = join({ validation, passed }, metadata);
    if (passed) this.#open.info("validation_result", fields);
    else this.#open.warn("validation_result", fields);
  }

  /** The vocabulary is there whatever a user's own events are. */
  get #open(): StructuredLogger {
    return this as unknown as StructuredLogger;
  }

  #at(level: LogLevel): Log<Events> {
    if (RANK[level] < this.#rank) return ignore;
    const { rules } = this.#options;
    if (rules !== undefined) {
      return ((event: string, fields?: EventFields) =>
        this.#log(level, event, rules.event(event, fields))) as Log<Events>;
    }
    return ((event: string, fields?: EventFields) => this.#log(level, event, fields)) as Log<Events>;
  }

  #log(level: LogLevel, event: string, fields: EventFields | undefined): void {
    if (this.#write(level, event, fields) || isLlmCall(event)) this.#count(event, fields);
  }

  /** Money is counted at every level. */
  #llmCall(level: LogLevel, event: string, call: LlmCall): void {
    if (RANK[level] >= this.#rank) this.#write(level, event, call);
    this.#count(event, call);
  }

  #sink(): LogSink | undefined {
    return this.#given ?? currentRun()?.sink;
  }

  /** Returns whether the line may tell of a call of a model. */
  #write(level: LogLevel, event: string, fields: EventFields | undefined): boolean {
    const encoder = this.#encoder;
    const text = encoder.event(level, event, fields, this.#fragment);
    const { toldOfCall } = encoder;
    try {
      const sink = this.#sink();
      if (sink !== undefined) sink.write(text);
      else if (this.#options.out !== undefined) this.#options.out.write(`${text}\n`);
      else writeToStdout(`${text}\n`);
    } catch {
      this.#failures++;
    }
    return toldOfCall;
  }

  #count(event: string, fields: EventFields | undefined): void {
    try {
      this.#sink()?.count(fields ?? {}, event, this.#bindings);
    } catch {
      this.#failures++;
    }
  }

  #layer(name: string, status: LayerStatus, message: string | undefined, metadata: EventFields | undefined): void {
    try {
      this.#sink()?.layer(name, status, message, metadata);
    } catch {
      this.#failures++;
    }
  }
}

function isLlmCall(event: unknown): boolean {
  return typeof event === "string" && event.startsWith("llm_call_");
}

/** A copy of fields; what has no fields, or cannot be read, goes along as it is, for the encoder to find words. */
function copy(fields: EventFields | undefined): EventFields {
  if (fields === undefined || fields === null) return {};
  try {
    const kind = typeof fields === "object" ? kindOf(fields) : "opaque";
    if (kind === "fields") return { ...fields };
    return kind === "error" ? { error: fields } : { metadata: fields };
  } catch {
    return { metadata: fields };
  }
}

/** A method's own fields with those that came along; its own win and come first. */
function join(own: EventFields, others: EventFields | undefined): EventFields {
  return others === undefined ? own : { ...own, ...copy(others), ...own };
}

/** An error as a line takes it: an Error as it is, anything else as text. */
function asError(error: unknown): unknown {
  return isError(error) ? error : errorText(error);
}

/** A closed pipe must not end the process: its error is taken where it is reported, as console.log does. */
function writeToStdout(text: string): void {
  const { stdout } = process;
  stdout.write(text, (error) => {
    if (error && stdout.listenerCount("error") === 0) stdout.once("error", () => {});
  });
}
