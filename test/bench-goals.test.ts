import { describe, expect, test } from "vitest";
import { type Goal, judge } from "../bench/goals.js";
import { markdownOf, withMarkdown } from "../bench/markdown.js";
import type { Report } from "../bench/report.js";
import { type Figure, type Result, steady } from "../bench/rounds.js";
import { tableOf } from "../bench/tables.js";

const RATES: Result[] = [
  {
    name: "ceiling",
    perSecond: 1000,
    slowest: 900,
    fastest: 1100,
    cpuMicros: 2,
    yardstick: "ceiling",
    ratio: 1,
    cpuRatio: 1,
  },
  {
    name: "ours",
    perSecond: 800,
    slowest: 700,
    fastest: 850,
    cpuMicros: 3,
    yardstick: "ceiling",
    ratio: 0.8,
    cpuRatio: 0.67,
  },
  {
    name: "theirs",
    perSecond: 100,
    slowest: 90,
    fastest: 110,
    cpuMicros: null,
    yardstick: "ceiling",
    ratio: 0.1,
    cpuRatio: null,
  },
];
const FIGURES: Figure[] = [
  { name: "ours", figures: { p50: { median: 3, low: 2, high: 5 }, commands: steady(0) } },
  { name: "ceiling", figures: { p50: steady(2) } },
];

const met = (goal: Goal, rows: readonly (Result | Figure)[] = RATES): [number, boolean] => {
  const verdict = judge([goal], rows)[0];
  return [verdict?.value ?? Number.NaN, verdict?.met ?? false];
};

describe("a goal", () => {
  test("is for the ratio to the yardstick, unless it names another figure", () => {
    expect(met({ row: "ours", atLeast: 0.8 })).toEqual([0.8, true]);
    expect(met({ row: "ours", atLeast: 0.81 })).toEqual([0.8, false]);
    expect(met({ row: "ours", figure: "cpuMicros", atMost: 3 })).toEqual([3, true]);
    expect(met({ row: "ours", figure: "cpuMicros", atMost: 2.9 })).toEqual([3, false]);
  });

  test("may be a multiple of another row", () => {
    expect(met({ row: "ours", figure: "perSecond", of: "theirs", atLeast: 8 })).toEqual([8, true]);
    expect(met({ row: "ours", figure: "perSecond", of: "theirs", atLeast: 9 })).toEqual([8, false]);
    expect(met({ row: "ours", figure: "p50", of: "ceiling", atMost: 1.5 }, FIGURES)).toEqual([1.5, true]);
    expect(met({ row: "ours", figure: "p50", of: "ceiling", atMost: 1.4 }, FIGURES)).toEqual([1.5, false]);
  });

  test("may be a range, both ends of which belong to it", () => {
    for (const [low, high, holds] of [
      [3, 4, true],
      [2, 3, true],
      [3.1, 4, false],
      [2, 2.9, false],
    ] as const) {
      expect(met({ row: "ours", figure: "cpuMicros", between: [low, high] })).toEqual([3, holds]);
    }
  });

  test("of nothing at all is met by nothing at all", () => {
    expect(met({ row: "ours", figure: "commands", atMost: 0 }, FIGURES)).toEqual([0, true]);
    expect(met({ row: "ours", figure: "commands", of: "ours", atMost: 1 }, FIGURES)).toEqual([1, true]);
  });

  test("that nobody measures is a mistake, not a goal that is met", () => {
    expect(() => met({ row: "nobody", atLeast: 0 })).toThrow('"ratio" of "nobody"');
    expect(() => met({ row: "ours", figure: "p99", atMost: 9 }, FIGURES)).toThrow('"p99" of "ours"');
    expect(() => met({ row: "ours", figure: "perSecond", of: "nobody", atLeast: 0 })).toThrow('of "nobody"');
    expect(() => met({ row: "theirs", figure: "cpuMicros", atMost: 9 })).toThrow('"cpuMicros" of "theirs"');
  });

  test("is not met by a figure that is no number", () => {
    const odd: Figure[] = [{ name: "ours", figures: { p50: steady(Number.NaN) } }];
    expect(met({ row: "ours", figure: "p50", atMost: 9 }, odd)[1]).toBe(false);
    expect(met({ row: "ours", figure: "p50", atLeast: 0 }, odd)[1]).toBe(false);
  });
});

const goals: Goal[] = [
  { row: "ours", atLeast: 0.75 },
  { row: "ours", figure: "perSecond", of: "theirs", atLeast: 10 },
];
const fleetFigures = (micros: number): Figure["figures"] => ({
  commands: steady(1),
  "Redis CPU µs": steady(micros),
  "writer CPU µs": steady(micros / 2),
  "server CPU µs": steady(micros * 2),
});
const report: Report = {
  machine: { date: "2026-01-14", cores: 2, cpu: "A | B", node: "20.20.2", redis: "Redis 7.0.15" },
  command: "npm run bench -- --quick",
  quick: true,
  scenarios: [
    { name: "race", about: "Who is faster.", unit: "laps/s", seconds: 1, rows: RATES, verdicts: judge(goals, RATES) },
    {
      name: "delay",
      about: "Who is sooner.",
      seconds: 1,
      rows: FIGURES,
      verdicts: judge([{ row: "ours", figure: "p50", atMost: 4 }], FIGURES),
    },
    {
      name: "model",
      about: "What a fleet costs.",
      seconds: 1,
      rows: [
        { name: "an open run that is viewed, for a second", figures: fleetFigures(0) },
        { name: "a line, alone in its batch", figures: fleetFigures(200) },
        { name: "an event, that is a line to a viewer", figures: fleetFigures(10) },
      ],
      verdicts: [],
    },
  ],
};

describe("a report", () => {
  test("as a table has every row with its spread, and every goal with its verdict", () => {
    const [race = "", delay = ""] = report.scenarios.map(tableOf);
    expect(race).toMatch(/^ours +800 +700 to 850 +3 +0\.80 +0\.67$/m);
    expect(race).toMatch(/^theirs +100 +90 to 110 +- +0\.10 +-$/m);
    expect(race).toContain("ours: ratio 0.8, to be ≥ 0.75: met");
    expect(race).toContain("ours: rate of theirs 8, to be ≥ 10: MISSED");
    expect(delay).toMatch(/^ours +3 \(2 to 5\) +0$/m);
    expect(delay).toContain("ours: p50 3, to be ≤ 4: met");
  });

  test("as Markdown says when, where and how it was made, and has a line for each goal", () => {
    const text = markdownOf(report);
    expect(text).toContain(
      "2026-01-14 by `npm run bench -- --quick` on 2 cores of A | B, Node 20.20.2, Redis 7.0.15; 2 of 3 goals met.",
    );
    expect(text).toContain("quick run");
    expect(text.split("\n").filter((line) => /^\| (race|delay) /.test(line))).toEqual([
      "| race | ours | 800 (700 to 850) laps/s | 3 | ceiling | 0.8 | ≥ 0.75 | met |",
      "| race | ours | 800 (700 to 850) laps/s | 3 | theirs | 8 | ≥ 10 | **missed** |",
      "| delay | ours | 3 (2 to 5) p50 |  |  |  | ≤ 4 | met |",
    ]);
    expect(markdownOf({ ...report, quick: false })).not.toContain("quick run");
  });

  test("as Markdown says how many runs a core carries", () => {
    const text = markdownOf(report);
    expect(text).toContain("| a line, alone in its batch | 1 | 200 | 100 | 400 |");
    // 600,000 µs / (lines × 200 µs + lines × viewers × 10 µs)
    expect(text).toContain("| runs, of a Redis | 2,600 | 260 | 50 |");
    expect(text).toContain("| runs, of a process that writes | 5,200 | 520 | 100 |");
  });

  test("takes the place of the last one in the README, again and again", () => {
    const place = (name: string): string =>
      `<!-- ${name}: made by \`npm run bench -- --readme\` -->\nold\n<!-- end of ${name} -->`;
    const readme = `# x\n\n${place("goals")}\nbetween\n${place("fleet")}\n\nrest\n`;
    const once = withMarkdown(readme, report);
    for (const line of markdownOf(report).split("\n")) expect(once).toContain(line);
    expect(once).not.toContain("old");
    expect(once).toContain("-->\nbetween\n<!--");
    expect(once.startsWith("# x\n\n<!--")).toBe(true);
    expect(once.endsWith("-->\n\nrest\n")).toBe(true);
    expect(withMarkdown(once, report)).toBe(once);
    expect(() => withMarkdown(place("goals"), report)).toThrow("has no");
  });

  test("is the same after it was written down as JSON", () => {
    expect(markdownOf(JSON.parse(JSON.stringify(report)) as Report)).toBe(markdownOf(report));
  });
});
