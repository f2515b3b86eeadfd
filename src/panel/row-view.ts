/** The part of many rows that is in sight, as nodes in an element that scrolls. */
import { element } from "./element.js";
import { positionOf, type Row } from "./line-rows.js";
import { RowHeights, wrappedLines } from "./row-window.js";

/** Whom a view asks and tells. */
export interface RowViewOptions {
  /** Makes the nodes of a row. */
  make(row: Row): HTMLElement;
  /** Is handed each row of the window at each frame. */
  dress(row: Row, node: HTMLElement): void;
  /** Called before a frame is drawn. */
  onFrame(): void;
}

/** What is rendered above and below what is in sight, in pixels, so that scrolling shows rows at once. */
const OVERSCAN = 300;
/** How often a frame looks again for rows, when those that it made are not as high as was thought. */
const MAX_PASSES = 5;
/** What stands beside the text of a row, in pixels, and the width of a character as a share of the height of a line. */
const ASIDE = 230;
const CHARACTER = 0.36;

/**
 * Rows of any height, of which only those in sight have nodes. A row that was not seen yet has an estimated height;
 * when it turns out otherwise, what the user looks at stays where it is.
 */
export class RowView {
  /** What scrolls. */
  readonly element: HTMLElement;
  /** Whether it sticks to the end. */
  following = true;
  /** Whether long lines are wrapped. */
  wrap = true;
  /** The rows with their nodes: those in the window, and those in which a fold is open. */
  readonly nodes = new Map<Row, HTMLElement>();

  /** All of its rows. */
  rows: Row[] = [];

  readonly #options: RowViewOptions;
  readonly #all = element("div", "all");
  readonly #window = element("div", "window");
  readonly #observer = new ResizeObserver(() => this.draw());
  #heights = new RowHeights();
  /** The row at the upper edge, and how far down in it that edge is; what counts while it does not follow. */
  #anchor = { seq: 0, offset: 0 };
  /** Where it scrolled to itself. */
  #top = 0;
  #width = 0;
  #lineHeight = 20;
  #columns = 100;
  #frame = 0;

  constructor(options: RowViewOptions) {
    this.#options = options;
    this.#all.append(this.#window);
    this.element = element("div", "lines", { tabIndex: 0 }, this.#all);
    this.element.addEventListener("scroll", () => this.#onScroll(), { passive: true });
    // It does not bubble.
    this.element.addEventListener("toggle", ({ target }) => this.#onToggle(target as Node), { capture: true });
    this.#observer.observe(this.element);
  }

  /** The last row that begins above the upper edge; -1 when none does. */
  get topSeq(): number {
    const edge = this.#edge;
    return edge > 0 ? (this.rows[this.#heights.at(edge - 1)]?.seq ?? -1) : -1;
  }

  /** Shows other rows. What it has of the same rows stays. */
  show(rows: Row[]): void {
    this.rows = rows;
    this.#heights = new RowHeights(rows.map((row) => this.#heightOf(row)));
    const first = rows[0]?.seq ?? Number.POSITIVE_INFINITY;
    for (const row of this.nodes.keys()) if (row.seq < first) this.#remove(row);
    this.draw();
  }

  /** Adds a row below. */
  push(row: Row): void {
    this.rows.push(row);
    this.#heights.push(this.#heightOf(row));
  }

  /** Measures every row anew, with new nodes where `anew` is true. */
  relayout(anew = false): void {
    if (anew) for (const row of this.nodes.keys()) this.#remove(row);
    this.#lineHeight = Number.parseFloat(getComputedStyle(this.element).lineHeight) || 20;
    const columns = Math.floor((this.#width - ASIDE) / (this.#lineHeight * CHARACTER));
    this.#columns = this.wrap ? Math.max(columns, 20) : Number.POSITIVE_INFINITY;
    for (const row of this.rows) {
      row.height = 0;
      row.measured = false;
    }
    this.show(this.rows);
  }

  /** Sticks to the end, or lets go of it where it is. */
  follow(on: boolean): void {
    this.following = on;
    if (!on) this.#anchorAt(this.element.scrollTop);
    this.draw();
  }

  /** Shows a row: where it is if it is in sight, else in the middle. */
  reveal({ seq }: Row): void {
    const { clientHeight } = this.element;
    const at = positionOf(this.rows, "seq", seq);
    const top = this.#heights.top(at);
    const bottom = this.#heights.top(at + 1);
    if (top < this.#edge || bottom > this.#edge + clientHeight) {
      this.following = false;
      this.#anchor = { seq, offset: Math.min(0, (bottom - top - clientHeight) / 2) };
    }
    this.draw();
  }

  /** Draws in the next frame. */
  draw(): void {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#options.onFrame();
      if (this.element.clientHeight > 0) this.#render();
    });
  }

  /** Lets go of everything. */
  destroy(): void {
    this.#observer.disconnect();
    cancelAnimationFrame(this.#frame);
    this.#frame = -1;
    this.element.remove();
  }

  /** The upper edge of what is in sight; of what will be, where lines came and it follows. */
  get #edge(): number {
    const { scrollTop, clientHeight } = this.element;
    return this.following ? this.#heights.total - clientHeight : scrollTop;
  }

  /** As it was measured, or as it is thought to be. */
  #heightOf(row: Row): number {
    const { entry, note } = row;
    const folded = entry?.traceback === undefined ? 0 : 1;
    row.height ||= (wrappedLines(entry?.message ?? note, this.#columns) + folded) * this.#lineHeight;
    return row.height;
  }

  #render(): void {
    const { clientHeight, clientWidth } = this.element;
    if (clientWidth !== this.#width) {
      this.#width = clientWidth;
      this.relayout();
    }
    const heights = this.#heights;
    let top = 0;
    for (let pass = 0, settled = false; pass < MAX_PASSES && !settled; pass++) {
      const anchored = heights.top(positionOf(this.rows, "seq", this.#anchor.seq)) + this.#anchor.offset;
      top = Math.max(0, Math.min(this.following ? heights.total : anchored, heights.total - clientHeight));
      const from = heights.at(top - OVERSCAN);
      const rows = this.rows.slice(from, heights.at(top + clientHeight + OVERSCAN) + 1);
      this.#place(heights.top(from));
      this.#mount(rows);
      settled = true;
      for (const [at, row] of rows.entries()) {
        if (row.measured) continue;
        row.measured = true;
        row.height = this.nodes.get(row)?.getBoundingClientRect().height ?? 0;
        if (heights.set(from + at, row.height)) settled = false;
      }
      if (!settled) this.#place(heights.top(from));
    }
    if (Math.abs(this.element.scrollTop - top) >= 1) this.element.scrollTop = top;
    this.#top = this.element.scrollTop;
  }

  #place(top: number): void {
    this.#all.style.height = `${this.#heights.total}px`;
    this.#window.style.top = `${top}px`;
  }

  /** Puts these rows into the window, and no others. */
  #mount(rows: readonly Row[]): void {
    const wanted = new Set(rows);
    for (const row of this.nodes.keys()) if (!wanted.has(row)) this.#remove(row, "details[open]");
    let before = this.#window.firstChild;
    for (const row of rows) {
      const node = this.nodes.get(row) ?? this.#options.make(row);
      this.nodes.set(row, node);
      if (node === before) before = before.nextSibling;
      else this.#window.insertBefore(node, before);
      this.#options.dress(row, node);
    }
  }

  /** Takes the nodes of a row away; they are kept for later if something in them is `precious`. */
  #remove(row: Row, precious?: string): void {
    const node = this.nodes.get(row);
    if (node?.matches(":focus-within")) this.element.focus({ preventScroll: true });
    node?.remove();
    if (!precious || !node?.querySelector(precious)) this.nodes.delete(row);
  }

  #anchorAt(top: number): void {
    const at = this.#heights.at(top);
    this.#anchor = { seq: this.rows[at]?.seq ?? 0, offset: top - this.#heights.top(at) };
  }

  #onScroll(): void {
    const { scrollTop, clientHeight } = this.element;
    if (Math.abs(scrollTop - this.#top) < 1) return;
    this.#top = scrollTop;
    this.#anchorAt(scrollTop);
    this.following = scrollTop + clientHeight >= this.#heights.total - 2;
    this.draw();
  }

  #onToggle(target: Node): void {
    for (const [row, node] of this.nodes) if (node.contains(target)) row.measured = false;
    this.draw();
  }
}
