/** The part of many rows that is in sight, as nodes in an element that scrolls. */
import { element } from "./element.js";
import { positionOf, type Row } from "./line-rows.js";
import { bisect, createRowTops } from "./row-window.js";

/**
 * Rows of any height, of which only those in sight have nodes. A row that was not seen yet has an estimated height;
 * when it turns out otherwise, what the user looks at stays where it is.
 */
export interface RowView<Made extends HTMLElement> {
  /** What scrolls. */
  readonly element: HTMLElement;
  /** All of its rows; more may be added below. */
  rows: Row[];
  /** The rows with their nodes: those in the window, and those in which a fold is open. */
  readonly nodes: ReadonlyMap<Row, Made>;
  /** Whether it sticks to the end. */
  following: boolean;
  /** Whether long lines are wrapped. */
  wrap: boolean;
  /** The first row that begins in sight; Infinity when none does. */
  firstSeq(): number;
  /** Shows other rows. What it has of the same rows stays. */
  show(rows: Row[]): void;
  /** Measures every row anew, with new nodes where `anew` is true. */
  relayout(anew?: boolean): void;
  /** Sticks to the end, or lets go of it where it is. */
  follow(on: boolean): void;
  /** Shows a row: where it is if it is in sight, else in the middle. */
  reveal(row: Row): void;
  /** Draws in the next frame. */
  draw(): void;
}

/** What is rendered above and below what is in sight, in pixels, so that scrolling shows rows at once. */
const OVERSCAN = 300;
/** How often a frame looks again for rows, when those that it made are not as high as was thought. */
const MAX_PASSES = 5;
/** What stands beside the text of a row, in pixels, and the width of a character as a share of the height of a line. */
const ASIDE = 230;
const CHARACTER = 0.36;

/** Quiet: what flows by is not read out. */
const ROOT = { tabIndex: 0, role: "log", ariaLive: "off", ariaLabel: "Lines" };

/**
 * Makes a view without rows. `make` makes the nodes of a row, `dress` is handed each row of the window at each frame,
 * and `onFrame` is called before a frame is drawn.
 */
export function createRowView<Made extends HTMLElement>(
  make: (row: Row) => Made,
  dress: (row: Row, node: Made) => void,
  onFrame: () => void,
): RowView<Made> {
  const nodes = new Map<Row, Made>();
  /** As high as all rows, those above the window as its padding. */
  const all = element("div", "all");
  const scroller = element("div", "lines", ROOT, all);
  /** The row at the upper edge, and how far down in it that edge is; what counts while it does not follow. */
  let anchor = { seq: 0, offset: 0 };
  /** Where it scrolled to itself. */
  let ownTop = 0;
  let width = 0;
  let lineHeight = 20;
  let columns = 100;
  let due = false;

  /** As it was measured, or as it is thought to be. */
  const heightOf = (row: Row) => {
    const { entry, note } = row;
    const text = entry?.message ?? note;
    row.height ||=
      (text.split("\n").length + Math.floor(text.length / columns) + (entry?.traceback ? 1 : 0)) * lineHeight;
    return row.height;
  };
  const { top, at, changed } = createRowTops(
    () => view.rows.length,
    (at) => heightOf(view.rows[at] as Row),
  );
  const place = (seq: number) => positionOf(view.rows, seq);
  const total = () => top(view.rows.length);
  /** The upper edge of what is in sight, or of what will be in the next frame. */
  const edge = () => {
    const anchored = view.following ? Infinity : top(place(anchor.seq)) + anchor.offset;
    return Math.max(0, Math.min(anchored, total() - scroller.clientHeight));
  };

  const anchorAt = (offset: number) => {
    const first = at(offset);
    anchor = { seq: view.rows[first]?.seq ?? 0, offset: offset - top(first) };
  };

  /** Takes the nodes of a row away; they are kept for later if something in them is `precious`. */
  const remove = (row: Row, precious?: string) => {
    const node = nodes.get(row);
    if (node?.matches(":focus-within")) scroller.focus({ preventScroll: true });
    node?.remove();
    if (!precious || !node?.querySelector(precious)) nodes.delete(row);
  };

  /** Puts these rows into the window, and no others. */
  const mount = (rows: readonly Row[]) => {
    for (const row of nodes.keys()) if (!rows.includes(row)) remove(row, "details[open]");
    let before = all.firstChild;
    for (const row of rows) {
      const node = nodes.get(row) ?? make(row);
      nodes.set(row, node);
      if (node === before) before = before.nextSibling;
      else all.insertBefore(node, before);
      dress(row, node);
    }
  };

  const render = () => {
    const { clientHeight, clientWidth } = scroller;
    if (clientWidth !== width) {
      width = clientWidth;
      view.relayout();
    }
    let settled = false;
    for (let pass = 0; pass < MAX_PASSES && !settled; pass++) {
      const from = at(edge() - OVERSCAN);
      const rows = view.rows.slice(from, at(edge() + clientHeight + OVERSCAN) + 1);
      mount(rows);
      settled = true;
      for (const [index, row] of rows.entries()) {
        if (row.measured) continue;
        row.measured = true;
        const before = row.height;
        row.height = nodes.get(row)?.getBoundingClientRect().height ?? 0;
        if (row.height !== before) {
          settled = false;
          changed(from + index);
        }
      }
      all.style.height = `${total()}px`;
      all.style.paddingTop = `${top(from)}px`;
    }
    if (Math.abs(scroller.scrollTop - edge()) >= 1) scroller.scrollTop = edge();
    ownTop = scroller.scrollTop;
  };

  const view: RowView<Made> = {
    element: scroller,
    rows: [],
    nodes,
    following: true,
    wrap: true,
    firstSeq: () => view.rows[bisect(view.rows.length, (at) => top(at) < edge())]?.seq ?? Infinity,
    show(rows) {
      view.rows = rows;
      changed(0);
      for (const row of nodes.keys()) if (row.seq < (rows[0]?.seq ?? Infinity)) remove(row);
      view.draw();
    },
    relayout(anew) {
      if (anew) for (const row of nodes.keys()) remove(row);
      lineHeight = parseFloat(getComputedStyle(scroller).lineHeight) || 20;
      columns = view.wrap ? Math.max((width - ASIDE) / (lineHeight * CHARACTER), 20) : Infinity;
      for (const row of view.rows) {
        row.height = 0;
        row.measured = false;
      }
      view.show(view.rows);
    },
    follow(on) {
      view.following = on;
      if (!on) anchorAt(scroller.scrollTop);
      view.draw();
    },
    reveal({ seq }) {
      const { clientHeight } = scroller;
      const first = top(place(seq));
      const last = top(place(seq) + 1);
      if (first < edge() || last > edge() + clientHeight) {
        view.following = false;
        anchor = { seq, offset: Math.min(0, (last - first - clientHeight) / 2) };
      }
      view.draw();
    },
    draw() {
      const draw = () => {
        due = false;
        onFrame();
        if (scroller.clientHeight > 0) render();
      };
      if (!due) requestAnimationFrame(draw);
      due = true;
    },
  };

  scroller.onscroll = () => {
    const { scrollTop, clientHeight } = scroller;
    if (Math.abs(scrollTop - ownTop) < 1) return;
    ownTop = scrollTop;
    anchorAt(scrollTop);
    view.following = scrollTop + clientHeight >= total() - 2;
    view.draw();
  };
  // It does not bubble.
  scroller.addEventListener(
    "toggle",
    ({ target }) => {
      for (const [row, node] of nodes) if (node.contains(target as HTMLElement)) row.measured = false;
      view.draw();
    },
    true,
  );
  new ResizeObserver(view.draw).observe(scroller);
  return view;
}
