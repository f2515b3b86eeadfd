/**
 * Layers: named stages of a run. They are merged by name here, because two processes may change different ones at
 * once, and stored as one JSON text.
 */
import type { Layer, LayerMap, LayerStatus } from "./protocol.js";

/** What a change of one layer says; absent parts stay as they were. */
export interface LayerChange {
  status: LayerStatus;
  message?: string;
  current?: number;
  total?: number;
  metadata?: Record<string, unknown>;
  /** ISO 8601; when the change happened. */
  at: string;
  /** When it began to run, if that is a part of the change. */
  startedAt?: string;
}

/** Changes by layer, oldest first; a later change of the same layer is folded into the earlier one. */
export type LayerChanges = Map<string, LayerChange>;

/** Layers of a run take at most this many bytes. */
const MAX_LAYERS_BYTES = 65_536;

const STATUSES: Record<string, LayerStatus> = {
  pending: "pending",
  queued: "pending",
  running: "running",
  processing: "running",
  started: "running",
  success: "success",
  complete: "success",
  completed: "success",
  failed: "failed",
  error: "failed",
  skipped: "skipped",
};

/** The status that a writer meant: older writers' `processing`, `error` and the like are understood. */
export function toLayerStatus(written: unknown): LayerStatus {
  return (typeof written === "string" && Object.hasOwn(STATUSES, written) && STATUSES[written]) || "running";
}

/** What a line's event says of a layer. */
export interface LayerEvent {
  name: string;
  status: LayerStatus;
  message?: string;
  metadata: Record<string, unknown>;
}

const EVENT_PREFIX = "layer_";
/** What the ends of events mean, besides the words for a status. */
const EVENT_STATUSES: Record<string, LayerStatus> = {
  ...STATUSES,
  start: "running",
  progress: "running",
  skip: "skipped",
};

/**
 * What the fields of a line say of a layer, by its event: `layer_start`, `layer_complete`, `layer_error`,
 * `layer_skip`, or such with the word for a status. Undefined for any other line.
 */
export function layerEvent(fields: Record<string, unknown>): LayerEvent | undefined {
  const { event, layer, layer_name, error, message, current, total } = fields;
  if (typeof event !== "string" || !event.startsWith(EVENT_PREFIX)) return undefined;
  const kind = event.slice(EVENT_PREFIX.length);
  // Some number their layers, and name them beside it.
  const name = typeof layer === "string" ? layer : (layer_name ?? layer);
  if (!Object.hasOwn(EVENT_STATUSES, kind) || (typeof name !== "string" && typeof name !== "number")) return undefined;
  const metadata = isObject(fields.metadata) ? fields.metadata : {};
  const reason = fields.reason ?? metadata.reason;
  const said = [error, isObject(error) && error.message, reason, message].find((each) => typeof each === "string");
  const progress = { ...(current === undefined ? {} : { current }), ...(total === undefined ? {} : { total }) };
  return {
    name: String(name),
    status: EVENT_STATUSES[kind] as LayerStatus,
    ...(typeof said === "string" ? { message: said } : {}),
    metadata: { ...metadata, ...progress },
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Notes a change, folding it into one of the same layer that waits already. */
export function noteChange(changes: LayerChanges, name: string, change: LayerChange): void {
  const waiting = changes.get(name);
  const noted: LayerChange = { ...waiting, ...change };
  // A layer that is still running did not start again; one that had ended did.
  if (change.status === "running" && waiting?.status !== "running") noted.startedAt = change.at;
  changes.set(name, noted);
}

/** Applies changes to layers; the layers handed in stay as they were. */
export function mergeLayers(layers: LayerMap, changes: LayerChanges): LayerMap {
  const merged: LayerMap = Object.assign(Object.create(null), layers);
  let order = Object.values(layers).reduce((most, layer) => Math.max(most, layer.order), -1);
  for (const [name, { at, startedAt, ...change }] of changes) {
    const before = merged[name];
    const layer: Layer = { ...before, ...change, order: before?.order ?? ++order };
    const done = change.status === "success" || change.status === "failed" || change.status === "skipped";
    if (startedAt !== undefined && (before?.started_at === undefined || before.finished_at !== undefined)) {
      layer.started_at = startedAt;
      delete layer.finished_at;
      delete layer.duration_ms;
    }
    if (done) {
      layer.finished_at = at;
      if (layer.started_at !== undefined) {
        layer.duration_ms = Math.max(0, Date.parse(at) - Date.parse(layer.started_at)) || 0;
      }
    }
    merged[name] = layer;
  }
  return merged;
}

/** Reads the stored text, whoever wrote it; "" and rubbish are no layers. */
export function parseLayers(text: string): LayerMap {
  const layers: LayerMap = Object.create(null);
  let stored: unknown;
  try {
    stored = text === "" ? null : JSON.parse(text);
  } catch {
    return layers;
  }
  if (typeof stored !== "object" || stored === null || Array.isArray(stored)) return layers;
  let position = 0;
  for (const [name, value] of Object.entries(stored as Record<string, LayerStatus | Partial<Layer> | null>)) {
    // Older writers keep the bare status.
    const written: Partial<Layer> =
      typeof value === "object" && value !== null ? value : { status: toLayerStatus(value) };
    const layer: Layer = {
      status: toLayerStatus(written.status),
      order: Number.isInteger(written.order) ? (written.order as number) : position,
    };
    for (const key of ["message", "started_at", "finished_at"] as const) {
      if (typeof written[key] === "string") layer[key] = written[key];
    }
    for (const key of ["current", "total", "duration_ms"] as const) {
      if (Number.isFinite(written[key])) layer[key] = written[key] as number;
    }
    if (typeof written.metadata === "object" && written.metadata !== null) layer.metadata = written.metadata;
    layers[name] = layer;
    position += 1;
  }
  return layers;
}

/** The text to store, at most 64 KiB: metadata goes first, then messages, then the newest layers. */
export function stringifyLayers(layers: LayerMap): string {
  const fits = (text: string): boolean =>
    text.length * 3 <= MAX_LAYERS_BYTES || Buffer.byteLength(text) <= MAX_LAYERS_BYTES;
  let text = JSON.stringify(layers);
  if (fits(text)) return text;
  const slim: LayerMap = Object.assign(Object.create(null), layers);
  for (const [name, { metadata: _, ...layer }] of Object.entries(slim)) slim[name] = layer;
  text = JSON.stringify(slim);
  if (fits(text)) return text;
  for (const [name, { message: _, ...layer }] of Object.entries(slim)) slim[name] = layer;
  const names = Object.keys(slim).sort((a, b) => (slim[a]?.order ?? 0) - (slim[b]?.order ?? 0));
  text = JSON.stringify(slim);
  while (!fits(text)) {
    for (const name of names.splice(-Math.max(1, names.length >> 3))) delete slim[name];
    text = JSON.stringify(slim);
  }
  return text;
}
