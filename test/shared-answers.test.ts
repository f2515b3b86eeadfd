import { expect, it } from "vitest";
import { SharedAnswers } from "../src/shared-answers.js";

/** Answers with a bound of 100 bytes, and how many of them are said to be kept. */
function open() {
  const told = { bytes: 0, most: 0 };
  const answers = new SharedAnswers(100, (bytes) => {
    told.bytes += bytes;
    told.most = Math.max(told.most, told.bytes);
  });
  return { answers, told };
}

it("keeps answers of any size within a bound in bytes, and lets the oldest go first", () => {
  const { answers, told } = open();
  const [a, b, c] = [Buffer.alloc(60), Buffer.alloc(40), Buffer.alloc(30)];
  expect(answers.keep("a", a)).toBe(a);
  answers.keep("b", b);
  expect(answers.get("a")).toBe(a);
  expect(told.bytes).toBe(100);
  answers.keep("c", c);
  expect(answers.get("a")).toBeUndefined();
  expect(answers.get("b")).toBe(b);
  expect(answers.get("c")).toBe(c);
  expect(told).toEqual({ bytes: 70, most: 100 });
});

it("hands back an answer that is larger than the bound, and keeps the others", () => {
  const { answers, told } = open();
  answers.keep("small", Buffer.alloc(10));
  const large = Buffer.alloc(101);
  expect(answers.keep("large", large)).toBe(large);
  expect(answers.get("large")).toBeUndefined();
  expect(answers.get("small")).toHaveLength(10);
  expect(told.bytes).toBe(10);
});

it("keeps a number of small ones at most", () => {
  const { answers } = open();
  for (let i = 0; i < 100; i += 1) answers.keep(i, Buffer.alloc(1));
  const kept = Array.from({ length: 100 }, (_, i) => i).filter((i) => answers.get(i) !== undefined);
  expect(kept).toHaveLength(64);
  expect(kept[0]).toBe(36);
});

it("forgets all, and after its view was replaced it keeps nothing", () => {
  const { answers, told } = open();
  answers.keep("a", Buffer.alloc(50));
  answers.clear();
  expect(answers.get("a")).toBeUndefined();
  answers.keep("a", Buffer.alloc(50));
  answers.close();
  answers.keep("b", Buffer.alloc(50));
  expect(answers.get("b")).toBeUndefined();
  expect(told.bytes).toBe(0);
});
