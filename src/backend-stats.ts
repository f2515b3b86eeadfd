/** What the producers of a run counted, added up, as every answer says it. */
import { type CallTally, NANO, nameOf, OTHER, UNKNOWN } from "./cost.js";
import type { BackendStat, BackendStats } from "./protocol.js";

/** Names in one answer; those with fewer calls are added up as `other`. */
const MAX_NAMES = 32;

type Sums = Map<string, CallTally>;

/**
 * Adds up the totals of a run's producers, which are JSON texts as `Totals` writes them. Texts that are no totals are
 * skipped; sums that grow too large stay at the largest.
 */
export function sumTotals(texts: readonly string[]): BackendStats {
  const [backends, models, layers]: [Sums, Sums, Sums] = [new Map(), new Map(), new Map()];
  for (const text of texts) {
    const stored = parse(text);
    addNamed(backends, stored?.b);
    addNamed(models, stored?.m);
    addNamed(layers, stored?.l);
  }
  const total: CallTally = { c: 0 };
  for (const sum of backends.values()) addTally(total, sum);
  const stats: BackendStats = { backends: toStats(backends), total: toStat(total) };
  // Most runs call no model, and their answers say no more than they have to.
  if (models.size > 0) stats.models = toStats(models);
  if (layers.size > 0) stats.layers = toStats(layers);
  return stats;
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const stored: unknown = JSON.parse(text);
    return isObject(stored) ? stored : undefined;
  } catch {
    // Something else wrote it; the producer's next append sets it anew.
    return undefined;
  }
}

function addNamed(sums: Sums, tallies: unknown): void {
  if (!isObject(tallies)) return;
  for (const [name, tally] of Object.entries(tallies)) {
    if (!isObject(tally)) continue;
    const key = nameOf(name) ?? UNKNOWN;
    const sum = sums.get(key) ?? { c: 0 };
    sums.set(key, sum);
    addTally(sum, tally);
  }
}

const KEYS = ["c", "e", "f", "u", "n", "i", "o", "k", "w", "r"] as const satisfies readonly (keyof CallTally)[];

function addTally(sum: CallTally, tally: Readonly<Record<string, unknown>> | CallTally): void {
  for (const key of KEYS) {
    const value: unknown = (tally as Readonly<Record<string, unknown>>)[key];
    if (Number.isSafeInteger(value) && (value as number) > 0) {
      sum[key] = Math.min(Number.MAX_SAFE_INTEGER, (sum[key] ?? 0) + (value as number));
    }
  }
}

function toStats(sums: Sums): Record<string, BackendStat> {
  return Object.fromEntries([...fold(sums)].map(([name, sum]) => [name, toStat(sum)]));
}

/** At most `MAX_NAMES` names: those with most calls, the rest added up as `other`. */
function fold(sums: Sums): Sums {
  if (sums.size <= MAX_NAMES) return sums;
  const rest: CallTally = { c: 0, ...sums.get(OTHER) };
  const named = [...sums].filter(([name]) => name !== OTHER);
  named.sort(([a, x], [b, y]) => y.c - x.c || (a < b ? -1 : 1));
  for (const [, sum] of named.splice(MAX_NAMES)) addTally(rest, sum);
  return new Map([...named, [OTHER, rest]]);
}

function toStat({ c, e = 0, u = 0, n = 0, ...more }: CallTally): BackendStat {
  const stat: BackendStat = { calls: c, errors: e, cost_usd: n / NANO, unpriced_calls: u };
  if (more.f !== undefined) stat.fallbacks = more.f;
  if (more.i !== undefined) stat.input_tokens = more.i;
  if (more.o !== undefined) stat.output_tokens = more.o;
  if (more.k !== undefined) stat.cached_tokens = more.k;
  if (more.w !== undefined) stat.cache_write_tokens = more.w;
  if (more.r !== undefined) stat.reasoning_tokens = more.r;
  return stat;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
