import type { Gap, LogEntry } from "../protocol.js";
import { element } from "./element.js";
import { FacetCounts, type Facets, type LineFilter, layerOf, passes } from "./line-filter.js";
import { lineRow, noteRow, paintText, type RowLook, type TimeMode } from "./line-row.js";
import { earlier, LineRows, positionOf, type Row } from "./line-rows.js";
import { LineSearch, textOf } from "./line-search.js";
import { RowHeights, wrappedLines } from "./row-window.js";

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

/** What a list is told by, and tells. Everything is told at most once a frame. */
export interface LineListOptions {
  /** Told when the list begins or ceases to stick to the end, and of lines below that came since. */
  onFollow(following: boolean, unseen: number): void;
  onSearch(state: SearchState): void;
  /** Told when the user chooses a line (a click on its number) or a range (with Shift), and of `select()`. */
  onSelect(range: LineRange | null): void;
  /** Lines kept at most; older ones make room. Default 100,000. */
  maxLines?: number;
}

/** What is rendered above and below what is in sight, in pixels, so that scrolling shows rows at once. */
const OVERSCAN = 300;
/** A frame's time for the search, in milliseconds. */
const SEARCH_MS = 5;
/** How often a frame looks again for rows, when those that it made are not as high as was thought. */
const MAX_PASSES = 5;

/**
 * The list of lines: follows the end, searches, filters, windows. Builds nodes, never HTML strings. Lines are named by
 * their index as everywhere in livetail, and shown with it.
 */
export class LineList {
  /** Its root, which scrolls; the element puts it into its shadow root, with the style of `line-list-style.ts`. */
  readonly element: HTMLElement;

  readonly #options: LineListOptions;
  readonly #all = element("div", "all");
  readonly #window = element("div", "window");
  readonly #observer: ResizeObserver;
  readonly #maxLines: number;

  #facets = new FacetCounts();
  #kept: LineRows;
  /** What came while the list was paused; null: it is not. */
  #held: LineRows | null = null;
  /** The kept rows that the filter lets through. */
  #shown: Row[] = [];
  #heights = new RowHeights();
  #filter: LineFilter | null = null;
  #search: LineSearch | null = null;
  #query = "";
  /** Where a search that was begun goes, once it has a match: the first one from here. */
  #goFrom: number | null = null;
  #selected: LineRange | null = null;
  #look: RowLook = { time: "relative", origin: 0, pattern: null };

  /** Rows with their nodes: those in the window, and those in which something is unfolded. */
  readonly #nodes = new Map<Row, HTMLElement>();
  #wrap = true;
  /** Characters that a row has room for; 0: to be measured. */
  #columns = 0;
  #lineHeight = 20;
  #width = 0;

  #following = true;
  #unseen = 0;
  /** The row at the upper edge, and how far it is above it, while the list does not follow. */
  #anchor: { seq: number; offset: number } = { seq: 0, offset: 0 };
  /** Where the list has scrolled to itself. */
  #top = 0;
  #frame = 0;
  #told = "";

  constructor(options: LineListOptions) {
    this.#options = options;
    this.#maxLines = options.maxLines ?? 100_000;
    this.#kept = this.#newRows();
    this.#all.append(this.#window);
    this.element = element(
      "div",
      "lines",
      { tabIndex: 0, role: "log", ariaLive: "off", ariaLabel: "Lines" },
      this.#all,
    );
    this.element.addEventListener("scroll", () => this.#onScroll(), { passive: true });
    this.element.addEventListener("click", (event) => this.#onClick(event));
    // A fold was opened or closed: toggle events do not bubble.
    this.element.addEventListener("toggle", (event) => this.#onToggle(event.target), { capture: true });
    this.#observer = new ResizeObserver(() => this.#schedule());
    this.#observer.observe(this.element);
  }

  /** How many kept lines there are by level, event family, layer and backend; it is alive until a reset. */
  get facets(): Facets {
    return this.#facets;
  }

  /** Adds lines in the order of their index. */
  append(entries: readonly LogEntry[]): void {
    for (const entry of entries) {
      if (this.#held !== null) this.#held.line(entry);
      else this.#add(this.#kept.line(entry));
    }
    if (!this.#following) this.#unseen += entries.length;
    this.#makeRoom();
  }

  /** Adds a row that says how many lines are missing here. */
  gap({ from, lost, reason }: Gap): void {
    const text = reason === "trimmed" ? earlier(lost) : earlier(lost, "were lost");
    if (this.#held !== null) this.#held.note(text, from, lost);
    else this.#add(this.#kept.note(text, from, lost));
    this.#makeRoom();
  }

  /** Clears the list; a row says that the numbering begins anew. */
  reset(): void {
    this.#kept = this.#newRows();
    if (this.#held !== null) this.#held = new LineRows(this.#maxLines);
    this.#facets = new FacetCounts();
    this.#look.origin = 0;
    this.#selected = null;
    this.#kept.note("The log began anew: its lines are numbered from here", 0);
    this.#restartSearch();
    this.#rebuild();
  }

  /** Shows times since the first line (the default), by the clock, or not. */
  setTime(mode: TimeMode): void {
    this.#look.time = mode;
    this.#discardNodes();
    this.#forgetHeights();
  }

  /** Wraps long lines (the default), or lets them run on. */
  setWrap(on: boolean): void {
    this.#wrap = on;
    this.element.classList.toggle("nowrap", !on);
    this.#forgetHeights();
  }

  /** Shows the lines that pass; null shows all. Notes of missing lines are always shown. */
  setFilter(filter: LineFilter | null): void {
    this.#filter = filter;
    this.#restartSearch();
    this.#rebuild();
  }

  /**
   * Searches the shown lines for a text, whatever the case of its letters, a few milliseconds a frame; "" ends the
   * search. Goes to the first match from where the user is, if it is out of sight.
   */
  search(query: string): void {
    if (query === this.#query) return;
    const from = this.#search?.current?.seq ?? this.#shown[this.#heights.at(this.element.scrollTop)]?.seq ?? 0;
    this.#query = query;
    this.#restartSearch();
    this.#goFrom = from;
    this.#look.pattern = this.#search?.pattern ?? null;
    for (const [{ entry }, node] of this.#nodes) if (entry !== null) paintText(node, entry, this.#look.pattern);
  }

  /** Goes to the next matching line, after the last to the first. */
  next(): void {
    this.#step(1);
  }

  /** Goes to the matching line before, before the first to the last. */
  previous(): void {
    this.#step(-1);
  }

  /** Sticks to the end, or lets go of it where it is. */
  follow(on: boolean): void {
    this.#following = on;
    if (on) this.#unseen = 0;
    else this.#anchorAt(this.element.scrollTop);
    this.#schedule();
  }

  /** Holds back what comes, so that nothing moves, or shows it. What is held back is not searched, counted or copied. */
  pause(on: boolean): void {
    if (on === (this.#held !== null)) return;
    if (on) {
      this.#held = new LineRows(this.#maxLines);
      this.follow(false);
      return;
    }
    const held = this.#held?.rows ?? [];
    this.#held = null;
    for (const { entry, note, index, lost } of held) {
      this.#add(entry === null ? this.#kept.note(note, index, lost) : this.#kept.line(entry));
    }
    this.#makeRoom();
  }

  /** Scrolls to a line; false when it is not kept, or not shown by the filter. */
  jumpToLine(index: number): boolean {
    let at = positionOf(this.#shown, "index", index);
    while (this.#shown[at]?.index === index && this.#shown[at]?.entry === null) at++;
    const row = this.#shown[at];
    if (row?.index !== index) return false;
    this.#reveal(row);
    return true;
  }

  /** Scrolls to the first line of a layer; false when none is shown. */
  jumpToLayer(name: string): boolean {
    const row = this.#shown.find(({ entry }) => entry !== null && layerOf(entry) === name);
    if (row !== undefined) this.#reveal(row);
    return row !== undefined;
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
    return this.#shown
      .filter(({ index }) => range === null || (index >= range.from && index <= range.to))
      .map(({ entry, note }) => (entry === null ? `[${note}]` : textOf(entry)))
      .join("\n");
  }

  /** Lets go of everything; the list is not used afterwards. */
  destroy(): void {
    this.#observer.disconnect();
    cancelAnimationFrame(this.#frame);
    this.#frame = -1;
    this.element.remove();
  }

  #newRows(): LineRows {
    return new LineRows(this.#maxLines, (entry) => this.#facets.count(entry, -1));
  }

  #add(row: Row): void {
    const { entry } = row;
    if (entry !== null) {
      this.#facets.count(entry);
      if (this.#look.origin === 0 && entry.timestamp !== null) this.#look.origin = Date.parse(entry.timestamp) || 0;
      if (!passes(entry, this.#filter)) return;
    }
    this.#shown.push(row);
    this.#heights.push(this.#estimate(row));
  }

  /** After rows were added. */
  #makeRoom(): void {
    this.#held?.trim();
    if (this.#kept.trim()) this.#rebuild();
    this.#schedule();
  }

  /** Builds anew what follows from the kept rows and the filter. */
  #rebuild(): void {
    const { rows } = this.#kept;
    this.#shown = rows.filter(({ entry }) => entry === null || passes(entry, this.#filter));
    this.#heights = new RowHeights(this.#shown.map((row) => row.height || this.#estimate(row)));
    const first = rows[0]?.seq ?? 0;
    this.#search?.forget(first);
    for (const row of this.#nodes.keys()) if (row.seq <= first) this.#nodes.delete(row);
    this.#schedule();
  }

  #estimate({ entry }: Row): number {
    if (entry === null) return this.#lineHeight + 6;
    const columns = this.#wrap ? this.#columns || 100 : Number.POSITIVE_INFINITY;
    const folded = entry.traceback === undefined ? 0 : 1;
    return (wrappedLines(entry.message, columns) + folded) * this.#lineHeight;
  }

  #forgetHeights(): void {
    for (const row of this.#kept.rows) row.height = 0;
    this.#columns = 0;
    this.#rebuild();
  }

  #discardNodes(): void {
    this.#nodes.clear();
    this.#window.replaceChildren();
  }

  #schedule(): void {
    if (this.#frame === 0) this.#frame = requestAnimationFrame(() => this.#onFrame());
  }

  #onFrame(): void {
    this.#frame = 0;
    this.#continueSearch();
    if (this.element.clientHeight > 0) this.#render();
    this.#tell();
  }

  /** Brings the nodes of the window in line with the rows, and keeps what the user looks at where it is. */
  #render(): void {
    const { element: scroller } = this;
    if (scroller.clientWidth !== this.#width) {
      this.#width = scroller.clientWidth;
      this.#forgetHeights();
    }
    const { clientHeight } = scroller;
    let top = 0;
    for (let pass = 0, settled = false; pass < MAX_PASSES && !settled; pass++) {
      const { total } = this.#heights;
      const at = positionOf(this.#shown, "seq", this.#anchor.seq);
      const wanted = this.#following ? total : this.#heights.top(at) + this.#anchor.offset;
      top = Math.max(0, Math.min(wanted, total - clientHeight));
      const from = this.#heights.at(top - OVERSCAN);
      const to = this.#heights.at(top + clientHeight + OVERSCAN);
      this.#all.style.height = `${total}px`;
      this.#mount(from, to);
      settled = this.#measure(from, to);
      this.#window.style.top = `${this.#heights.top(from)}px`;
    }
    this.#all.style.height = `${this.#heights.total}px`;
    if (Math.abs(scroller.scrollTop - top) >= 1) scroller.scrollTop = top;
    this.#top = scroller.scrollTop;
  }

  /** Puts the rows from `from` to `to` into the window, and no others. */
  #mount(from: number, to: number): void {
    const rows = this.#shown.slice(from, to + 1);
    const wanted = new Set(rows);
    for (const [row, node] of this.#nodes) {
      if (wanted.has(row)) continue;
      if (node.matches(":focus-within")) this.element.focus({ preventScroll: true });
      node.remove();
      if (node.querySelector("details[open]") === null) this.#nodes.delete(row);
    }
    let before = this.#window.firstChild;
    for (const row of rows) {
      const node = this.#nodeOf(row);
      if (node === before) before = before.nextSibling;
      else this.#window.insertBefore(node, before);
      const { index, entry } = row;
      const { from: first = 1, to: last = 0 } = this.#selected ?? {};
      node.classList.toggle("selected", entry !== null && index >= first && index <= last);
      node.classList.toggle("current", row === this.#search?.current);
    }
  }

  #nodeOf(row: Row): HTMLElement {
    let node = this.#nodes.get(row);
    if (node === undefined) {
      node = row.entry === null ? noteRow(row.note) : lineRow(row.entry, this.#look);
      this.#nodes.set(row, node);
    }
    return node;
  }

  /** Takes the heights of rows in the window that are not known; whether all were as was thought. */
  #measure(from: number, to: number): boolean {
    let settled = true;
    for (let at = from; at <= to; at++) {
      const row = this.#shown[at];
      const node = row && this.#nodes.get(row);
      if (row === undefined || node === undefined || row.height > 0) continue;
      if (this.#columns === 0 && row.entry !== null) {
        this.#measureColumns(node);
        return false;
      }
      row.height = node.getBoundingClientRect().height;
      if (this.#heights.set(at, row.height)) settled = false;
    }
    return settled;
  }

  /** Learns from one row how much room there is for text. */
  #measureColumns(node: HTMLElement): void {
    const widthOf = (selector: string) => node.querySelector(selector)?.getBoundingClientRect().width ?? 0;
    this.#lineHeight = Number.parseFloat(getComputedStyle(node).lineHeight) || 20;
    this.#columns = Math.max(1, Math.floor((widthOf(".message") * 7) / widthOf(".number")) || 100);
    this.#rebuild();
  }

  #anchorAt(top: number): void {
    const at = this.#heights.at(top);
    this.#anchor = { seq: this.#shown[at]?.seq ?? 0, offset: top - this.#heights.top(at) };
  }

  #onScroll(): void {
    const { scrollTop, clientHeight } = this.element;
    if (Math.abs(scrollTop - this.#top) < 1) return;
    this.#top = scrollTop;
    this.#anchorAt(scrollTop);
    this.#following = this.#held === null && scrollTop + clientHeight >= this.#heights.total - 2;
    if (this.#following) this.#unseen = 0;
    this.#schedule();
  }

  #onToggle(target: EventTarget | null): void {
    for (const [row, node] of this.#nodes) if (node.contains(target as Node)) row.height = 0;
    this.#schedule();
  }

  #onClick(event: MouseEvent): void {
    const number = event.target instanceof Element && event.target.closest<HTMLElement>("a.number");
    // A click for a new tab or window is the browser's.
    if (!number || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const index = Number(number.textContent);
    this.select(event.shiftKey ? (this.#selected?.from ?? index) : index, index);
  }

  #select(range: LineRange | null): void {
    this.#selected = range;
    this.#schedule();
    this.#options.onSelect(range);
  }

  /** Shows a row: where it is if it is in sight, else in the middle. */
  #reveal(row: Row): void {
    const { scrollTop, clientHeight } = this.element;
    const at = positionOf(this.#shown, "seq", row.seq);
    const top = this.#heights.top(at);
    const bottom = this.#heights.top(at + 1);
    if (top < scrollTop || bottom > scrollTop + clientHeight) {
      this.#following = false;
      this.#anchor = { seq: row.seq, offset: -Math.max(0, (clientHeight - (bottom - top)) / 2) };
    }
    this.#schedule();
  }

  #restartSearch(): void {
    this.#search = this.#query === "" ? null : new LineSearch(this.#query);
    this.#goFrom = null;
    this.#schedule();
  }

  #continueSearch(): void {
    const search = this.#search;
    if (search === null) return;
    const end = performance.now() + SEARCH_MS;
    const done = search.scan(this.#shown, () => performance.now() > end);
    if (this.#goFrom !== null) {
      const found = search.firstFrom(this.#goFrom) ?? (done ? search.step(this.#goFrom, -1) : null);
      if (found !== null) {
        search.current = found;
        this.#goFrom = null;
        this.#reveal(found);
      } else if (done) this.#goFrom = null;
    }
    if (!done) this.#schedule();
  }

  #step(direction: 1 | -1): void {
    const from = this.#search?.current?.seq ?? this.#shown[this.#heights.at(this.element.scrollTop)]?.seq ?? 0;
    const row = this.#search?.step(from, direction);
    if (row) this.#reveal(row);
  }

  #tell(): void {
    const { position: current = 0, count = 0 } = this.#search ?? {};
    const told = [this.#following, this.#unseen, this.#query, current, count].join(" ");
    if (told === this.#told) return;
    this.#told = told;
    this.#options.onFollow(this.#following, this.#unseen);
    this.#options.onSearch({ query: this.#query, current, count });
  }
}
