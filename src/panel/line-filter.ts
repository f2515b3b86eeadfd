/** Which lines are shown, and what there is to choose from. Pure. */
import type { LogEntry } from "../protocol.js";
import { familyOf } from "./event-look.js";

/** What a line must be to be shown: one of the values of each list that is given. An empty list shows nothing. */
export interface LineFilter {
  levels?: readonly string[] | undefined;
  /** Event families as `familyOf` names them. */
  families?: readonly string[] | undefined;
  /** Lines without a layer are not shown when it is given. */
  layers?: readonly string[] | undefined;
  /** Lines without a backend are not shown when it is given. */
  backends?: readonly string[] | undefined;
}

/** How many of the kept lines have each value, in the order in which the values first came. */
export type Facets = { readonly [Name in keyof Required<LineFilter>]: ReadonlyMap<string, number> };

type FacetName = keyof Facets;

const VALUE_OF: { [Name in FacetName]: (entry: LogEntry) => string | undefined } = {
  levels: (entry) => entry.level,
  families: (entry) => familyOf(entry.event),
  layers: layerOf,
  backends: (entry) => entry.backend,
};

const NAMES = Object.keys(VALUE_OF) as FacetName[];

/** The layer that a line belongs to, by its name or else by its key. */
export function layerOf(entry: LogEntry): string | undefined {
  return entry.layer ?? entry.layer_name;
}

/** Whether a line is shown. */
export function passes(entry: LogEntry, filter: LineFilter | null): boolean {
  return NAMES.every((name) => {
    const wanted = filter?.[name];
    return wanted === undefined || wanted.includes(VALUE_OF[name](entry) ?? "");
  });
}

/** Counts that follow the lines as they come and go. */
export class FacetCounts implements Facets {
  readonly levels = new Map<string, number>();
  readonly families = new Map<string, number>();
  readonly layers = new Map<string, number>();
  readonly backends = new Map<string, number>();

  /** Counts a line that came, or with `by` -1 one that is no longer kept. */
  count(entry: LogEntry, by: 1 | -1 = 1): void {
    for (const name of NAMES) {
      const value = VALUE_OF[name](entry);
      if (value === undefined) continue;
      const left = (this[name].get(value) ?? 0) + by;
      if (left > 0) this[name].set(value, left);
      else this[name].delete(value);
    }
  }
}
