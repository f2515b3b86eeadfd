/** Measures contenders in interleaved rounds, so that what else the machine does falls on all of them alike. */
import { seededRandom } from "../test/support/seeded-random.js";

/** What one contender did in one round. */
export interface Measurement {
  /** Work done per second, in the scenario's unit. */
  perSecond: number;
  /** CPU time of the measured process for one unit of work, in microseconds; null where it is not known. */
  cpuMicros: number | null;
  /** The same of the other processes that take part, by their names; left out where there is none. */
  otherMicros?: Record<string, number>;
}

/** Somebody who is measured. `measure` does one round, verifies what it delivered, and throws when that is wrong. */
export interface Contender {
  name: string;
  /** The contender that its ratio is taken of. Default: the first one. */
  yardstick?: string;
  measure(): Promise<Measurement>;
}

/** What is printed of a contender: medians over the rounds. */
export interface Result {
  name: string;
  perSecond: number;
  slowest: number;
  fastest: number;
  cpuMicros: number | null;
  otherMicros?: Record<string, number>;
  /** The contender that the ratio is taken of. */
  yardstick: string;
  /** `perSecond` as a share of the yardstick's in the same round, which what else the machine did fell upon, too. */
  ratio: number;
  /** The same of the yardstick's `cpuMicros` by this one's: what `ratio` is where nothing disturbs; null: unknown. */
  cpuRatio: number | null;
}

/** The median of what was measured over the rounds, the least and the most. */
export interface Spread {
  median: number;
  low: number;
  high: number;
}

/** What is printed where nothing is counted per second: each figure with the name of its column. */
export interface Figure {
  name: string;
  figures: Record<string, Spread>;
}

/** The figures of one round. */
export interface Row {
  name: string;
  figures: Record<string, number>;
}

/** Somebody whose figures are measured; as a contender, `measure` does one round and verifies it. */
export interface Measured {
  name: string;
  measure(): Promise<Record<string, number>>;
}

/** Measures every contender `rounds` times after `warmUp` rounds that do not count. */
export async function measureInRounds(contenders: readonly Contender[], rounds: number, warmUp = 1): Promise<Result[]> {
  const measured = await interleave(contenders, rounds, warmUp);
  return contenders.map(({ name, yardstick = contenders[0]?.name ?? name }, at) => {
    const all = measured[at] ?? [];
    const beside = measured[contenders.findIndex((contender) => contender.name === yardstick)];
    if (beside === undefined) throw new Error(`"${name}" is measured by "${yardstick}", which is no contender.`);
    const speeds = all.map(({ perSecond }) => perSecond);
    const ratios = speeds.map((speed, round) => speed / (beside[round]?.perSecond ?? Number.NaN));
    const costs = all.flatMap(({ cpuMicros }) => (cpuMicros === null ? [] : [cpuMicros]));
    const cpuRatios = all.flatMap(({ cpuMicros }, round) => {
      const besideMicros = beside[round]?.cpuMicros ?? null;
      return cpuMicros === null || besideMicros === null ? [] : [besideMicros / cpuMicros];
    });
    const others = all.flatMap(({ otherMicros }) => (otherMicros === undefined ? [] : [otherMicros]));
    const otherMicros = Object.keys(others[0] ?? {}).map((who) => [who, median(others.map((one) => one[who] ?? 0))]);
    return {
      name,
      perSecond: median(speeds),
      slowest: Math.min(...speeds),
      fastest: Math.max(...speeds),
      cpuMicros: medianOrNull(costs),
      ...(others.length > 0 && { otherMicros: Object.fromEntries(otherMicros) }),
      yardstick,
      ratio: median(ratios),
      cpuRatio: medianOrNull(cpuRatios),
    };
  });
}

/** Measures figures in `rounds` rounds, all of which count: for whoever starts a process of its own each time. */
export async function figuresInRounds(all: readonly Measured[], rounds: number): Promise<Figure[]> {
  const measured = await interleave(all, rounds, 0);
  return all.map(({ name }, at) => ({ name, figures: spreads(measured[at] ?? []) }));
}

/** Rows that are measured together, over the rounds; each round has the same rows. */
export function figuresOverRounds(rounds: readonly (readonly Row[])[]): Figure[] {
  return (rounds[0] ?? []).map(({ name }, at) => ({
    name,
    figures: spreads(rounds.map((rows) => rows[at]?.figures ?? {})),
  }));
}

/** Each figure over the rounds. */
function spreads(rounds: readonly Record<string, number>[]): Record<string, Spread> {
  const names = [...new Set(rounds.flatMap((figures) => Object.keys(figures)))];
  const spreadOf = (name: string): Spread => {
    const values = rounds.flatMap(({ [name]: value }) => (value === undefined ? [] : [value]));
    return { median: median(values), low: Math.min(...values), high: Math.max(...values) };
  };
  return Object.fromEntries(names.map((name) => [name, spreadOf(name)]));
}

/** What is the same in every round. */
export function steady(value: number): Spread {
  return { median: value, low: value, high: value };
}

/** What each of them measured, round by round, in their order; the rounds that warm up do not count. */
async function interleave<Value>(
  all: readonly { measure(): Promise<Value> }[],
  rounds: number,
  warmUp: number,
): Promise<Value[][]> {
  const measured: Value[][] = all.map(() => []);
  const random = seededRandom(1);
  for (let round = 0; round < rounds + warmUp; round += 1) {
    // In another order each time: nobody always comes after the same other one, with what that left behind.
    for (const at of random.shuffle([...all.keys()])) {
      const value = await all[at]?.measure();
      if (round >= warmUp && value !== undefined) measured[at]?.push(value);
    }
  }
  return measured;
}

function medianOrNull(values: readonly number[]): number | null {
  return values.length === 0 ? null : median(values);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}
