/** A run → a span with its layers as children, and its lines as log records: the other way round. */
import { defaultLivetail } from "../default-livetail.js";
import type { Livetail } from "../livetail.js";
import type { Layer, LayerMap, LogEntry, LogLevel, RunState } from "../protocol.js";

/** What marks that a span or a log record came from a run, so that nobody brings it back into one. */
export const RUN_ATTRIBUTE = "livetail.run_id";

type Attributes = Record<string, string | number | boolean>;

/** What this file needs of a span to write. */
interface WritableSpan {
  setAttributes(attributes: Attributes): unknown;
  setStatus(status: { code: number; message?: string }): unknown;
  end(time: Date): void;
}

/** What this file needs of a tracer. */
export interface OtelTracer {
  startSpan(name: string, options: { startTime: Date; attributes: Attributes }, context?: never): WritableSpan;
}

/** What this file needs of a logger. */
export interface OtelLogger {
  emit(record: {
    timestamp: Date;
    severityNumber: number;
    severityText: string;
    body: string;
    eventName?: string;
    attributes: Attributes;
    context?: never;
  }): void;
}

/** What this file needs of `@opentelemetry/api`. */
export interface OtelApi {
  context: { active(): unknown };
  trace: { getTracer(name: string): unknown; setSpan(context: never, span: never): unknown };
}

/** What `exportRun` takes. */
export interface ExportRunOptions {
  /** `import * as api from "@opentelemetry/api"`. */
  api: OtelApi;
  /** Default: the default one. */
  livetail?: Livetail;
  /** Default: the one that `api` has for `livetail`. */
  tracer?: OtelTracer;
  /** Where lines go as log records. Default: nowhere. */
  logger?: OtelLogger;
  /** Leaves the run before its end; its span then ends where it is. */
  signal?: AbortSignal;
}

const STATUS_OK = 1;
const STATUS_ERROR = 2;

const SEVERITY: Record<LogLevel, number> = { debug: 5, info: 9, warn: 13, error: 17 };

/**
 * Follows a run, of this process or another, to its end, and records it: a span of its operation from its creation to its
 * end, below the span that is active now, with a child for each layer and its status, error, calls and cost; its lines
 * as log records of that span, if there is a logger. Resolves when it has ended; rejects with `RUN_NOT_FOUND`.
 */
export async function exportRun(runId: string, options: ExportRunOptions): Promise<void> {
  const { api, livetail = defaultLivetail(), logger, signal } = options;
  const tracer = options.tracer ?? (api.trace.getTracer("livetail") as OtelTracer);
  const outside = api.context.active() as never;
  const run = async () => (await livetail.store.read({ runId, from: { kind: "none" }, limit: 0, known: null }))?.run;
  let span: WritableSpan | undefined;
  let inside: never = outside;
  let last: RunState | undefined;

  const begin = async (): Promise<WritableSpan> => {
    const known = await run();
    const attributes: Attributes = { [RUN_ATTRIBUTE]: runId };
    if (known?.subjectId) attributes["livetail.subject_id"] = known.subjectId;
    if (known?.parentId) attributes["livetail.parent_id"] = known.parentId;
    const startTime = new Date(known?.createdAt || Date.now());
    const begun = tracer.startSpan(known?.operation || runId, { startTime, attributes }, outside);
    inside = api.trace.setSpan(outside, begun as never) as never;
    return begun;
  };

  try {
    for await (const event of livetail.reader.follow(runId, signal === undefined ? {} : { signal })) {
      if (event.type === "unavailable") continue;
      span ??= await begin();
      if (event.type === "log") logger?.emit(recordOf(event.entry, runId, inside));
      else if (event.type === "state" || event.type === "end") last = event.state;
    }
  } finally {
    if (span !== undefined && last !== undefined) {
      const finishedAt = new Date((await run().catch(() => undefined))?.finishedAt || Date.now());
      recordLayers(tracer, last.layer_status, { runId, inside, finishedAt });
      finish(span, last, finishedAt);
    } else {
      span?.end(new Date());
    }
  }
}

function recordOf(entry: LogEntry, runId: string, context: never): Parameters<OtelLogger["emit"]>[0] {
  const level = entry.level ?? "info";
  const attributes: Attributes = { [RUN_ATTRIBUTE]: runId, "livetail.index": entry.index };
  const fields = ["layer", "backend", "model", "cost_usd", "duration_ms", "error", "traceback"] as const;
  for (const name of fields) {
    const value = entry[name];
    if (typeof value === "string" || typeof value === "number") attributes[`livetail.${name}`] = value;
  }
  return {
    timestamp: new Date(entry.timestamp ?? Date.now()),
    severityNumber: SEVERITY[level],
    severityText: level.toUpperCase(),
    body: entry.message,
    ...(entry.event === undefined ? {} : { eventName: entry.event }),
    attributes,
    context,
  };
}

function recordLayers(
  tracer: OtelTracer,
  layers: LayerMap,
  { runId, inside, finishedAt }: { runId: string; inside: never; finishedAt: Date },
): void {
  for (const [name, layer] of Object.entries(layers) as [string, Layer][]) {
    if (layer.started_at === undefined) continue;
    const attributes: Attributes = { [RUN_ATTRIBUTE]: runId, "livetail.layer.status": layer.status };
    if (layer.current !== undefined) attributes["livetail.layer.current"] = layer.current;
    if (layer.total !== undefined) attributes["livetail.layer.total"] = layer.total;
    const span = tracer.startSpan(name, { startTime: new Date(layer.started_at), attributes }, inside);
    if (layer.status === "failed")
      span.setStatus({ code: STATUS_ERROR, ...(layer.message && { message: layer.message }) });
    span.end(layer.finished_at === undefined ? finishedAt : new Date(layer.finished_at));
  }
}

function finish(span: WritableSpan, { status, error, error_code, backend_stats }: RunState, finishedAt: Date): void {
  const { calls, errors, cost_usd, unpriced_calls } = backend_stats.total;
  span.setAttributes({ "livetail.status": status, ...(error_code !== null && { "error.type": error_code }) });
  if (calls > 0) {
    span.setAttributes({
      "livetail.llm.calls": calls,
      "livetail.llm.errors": errors,
      "livetail.llm.unpriced_calls": unpriced_calls,
      "gen_ai.usage.cost.amount": cost_usd,
      "gen_ai.usage.cost.currency": "USD",
    });
  }
  if (status === "completed") span.setStatus({ code: STATUS_OK });
  else if (status === "failed" || status === "cancelled") {
    span.setStatus({ code: STATUS_ERROR, message: error ?? status });
  }
  span.end(finishedAt);
}
