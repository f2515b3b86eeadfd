import { readFileSync } from "node:fs";
import { createContext, runInContext } from "node:vm";
import { beforeAll, describe, expect, test } from "vitest";
import { BROWSER_PAGE, type BrowserSight, type BrowserTask, messageSum } from "../bench/browser-page.js";
import { longestTask } from "../bench/browser-tasks.js";
import { costsOf, predict } from "../bench/fleet.js";
import type { Scenario } from "../bench/scenario.js";
import { ensureBuilt } from "./support/built.js";

let scenarios: readonly Scenario[] = [];

beforeAll(async () => {
  // The scenarios import the package by its name.
  await ensureBuilt();
  scenarios = (await import("../bench/scenarios.js")).SCENARIOS;
}, 120_000);

test("the scenarios have names of their own, and a goal each", () => {
  expect(new Set(scenarios.map(({ name }) => name)).size).toBe(scenarios.length);
  for (const { name, goals } of scenarios) expect(goals.length, name).toBeGreaterThan(0);
});

test("the README has goals of every scenario", () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  for (const { name } of scenarios) expect(readme).toContain(`\n| ${name} | `);
});

describe("the page of the browser scenario", () => {
  /** Runs the page's script where a poll answers these lines. */
  const takeIn = (entries: { index: number; message: string }[], lines: number): Promise<BrowserSight> => {
    const script = /<script>([\s\S]*)<\/script>/.exec(BROWSER_PAGE)?.[1] ?? "";
    class PerformanceObserver {
      observe(): void {}
      takeRecords(): unknown[] {
        return [];
      }
      disconnect(): void {}
    }
    const fetch = async () => ({ json: async () => ({ logs: entries, cursor: "next" }) });
    const page = createContext({ PerformanceObserver, fetch, performance, setTimeout });
    runInContext(script, page);
    const task: BrowserTask = { runId: "op_1", way: "bare polls", keep: false, lines };
    return runInContext(`takeIn(${JSON.stringify(task)})`, page) as Promise<BrowserSight>;
  };
  const entries = ["one", "zwei – 二", ""].map((message, index) => ({ index, message }));

  test("makes the same checksum of the messages as the bench", async () => {
    const { sum } = await takeIn(entries, 3);
    expect(sum).toBe(entries.reduce((sum, { message }) => messageSum(sum, message), 0));
    expect(sum).not.toBe(messageSum(messageSum(0, "zwei – 二"), "one"));
  });

  test("refuses lines that are missing, doubled or out of order", async () => {
    const [first, second, third] = entries as [(typeof entries)[0], (typeof entries)[0], (typeof entries)[0]];
    await expect(takeIn([first, third], 2)).rejects.toThrow("Line 1 came as 2");
    await expect(takeIn([first, first, second], 3)).rejects.toThrow("Line 1 came as 0");
    await expect(takeIn([second, first, third], 3)).rejects.toThrow("Line 0 came as 1");
    await expect(takeIn(entries, 2)).rejects.toThrow("Lines are missing");
  });
});

describe("the longest task of a trace", () => {
  const main = { name: "thread_name", ph: "M", pid: 7, tid: 1, args: { name: "CrRendererMain" } };
  const other = { name: "thread_name", ph: "M", pid: 7, tid: 2, args: { name: "Compositor" } };
  const task = (tid: number, dur: number, tdur: number) => {
    return { name: "ThreadControllerImpl::RunTask", ph: "X", pid: 7, tid, dur, tdur };
  };

  test("is one of a page's main thread, by the clock and by CPU time", () => {
    const events = [task(1, 4000, 3000), task(1, 60_000, 2000), task(2, 900_000, 800_000), main, other];
    expect(longestTask(events)).toEqual({ ms: 60, cpuMs: 3 });
  });

  test("is missed aloud when nothing was traced", () => {
    expect(() => longestTask([main, other, task(2, 1, 1)])).toThrow("no task");
  });
});

describe("the arithmetic of a fleet", () => {
  const costs = { run: { cpu: 5, commands: 1 }, line: { cpu: 100, commands: 2 }, event: { cpu: 3, commands: 0 } };
  const sample = (runs: number, viewers: number, linesPerSecond: number) => {
    const load = { runs, viewers, linesPerSecond };
    return { load, costs: predict(costs, load) };
  };

  test("adds what runs, lines and events cost", () => {
    expect(predict(costs, { runs: 20, viewers: 10, linesPerSecond: 10 })).toEqual({
      cpu: 20 * 5 + 200 * 100 + 2000 * 3,
      commands: 20 + 400,
    });
  });

  test("finds the costs that explain three samples", () => {
    const found = costsOf([sample(20, 10, 0), sample(5, 2, 40), sample(5, 20, 40)]);
    for (const part of ["run", "line", "event"] as const) {
      expect(found[part].cpu).toBeCloseTo(costs[part].cpu, 6);
      expect(found[part].commands).toBeCloseTo(costs[part].commands, 6);
    }
  });

  test("makes nothing cheaper than free", () => {
    const noisy = sample(5, 20, 40);
    noisy.costs.commands = 0;
    expect(costsOf([sample(20, 10, 0), sample(5, 2, 40), noisy]).event.commands).toBe(0);
  });
});
