import type { Gap, LogEntry } from "../protocol.js";
import { FacetCounts, type Facets, type LineFilter, layerOf, passes } from "./line-filter.js";

/** Lines by their index, both ends included. */
export interface LineRange {
  from: number;
  to: number;
}

/** How the time of a line is shown: since the first line, by the clock, or not. */
export type TimeMode = "relative" | "absolute" | "off";

/** Where a search stands. */
export interface SearchState {
  query: string;
  /** Which of the matching lines is the current one, from 1; 0: none. */
  current: number;
  /** Matching lines so far; it grows while the search goes on and while lines come. */
  count: number;
}

/** What a list is told by, and tells. */
export interface LineListOptions {
  /** Told when the list begins or ceases to stick to the end, and of lines that came since and are not seen. */
  onFollow(following: boolean, unseen: number): void;
  onSearch(state: SearchState): void;
  /** Told when the user chooses a line (a click on its number) or a range (with Shift), and of `select()`. */
  onSelect(range: LineRange | null): void;
  /** Lines kept at most; older ones make room. Default 100,000. */
  maxLines?: number;
}

/** The list of lines: follows the end, searches, filters, windows. Builds nodes, never HTML strings. */
export class LineList {
  /** Its root, which scrolls; the element puts it into its shadow root, with the style of `line-list-style.ts`. */
  readonly element: HTMLElement = document.createElement("div");

  readonly #options: LineListOptions;
  readonly #facets = new FacetCounts();
  #entries: LogEntry[] = [];
  #filter: LineFilter | null = null;
  #following = true;
  #unseen = 0;
  #selected: LineRange | null = null;

  constructor(options: LineListOptions) {
    this.#options = options;
    const { element } = this;
    element.className = "lines";
    element.tabIndex = 0;
    element.setAttribute("role", "log");
    element.setAttribute("aria-live", "off");
    element.setAttribute("aria-label", "Lines");
    element.setAttribute("part", "lines");
    element.addEventListener("scroll", () => {
      const atEnd = element.scrollHeight - element.scrollTop - element.clientHeight < 20;
      if (atEnd !== this.#following) this.follow(atEnd);
    });
  }

  /** How many kept lines there are by level, event family, layer and backend; it is alive. */
  get facets(): Facets {
    return this.#facets;
  }

  /** Adds lines in the order of their index. */
  append(entries: readonly LogEntry[]): void {
    for (const entry of entries) {
      this.#entries.push(entry);
      this.#facets.count(entry);
      this.element.append(this.#row(entry));
    }
    if (this.#following) this.element.scrollTop = this.element.scrollHeight;
    else {
      this.#unseen += entries.length;
      this.#options.onFollow(false, this.#unseen);
    }
  }

  /** Adds a row that says how many lines are missing here. */
  gap(gap: Gap): void {
    this.#note(`${gap.lost} earlier lines are not kept`);
  }

  /** Clears the list; a row says that the numbering begins anew. */
  reset(): void {
    this.#entries = [];
    this.element.replaceChildren();
    this.#note("The log began anew");
  }

  setTime(_mode: TimeMode): void {}

  setWrap(on: boolean): void {
    this.element.classList.toggle("nowrap", !on);
  }

  /** Shows the lines that pass; null shows all. */
  setFilter(filter: LineFilter | null): void {
    this.#filter = filter;
    this.element.replaceChildren(...this.#entries.map((entry) => this.#row(entry)));
  }

  /** Searches for a text, whatever the case of its letters; "" ends the search. */
  search(query: string): void {
    const count = query === "" ? 0 : this.#entries.filter(({ message }) => message.includes(query)).length;
    this.#options.onSearch({ query, current: 0, count });
  }

  /** Goes to the next matching line, after the last to the first. */
  next(): void {}

  /** Goes to the matching line before, before the first to the last. */
  previous(): void {}

  /** Sticks to the end, or lets go of it. */
  follow(on: boolean): void {
    this.#following = on;
    if (on) this.#unseen = 0;
    this.#options.onFollow(on, this.#unseen);
    if (on) this.element.scrollTop = this.element.scrollHeight;
  }

  /** Holds back what comes, so that nothing moves, or shows it again. */
  pause(_on: boolean): void {}

  /** Scrolls to a line; false when it is not kept, or not shown by the filter. */
  jumpToLine(index: number): boolean {
    const row = this.element.querySelector(`[data-index="${index}"]`);
    row?.scrollIntoView({ block: "center" });
    return row !== null;
  }

  /** Scrolls to the first line of a layer; false when there is none. */
  jumpToLayer(name: string): boolean {
    const entry = this.#entries.find((candidate) => layerOf(candidate) === name);
    return entry !== undefined && this.jumpToLine(entry.index);
  }

  /** Chooses lines. */
  select(from: number, to: number): void {
    this.#selected = { from: Math.min(from, to), to: Math.max(from, to) };
    this.#options.onSelect(this.#selected);
  }

  /** Chooses nothing. */
  clearSelection(): void {
    this.#selected = null;
    this.#options.onSelect(null);
  }

  /** The plain text of a range, else of the chosen lines, else of all that are shown; a newline between them. */
  copyText(range: LineRange | null = this.#selected): string {
    return this.#entries
      .filter(({ index }) => range === null || (index >= range.from && index <= range.to))
      .map(({ message }) => message)
      .join("\n");
  }

  /** Lets go of everything; the list is not used afterwards. */
  destroy(): void {
    this.element.replaceChildren();
  }

  #note(text: string): void {
    const row = document.createElement("div");
    row.className = "note";
    row.textContent = text;
    this.element.append(row);
  }

  #row(entry: LogEntry): HTMLElement {
    const row = document.createElement("div");
    row.className = `line ${entry.level}`;
    row.dataset.index = String(entry.index);
    row.hidden = !passes(entry, this.#filter);
    const number = document.createElement("a");
    number.textContent = String(entry.index);
    number.href = `#L${entry.index}`;
    const message = document.createElement("span");
    message.className = "message";
    message.dir = "auto";
    message.textContent = entry.message;
    row.append(number, message);
    return row;
  }
}
