import { describe, expect, it } from "vitest";
import { createLineSplitter, type LineSplitterOptions } from "../src/capture/line-splitter.js";

/** The lines of bytes that come in pieces of `size`. */
function linesOf(bytes: Buffer | string, size = Number.POSITIVE_INFINITY, options: LineSplitterOptions = {}): string[] {
  const splitter = createLineSplitter(options);
  const all = Buffer.from(bytes as string);
  const lines: string[] = [];
  for (let at = 0; at < all.length; at += size) lines.push(...splitter.push(all.subarray(at, at + size)));
  lines.push(...splitter.end());
  return lines;
}

describe("the splitting of output into lines", () => {
  it("takes LF and CRLF as line ends, keeps blank lines, and gives a last line without an end", () => {
    expect(linesOf("a\r\n\r\nb\n\n\nc")).toEqual(["a", "", "b", "", "", "c"]);
    expect(linesOf("a\n")).toEqual(["a"]);
    expect(linesOf("")).toEqual([]);
    expect(linesOf("\n")).toEqual([""]);
  });

  it("keeps a lone CR, colours and a byte order mark in their lines", () => {
    const text = "\ufeff10 %\r20 %\n\u001b[31mred\u001b[0m\n";
    expect(linesOf(text)).toEqual(["\ufeff10 %\r20 %", "\u001b[31mred\u001b[0m"]);
  });

  it("finds the same lines wherever the chunks are cut", () => {
    const text = 'grün\r\n🚢🚢\r\n{"ä": "日本語"}\n\n\r\nlast 🚢';
    const whole = linesOf(text);
    expect(whole).toEqual(["grün", "🚢🚢", '{"ä": "日本語"}', "", "", "last 🚢"]);
    for (let size = 1; size < Buffer.byteLength(text); size += 1) expect(linesOf(text, size)).toEqual(whole);
  });

  it("replaces what is not UTF-8, also at the very end", () => {
    expect(linesOf(Buffer.from([0x61, 0xff, 0x62, 0x0a, 0xf0, 0x9f]))).toEqual(["a\ufffdb", "\ufffd"]);
  });

  it("cuts a long line into pieces whose JSON is bounded, without losing or tearing a character", () => {
    const line = `${"🚢".repeat(100)}${"\u001b".repeat(50)}${'"\\'.repeat(50)}${"ä日".repeat(50)}`;
    const pieces = linesOf(`${line}\nnext\n`, 7, { maxPieceBytes: 64 });
    expect(pieces.at(-1)).toBe("next");
    expect(pieces.slice(0, -1).join("")).toBe(line);
    for (const piece of pieces) {
      expect(Buffer.byteLength(JSON.stringify(piece)) - 2).toBeLessThanOrEqual(64);
      expect(piece).not.toMatch(/\p{Cs}/u);
    }
    expect(pieces.length).toBeLessThan(1.2 * (Buffer.byteLength(JSON.stringify(line)) / 64) + 2);
  });

  it("hands over a line that does not end in pieces, so that memory is bounded, and adds no blank line to it", () => {
    const options = { maxPieceBytes: 1000, maxHeld: 4000 };
    const splitter = createLineSplitter(options);
    let pieces = 0;
    for (let i = 0; i < 1000; i += 1) pieces += [...splitter.push(Buffer.from("x".repeat(100)))].length;
    expect(pieces).toBeGreaterThanOrEqual(96);
    for (const end of ["\n", "\r\n", ""]) {
      for (const length of [3999, 4000, 4001, 6000]) {
        const lines = linesOf("x".repeat(length) + end, 1, options);
        expect(lines.join("")).toBe("x".repeat(length));
        expect(lines.every((line) => line !== "")).toBe(true);
      }
    }
  });

  it("keeps a long JSON object whole, up to a cap, and cuts what only looks like one", () => {
    const options = { maxPieceBytes: 100, maxHeld: 300, maxHeldJson: 5000 };
    const object = JSON.stringify({ text: "x".repeat(2000) });
    expect(linesOf(`${object}\n`, 64, options)).toEqual([object]);
    const lookalike = `{${"x".repeat(2000)}}`;
    const pieces = linesOf(`${lookalike}\n`, 64, options);
    expect(pieces.length).toBeGreaterThan(20);
    expect(pieces.join("")).toBe(lookalike);
    const huge = JSON.stringify({ text: "x".repeat(20_000) });
    const torn = linesOf(`${huge}\n`, 64, options);
    expect(torn.length).toBeGreaterThan(100);
    expect(torn.join("")).toBe(huge);
  });
});
