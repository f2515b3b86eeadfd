import { describe, expect, test } from "vitest";
import { perUnit, startCpu } from "../bench/cpu-time.js";
import { figuresInRounds, figuresOverRounds, measureInRounds } from "../bench/rounds.js";

/** Answers with the values one after the other, and notes each turn. */
function contender(name: string, values: readonly number[], turns: string[], yardstick?: string) {
  let round = 0;
  return {
    name,
    ...(yardstick !== undefined && { yardstick }),
    measure: async () => {
      turns.push(name);
      const perSecond = values[round] ?? Number.NaN;
      round += 1;
      return { perSecond, cpuMicros: 1e6 / perSecond, otherMicros: { Redis: perSecond / 10 } };
    },
  };
}

describe("rounds", () => {
  test("are interleaved, and the first does not count", async () => {
    const turns: string[] = [];
    const [a, b] = await measureInRounds(
      [contender("a", [1, 100, 300, 200], turns), contender("b", [1, 50, 10, 20], turns)],
      3,
    );
    expect(turns.join("")).toMatch(/^(?:ab|ba){4}$/);
    expect(a).toEqual({
      ...{ name: "a", perSecond: 200, slowest: 100, fastest: 300, cpuMicros: 5000, otherMicros: { Redis: 20 } },
      ...{ yardstick: "a", ratio: 1, cpuRatio: 1 },
    });
    expect(b).toMatchObject({ perSecond: 20, slowest: 10, fastest: 50, yardstick: "a", ratio: 0.1, cpuRatio: 0.1 });
  });

  test("are in orders of which each contender begins some, and comes after each other one", async () => {
    const turns: string[] = [];
    const rounds = 30;
    const names = ["a", "b", "c", "d"];
    await measureInRounds(
      names.map((name) => contender(name, Array(rounds + 1).fill(1), turns)),
      rounds,
    );
    const orders = Array.from({ length: rounds + 1 }, (_, round) => turns.slice(4 * round, 4 * round + 4).join(""));
    for (const order of orders) expect([...order].sort()).toEqual(names);
    const pairs = names.flatMap((a) => names.filter((b) => b !== a).map((b) => a + b));
    for (const pair of pairs) expect(orders.join(" ")).toContain(pair);
    for (const name of names) expect(orders.some((order) => order.startsWith(name))).toBe(true);
  });

  test("take the ratio of whom a contender names", async () => {
    const turns: string[] = [];
    const results = await measureInRounds(
      [contender("a", [1, 100], turns), contender("b", [1, 50], turns, "c"), contender("c", [1, 25], turns, "c")],
      1,
    );
    expect(results.map(({ yardstick, ratio }) => [yardstick, ratio])).toEqual([
      ["a", 1],
      ["c", 2],
      ["c", 1],
    ]);
  });

  test("compare what was measured in the same round", async () => {
    const [, b] = await measureInRounds(
      [contender("a", [1, 100, 10, 1000], []), contender("b", [1, 50, 5, 400], [])],
      3,
    );
    expect(b).toMatchObject({ perSecond: 50, ratio: 0.5, cpuRatio: 0.5 });
  });

  test("refuse a yardstick that is no contender", async () => {
    await expect(measureInRounds([contender("a", [1, 1], [], "b")], 1)).rejects.toThrow("is no contender");
  });

  test("end when a contender finds that something wrong was delivered", async () => {
    const wrong = { name: "a", measure: () => Promise.reject(new Error("Line 3 is missing.")) };
    await expect(measureInRounds([wrong], 3)).rejects.toThrow("Line 3 is missing.");
  });

  test("of figures all count, and each figure has its median, least and most", async () => {
    const values = [4, 1, 2, 9];
    const [row] = await figuresInRounds([{ name: "a", measure: async () => ({ p50: values.shift() ?? 0 }) }], 4);
    expect(row).toEqual({ name: "a", figures: { p50: { median: 3, low: 1, high: 9 } } });
  });

  test("of rows that are measured together keep rows and figures apart", () => {
    const round = (bytes: number) => [
      { name: "a", figures: { bytes } },
      { name: "b", figures: { commands: 1 } },
    ];
    expect(figuresOverRounds([round(5), round(7), round(6)])).toEqual([
      { name: "a", figures: { bytes: { median: 6, low: 5, high: 7 } } },
      { name: "b", figures: { commands: { median: 1, low: 1, high: 1 } } },
    ]);
  });
});

test("CPU time is told for each process by what passed on its clock", async () => {
  let server = 100;
  let viewers = 1000;
  const stop = await startCpu({ server: () => server, viewers: async () => viewers });
  server += 30;
  viewers += 500;
  const micros = await stop();
  expect(micros).toEqual({ server: 30, viewers: 500 });
  expect(perUnit(micros, 10)).toEqual({ server: 3, viewers: 50 });
});
