/** One row of the list as nodes. */
import type { LogEntry } from "../protocol.js";
import { clock, money } from "./amounts.js";
import { type Look, type Piece, parseAnsi } from "./ansi.js";
import { element } from "./element.js";
import { iconOf, toneOf } from "./event-look.js";
import { asideOf, fieldsOf } from "./line-text.js";
import { fold, metadataTree, type Write } from "./metadata-tree.js";

/** How the time of a line is shown: since the first line, by the clock, or not. */
export type TimeMode = "relative" | "absolute" | "off";

/** What rows have in common. */
export interface RowLook {
  time: TimeMode;
  /** The time from which relative times count, in milliseconds since 1970. */
  origin: number;
  /** What is marked; undefined: nothing. */
  pattern: RegExp | undefined;
}

/** The nodes of a row. */
export type RowElement = HTMLElement & {
  /** Writes its texts anew, with everything marked that matches now. */
  paint?(): void;
};

/** A text in which everything matches has no more marks than this; the search counts lines. */
const MAX_MARKS = 500;

/** The row of a line. */
export function lineRow(entry: LogEntry, look: RowLook): RowElement {
  const { index, level, backend, cost_usd, traceback, timestamp, message } = entry;
  const [tag, error] = asideOf(entry);
  const fields = fieldsOf(entry);
  const texts: [node: HTMLElement, pieces: readonly Piece[]][] = [];
  const paint = (node: HTMLElement, pieces: readonly Piece[]) =>
    node.replaceChildren(...pieceNodes(pieces, look.pattern));
  const text: Write = (node, raw) => {
    const pieces = parseAnsi(raw);
    texts.push([node, pieces]);
    paint(node, pieces);
    return node;
  };
  const row: RowElement = element(
    "div",
    `line ${level} ${toneOf(backend)}`,
    {},
    element("a", "number", { href: `#L${index}` }, `${index}`),
    element("time", "time", { title: timestamp ?? "" }, timeText(timestamp, look)),
    element("span", "level", {}, level),
    element("span", "icon", { ariaHidden: "true" }, iconOf(entry.event)),
    element(
      "div",
      "message",
      { dir: "auto" },
      tag && text(element("bdi", "tag"), tag),
      tag && " ",
      text(element("span", ""), message),
      error && " ",
      error && text(element("bdi", "cause"), error),
    ),
    element(
      "span",
      "badges",
      {},
      backend && !message.includes(backend) && element("bdi", "backend", {}, backend),
      entry.truncated && element("span", "cut", {}, "truncated"),
      cost_usd !== undefined && element("span", "cost", {}, money(cost_usd)),
    ),
    fields.length > 0 && fold("fields", [`{${fields.length}}`], () => metadataTree(fields, text)),
  );
  if (traceback) {
    const trace = text(element("div", "trace", { dir: "auto" }), traceback.trimEnd());
    row.append(element("details", "traceback", {}, element("summary", "", {}, "traceback"), trace));
  }
  row.paint = () => {
    for (const [node, pieces] of texts) paint(node, pieces);
  };
  return row;
}

/** `+01:02.345` since `origin`, or the local `10:00:01.345`; "" for a line without a time. */
export function timeText(timestamp: string | null, { time, origin }: Pick<RowLook, "time" | "origin">): string {
  const at = new Date(timestamp ?? "");
  const since = at.getTime() - origin;
  if (time === "off" || Number.isNaN(since)) return "";
  return time === "absolute"
    ? at.toTimeString().slice(0, 8) + at.toISOString().slice(19, 23)
    : (since < 0 ? "-" : "+") + clock(Math.abs(since), 23);
}

/** Pieces as nodes, with a mark around each match, which may begin in one piece and end in another. */
function* pieceNodes(pieces: readonly Piece[], pattern: RegExp | undefined): Generator<Node | string> {
  const whole = pieces.map(({ text }) => text).join("");
  // Where matches begin and end, by turns.
  const ends = pattern
    ? [...whole.matchAll(pattern)].flatMap(({ index, 0: { length } }) => [index, index + length])
    : [];
  ends.length = Math.min(ends.length, 2 * MAX_MARKS);
  let from = 0;
  let next = 0;
  let end = 0;
  for (const { text, look } of pieces) {
    end += text.length;
    const nodes: (Node | string)[] = [];
    while (from < end) {
      // An even number of ends lies behind: the next one begins a match.
      const to = Math.min(end, ends[next] ?? end);
      const part = whole.slice(from, to);
      nodes.push(next % 2 ? element("mark", "match", {}, part) : part);
      if (to === ends[next]) next++;
      from = to;
    }
    yield* dressed(nodes, look);
  }
}

function dressed(nodes: (Node | string)[], look: Look): (Node | string)[] {
  if (!look.some(Boolean)) return nodes;
  let { 0: href, 30: color = "", 40: ground = "" } = look;
  if (look[7]) [color, ground] = [ground, color || "var(--lt-text)"];
  const made = href
    ? element("a", "link", { href, target: "_blank", rel: "noreferrer" }, ...nodes)
    : element("span", "", {}, ...nodes);
  made.style.cssText = `${look.slice(1, 10).join(";")};color:${ground ? legibleOn(ground) : color};background:${ground}`;
  return [made];
}

/**
 * Black or white, whichever has more contrast to a ground: at least 4.5, since it changes at a luminance of 0.18, which
 * is a lightness of 49.4. A terminal's pairs of colours are made for its own theme, and text in the colour of its ground
 * to be overlooked.
 */
function legibleOn(ground: string): string {
  return `lch(from ${ground} calc((49.4 - l)*999) 0 0)`;
}
