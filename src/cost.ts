/**
 * What calls cost: the running totals of one producer; backend-stats.ts adds them up. Money is counted in whole
 * nano-dollars, because floats drift and a small call costs less than a millionth of a dollar.
 */
import { isCost, TOP_NAMES } from "./fields.js";

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
  /** What all that was counted cost, in nano-dollars. */
  readonly nano: number;
  /** Called after each call that was counted. Must not throw. */
  onCounted: (() => void) | null;
  /** The totals as JSON text of at most 8 KiB. */
  text(): string;
}

/** What a backend, a model or a layer did, under short names because it is stored with every producer. Absent: 0. */
export interface CallTally {
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
  /** Tokens: input, output, read from a cache, written to one, reasoning. */
  i?: number;
  o?: number;
  k?: number;
  w?: number;
  r?: number;
}

type Tallies = Map<string, CallTally>;

/** The totals as they are stored: by backend, model and layer. */
interface StoredTotals {
  b: Record<string, CallTally>;
  m?: Record<string, CallTally>;
  l?: Record<string, CallTally>;
}

const MAX_TEXT_BYTES = 8192;
const MAX_NAMES = 32;
/** All names of backends together, in bytes of JSON, so that the numbers have room beside them. */
const MAX_NAMES_BYTES = 2048;
const MAX_NAME = 64;
/** What stands for all names that have no room. */
export const OTHER = "other";
/** What stands for a name that nobody gave. */
export const UNKNOWN = "unknown";

/** Nano-dollars in a dollar. */
export const NANO = 1e9;

/** Dollars in whole nano-dollars. */
export function toNano(usd: number): number {
  return Math.round(usd * NANO);
}

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
  nano = 0;
  onCounted: (() => void) | null = null;
  #written = "";
  #writtenAt = -1;

  count(fields: Fields, event?: unknown, bindings?: Fields): void {
    let call: Call | undefined;
    try {
      call = readCall(fields, event ?? fields.event, bindings);
    } catch {
      // A getter threw: the line itself says so, and there is nothing to count.
    }
    if (call !== undefined) this.#add(call);
  }

  #add(call: Call): void {
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
    this.nano = Math.min(MAX_NANO, this.nano + call.n);
    this.#revision++;
    this.onCounted?.();
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
  #tallyOf(tallies: Tallies, name: string): CallTally {
    const known = tallies.get(name);
    if (known !== undefined) return known;
    if (name !== OTHER) {
      const bytes = Buffer.byteLength(JSON.stringify(name));
      const full = tallies === this.#backends && this.#namesBytes + bytes > MAX_NAMES_BYTES;
      if (full || tallies.size >= MAX_NAMES) return this.#tallyOf(tallies, OTHER);
      if (tallies === this.#backends) this.#namesBytes += bytes;
    }
    const tally: CallTally = { c: 0 };
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
interface Call extends Required<CallTally> {
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
  // Many lines come here, and most are about no call.
  const backend = fields.backend ?? bindings?.backend ?? nested?.backend ?? undefined;
  if (!isLlm && backend === undefined) return undefined;

  const own = readSaid(fields);
  const bound = bindings === undefined ? SAID_NOTHING : readSaid(bindings);
  const within = nested === undefined ? SAID_NOTHING : readSaid(nested);
  const cost = own.cost_usd ?? bound.cost_usd ?? within.cost_usd;
  const source = own.cost_source ?? bound.cost_source ?? within.cost_source;
  const hasCost = (cost ?? source) !== undefined;
  const isError = kind === "llm_call_error";
  const isFallback = kind === "llm_call_fallback";
  const isCall = isFallback
    ? hasCost || (own.duration_ms ?? bound.duration_ms ?? within.duration_ms) !== undefined
    : isError || kind === "llm_call_complete" || (backend !== undefined && hasCost && !kind.endsWith("_start"));
  if (!isCall && !isFallback) return undefined;

  const isPriced = isCost(cost) && source !== UNKNOWN;
  const layer = own.layer ?? bound.layer ?? within.layer;
  return {
    backend: nameOf(backend) ?? UNKNOWN,
    model: nameOf(own.model ?? bound.model ?? within.model),
    layer: nameOf(layer ?? own.layer_name ?? bound.layer_name ?? within.layer_name),
    c: isCall ? 1 : 0,
    e: isError ? 1 : 0,
    f: isFallback ? 1 : 0,
    u: isCall && !isPriced ? 1 : 0,
    n: isCall && isPriced ? toNano(cost) : 0,
    i: amount(own.input_tokens ?? bound.input_tokens ?? within.input_tokens),
    o: amount(own.output_tokens ?? bound.output_tokens ?? within.output_tokens),
    k: amount(own.cached_tokens ?? bound.cached_tokens ?? within.cached_tokens),
    w: amount(own.cache_write_tokens ?? bound.cache_write_tokens ?? within.cache_write_tokens),
    r: amount(own.reasoning_tokens ?? bound.reasoning_tokens ?? within.reasoning_tokens),
  };
}

/** Fields that say something of a call. */
const SAID = [
  ...["cost_usd", "cost_source", "duration_ms", "model", "layer", "layer_name"],
  ...["input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens"],
] as const;

/** What one object says of a call. A line's own fields come before those bound to its logger, then its `metadata`. */
type Said = { [name in (typeof SAID)[number]]: unknown };

const SAID_NOTHING = Object.fromEntries(SAID.map((name) => [name, undefined])) as Said;

/** How each may be written → its stored name. */
const SAID_AS = new Map([...TOP_NAMES].filter(([, stored]) => Object.hasOwn(SAID_NOTHING, stored))) as ReadonlyMap<
  string,
  keyof Said
>;

/**
 * Reads it under either spelling, the stored one first; null and undefined count as absent. It asks what there is: to
 * ask an object for what it may not have takes several times as long (`npm run bench -- ingest`).
 */
function readSaid(fields: Fields): Said {
  const said = { ...SAID_NOTHING };
  for (const name of Object.keys(fields)) {
    const stored = SAID_AS.get(name);
    if (stored === undefined) continue;
    const value = fields[name] ?? undefined;
    if (stored === name) said[stored] = value ?? said[stored];
    else said[stored] ??= value;
  }
  return said;
}

/** A short name that is safe as a key; undefined for what is no name. */
export function nameOf(value: unknown): string | undefined {
  if (typeof value !== "string" || value === "") return undefined;
  const name = value.slice(0, MAX_NAME).toWellFormed();
  return name === "__proto__" ? OTHER : name;
}

function amount(value: unknown): number {
  return typeof value === "number" && value > 0 && value < MAX_NANO ? Math.round(value) : 0;
}

function addCall(tally: CallTally, { c, e, f, u, n, i, o, k, w, r }: Required<CallTally>): void {
  if (c > 0) tally.c = Math.min(MAX_CALLS, tally.c + c);
  if (e > 0) tally.e = Math.min(MAX_CALLS, (tally.e ?? 0) + e);
  if (f > 0) tally.f = Math.min(MAX_CALLS, (tally.f ?? 0) + f);
  if (u > 0) tally.u = Math.min(MAX_CALLS, (tally.u ?? 0) + u);
  if (n > 0) tally.n = Math.min(MAX_NANO, (tally.n ?? 0) + n);
  if (i > 0) tally.i = Math.min(MAX_NANO, (tally.i ?? 0) + i);
  if (o > 0) tally.o = Math.min(MAX_NANO, (tally.o ?? 0) + o);
  if (k > 0) tally.k = Math.min(MAX_NANO, (tally.k ?? 0) + k);
  if (w > 0) tally.w = Math.min(MAX_NANO, (tally.w ?? 0) + w);
  if (r > 0) tally.r = Math.min(MAX_NANO, (tally.r ?? 0) + r);
}
