/**
 * What calls cost: the running totals of one producer, and the sum over the producers of a run. Money is counted in
 * whole nano-dollars, because floats drift and a small call costs less than a millionth of a dollar.
 */
import { isCost } from "./fields.js";
import type { BackendStat, BackendStats } from "./protocol.js";

/** The running totals of one producer. */
export interface Totals {
  /**
   * Counts what a line's fields tell of a call. `event` is the line's, by default the field of that name; `bindings`
   * are fields that stand in the line unless its own are of the same name. Never throws; near free if they do not tell.
   */
  count(fields: Record<string, unknown>, event?: unknown, bindings?: Record<string, unknown>): void;
  /** Whether anything was ever counted. */
  readonly changed: boolean;
  /** Grows with everything that is counted: what was sent at this revision is still right while it stands. */
  readonly revision: number;
  /** The totals as JSON text of at most 8 KiB. */
  text(): string;
}

/** What a backend, a model or a layer did, under short names because it is stored with every producer. Absent: 0. */
interface Tally {
  /** Calls, failed and fallback ones included. */
  c: number;
  /** Errors. */
  e?: number;
  /** Fallbacks. */
  f?: number;
  /** Calls whose cost nobody knows. */
  u?: number;
  /** Nano-dollars. */
  n?: number;
  /** Tokens: input, output, cached, reasoning. */
  i?: number;
  o?: number;
  k?: number;
  r?: number;
}

type Tallies = Map<string, Tally>;

/** The totals as they are stored: by backend, model and layer. */
interface StoredTotals {
  b: Record<string, Tally>;
  m?: Record<string, Tally>;
  l?: Record<string, Tally>;
}

const MAX_TEXT_BYTES = 8192;
const MAX_NAMES = 32;
/** All names of backends together, in bytes of JSON, so that the numbers have room beside them. */
const MAX_NAMES_BYTES = 2048;
const MAX_NAME = 64;
const OTHER = "other";
const UNKNOWN = "unknown";

const NANO = 1e9;
const MAX_NANO = 1e15;
const MAX_CALLS = 999_999_999;

/** Creates totals that are zero. */
export function createTotals(): Totals {
  return new RunningTotals();
}

/** A class, and its maps made when there is something to count: every run has totals, and most have few names or none. */
class RunningTotals implements Totals {
  #backends: Tallies | null = null;
  #models: Tallies | null = null;
  #layers: Tallies | null = null;
  #revision = 0;
  #namesBytes = 0;
  #written = "";
  #writtenAt = -1;

  count(fields: Fields, event?: unknown, bindings?: Fields): void {
    try {
      const call = readCall(fields, event ?? fields.event, bindings);
      if (call === undefined) return;
      this.#backends ??= new Map();
      addCall(this.#tallyOf(this.#backends, call.backend), call);
      if (call.model !== undefined) {
        this.#models ??= new Map();
        addCall(this.#tallyOf(this.#models, call.model), call);
      }
      if (call.layer !== undefined) {
        this.#layers ??= new Map();
        addCall(this.#tallyOf(this.#layers, call.layer), call);
      }
      this.#revision++;
    } catch {
      // A getter threw: the line itself says so, and there is nothing to count.
    }
  }

  get changed(): boolean {
    return this.#revision > 0;
  }

  get revision(): number {
    return this.#revision;
  }

  text(): string {
    // Every append asks; most have nothing new.
    if (this.#writtenAt !== this.#revision) this.#written = writeTotals(this.#backends, this.#models, this.#layers);
    this.#writtenAt = this.#revision;
    return this.#written;
  }

  /** The tally of a name; beyond the limits that of `other`. */
  #tallyOf(tallies: Tallies, name: string): Tally {
    const known = tallies.get(name);
    if (known !== undefined) return known;
    if (name !== OTHER) {
      const bytes = Buffer.byteLength(JSON.stringify(name));
      const full = tallies === this.#backends && this.#namesBytes + bytes > MAX_NAMES_BYTES;
      if (full || tallies.size >= MAX_NAMES) return this.#tallyOf(tallies, OTHER);
      if (tallies === this.#backends) this.#namesBytes += bytes;
    }
    const tally: Tally = { c: 0 };
    tallies.set(name, tally);
    return tally;
  }
}

function writeTotals(backends: Tallies | null, models: Tallies | null, layers: Tallies | null): string {
  const b = Object.fromEntries(backends ?? []);
  const m = Object.fromEntries(models ?? []);
  const l = Object.fromEntries(layers ?? []);
  for (const stored of [
    { b, m, l },
    { b, m },
  ] satisfies StoredTotals[]) {
    const text = JSON.stringify(stored);
    if (Buffer.byteLength(text) <= MAX_TEXT_BYTES) return text;
  }
  return JSON.stringify({ b } satisfies StoredTotals);
}

/** A finished call, or a fallback to another backend. */
interface Call extends Required<Tally> {
  backend: string;
  model: string | undefined;
  layer: string | undefined;
}

type Fields = Readonly<Record<string, unknown>>;

/** Reads what a line says about a call; undefined when it is not about one that has ended. */
function readCall(fields: Fields, event: unknown, bindings: Fields | undefined): Call | undefined {
  const metadata = fields.metadata ?? bindings?.metadata;
  const nested = typeof metadata === "object" && metadata !== null ? (metadata as Fields) : undefined;
  const kind = typeof event === "string" ? event : "";
  const isLlm = kind.startsWith("llm_call_");
  const said: Said = { fields, bindings, nested };
  // Many lines come here, and most are about no call.
  const backend = pick(said, "backend", "backend");
  if (!isLlm && backend === undefined) return undefined;

  const cost = pick(said, "cost_usd", "costUsd");
  const source = pick(said, "cost_source", "costSource");
  const hasCost = cost !== undefined || source !== undefined;
  const isError = kind === "llm_call_error";
  const isFallback = kind === "llm_call_fallback";
  const isCall = isFallback
    ? hasCost || pick(said, "duration_ms", "durationMs") !== undefined
    : isError || kind === "llm_call_complete" || (backend !== undefined && hasCost && !kind.endsWith("_start"));
  if (!isCall && !isFallback) return undefined;

  const isPriced = isCost(cost) && source !== UNKNOWN;
  const model = pick(said, "model", "model");
  const layer = pick(said, "layer", "layer") ?? pick(said, "layer_name", "layerName");
  return {
    backend: nameOf(backend) ?? UNKNOWN,
    model: nameOf(model),
    layer: nameOf(layer),
    c: isCall ? 1 : 0,
    e: isError ? 1 : 0,
    f: isFallback ? 1 : 0,
    u: isCall && !isPriced ? 1 : 0,
    n: isCall && isPriced ? Math.round(cost * NANO) : 0,
    i: amount(pick(said, "input_tokens", "inputTokens")),
    o: amount(pick(said, "output_tokens", "outputTokens")),
    k: amount(pick(said, "cached_tokens", "cachedTokens")),
    r: amount(pick(said, "reasoning_tokens", "reasoningTokens")),
  };
}

/** Where a line may say something: in its own fields, in those that are bound to its logger, in its `metadata`. */
interface Said {
  fields: Fields;
  bindings: Fields | undefined;
  nested: Fields | undefined;
}

/** A field at the top, else in `metadata`, under either spelling; null counts as absent. */
function pick({ fields, bindings, nested }: Said, name: string, camel: string): unknown {
  const top = own(fields, bindings, name) ?? (camel === name ? undefined : own(fields, bindings, camel));
  return top ?? nested?.[name] ?? nested?.[camel] ?? undefined;
}

/** A line's own field wins over the bound one, as it does for whoever reads the line. */
function own(fields: Fields, bindings: Fields | undefined, name: string): unknown {
  const value = fields[name];
  return value === undefined && bindings !== undefined ? bindings[name] : value;
}

/** A short name that is safe as a key; undefined for what is no name. */
function nameOf(value: unknown): string | undefined {
  if (typeof value !== "string" || value === "") return undefined;
  const name = value.slice(0, MAX_NAME).toWellFormed();
  return name === "__proto__" ? OTHER : name;
}

function amount(value: unknown): number {
  return typeof value === "number" && value > 0 && value < MAX_NANO ? Math.round(value) : 0;
}

function addCall(tally: Tally, call: Required<Tally>): void {
  for (const key of COUNTS) addTo(tally, key, call[key], MAX_CALLS);
  for (const key of SUMS) addTo(tally, key, call[key], MAX_NANO);
}

const COUNTS = ["c", "e", "f", "u"] as const;
const SUMS = ["n", "i", "o", "k", "r"] as const;

function addTo(tally: Tally, key: keyof Tally, value: number, most: number): void {
  if (value > 0) tally[key] = Math.min(most, (tally[key] ?? 0) + value);
}

/** Adds up the totals of a run's producers. Texts that are no totals are skipped; sums that grow too large stay at the largest. */
export function sumTotals(texts: readonly string[]): BackendStats {
  const sums: Tallies = new Map();
  for (const text of texts) {
    for (const [name, tally] of readBackends(text)) {
      const key = nameOf(name) ?? UNKNOWN;
      const sum = sums.get(key) ?? { c: 0 };
      sums.set(key, sum);
      addTally(sum, tally);
    }
  }
  const total: Tally = { c: 0 };
  for (const sum of sums.values()) addTally(total, sum);
  const backends = [...fold(sums)].map(([name, sum]) => [name, toStat(sum)] as const);
  return { backends: Object.fromEntries(backends), total: toStat(total) };
}

function readBackends(text: string): [string, Record<string, unknown>][] {
  try {
    const stored: unknown = JSON.parse(text);
    if (!isObject(stored) || !isObject(stored.b)) return [];
    return Object.entries(stored.b).filter((entry): entry is [string, Record<string, unknown>] => isObject(entry[1]));
  } catch {
    // Something else wrote it; the producer's next append sets it anew.
    return [];
  }
}

function addTally(sum: Tally, tally: Record<string, unknown> | Tally): void {
  for (const key of ["c", "e", "u", "n"] as const) {
    const value: unknown = (tally as Record<string, unknown>)[key];
    if (Number.isSafeInteger(value)) addTo(sum, key, value as number, Number.MAX_SAFE_INTEGER);
  }
}

/** At most `MAX_NAMES` backends: those with most calls, the rest added up as `other`. */
function fold(sums: Tallies): Tallies {
  if (sums.size <= MAX_NAMES) return sums;
  const rest: Tally = { c: 0, ...sums.get(OTHER) };
  const named = [...sums].filter(([name]) => name !== OTHER);
  named.sort(([a, x], [b, y]) => y.c - x.c || (a < b ? -1 : 1));
  for (const [, sum] of named.splice(MAX_NAMES)) addTally(rest, sum);
  return new Map([...named, [OTHER, rest]]);
}

function toStat({ c, e = 0, u = 0, n = 0 }: Tally): BackendStat {
  return { calls: c, errors: e, cost_usd: n / NANO, unpriced_calls: u };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
