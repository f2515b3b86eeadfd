import { describe, expect, it } from "vitest";
import { bisect, RowHeights, wrappedLines } from "../src/panel/row-window.js";
import { seededRandom } from "./support/seeded-random.js";

describe("heights of rows", () => {
  it("say where a row begins and which row is at an offset", () => {
    const heights = new RowHeights([20, 40, 20]);
    expect([0, 1, 2, 3].map((row) => heights.top(row))).toEqual([0, 20, 60, 80]);
    expect([0, 19, 20, 59, 60, 79].map((offset) => heights.at(offset))).toEqual([0, 0, 1, 1, 2, 2]);
    expect(heights.total).toBe(80);
  });

  it("take an offset outside as the first row or the last", () => {
    const heights = new RowHeights([20, 40]);
    expect(heights.at(-5)).toBe(0);
    expect(heights.at(60)).toBe(1);
    expect(heights.at(1e9)).toBe(1);
    expect(new RowHeights().at(10)).toBe(0);
    expect(new RowHeights().total).toBe(0);
  });

  it("are right after any changes, as adding them up by hand says", () => {
    const random = seededRandom(7);
    const heights = new RowHeights();
    const plain: number[] = [];
    const topOf = (row: number) => plain.slice(0, row).reduce((sum, height) => sum + height, 0);
    for (let turn = 0; turn < 2000; turn++) {
      const row = Math.floor(random.next() * plain.length);
      const height = Math.floor(random.next() * 100);
      if (random.next() < 0.4 || plain.length === 0) {
        heights.push(height);
        plain.push(height);
      } else {
        expect(heights.set(row, height)).toBe(plain[row] !== height);
        plain[row] = height;
      }
      expect(heights.top(row)).toBe(topOf(row));
      expect(heights.total).toBe(topOf(plain.length));
      const offset = random.next() * heights.total;
      const at = heights.at(offset);
      expect(topOf(at)).toBeLessThanOrEqual(offset);
      if (offset < heights.total) expect(topOf(at + 1)).toBeGreaterThan(offset);
    }
  });
});

describe("bisection", () => {
  it("finds the first position that does not lie before", () => {
    const numbers = [1, 3, 3, 5];
    const first = (number: number) => bisect(numbers.length, (at) => (numbers[at] ?? 0) < number);
    expect([0, 1, 2, 3, 4, 5, 6].map(first)).toEqual([0, 0, 1, 1, 3, 3, 4]);
  });
});

describe("the lines that a text takes", () => {
  it.each([
    ["nothing", "", 10, 1],
    ["what fits", "0123456789", 10, 1],
    ["what does not", "0123456789a", 10, 2],
    ["two lines", "a\nb", 10, 2],
    ["lines of all kinds", "a\n0123456789a\n", 10, 4],
    ["16 KiB", "x".repeat(16_384), 100, 164],
    ["16 KiB that are not wrapped", "x".repeat(16_384), Number.POSITIVE_INFINITY, 1],
    ["lines that are not wrapped", "a\nb\nc", Number.POSITIVE_INFINITY, 3],
  ])("are told from its length: %s", (_, text, columns, lines) => {
    expect(wrappedLines(text, columns)).toBe(lines);
  });
});
