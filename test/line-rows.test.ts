import { describe, expect, it } from "vitest";
import { createLineRows, earlierLines, positionOf } from "../src/panel/line-rows.js";
import { logEntry } from "./support/log-entry.js";

function keeping(maxLines: number) {
  const dropped: number[] = [];
  const rows = createLineRows(maxLines, ({ index }) => dropped.push(index));
  const add = (from: number, count: number, message?: string) => {
    for (let index = from; index < from + count; index++) rows.line(logEntry(index, message));
    return rows.trim();
  };
  return { rows, dropped, add, notes: () => rows.rows.filter(({ entry }) => !entry).map(({ note }) => note) };
}

describe("the rows of a list", () => {
  it("stay all while there is room", () => {
    const { rows, dropped, add } = keeping(100);
    expect(add(0, 100)).toBe(false);
    expect(rows.rows.map(({ index }) => index)).toEqual(Array.from({ length: 100 }, (_, index) => index));
    expect(dropped).toEqual([]);
  });

  it("make room from the oldest on, twentieth by twentieth, with a note of how many went", () => {
    const { rows, dropped, add, notes } = keeping(100);
    expect(add(0, 101)).toBe(true);
    expect(dropped).toEqual([0, 1, 2, 3, 4, 5]);
    expect(notes()).toEqual(["6 earlier lines are not kept"]);
    expect(rows.rows[1]?.index).toBe(6);
    expect(add(101, 900)).toBe(true);
    expect(rows.rows.length).toBeLessThanOrEqual(100);
    expect(notes()).toEqual([`${dropped.length} earlier lines are not kept`]);
    expect(rows.rows[1]?.index).toBe(dropped.length);
    expect(rows.rows.at(-1)?.index).toBe(1000);
  });

  it("count the lines of a gap that goes among those that are not kept", () => {
    const { rows, add, notes } = keeping(100);
    rows.note("500 earlier lines are not kept", 0, 500);
    add(500, 100);
    expect(notes()).toEqual(["505 earlier lines are not kept"]);
  });

  it("are bounded in size as well, whatever their number", () => {
    const { rows, dropped, add } = keeping(100_000);
    expect(add(0, 6000, "x".repeat(16_000))).toBe(true);
    const size = rows.rows.reduce((sum, row) => sum + row.size, 0);
    expect(size).toBeLessThanOrEqual(64 * 1024 * 1024);
    expect(size).toBeGreaterThan(60 * 1024 * 1024);
    expect(dropped.length + rows.rows.length - 1).toBe(6000);
  });

  it("are told of, each once, when all go", () => {
    const { rows, dropped, add } = keeping(10);
    add(0, 10);
    rows.clear();
    expect(rows.rows).toEqual([]);
    expect(dropped).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it("are found by the order in which they came", () => {
    const { rows, add } = keeping(100);
    rows.note("gap", 0, 500);
    add(500, 5);
    expect(rows.rows.map(({ seq }) => positionOf(rows.rows, seq))).toEqual([0, 1, 2, 3, 4, 5]);
    expect([positionOf(rows.rows, -1), positionOf(rows.rows, Infinity)]).toEqual([0, 6]);
  });
});

describe("the note of lines that are missing", () => {
  it("says how many, and whether they made room or were lost", () => {
    expect([1, 2, 12_345].map((count) => earlierLines(count))).toEqual([
      "1 earlier line is not kept",
      "2 earlier lines are not kept",
      "12,345 earlier lines are not kept",
    ]);
    expect([1, 2].map((count) => earlierLines(count, true))).toEqual([
      "1 earlier line is lost",
      "2 earlier lines are lost",
    ]);
  });
});
