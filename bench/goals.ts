/** What a scenario is to reach, and whether it did. */
import { type Figure, type Result, type Spread, steady } from "./rounds.js";

/** A bound for one figure of one row. */
export type Goal = {
  /** The row's name. */
  row: string;
  /** The figure's name: a column of figures, or one of a `Result`. Default `ratio`: what is counted, of the yardstick's. */
  figure?: string;
  /** The row of whose same figure it is a multiple. Left out: the figure as it is. */
  of?: string;
} & Bound;

/** Where the figure has to lie. */
type Bound = { atLeast: number } | { atMost: number } | { between: readonly [low: number, high: number] };

/** A goal with what was measured. */
export interface Verdict {
  goal: Goal;
  /** The median, or the multiple of the other row's median. */
  value: number;
  met: boolean;
}

/** Judges every goal. Throws when there is no such row or figure: a goal that nobody measures is a mistake. */
export function judge(goals: readonly Goal[], rows: readonly (Result | Figure)[]): Verdict[] {
  return goals.map((goal) => {
    const { row, figure = "ratio", of } = goal;
    const own = medianOf(rows, row, figure);
    const value = of === undefined ? own : multiple(own, medianOf(rows, of, figure));
    return { goal, value, met: holds(goal, value) };
  });
}

/** Nothing at all is as much as nothing at all. */
function multiple(own: number, other: number): number {
  return own === 0 && other === 0 ? 1 : own / other;
}

function holds(bound: Bound, value: number): boolean {
  if ("atLeast" in bound) return value >= bound.atLeast;
  if ("atMost" in bound) return value <= bound.atMost;
  return value >= bound.between[0] && value <= bound.between[1];
}

/** The figures of a row by their names, whichever kind of row it is. */
export function figuresOf(row: Result | Figure): Record<string, Spread> {
  if ("figures" in row) return row.figures;
  const { perSecond, slowest, fastest, cpuMicros, otherMicros, ratio, cpuRatio } = row;
  return {
    perSecond: { median: perSecond, low: slowest, high: fastest },
    ...(cpuMicros !== null && { cpuMicros: steady(cpuMicros) }),
    ...Object.fromEntries(Object.entries(otherMicros ?? {}).map(([who, micros]) => [`${who} µs`, steady(micros)])),
    ratio: steady(ratio),
    ...(cpuRatio !== null && { cpuRatio: steady(cpuRatio) }),
  };
}

function medianOf(rows: readonly (Result | Figure)[], name: string, figure: string): number {
  const row = rows.find((each) => each.name === name);
  const spread = row && figuresOf(row)[figure];
  if (spread === undefined) throw new Error(`A goal is for "${figure}" of "${name}", which nobody measures.`);
  return spread.median;
}
