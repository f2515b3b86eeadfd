/** One row of the list as nodes. */
import type { LogEntry } from "../protocol.js";
import { money } from "./amounts.js";
import { INVERSE, LOOK_CLASSES, type Look, type Piece, parseAnsi } from "./ansi.js";
import { element } from "./element.js";
import { iconOf, toneOf } from "./event-look.js";
import { asideOf } from "./line-search.js";
import { fold, metadataTree } from "./metadata-tree.js";
import { tracebackFold } from "./traceback.js";

/** How the time of a line is shown: since the first line, by the clock, or not. */
export type TimeMode = "relative" | "absolute" | "off";

/** What rows have in common. */
export interface RowLook {
  time: TimeMode;
  /** The time from which relative times count, in milliseconds since 1970. */
  origin: number;
  /** What is marked; null: nothing. */
  pattern: RegExp | null;
}

/** A text in which everything matches has no more marks than this; the search counts lines. */
const MAX_MARKS = 500;

/** Fields that a row shows otherwise. */
const SHOWN = new Set(["index", "timestamp", "level", "source", "message", "traceback", "metadata", "truncated"]);

/** Fields that many lines have and that alone are not worth a fold on each of them. */
const COMMON = /^(layer|stream)$/;

/** The row of a line. */
export function lineRow(entry: LogEntry, look: RowLook): HTMLElement {
  const { index, level, backend, cost_usd, traceback } = entry;
  const number = element("a", "number", { href: `#L${index}` }, String(index));
  const time = element("time", "time", { title: entry.timestamp ?? "" }, timeText(entry.timestamp, look));
  const message = element("div", "message", { dir: "auto" });
  const badges = element("span", "badges");
  if (backend !== undefined && !entry.message.includes(backend)) badges.append(element("bdi", "backend", {}, backend));
  if (entry.truncated)
    badges.append(element("span", "cut", { title: "A part of the line, which was too long" }, "cut"));
  if (cost_usd !== undefined) badges.append(element("span", "cost", {}, money(cost_usd)));
  const row = element("div", "line", {}, number, time);
  row.append(element("span", "level", {}, level), element("span", "icon", { ariaHidden: "true" }, iconOf(entry.event)));
  row.append(message, badges);
  const fields = [...Object.entries(entry).filter(([name]) => !SHOWN.has(name)), ...Object.entries(entry.metadata)];
  if (fields.some(([name]) => !COMMON.test(name)))
    row.append(fold("fields", [`{${fields.length}}`], () => metadataTree(fields)));
  if (traceback !== undefined) row.append(tracebackFold(traceback));
  row.className += ` ${level} ${toneOf(backend)}`;
  row.dataset.index = String(index);
  paintText(row, entry, look.pattern);
  return row;
}

/** Writes the texts of a row, with everything marked that matches. */
export function paintText(row: HTMLElement, entry: LogEntry, pattern: RegExp | null): void {
  const { tag, error } = asideOf(entry);
  const message = row.querySelector(".message");
  message?.replaceChildren(...pieceNodes(parseAnsi(entry.message), pattern));
  if (tag !== "") message?.prepend(element("bdi", "tag", {}, ...pieceNodes(parseAnsi(tag), pattern)), " ");
  if (error !== "") message?.append(" ", element("bdi", "cause", {}, ...pieceNodes(parseAnsi(error), pattern)));
  if (entry.traceback === undefined) return;
  row.querySelector(".trace")?.replaceChildren(...pieceNodes(parseAnsi(entry.traceback.trimEnd()), pattern));
}

/** `+1:02.345` since `origin`, or the local `10:00:01.345`; "" for a line without a time. */
export function timeText(timestamp: string | null, { time, origin }: Pick<RowLook, "time" | "origin">): string {
  const at = new Date(timestamp ?? "");
  if (time === "off" || Number.isNaN(at.getTime())) return "";
  const milliseconds = at.toISOString().slice(19, 23);
  if (time === "absolute") return at.toTimeString().slice(0, 8) + milliseconds;
  const since = Math.abs(at.getTime() - origin);
  const days = Math.floor(since / 86_400_000);
  const clock = new Date(since).toISOString().slice(11, 23);
  return (at.getTime() < origin ? "-" : "+") + (days > 0 ? `${days}d ${clock}` : clock.replace(/^(00:)?0?/, ""));
}

/** Pieces as nodes, with a mark around each match, which may begin in one piece and end in another. */
function* pieceNodes(pieces: readonly Piece[], pattern: RegExp | null): Generator<Node | string> {
  const ends = pattern === null ? [] : matchEnds(pieces, pattern);
  let at = 0;
  let next = 0;
  for (const { text, look } of pieces) {
    const nodes: (Node | string)[] = [];
    for (let from = 0; from < text.length; ) {
      // An even number of ends lies behind: the next one begins a match.
      const to = Math.min(text.length, (ends[next] ?? at + text.length) - at);
      const part = text.slice(from, to);
      if (part !== "") nodes.push(next % 2 === 0 ? part : element("mark", "match", {}, part));
      if (to + at === ends[next]) next++;
      from = to;
    }
    at += text.length;
    yield* dressed(nodes, look);
  }
}

/** Where matches begin and end, by turns. */
function matchEnds(pieces: readonly Piece[], pattern: RegExp): number[] {
  const ends: number[] = [];
  for (const { index, 0: found } of pieces
    .map(({ text }) => text)
    .join("")
    .matchAll(pattern)) {
    ends.push(index, index + found.length);
    if (ends.length >= 2 * MAX_MARKS) break;
  }
  return ends;
}

function dressed(nodes: (Node | string)[], { colors, flags, href }: Look): (Node | string)[] {
  const [color, background] = flags & INVERSE ? [colors[1], colors[0] || "var(--lt-text)"] : colors;
  if (!(color || background || flags || href)) return nodes;
  const made = href
    ? element("a", "link", { href, target: "_blank", rel: "noopener noreferrer" }, ...nodes)
    : element("span", "", {}, ...nodes);
  made.classList.add(...LOOK_CLASSES.filter((_, bit) => flags & (1 << bit)));
  Object.assign(made.style, { background, color: background ? legibleOn(background) : color });
  return [made];
}

/**
 * Black or white, whichever has more contrast to a ground: at least 4.5, since it changes at a luminance (y) of 0.179.
 * A terminal's pairs of colours are made for its own theme, and text in the colour of its ground to be overlooked.
 */
function legibleOn(ground: string): string {
  const white = [0.95, 1, 1.09];
  return `color(from ${ground} xyz ${white.map((most) => `clamp(0,(.179 - y)*999,${most})`).join(" ")})`;
}
