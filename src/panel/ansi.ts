/** Text as a terminal shows it → pieces with their look. Pure; takes linear time on anything. */

/** How a piece of text looks. */
export interface Look {
  /** Of the text and of its ground, as CSS colours of `--lt-ansi-0` to `--lt-ansi-7` or `rgb()`; "": those of the line. */
  readonly colors: readonly [text: string, ground: string];
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

/** The bit of text and ground that have changed places. */
export const INVERSE = 16;

const PLAIN: Look = { colors: ["", ""], flags: 0, href: "" };

/** The SGR codes that set them; 20 more clear them. */
const FLAG_CODES = [1, 2, 3, 4, 7, 9];

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
    const [found, parameters = "", final, said = ""] = token;
    const href = LINK.exec(said)?.[1];
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
    // Whoever moves to a column in a log moves to the first one.
    else if (final === "G") cursor = start;
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
  const colors: [string, string] = [...look.colors];
  let { flags } = look;
  const codes = parameters.split(";");
  for (let at = 0; at < codes.length; at++) {
    // A colour's values stand behind colons or, as most write them, behind semicolons.
    let [head, ...values] = (codes[at] ?? "").split(":");
    const code = Number(head);
    const tens = Math.floor(code / 10);
    const unit = code % 10;
    // 3 and 9, bright: the text; 4 and 10: the ground; 5: an underline, whose colour is left out.
    const place = (tens % 6) - 3;
    if (code === 0) {
      colors.fill("");
      flags = 0;
    } else if (unit === 8 && tens > 2 && tens < 6) {
      if (values.length === 0) {
        values = codes.slice(at + 1, at + (codes[at + 1] === "5" ? 3 : 5));
        at += values.length;
      }
      colors[place] = colorOf(values) || (colors[place] ?? "");
    } else if (place === 0 || place === 1) colors[place] = unit > 7 ? "" : paletteColor(unit + (tens > 8 ? 8 : 0));
    else {
      flags |= bit(code);
      // 22 is neither bold nor faint.
      flags &= ~(bit(code - 20) | (code === 22 ? 1 : 0));
    }
  }
  if (`${colors}` === `${look.colors}` && flags === look.flags) return look;
  return { colors, flags, href: look.href };
}

function bit(code: number): number {
  const at = FLAG_CODES.indexOf(code);
  return at < 0 ? 0 : 1 << at;
}

/** One of 16; the bright ones are nearer to the colour of the text, which has more contrast on dark and on light. */
function paletteColor(number: number): string {
  const color = `var(--lt-ansi-${number % 8})`;
  return number < 8 ? color : `color-mix(in srgb,${color} 70%,var(--lt-text))`;
}

/** `5;n` or `2;r;g;b` as a colour; "" when it is none. */
function colorOf([mode, ...values]: readonly string[]): string {
  const numbers = values.slice(-3).map(Number);
  if (!numbers.every((number) => number >= 0 && number < 256)) return "";
  const [number = 0] = numbers;
  if (mode === "2" && numbers.length === 3) return `rgb(${numbers})`;
  if (mode !== "5" || numbers.length !== 1) return "";
  if (number < 16) return paletteColor(number);
  const levels = [36, 6, 1].map((size) => {
    const level = Math.floor((number - 16) / size) % 6;
    return number > 231 ? number * 10 - 2312 : level && level * 40 + 55;
  });
  return `rgb(${levels})`;
}
