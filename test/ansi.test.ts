import { describe, expect, it } from "vitest";
import { parseAnsi, plainText } from "../src/panel/ansi.js";
import { HOSTILE_TEXTS } from "./fixtures/hostile-text.js";

const ESC = "\u001b";

const ATTRIBUTES: Record<number, string> = {
  1: "bold",
  2: "faint",
  3: "italic",
  4: "underline",
  7: "inverse",
  9: "strike",
};

/** Pieces as `text{color|background|attributes|href}`; plain ones as their text. */
const shown = (text: string): string =>
  parseAnsi(text)
    .map(({ text, look }) => {
      const attributes = look.slice(1, 10).map((declaration, at) => (declaration ? ATTRIBUTES[at + 1] : ""));
      const said = [look[30], look[40], attributes.filter(Boolean).join("+"), look[0]].join("|").replace(/\|+$/, "");
      return said === "" ? text : `${text}{${said}}`;
    })
    .join("");

describe("colours", () => {
  it.each([
    ["one of 8", `a${ESC}[31mred${ESC}[0mb`, "ared{var(--lt-danger)}b"],
    ["one of the bright 8", `${ESC}[97mx`, "x{color-mix(in srgb,var(--lt-text) 70%,var(--lt-text))}"],
    ["a ground", `${ESC}[44mx${ESC}[49my`, "x{|var(--lt-accent)}y"],
    ["a bright ground", `${ESC}[101mx`, "x{|color-mix(in srgb,var(--lt-danger) 70%,var(--lt-text))}"],
    ["the first 16 of 256", `${ESC}[38;5;3mx`, "x{var(--lt-warning)}"],
    ["the cube of 256", `${ESC}[38;5;208mx`, "x{rgb(255,135,0)}"],
    ["the first and last of the cube", `${ESC}[38;5;16;48;5;231mx`, "x{rgb(0,0,0)|rgb(255,255,255)}"],
    ["the greys of 256", `${ESC}[38;5;232;48;5;255mx`, "x{rgb(8,8,8)|rgb(238,238,238)}"],
    ["a true colour", `${ESC}[38;2;1;22;255mx`, "x{rgb(1,22,255)}"],
    ["a true colour with colons", `${ESC}[38:2::1:22:255mx`, "x{rgb(1,22,255)}"],
    ["one of 256 with colons, and bold", `${ESC}[48:5:208;1mx`, "x{|rgb(255,135,0)|bold}"],
    ["what follows a true colour", `${ESC}[48;2;1;2;3;1;31mx`, "x{var(--lt-danger)|rgb(1,2,3)|bold}"],
    ["the colour of an underline, which is left out", `${ESC}[58;2;1;31;3;4mx`, "x{||underline}"],
    ["its own ground again", `${ESC}[31mx${ESC}[39my`, "x{var(--lt-danger)}y"],
    ["bytes out of range", `${ESC}[38;2;256;0;0mx${ESC}[38;5;256my${ESC}[38;5mz`, "xyz"],
    ["a number that is absurd", `${ESC}[38;2;999999999999;0;0mx`, "x"],
  ])("are read: %s", (_, text, expected) => {
    expect(shown(text)).toBe(expected);
  });

  it("go on to the end of the text and not beyond", () => {
    expect(shown(`${ESC}[31mone\ntwo`)).toBe("one\ntwo{var(--lt-danger)}");
    expect(shown("three")).toBe("three");
  });

  it("make one piece of what looks alike", () => {
    expect(parseAnsi(`${ESC}[31ma${ESC}[31mb${ESC}[0;31mc`)).toHaveLength(1);
  });
});

describe("attributes", () => {
  it("are set and cleared one by one", () => {
    expect(shown(`${ESC}[1;2;3;4;7;9mx${ESC}[22my${ESC}[23;24;27;29mz`)).toBe(
      "x{||bold+faint+italic+underline+inverse+strike}y{||italic+underline+inverse+strike}z",
    );
  });

  it("end with an empty sequence, as with 0", () => {
    expect(shown(`${ESC}[1mx${ESC}[my`)).toBe("x{||bold}y");
  });

  it("are not what a private sequence sets", () => {
    expect(shown(`${ESC}[>4;1m${ESC}[?4mx`)).toBe("x");
  });
});

describe("links", () => {
  const link = (href: string) => `${ESC}]8;id=1;${href}${ESC}\\text${ESC}]8;;${ESC}\\ after`;

  it.each(["http://a.test/x?y=1#z", "HTTPS://a.test"])("lead to %s", (href) => {
    expect(shown(link(href))).toBe(`text{|||${href}} after`);
  });

  it.each([
    "javascript:alert(1)",
    "file:///etc/passwd",
    "ssh://x",
    "data:text/html,x",
    "//a.test",
    "http:",
    "https://[",
  ])("do not lead to %s", (href) => {
    expect(shown(link(href))).toBe("text after");
  });

  it("are none in other sequences that carry text", () => {
    expect(shown(`${ESC}P8;;http://a.test${ESC}\\x${ESC}_8;;http://a.test\u0007y`)).toBe("xy");
  });

  it("keep the colours in them", () => {
    expect(shown(`${ESC}[31m${ESC}]8;;http://a.test\u0007x${ESC}[0my${ESC}]8;;\u0007z`)).toBe(
      "x{var(--lt-danger)|||http://a.test}y{|||http://a.test}z",
    );
  });
});

describe("a line that is written over", () => {
  it.each([
    ["progress", " 10%\r 20%\r100%", "100%"],
    ["what is shorter leaves the rest", "downloading\rdone", "doneloading"],
    ["an erased line", `downloading\r${ESC}[Kdone`, "done"],
    ["a line erased from anywhere", `downloading${ESC}[2Kdone`, "done"],
    ["a cursor at the first column", `downloading${ESC}[1Gdone${ESC}[K`, "done"],
    ["backspaces", "ab\b\bX", "Xb"],
    ["backspaces beyond the beginning", "a\b\b\bX", "X"],
    ["the end of a line of Windows", "one\r\ntwo\r\n", "one\ntwo\n"],
    ["only its own line", "one\ntwo\rX", "one\nXwo"],
    ["characters of two units as one", "😀😀\rX", "X😀"],
  ])("shows what stands there last: %s", (_, text, expected) => {
    expect(plainText(text)).toBe(expected);
  });

  it("takes the colour of what is written over it", () => {
    expect(shown(`${ESC}[31mred!\r${ESC}[32mgo`)).toBe("go{var(--lt-success)}d!{var(--lt-danger)}");
  });
});

describe("what a terminal would obey", () => {
  it.each(HOSTILE_TEXTS)("is text at most: $name", ({ text }) => {
    const plain = plainText(text).replaceAll(/[\t\n]/g, "");
    expect(plain).not.toMatch(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/u);
    for (const { look } of parseAnsi(text)) {
      expect(look[0] ?? "").toMatch(/^$|^https?:/);
      for (const color of [look[30], look[40]])
        expect(color ?? "").toMatch(/^(|var\(--lt-[a-z]+\)|color-mix\(.*\)|rgb\(\d+,\d+,\d+\))$/);
    }
  });

  it("is shown as pictures where it is a control character of its own", () => {
    expect(plainText("a\u0000b\u0007c\u007fd\u0085e\tf")).toBe("a␀b␇cde\tf");
  });

  it("leaves nothing of a sequence behind, and all of an unfinished one's text", () => {
    expect(plainText(`${ESC}]0;title\u0007a${ESC}P1$r0m${ESC}\\b${ESC}(Bc${ESC}[?25ld`)).toBe("abcd");
    expect(plainText(`${ESC}]0;everything after`)).toBe("0;everything after");
  });
});

describe("text without control characters", () => {
  it("is one plain piece, as it is", () => {
    expect(parseAnsi("שלום\tworld\n✓")).toEqual([{ text: "שלום\tworld\n✓", look: [] }]);
  });
});
