/** Text as a terminal shows it → pieces with their look. Pure; takes linear time on anything. */

/**
 * How text looks: at 0 where it links to, http or https; at the SGR code of an attribute its CSS declarations; at 30 the
 * colour of the text and at 40 that of its ground, as CSS colours of the theme or `rgb()`. What is
 * empty is as in the line.
 */
export type Look = readonly (string | undefined)[];

/** Text that looks alike. */
export interface Piece {
  text: string;
  readonly look: Look;
}

/** What an attribute looks like; text and ground that have changed places (7) are for whoever draws them. */
const ATTRIBUTES: Record<number, string> = {
  1: "font-weight:700",
  2: "opacity:.75",
  3: "font-style:italic",
  4: "text-decoration:underline",
  7: "--inverse:1",
  9: "text-decoration:line-through",
};

const PLAIN: Look = [];

const ESC = "\u001b";
/** What turns the direction of the text after it, so that a line says something else than it seems to. */
const TURN = "\u202a-\u202e\u2066-\u2069";
const CONTROL = `[\\0-\\x08\\x0b-\\x1f\\x7f-\\x9f${TURN}]`;

/** Whole escape sequences first, so that nothing of them is left over as text; then every other control character. */
const TOKEN = new RegExp(
  [
    `(?:${ESC}\\[|\u009b)([0-?]*)[ -/]*([@-~])`,
    // OSC, DCS, SOS, PM, APC: a text up to its terminator.
    `${ESC}([\\]PX^_][^\u0007${ESC}\u009c]*)(?:\u0007|${ESC}\\\\|\u009c)`,
    `${ESC}[ -/]*[0-~]`,
    `\n|${CONTROL}`,
  ].join("|"),
  "g",
);
const LINK = /^\]8;[^;]*;(.*)/;
const ANY_CONTROL = new RegExp(CONTROL);

/**
 * Takes text apart. Colours and links become looks; a carriage return, a backspace and an erased line let what follows
 * overwrite what stands there, within its own line; other sequences and turns of the direction go, other control
 * characters become their pictures (␀) or go.
 */
export function parseAnsi(text: string): Piece[] {
  if (!ANY_CONTROL.test(text)) return [{ text, look: PLAIN }];
  const cells: Piece[] = [];
  let look: Look = PLAIN;
  let start = 0;
  let cursor = 0;
  const write = (plain: string) => {
    for (const text of plain) cells[cursor++] = { text, look };
  };
  const erase = (from: number) => {
    cells.length = cursor = from;
  };
  let read = 0;
  for (const token of text.matchAll(TOKEN)) {
    write(text.slice(read, token.index));
    const [found, parameters = "", final, said = ""] = token;
    const href = LINK.exec(said)?.[1];
    read = token.index + found.length;
    if (found === "\r") cursor = start;
    else if (found === "\b") cursor = Math.max(start, cursor - 1);
    else if (found === "\n") {
      cursor = cells.length;
      write(found);
      start = cursor;
    } else if (href !== undefined) look = [webLink(href), ...look.slice(1)];
    else if (final === "m" && !/[<-?]/.test(parameters)) look = restyle(look, parameters);
    else if (final === "K" && parameters !== "1") erase(parameters === "2" ? start : cursor);
    // Whoever moves to a column in a log moves to the first one.
    else if (final === "G") cursor = start;
    else if (found < " " && found.length === 1) write(String.fromCharCode(0x2400 + found.charCodeAt(0)));
  }
  write(text.slice(read));
  const pieces: Piece[] = [];
  for (const cell of cells) {
    const last = pieces.at(-1);
    if (last?.look === cell.look) last.text += cell.text;
    else pieces.push(cell);
  }
  return pieces;
}

/** The text alone, as it is shown. */
export function plainText(text: string): string {
  if (!ANY_CONTROL.test(text)) return text;
  return parseAnsi(text)
    .map((piece) => piece.text)
    .join("");
}

function webLink(href: string): string {
  return /^https?:\/\//i.test(href) && URL.canParse(href) ? href : "";
}

/** The look after an SGR sequence; the same object when nothing changes. */
function restyle(look: Look, parameters: string): Look {
  const next = [...look];
  const codes = parameters.split(";");
  for (let at = 0; at < codes.length; at++) {
    // A colour's values stand behind colons or, as most write them, behind semicolons.
    let [head, ...values] = (codes[at] ?? "").split(":");
    const bright = Number(head) > 89 ? 8 : 0;
    const code = Number(head) - (bright && 60);
    const unit = code % 10;
    // 30: the text, 40: the ground, 50: an underline, whose colour is left out.
    const place = code - unit;
    if (code === 0) next.length = Math.min(next.length, 1);
    else if (code < 10) next[code] = ATTRIBUTES[code];
    else if (code < 30) {
      next[code - 20] = "";
      // 22 is neither bold nor faint.
      if (code === 22) next[1] = "";
    } else {
      let color: string | undefined = unit > 7 ? "" : paletteColor(unit + bright);
      if (unit === 8 && !bright) {
        if (values.length === 0) {
          values = codes.slice(at + 1, at + (codes[at + 1] === "5" ? 3 : 5));
          at += values.length;
        }
        color = colorOf(values) || next[place];
      }
      if (place < 50) next[place] = color;
    }
  }
  return `${next}` === `${look}` ? look : next;
}

/** What black to white are in a theme that may be light or dark. */
const COLORS = "dim danger success warning accent magenta cyan text".split(" ");

/** One of 16; the bright ones are nearer to the colour of the text, which has more contrast on dark and on light. */
function paletteColor(number: number): string {
  const color = `var(--lt-${COLORS[number % 8]})`;
  return number < 8 ? color : `color-mix(in srgb,${color} 70%,var(--lt-text))`;
}

/** `5;n` or `2;r;g;b` as a colour; "" when it is none. */
function colorOf([mode, ...values]: readonly string[]): string {
  const size = mode === "5" ? 1 : 3;
  const numbers = values.slice(-size).map(Number);
  if (numbers.length < size || !numbers.every((number) => number >= 0 && number < 256)) return "";
  if (size > 1) return mode === "2" ? `rgb(${numbers})` : "";
  const [number = 0] = numbers;
  if (number < 16) return paletteColor(number);
  const levels = [36, 6, 1].map((size) => {
    const level = Math.floor((number - 16) / size) % 6;
    return number > 231 ? number * 10 - 2312 : level && level * 40 + 55;
  });
  return `rgb(${levels})`;
}
