import { expect, it, vi } from "vitest";
import { remembered } from "../src/remembered.js";

it("asks once for a text that comes again, and answers it with the same", () => {
  const of = vi.fn((text: string) => ({ text }));
  const ask = remembered(of);
  const first = ask("a");
  expect(first).toEqual({ text: "a" });
  expect(ask("b")).toEqual({ text: "b" });
  expect(ask(["", "a"].join(""))).toBe(first);
  expect(of.mock.calls).toEqual([["a"], ["b"]]);
});

it("remembers that something is false", () => {
  const of = vi.fn(() => false);
  const ask = remembered(of);
  expect([ask("a"), ask("a")]).toEqual([false, false]);
  expect(of).toHaveBeenCalledTimes(1);
});

it("throws each time what was thrown", () => {
  const ask = remembered((text) => {
    throw new Error(text);
  });
  for (const text of ["a", "a", "b"]) expect(() => ask(text)).toThrow(text);
});

it("remembers no long texts, and not more than 512 others", () => {
  const of = vi.fn((text: string) => text.length);
  const ask = remembered(of);
  const asked = (text: string): number => {
    of.mockClear();
    ask(text);
    return of.mock.calls.length;
  };
  const long = "x".repeat(257);
  expect([asked(long), asked(long), asked(long.slice(1)), asked(long.slice(1))]).toEqual([1, 1, 1, 0]);
  for (let i = 1; i < 512; i += 1) ask(`${i}`);
  expect(asked("1")).toBe(0);
  ask("one more");
  expect([asked("one more"), asked("1")]).toEqual([0, 1]);
});
