import type { Gap, LogEntry } from "../protocol.js";
import { element } from "./element.js";
import { FacetCounts, type Facets, type LineFilter, layerOf, passes } from "./line-filter.js";
import { lineRow, paintText, type RowLook, type TimeMode } from "./line-row.js";
import { earlierLines, LineRows, positionOf, type Row } from "./line-rows.js";
import { LineSearch, textOf } from "./line-search.js";
import { RowView } from "./row-view.js";

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

/** What a list is told by, and tells. What lines bring about is told at most once a frame. */
export interface LineListOptions {
  /** Told when the list begins or ceases to stick to the end, and of lines below that came since. */
  onFollow(following: boolean, unseen: number): void;
  onSearch(state: SearchState): void;
  /** Told when the user chooses a line (a click on its number) or a range (with Shift), and of `select()`. */
  onSelect(range: LineRange | null): void;
  /** Lines kept at most; older ones make room. Default 100,000. */
  maxLines?: number;
}

/** A frame's time for the search, in milliseconds. */
const SEARCH_MS = 5;

/**
 * The list of lines: follows the end, searches, filters, windows. Builds nodes, never HTML strings. Lines are named by
 * their index as everywhere in livetail, and shown with it.
 */
export class LineList {
  /** Its root, which scrolls; the element puts it into its shadow root, with the style of `line-list-style.ts`. */
  readonly element: HTMLElement;
  /** How many kept lines there are by level, event family, layer and backend; it is alive. */
  readonly facets: Facets;

  readonly #options: LineListOptions;
  readonly #kept: LineRows;
  readonly #count: FacetCounts;
  /** Shows the kept rows that the filter lets through, as far as `#pausedAt`. */
  readonly #view: RowView;
  #filter: LineFilter | null = null;
  /** The last row that is shown while the list is paused; Infinity: it is not. */
  #pausedAt = Number.POSITIVE_INFINITY;
  /** The newest row that the user could see. */
  #seen = -1;
  #search: LineSearch | null = null;
  #query = "";
  /** A search that was begun goes to the match that is next to this row, once it is known; null: it was there. */
  #goFrom: number | null = null;
  /** A match to which the list goes, until it is drawn. */
  #goTo: Row | null | undefined;
  #selected: LineRange | null = null;
  readonly #look: RowLook = { time: "relative", origin: 0, pattern: null };
  #told = "";

  constructor(options: LineListOptions) {
    this.#options = options;
    this.facets = this.#count = new FacetCounts();
    this.#kept = new LineRows(options.maxLines ?? 100_000, (entry) => this.#count.count(entry, -1));
    this.#view = new RowView({
      make: ({ entry, note }) => (entry === null ? element("div", "note", {}, note) : lineRow(entry, this.#look)),
      dress: (row, node) => this.#dress(row, node),
      onFrame: () => this.#onFrame(),
    });
    this.element = this.#view.element;
    // Quiet: what flows by is not read out.
    Object.assign(this.element, { role: "log", ariaLive: "off", ariaLabel: "Lines" });
    this.element.addEventListener("click", (event) => this.#onClick(event));
  }

  /** Adds lines in the order of their index. */
  append(entries: readonly LogEntry[]): void {
    for (const entry of entries) {
      this.#count.count(entry);
      this.#look.origin ||= Date.parse(entry.timestamp ?? "") || 0;
      this.#add(this.#kept.line(entry));
    }
    if (this.#kept.trim()) this.#rebuild();
  }

  /** Adds a row that says how many lines are missing here. */
  gap({ from, lost, reason }: Gap): void {
    this.#add(this.#kept.note(earlierLines(lost, reason === "lost"), from, lost));
  }

  /** Clears the list; a row says that the numbering begins anew. */
  reset(): void {
    this.#kept.clear();
    this.#look.origin = 0;
    this.#selected = null;
    const { seq } = this.#kept.note("The log began anew: its lines are numbered from here", 0, 0);
    if (this.#pausedAt < seq) this.#pausedAt = seq;
    this.#rebuild();
  }

  /** Shows times since the first line (the default), by the clock, or not. */
  setTime(mode: TimeMode): void {
    this.#look.time = mode;
    this.#view.relayout(true);
  }

  /** Wraps long lines (the default), or lets them run on. */
  setWrap(on: boolean): void {
    this.#view.wrap = on;
    this.element.classList.toggle("nowrap", !on);
    this.#view.relayout();
  }

  /** Shows the lines that pass; null shows all. Notes of missing lines are always shown. */
  setFilter(filter: LineFilter | null): void {
    this.#filter = filter;
    this.#newSearch();
    this.#rebuild();
  }

  /**
   * Searches the shown lines for a text, whatever the case of its letters, a few milliseconds a frame; "" ends the
   * search. Goes to the first match from where the user is, or else to the last one before, if it is out of sight.
   */
  search(query: string): void {
    if (query === this.#query) return;
    const from = this.#search?.current?.seq ?? this.#view.topSeq + 1;
    this.#query = query;
    this.#newSearch();
    this.#goFrom = from;
    this.#look.pattern = this.#search?.pattern ?? null;
    for (const [{ entry }, node] of this.#view.nodes) if (entry !== null) paintText(node, entry, this.#look.pattern);
  }

  /** Goes to the next matching line, after the last to the first. */
  next(): void {
    this.#step(this.#view.topSeq, 1);
  }

  /** Goes to the matching line before, before the first to the last. */
  previous(): void {
    this.#step(this.#view.topSeq + 1, -1);
  }

  /** Sticks to the end, or lets go of it where it is. */
  follow(on: boolean): void {
    this.#view.follow(on);
  }

  /** Shows nothing of what comes from now on, so that nothing moves; or shows it all. */
  pause(on: boolean): void {
    if (on === this.#pausedAt < Number.POSITIVE_INFINITY) return;
    this.#pausedAt = on ? (this.#kept.rows.at(-1)?.seq ?? -1) : Number.POSITIVE_INFINITY;
    this.#rebuild();
  }

  /** Scrolls to a line; false when it is not kept, or not shown. */
  jumpToLine(index: number): boolean {
    const { rows } = this.#view;
    let at = positionOf(rows, "index", index);
    while (rows[at]?.entry === null) at++;
    return rows[at]?.index === index && this.#go(rows[at]);
  }

  /** Scrolls to the first line of a layer; false when none is shown. */
  jumpToLayer(name: string): boolean {
    return this.#go(this.#view.rows.find(({ entry }) => entry !== null && layerOf(entry) === name));
  }

  /** Chooses lines, whether they are kept or not. */
  select(from: number, to: number): void {
    this.#select({ from: Math.min(from, to), to: Math.max(from, to) });
  }

  /** Chooses nothing. */
  clearSelection(): void {
    this.#select(null);
  }

  /**
   * The plain text of a range, else of the chosen lines, else of all that are shown, with a newline between them. What
   * notes say stands in brackets.
   */
  copyText(range: LineRange | null = this.#selected): string {
    return this.#view.rows
      .filter(({ index }) => range === null || (index >= range.from && index <= range.to))
      .map(({ entry, note }) => (entry === null ? `[${note}]` : textOf(entry)))
      .join("\n");
  }

  /** Lets go of everything; the list is not used afterwards. */
  destroy(): void {
    this.#view.destroy();
  }

  #shows({ seq, entry }: Row): boolean {
    return seq <= this.#pausedAt && (entry === null || passes(entry, this.#filter));
  }

  #add(row: Row): void {
    if (this.#shows(row)) this.#view.push(row);
    this.#view.draw();
  }

  /** Works out anew what is shown. */
  #rebuild(): void {
    this.#search?.forget(this.#kept.rows[0]?.seq ?? 0);
    this.#view.show(this.#kept.rows.filter((row) => this.#shows(row)));
  }

  /** Goes from the current match, or else from a row, to another match. */
  #step(from: number, direction: 1 | -1): void {
    const row = this.#search?.step(this.#search.current?.seq ?? from, direction);
    this.#goTo = row;
    this.#go(row);
    this.#tell();
  }

  #go(row: Row | null | undefined): boolean {
    if (row) this.#view.reveal(row);
    return Boolean(row);
  }

  #dress(row: Row, node: HTMLElement): void {
    const { classList } = node;
    const { from = 1, to = 0 } = this.#selected ?? {};
    classList.toggle("selected", row.entry !== null && row.index >= from && row.index <= to);
    classList.toggle("current", row === this.#search?.current);
    if (row === this.#goTo) {
      this.#goTo = null;
      // It may be folded away, or far down in a row that is higher than the list.
      const mark = node.querySelector("mark");
      const folded = mark?.closest("details");
      if (folded) folded.open = true;
      requestAnimationFrame(() => mark?.scrollIntoView({ block: "nearest", inline: "nearest" }));
    }
  }

  #onClick(event: MouseEvent): void {
    const number = event.target instanceof Element && event.target.closest("a.number");
    // A click for a new tab or window is the browser's.
    if (!number || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const index = Number(number.textContent);
    this.select(event.shiftKey ? (this.#selected?.from ?? index) : index, index);
  }

  #select(range: LineRange | null): void {
    this.#selected = range;
    this.#view.draw();
    this.#options.onSelect(range);
  }

  #newSearch(): void {
    this.#search = this.#query === "" ? null : new LineSearch(this.#query);
    this.#goFrom = null;
    this.#view.draw();
  }

  #onFrame(): void {
    const search = this.#search;
    if (search !== null) {
      const end = performance.now() + SEARCH_MS;
      const done = search.scan(this.#view.rows, () => performance.now() > end);
      if (!done) this.#view.draw();
      // What it began at has flowed by meanwhile.
      if (this.#goFrom !== null && this.#view.following) this.#goFrom = this.#view.topSeq + 1;
      if (this.#goFrom !== null && (done || search.last >= this.#goFrom)) {
        if (search.last >= this.#goFrom) this.#step(this.#goFrom - 1, 1);
        else this.#step(this.#goFrom, -1);
        this.#goFrom = null;
      }
    }
    this.#tell();
  }

  #tell(): void {
    const paused = this.#pausedAt < Number.POSITIVE_INFINITY;
    const following = this.#view.following && !paused;
    const rows = paused ? this.#kept.rows : this.#view.rows;
    if (following) this.#seen = rows.at(-1)?.seq ?? -1;
    const unseen = rows.length - positionOf(rows, "seq", this.#seen + 1);
    const { position: current = 0, count = 0 } = this.#search ?? {};
    const told = JSON.stringify([following, unseen, this.#query, current, count]);
    if (told === this.#told) return;
    this.#told = told;
    this.#options.onFollow(following, unseen);
    this.#options.onSearch({ query: this.#query, current, count });
  }
}
