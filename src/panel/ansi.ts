/** Text as a terminal shows it → pieces with their look. Pure; takes linear time on anything. */

/** How a piece of text looks. */
export interface Look {
  /** A CSS colour: `var(--lt-ansi-0)` to `var(--lt-ansi-15)`, or `rgb(…)`; "": the colour of the line. */
  readonly color: string;
  readonly background: string;
  /** Bits of `LOOK_CLASSES`. */
  readonly flags: number;
  /** Where a link leads, http or https; "": it is none. */
  readonly href: string;
}

/** Text that looks alike. */
export interface Piece {
  readonly text: string;
  readonly look: Look;
}

/** The class names of the bits of `flags`, the lowest first. */
export const LOOK_CLASSES = ["bold", "faint", "italic", "underline", "inverse", "strike"] as const;

const PLAIN: Look = { color: "", background: "", flags: 0, href: "" };

/** SGR code → the bits that it sets, and those that it clears. */
const SETS: Record<number, number> = { 1: 1, 2: 2, 3: 4, 4: 8, 7: 16, 9: 32 };
const CLEARS: Record<number, number> = { 22: 3, 23: 4, 24: 8, 27: 16, 29: 32 };

const ESC = "\u001b";
const END = `(?:\u0007|${ESC}\\\\|\u009c)`;
const INSIDE = `[^\u0007${ESC}\u009c]*`;
/** What turns the direction of the text after it, so that a line says something else than it seems to. */
const TURN = "\u202a-\u202e\u2066-\u2069";
const CONTROL = `[\\0-\\x08\\x0b-\\x1f\\x7f-\\x9f${TURN}]`;

/** Whole escape sequences first, so that nothing of them is left over as text; then every other control character. */
const TOKEN = new RegExp(
  [
    `(?:${ESC}\\[|\u009b)([0-?]*)[ -/]*([@-~])`,
    `${ESC}\\]8;[^;\u0007${ESC}\u009c]*;(${INSIDE})${END}`,
    `${ESC}[\\]PX^_]${INSIDE}${END}`,
    `${ESC}[ -/]*[0-~]`,
    `\n|${CONTROL}`,
  ].join("|"),
  "g",
);
const ANY_CONTROL = new RegExp(CONTROL);

/**
 * Takes text apart. Colours and links become looks; a carriage return, a backspace and an erased line let what follows
 * overwrite what stands there, within its own line; other sequences and turns of the direction go, other control
 * characters become their pictures (␀).
 */
export function parseAnsi(text: string): Piece[] {
  if (!ANY_CONTROL.test(text)) return [{ text, look: PLAIN }];
  const chars: string[] = [];
  const looks: Look[] = [];
  let look = PLAIN;
  let start = 0;
  let cursor = 0;
  const write = (plain: string) => {
    for (const char of plain) {
      chars[cursor] = char;
      looks[cursor++] = look;
    }
  };
  const erase = (from: number) => {
    chars.length = looks.length = cursor = from;
  };
  let read = 0;
  for (const token of text.matchAll(TOKEN)) {
    write(text.slice(read, token.index));
    const [found, parameters = "", final, href] = token;
    read = token.index + found.length;
    if (found === "\r") cursor = start;
    else if (found === "\b") cursor = Math.max(start, cursor - 1);
    else if (found === "\n") {
      cursor = chars.length;
      write(found);
      start = cursor;
    } else if (href !== undefined) look = { ...look, href: webLink(href) };
    else if (final === "m" && !/[<-?]/.test(parameters)) look = restyle(look, parameters);
    else if (final === "K" && parameters !== "1") erase(parameters === "2" ? start : cursor);
    else if (final === "G") cursor = Math.min(start + Math.max(Number(parameters) || 1, 1) - 1, chars.length);
    else if (found < " " && found.length === 1) write(String.fromCharCode(0x2400 + found.charCodeAt(0)));
    else if (found === "\x7f") write("␡");
  }
  write(text.slice(read));
  return join(chars, looks);
}

/** The text alone, as it is shown. */
export function plainText(text: string): string {
  if (!ANY_CONTROL.test(text)) return text;
  return parseAnsi(text)
    .map((piece) => piece.text)
    .join("");
}

function join(chars: readonly string[], looks: readonly Look[]): Piece[] {
  const pieces: Piece[] = [];
  for (let from = 0, to = 0; from < chars.length; from = to) {
    const look = looks[from] ?? PLAIN;
    while (to < chars.length && looks[to] === look) to++;
    pieces.push({ text: chars.slice(from, to).join(""), look });
  }
  return pieces;
}

function webLink(href: string): string {
  return /^https?:\/\//i.test(href) && URL.canParse(href) ? href : "";
}

/** The look after an SGR sequence; the same object when nothing changes. */
function restyle(look: Look, parameters: string): Look {
  let { color, background, flags } = look;
  const codes = parameters.split(";");
  for (let at = 0; at < codes.length; at++) {
    // A colour's values stand behind colons or, as most write them, behind semicolons.
    let [head, ...values] = (codes[at] ?? "").split(":");
    const code = Number(head);
    const tens = Math.floor(code / 10);
    if (tens >= 3 && tens <= 5 && code % 10 === 8) {
      if (values.length === 0) {
        values = codes.slice(at + 1, at + (codes[at + 1] === "5" ? 3 : 5));
        at += values.length;
      }
      const named = colorOf(values);
      if (tens === 3) color = named || color;
      if (tens === 4) background = named || background;
    } else if (code === 0) {
      color = background = "";
      flags = 0;
    } else if (code === 39) color = "";
    else if (code === 49) background = "";
    else if (tens === 3 || tens === 9) color = paletteColor((code % 10) + (tens === 9 ? 8 : 0));
    else if (tens === 4 || tens === 10) background = paletteColor((code % 10) + (tens === 10 ? 8 : 0));
    else flags = (flags | (SETS[code] ?? 0)) & ~(CLEARS[code] ?? 0);
  }
  if (color === look.color && background === look.background && flags === look.flags) return look;
  return color || background || flags || look.href ? { ...look, color, background, flags } : PLAIN;
}

function paletteColor(number: number): string {
  return `var(--lt-ansi-${number})`;
}

/** `5;n` or `2;r;g;b` as a colour; "" when it is none. */
function colorOf([mode, ...values]: readonly string[]): string {
  const [red = Number.NaN, green = red, blue = red] = values.slice(-3).map(Number);
  if (mode === "2") return values.length < 3 ? "" : rgb(red, green, blue);
  if (mode !== "5" || !(red >= 0 && red <= 255)) return "";
  if (red < 16) return paletteColor(red);
  if (red > 231) return rgb(red * 10 - 2312);
  const level = (step: number) => (step % 6 && (step % 6) * 40 + 55) | 0;
  const step = red - 16;
  return rgb(level(Math.floor(step / 36)), level(Math.floor(step / 6)), level(step));
}

function rgb(red: number, green = red, blue = red): string {
  return [red, green, blue].every((part) => part >= 0 && part <= 255) ? `rgb(${red},${green},${blue})` : "";
}
