/** Measures contenders in interleaved rounds, so that what else the machine does falls on all of them alike. */

/** What one contender did in one round. */
export interface Measurement {
  /** Work done per second, in the scenario's unit. */
  perSecond: number;
  /** CPU time of the measured process for one unit of work, in microseconds; null where it is not known. */
  cpuMicros: number | null;
  /** The same of the other processes that livetail or a peer needs for it; left out where there is none. */
  otherMicros?: number;
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
  otherMicros?: number;
  /** `perSecond` as a share of the yardstick's. */
  ratio: number;
}

/** What is printed where nothing is counted per second: each figure with the name of its column. */
export interface Figure {
  name: string;
  figures: Record<string, number>;
}

/** Measures every contender `rounds` times after one round that does not count. */
export async function measureInRounds(contenders: readonly Contender[], rounds: number): Promise<Result[]> {
  const measured = new Map<Contender, Measurement[]>(contenders.map((contender) => [contender, []]));
  for (let round = 0; round <= rounds; round += 1) {
    for (let turn = 0; turn < contenders.length; turn += 1) {
      // Another one begins in each round: nobody always runs on the heap that the same other one left behind.
      const contender = contenders[(round + turn) % contenders.length] as Contender;
      const measurement = await contender.measure();
      if (round > 0) measured.get(contender)?.push(measurement);
    }
  }
  const medians = new Map([...measured].map(([{ name }, all]) => [name, median(all.map((one) => one.perSecond))]));
  return [...measured].map(([{ name, yardstick = contenders[0]?.name ?? name }, all]) => {
    const speeds = all.map(({ perSecond }) => perSecond);
    const costs = all.flatMap(({ cpuMicros }) => (cpuMicros === null ? [] : [cpuMicros]));
    const others = all.flatMap(({ otherMicros }) => (otherMicros === undefined ? [] : [otherMicros]));
    return {
      name,
      perSecond: median(speeds),
      slowest: Math.min(...speeds),
      fastest: Math.max(...speeds),
      cpuMicros: costs.length === 0 ? null : median(costs),
      ...(others.length > 0 && { otherMicros: median(others) }),
      ratio: median(speeds) / (medians.get(yardstick) ?? Number.NaN),
    };
  });
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}
