import { describe, expect, test } from "vitest";
import { benchLines, kilobyteLines } from "../bench/inputs.js";

describe("the lines of the benchmarks", () => {
  const lines = benchLines(20_000);
  const sizes = lines.map((line) => Buffer.byteLength(JSON.stringify(line))).sort((a, b) => a - b);

  test("are 80 bytes to 4 kB each", () => {
    expect(sizes[0]).toBeGreaterThanOrEqual(80);
    expect(sizes.at(-1)).toBeLessThanOrEqual(4096);
  });

  test("reach both ends of that range, with most of them short", () => {
    expect(sizes[0]).toBeLessThan(120);
    expect(sizes.at(-1)).toBeGreaterThan(3000);
    expect(sizes[10_000]).toBeLessThan(300);
    const mean = sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
    expect(mean).toBeGreaterThan(300);
    expect(mean).toBeLessThan(600);
  });

  test("are the same at every run", () => {
    expect(benchLines(500)).toEqual(lines.slice(0, 500));
  });

  test("differ from each other, so that a verification can tell them apart", () => {
    expect(new Set(lines.map((line) => JSON.stringify(line))).size).toBe(lines.length);
  });

  test("hold text beyond ASCII in at least a tenth of them", () => {
    const beyond = lines.filter((line) => Buffer.byteLength(line.message) > line.message.length);
    expect(beyond.length).toBeGreaterThan(lines.length / 10);
  });
});

test("the lines of a kilobyte are 850 to 1,050 bytes each, and as many as asked for", () => {
  const sizes = kilobyteLines(100).map((line) => Buffer.byteLength(JSON.stringify(line)));
  expect(sizes).toHaveLength(100);
  expect(Math.min(...sizes)).toBeGreaterThanOrEqual(850);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(1050);
});
