import { describe, expect, it } from "vitest";
import { count, duration, money, ticking } from "../src/panel/amounts.js";
import { formatLineLink, parseLineLink } from "../src/panel/line-link.js";

describe("the panel writes", () => {
  it.each([
    [0, "0s"],
    [0.4, "0ms"],
    [320, "320ms"],
    [1234, "1.2s"],
    [3000, "3s"],
    [9949, "9.9s"],
    [9960, "10s"],
    [59_400, "59s"],
    [59_600, "01:00"],
    [185_000, "03:05"],
    [3_599_600, "1:00:00"],
    [8_040_000, "2:14:00"],
    [90_000_000, "25:00:00"],
  ])("a duration of %d ms as %s", (ms, text) => expect(duration(ms)).toBe(text));

  it("a clock that ticks in whole seconds, and never runs below zero", () => {
    expect([-5000, 0, 999, 1999, 61_999].map(ticking)).toEqual(["0s", "0s", "0s", "1s", "01:01"]);
  });

  it.each([
    [0, "$0.00"],
    [0.05, "$0.05"],
    [0.002, "$0.002"],
    [0.000043, "$0.000043"],
    [1e-9, "$0.000000001"],
    [0.999, "$0.999"],
    [12.3, "$12.30"],
    [1234.567, "$1234.57"],
  ])("%d dollars as %s", (usd, text) => expect(money(usd)).toBe(text));

  it("a number with what it counts", () => {
    expect([0, 1, 1204].map((number) => count(number, "call"))).toEqual(["0 calls", "1 call", "1,204 calls"]);
  });
});

describe("a link to lines", () => {
  it.each([
    ["#L123", { from: 123, to: 123 }],
    ["#L10-L20", { from: 10, to: 20 }],
    ["#L10-20", { from: 10, to: 20 }],
    ["#L20-L10", { from: 10, to: 20 }],
    ["", undefined],
    ["#L", undefined],
    ["#L-1", undefined],
    ["#L1e9", undefined],
    ["#L1-L2-L3", undefined],
    [`#L${"9".repeat(40)}`, undefined],
  ])("%s names %j", (hash, range) => expect(parseLineLink(hash)).toEqual(range));

  it("is read as it was written", () => {
    for (const range of [
      { from: 0, to: 0 },
      { from: 7, to: 12 },
    ]) {
      expect(parseLineLink(formatLineLink(range))).toEqual(range);
    }
  });
});
