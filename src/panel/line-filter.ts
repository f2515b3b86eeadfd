/** Which lines are shown, and what there is to choose from. Pure. */
import type { LogEntry } from "../protocol.js";
import { familyOf } from "./event-look.js";

/** What lines are told apart by: its name, and its value of a line, if it has one. */
export const FACETS: readonly (readonly [name: string, valueOf: (entry: LogEntry) => string | undefined])[] = [
  ["Level", (entry) => entry.level],
  ["Event", (entry) => familyOf(entry.event)],
  ["Layer", layerOf],
  ["Backend", (entry) => entry.backend],
];

/** The values that are wanted of each facet, in the order of `FACETS`; no value wants every line. */
export type LineFilter = readonly ReadonlySet<string>[];

/** How many of the kept lines have each value, by facet, in the order in which the values first came. */
export type FacetCounts = readonly Map<string, number>[];

/** The layer that a line belongs to, by its name or else by its key. */
export function layerOf(entry: LogEntry): string | undefined {
  return entry.layer ?? entry.layer_name;
}

/** Whether a line is shown: it has one of the values that are wanted of each facet. */
export function passes(entry: LogEntry, filter: LineFilter): boolean {
  return filter.every((wanted, facet) => !wanted.size || wanted.has(FACETS[facet]?.[1](entry) ?? ""));
}

/** Counts a line that came, or with `by` -1 one that is no longer kept. */
export function countFacets(counts: FacetCounts, entry: LogEntry, by: 1 | -1): void {
  for (const [facet, values] of counts.entries()) {
    const value = FACETS[facet]?.[1](entry);
    if (!value) continue;
    const left = (values.get(value) ?? 0) + by;
    if (left) values.set(value, left);
    else values.delete(value);
  }
}
