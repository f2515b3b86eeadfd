/** What the client does to a page that takes in many lines: how long it blocks it, and what it holds. */
import { strictEqual } from "node:assert";
import { createLivetail } from "livetail";
import type { TestRedis } from "../test/support/redis.js";
import { type BrowserSight, type BrowserTask, type BrowserWay, messageSum } from "./browser-page.js";
import { measurePanel } from "./browser-panel.js";
import type { BrowserServerReady, BrowserServerRole } from "./browser-server.js";
import { longestTask } from "./browser-tasks.js";
import { type BareChromium, startBareChromium } from "./chromium.js";
import { helperCpu, perUnit, startCpu } from "./cpu-time.js";
import { type HelperProcess, startHelper } from "./helper-process.js";
import { benchLines } from "./inputs.js";
import { figuresInRounds } from "./rounds.js";
import type { Scenario } from "./scenario.js";

const LINES = 100_000;
const FEW_LINES = 20_000;
/** Lines that are logged in one turn of the event loop. */
const BURST = 1000;

const POLLS = "LogPoller, polls";
const STREAMS = "LogPoller, streams";
const PANEL = "the panel, which follows 200 lines/s and is searched";
/** How long the panel is watched, in milliseconds. */
const WATCH_MS = 15_000;
const FEW_WATCH_MS = 5000;
const CONTENDERS: readonly { name: string; way: BrowserWay; keep: boolean }[] = [
  { name: "fetch() and json() of the same pages", way: "bare polls", keep: false },
  { name: POLLS, way: "polls", keep: false },
  { name: `${POLLS}, page keeps lines`, way: "polls", keep: true },
  { name: "EventSource and JSON.parse()", way: "EventSource", keep: false },
  { name: STREAMS, way: "streams", keep: false },
  { name: `${STREAMS}, page keeps lines`, way: "streams", keep: true },
];

export const browser: Scenario = {
  name: "browser",
  about: `A page takes in ${LINES.toLocaleString("en-US")} lines (a fifth when it is quick) of 80 B to 4 kB as fast as they come, in a real Chromium; CPU in µs a line. Then the panel with as many of all heights, 16 KiB among them.`,
  goals: [
    { row: POLLS, figure: "tasks over 50 ms", atMost: 0 },
    { row: STREAMS, figure: "tasks over 50 ms", atMost: 0 },
    { row: POLLS, figure: "longest CPU ms", atMost: 50 },
    { row: STREAMS, figure: "longest CPU ms", atMost: 50 },
    { row: POLLS, figure: "held kB", atMost: 500 },
    { row: STREAMS, figure: "held kB", atMost: 500 },
    { row: PANEL, figure: "p95 frame ms", atMost: 33 },
  ],
  async run({ redis, quick }) {
    const lines = quick ? FEW_LINES : LINES;
    const { runId, sum } = await storeRun(redis, lines);
    const server = startHelper("./browser-server.ts");
    const chromium = await startBareChromium();
    try {
      const { url } = await server.ask<BrowserServerReady>({ redisUrl: redis.url } satisfies BrowserServerRole);
      const measured = CONTENDERS.map(({ name, way, keep }) => ({
        name,
        measure: () => measure(chromium, server, url, { runId, way, keep, lines }, sum),
      }));
      const watched = { lines, watchMs: quick ? FEW_WATCH_MS : WATCH_MS };
      const panel = { name: PANEL, measure: () => measurePanel(chromium, redis, url, watched) };
      return await figuresInRounds([...measured, panel], quick ? 1 : 3);
    } finally {
      await chromium.close();
      server.stop();
      await redis.cli("FLUSHALL");
    }
  },
};

/** Stores a run that has ended, none of whose lines was trimmed; and the checksum of its messages. */
async function storeRun(redis: TestRedis, count: number): Promise<{ runId: string; sum: number }> {
  const livetail = createLivetail({ redis: redis.url, maxLines: count, maxBufferBytes: 1e9 });
  try {
    const lines = benchLines(count);
    const run = livetail.createOperationRun("bench", "browser");
    for (let from = 0; from < count; from += BURST) {
      for (const line of lines.slice(from, from + BURST)) run.log(line);
      await run.flush();
    }
    strictEqual((await run.complete()).stored, true);
    return { runId: run.id, sum: lines.reduce((sum, { message }) => messageSum(sum, message), 0) };
  } finally {
    await livetail.close();
  }
}

/** A page of its own takes in the lines; verifies that it got each of them. */
async function measure(
  chromium: BareChromium,
  server: HelperProcess,
  url: string,
  task: BrowserTask,
  sum: number,
): Promise<Record<string, number>> {
  const page = await chromium.open(`${url}/page`);
  try {
    const before = await page.heldBytes();
    const stopCpu = await startCpu({ server: helperCpu(server), browser: () => chromium.cpuMicros() });
    const stopTrace = await chromium.trace();
    const sight = (await page.evaluate(`takeIn(${JSON.stringify(task)})`)) as BrowserSight;
    const cpu = perUnit(await stopCpu(), task.lines);
    const longest = longestTask(await stopTrace());
    strictEqual(sight.sum, sum, "every line came as it was logged");
    return {
      "tasks over 50 ms": sight.longTasks,
      "longest task ms": longest.ms,
      "longest CPU ms": longest.cpuMs,
      "lines/s": (task.lines * 1000) / sight.ms,
      "CPU of browser": cpu.browser,
      "CPU of server": cpu.server,
      "held kB": ((await page.heldBytes()) - before) / 1000,
    };
  } finally {
    await page.close();
  }
}
