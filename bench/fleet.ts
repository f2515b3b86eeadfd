/** The arithmetic of a fleet: what is spent in a second is so much per open run, per line and per event. */

/** What goes on. */
export interface Load {
  runs: number;
  /** Of each run. */
  viewers: number;
  /** Of each run. */
  linesPerSecond: number;
}

/** What is spent, by the name of a figure. */
export type Costs = Record<string, number>;

/** What one of each costs: a run for a second, a line, and a line to a viewer. */
export interface UnitCosts {
  run: Costs;
  line: Costs;
  event: Costs;
}

/** What a load cost in a second. */
export interface Sample {
  load: Load;
  costs: Costs;
}

/**
 * The costs that explain three samples: one without lines, and two that differ in their viewers only. Negative ones,
 * which noise can make of what costs nothing, are 0.
 */
export function costsOf([idle, few, many]: readonly [Sample, Sample, Sample]): UnitCosts {
  const costs: UnitCosts = { run: {}, line: {}, event: {} };
  for (const name of Object.keys(idle.costs)) {
    const of = ({ costs }: Sample): number => costs[name] ?? 0;
    const run = of(idle) / idle.load.runs;
    const event = Math.max(0, (of(many) - of(few)) / (eventsOf(many.load) - eventsOf(few.load)));
    const line = Math.max(0, (of(few) - run * few.load.runs - event * eventsOf(few.load)) / linesOf(few.load));
    costs.run[name] = run;
    costs.line[name] = line;
    costs.event[name] = event;
  }
  return costs;
}

/** What a load costs in a second. */
export function predict({ run, line, event }: UnitCosts, load: Load): Costs {
  return Object.fromEntries(
    Object.keys(run).map((name) => [
      name,
      (run[name] ?? 0) * load.runs + (line[name] ?? 0) * linesOf(load) + (event[name] ?? 0) * eventsOf(load),
    ]),
  );
}

/** How many runs of a kind can be had for a share of a core, by a figure that is CPU time in microseconds. */
export function capacity(costs: UnitCosts, kind: Omit<Load, "runs">, figure: string, share: number): number {
  return Math.floor((share * 1e6) / (predict(costs, { ...kind, runs: 1 })[figure] ?? Number.NaN));
}

function linesOf({ runs, linesPerSecond }: Load): number {
  return runs * linesPerSecond;
}

function eventsOf(load: Load): number {
  return linesOf(load) * load.viewers;
}
