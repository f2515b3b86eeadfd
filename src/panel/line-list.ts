import type { Gap, LogEntry } from "../protocol.js";
import { element } from "./element.js";
import { countFacets, FACETS, type FacetCounts, type LineFilter, layerOf, passes } from "./line-filter.js";
import { lineRow, type RowElement, type RowLook, type TimeMode } from "./line-row.js";
import { createLineRows, earlierLines, positionOf, type Row } from "./line-rows.js";
import { createLineSearch, type LineSearch } from "./line-search.js";
import { textOf } from "./line-text.js";
import { createRowView } from "./row-view.js";

/** Lines by their index, both ends included. */
export interface LineRange {
  from: number;
  to: number;
}

/** Where a search stands. */
export interface SearchState {
  query: string;
  /** Which of the matching lines is the current one, from 1; 0: none. */
  current: number;
  /** Matching lines so far; it grows while the search goes on and while lines come. */
  count: number;
}

/**
 * The list of lines: follows the end, searches, filters, windows. Builds nodes, never HTML strings. Lines are named by
 * their index as everywhere in livetail, and shown with it.
 */
export interface LineList {
  /** Its root, which scrolls; the element puts it into its shadow root, with the style of `line-list-style.ts`. */
  readonly element: HTMLElement;
  /** How many kept lines there are by level, event family, layer and backend; it is alive. */
  readonly facets: FacetCounts;
  /** Adds lines in the order of their index. */
  append(entries: readonly LogEntry[]): void;
  /** Adds a row that says how many lines are missing here. */
  gap(gap: Gap): void;
  /** Clears the list; a row says that the numbering begins anew. */
  reset(): void;
  /** Shows times since the first line (the default), by the clock, or not. */
  setTime(mode: TimeMode): void;
  /** Wraps long lines (the default), or lets them run on. */
  setWrap(on: boolean): void;
  /** Shows the lines that pass. Notes of missing lines are always shown. */
  setFilter(filter: LineFilter): void;
  /**
   * Searches the shown lines for a text, whatever the case of its letters, a few milliseconds a frame; "" ends the
   * search. Goes to the first match from where the user is, or else to the last one before, if it is out of sight.
   */
  search(query: string): void;
  /** Goes to the next matching line, after the last to the first. */
  next(): void;
  /** Goes to the matching line before, before the first to the last. */
  previous(): void;
  /** Sticks to the end, or lets go of it where it is. */
  follow(on: boolean): void;
  /** Shows nothing of what comes from now on, so that nothing moves; or shows it all. */
  pause(on: boolean): void;
  /** Scrolls to a line; false when it is not kept, or not shown. */
  jumpToLine(index: number): boolean;
  /** Scrolls to the first line of a layer; false when none is shown. */
  jumpToLayer(name: string): boolean;
  /** Chooses lines, whether they are kept or not; or none. */
  select(range?: LineRange): void;
  /**
   * The plain text of the chosen lines, else of all that are shown, with a newline between them. What notes say stands
   * in brackets.
   */
  copyText(): string;
}

/** A frame's time for the search, in milliseconds. */
const SEARCH_MS = 5;

/**
 * Makes an empty list that keeps at most `maxLines`; older ones make room. `onChange` is told when it begins or ceases
 * to stick to the end, of lines below that came since, and how a search stands: at most once a frame. `onSelect` is told
 * of what is chosen: by a click on a number, with Shift a range, or by `select()`.
 */
export function createLineList(
  onChange: (following: boolean, unseen: number, search: SearchState) => void,
  onSelect: (range: LineRange | undefined) => void,
  maxLines = 100_000,
): LineList {
  const facets = FACETS.map(() => new Map<string, number>());
  const kept = createLineRows(maxLines, (entry) => countFacets(facets, entry, -1));
  const look: RowLook = { time: "relative", origin: 0, pattern: undefined };
  let filter: LineFilter = [];
  /** The last row that is shown while the list is paused; Infinity: it is not. */
  let pausedAt = Infinity;
  /** The newest row that the user could see. */
  let seen = -1;
  let search: LineSearch | undefined;
  let query = "";
  /** A search that was begun goes to the match that is next to this row, once it is known; undefined: it was there. */
  let goFrom: number | undefined;
  /** A match to which the list goes, until it is drawn. */
  let goTo: Row | undefined;
  let selected: LineRange | undefined;
  let told = "";

  /** Shows the kept rows that the filter lets through, as far as `pausedAt`. */
  const view = createRowView<RowElement>(
    ({ entry, note }) => (entry ? lineRow(entry, look) : element("div", "note", {}, note)),
    (row, node) => {
      const { from = 1, to = 0 } = selected ?? {};
      node.classList.toggle("selected", !!row.entry && row.index >= from && row.index <= to);
      node.classList.toggle("current", row === search?.current);
      if (row === goTo) {
        goTo = undefined;
        // It may be folded away, in fields that have no nodes yet, or far down in a row that is higher than the list.
        const mark = node.querySelector("mark");
        const fold = mark ? mark.closest("details") : node.querySelector("details");
        if (fold) fold.open = true;
        requestAnimationFrame(() =>
          node.querySelector("mark")?.scrollIntoView({ block: "nearest", inline: "nearest" }),
        );
      }
    },
    () => {
      if (search) {
        const end = performance.now() + SEARCH_MS;
        const done = search.scan(view.rows, () => performance.now() > end);
        if (!done) view.draw();
        if (done && goFrom !== undefined) {
          // What it began at has flowed by meanwhile, if it follows.
          const found = positionOf(search.matches, view.following ? view.firstSeq() : goFrom);
          goFrom = undefined;
          goToMatch(Math.min(found, search.matches.length - 1));
        }
      }
      tell();
    },
  );

  const shows = ({ seq, entry }: Row) => seq <= pausedAt && (!entry || passes(entry, filter));
  const add = (row: Row) => {
    if (shows(row)) view.rows.push(row);
    view.draw();
  };
  /** Works out anew what is shown. */
  const rebuild = () => {
    search?.forget(kept.rows[0]?.seq ?? 0);
    view.show(kept.rows.filter(shows));
  };
  const newSearch = () => {
    search = query ? createLineSearch(query) : undefined;
    goFrom = undefined;
    view.draw();
  };
  const go = (row: Row | undefined) => {
    if (row) view.reveal(row);
    return !!row;
  };
  const goToMatch = (position: number) => {
    goTo = search?.go(position);
    go(goTo);
    tell();
  };
  /** The position of the current match, or of the first one that is in sight or below. */
  const here = () => positionOf(search?.matches ?? [], search?.current?.seq ?? view.firstSeq());
  const select = (range?: LineRange) => {
    selected = range;
    view.draw();
    onSelect(range);
  };
  const tell = () => {
    const paused = pausedAt < Infinity;
    const following = view.following && !paused;
    const rows = paused ? kept.rows : view.rows;
    if (following) seen = rows.at(-1)?.seq ?? -1;
    const unseen = rows.length - positionOf(rows, seen + 1);
    const { matches = [], current } = search ?? {};
    const state = { query, current: matches.indexOf(current as Row) + 1, count: matches.length };
    const now = JSON.stringify([following, unseen, state]);
    if (now === told) return;
    told = now;
    onChange(following, unseen, state);
  };

  view.element.onclick = (event) => {
    const number = (event.target as Element).closest("a.number");
    // A click for a new tab or window is the browser's.
    if (!number || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const index = Number(number.textContent);
    const first = event.shiftKey ? (selected?.from ?? index) : index;
    select({ from: Math.min(first, index), to: Math.max(first, index) });
  };

  return {
    element: view.element,
    facets,
    append(entries) {
      for (const entry of entries) {
        countFacets(facets, entry, 1);
        look.origin ||= Date.parse(entry.timestamp ?? "") || 0;
        add(kept.line(entry));
      }
      if (kept.trim()) rebuild();
    },
    gap: ({ from, lost, reason }) => add(kept.note(earlierLines(lost, reason === "lost"), from, lost)),
    reset() {
      kept.clear();
      look.origin = 0;
      selected = undefined;
      const { seq } = kept.note("The log began anew", 0, 0);
      pausedAt = Math.max(pausedAt, seq);
      rebuild();
    },
    setTime(mode) {
      look.time = mode;
      view.relayout(true);
    },
    setWrap(on) {
      view.wrap = on;
      view.element.classList.toggle("nowrap", !on);
      view.relayout();
    },
    setFilter(wanted) {
      filter = wanted;
      newSearch();
      rebuild();
    },
    search(text) {
      const from = search?.current?.seq ?? view.firstSeq();
      query = text;
      newSearch();
      goFrom = from;
      look.pattern = search?.pattern;
      for (const node of view.nodes.values()) node.paint?.();
    },
    next: () => goToMatch(here() + (search?.current ? 1 : 0)),
    previous: () => goToMatch(here() - 1),
    follow: view.follow,
    pause(on) {
      pausedAt = on ? (kept.rows.at(-1)?.seq ?? -1) : Infinity;
      rebuild();
    },
    jumpToLine: (index) => go(view.rows.find((row) => row.entry && row.index === index)),
    jumpToLayer: (name) => go(view.rows.find(({ entry }) => entry && layerOf(entry) === name)),
    select,
    copyText: () =>
      view.rows
        .filter(({ index }) => !selected || (index >= selected.from && index <= selected.to))
        .map(({ entry, note }) => (entry ? textOf(entry) : `[${note}]`))
        .join("\n"),
  };
}
