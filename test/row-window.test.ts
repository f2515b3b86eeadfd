import { describe, expect, it } from "vitest";
import { bisect, createRowTops } from "../src/panel/row-window.js";
import { seededRandom } from "./support/seeded-random.js";

/** The sums over heights that stand in a list. */
const topsOf = (heights: number[]) =>
  createRowTops(
    () => heights.length,
    (row) => heights[row] ?? 0,
  );

describe("the tops of rows", () => {
  it("say where a row begins and which row is at an offset", () => {
    const tops = topsOf([20, 40, 20]);
    expect([0, 1, 2, 3].map((row) => tops.top(row))).toEqual([0, 20, 60, 80]);
    expect([0, 19, 20, 59, 60, 79].map((offset) => tops.at(offset))).toEqual([0, 0, 1, 1, 2, 2]);
  });

  it("take an offset outside as the first row or the last", () => {
    const tops = topsOf([20, 40]);
    expect(tops.at(-5)).toBe(0);
    expect(tops.at(60)).toBe(1);
    expect(tops.at(1e9)).toBe(1);
    expect(topsOf([]).at(10)).toBe(-1);
    expect(topsOf([]).top(0)).toBe(0);
  });

  it("are right after any changes, as adding them up by hand says", () => {
    const random = seededRandom(7);
    const plain: number[] = [];
    const tops = topsOf(plain);
    const topOf = (row: number) => plain.slice(0, row).reduce((sum, height) => sum + height, 0);
    for (let turn = 0; turn < 2000; turn++) {
      const row = Math.floor(random.next() * plain.length);
      const height = Math.floor(random.next() * 100);
      if (random.next() < 0.4 || plain.length === 0) plain.push(height);
      else {
        plain[row] = height;
        tops.changed(row);
      }
      expect(tops.top(row)).toBe(topOf(row));
      const total = tops.top(plain.length);
      expect(total).toBe(topOf(plain.length));
      const offset = random.next() * total;
      const at = tops.at(offset);
      expect(topOf(at)).toBeLessThanOrEqual(offset);
      if (offset < total) expect(topOf(at + 1)).toBeGreaterThan(offset);
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
