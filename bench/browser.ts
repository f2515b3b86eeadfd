/** What the client does to a page that takes in many lines: how long it blocks it, and what it holds. */
import { strictEqual } from "node:assert";
import { createLivetail } from "livetail";
import type { Browser, CDPSession } from "playwright-core";
import { launchBrowser } from "../test/support/browser.js";
import type { TestRedis } from "../test/support/redis.js";
import { type BrowserSight, type BrowserTask, type BrowserWay, messageSum } from "./browser-page.js";
import type { BrowserServerReady, BrowserServerRole } from "./browser-server.js";
import { longestTask } from "./browser-tasks.js";
import { helperCpu, startCpu } from "./cpu-time.js";
import { type HelperProcess, startHelper } from "./helper-process.js";
import { benchLines } from "./inputs.js";
import { figuresInRounds } from "./rounds.js";
import type { Scenario } from "./scenario.js";

const LINES = 100_000;
/** Lines that are logged in one turn of the event loop. */
const BURST = 1000;

const POLLS = "LogPoller, polls";
const STREAMS = "LogPoller, streams";
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
  about: `A page takes in ${LINES.toLocaleString("en-US")} lines of 80 B to 4 kB as fast as they come, in a real Chromium; CPU in µs a line.`,
  goals: [
    { row: POLLS, figure: "tasks over 50 ms", atMost: 0 },
    { row: STREAMS, figure: "tasks over 50 ms", atMost: 0 },
    { row: POLLS, figure: "held kB", atMost: 500 },
    { row: STREAMS, figure: "held kB", atMost: 500 },
  ],
  async run({ redis, quick }) {
    const { runId, sum } = await storeRun(redis);
    const server = startHelper("./browser-server.ts");
    const chromium = await launchBrowser();
    try {
      const { url } = await server.ask<BrowserServerReady>({ redisUrl: redis.url } satisfies BrowserServerRole);
      const measured = CONTENDERS.map(({ name, way, keep }) => ({
        name,
        measure: () => measure(chromium, server, url, { runId, way, keep, lines: LINES }, sum),
      }));
      return await figuresInRounds(measured, quick ? 1 : 5);
    } finally {
      await chromium.close();
      server.stop();
      await redis.cli("FLUSHALL");
    }
  },
};

/** Stores a run that has ended, none of whose lines was trimmed; and the checksum of its messages. */
async function storeRun(redis: TestRedis): Promise<{ runId: string; sum: number }> {
  const livetail = createLivetail({ redis: redis.url, maxLines: LINES, maxBufferBytes: 1e9 });
  try {
    const lines = benchLines(LINES);
    const run = livetail.createOperationRun("bench", "browser");
    for (let from = 0; from < LINES; from += BURST) {
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
  chromium: Browser,
  server: HelperProcess,
  url: string,
  task: BrowserTask,
  sum: number,
): Promise<Record<string, number>> {
  const context = await chromium.newContext();
  try {
    const page = await context.newPage();
    await page.goto(`${url}/page`);
    const pageSession = await context.newCDPSession(page);
    const before = await heldBytes(pageSession);
    const browserSession = await chromium.newBrowserCDPSession();
    const stopCpu = await startCpu({ server: helperCpu(server), browser: () => browserCpu(browserSession) });
    await chromium.startTracing(page, { categories: ["toplevel", "__metadata"] });
    const sight = (await page.evaluate(`takeIn(${JSON.stringify(task)})`)) as BrowserSight;
    const trace = await chromium.stopTracing();
    const cpu = await stopCpu();
    strictEqual(sight.sum, sum, "every line came as it was logged");
    const longest = longestTask(trace);
    return {
      "tasks over 50 ms": sight.longTasks,
      "longest task ms": longest.ms,
      "of it CPU ms": longest.cpuMs,
      "lines/s": (LINES * 1000) / sight.ms,
      "CPU of browser": cpu.browser / LINES,
      "CPU of server": cpu.server / LINES,
      "held kB": ((await heldBytes(pageSession)) - before) / 1000,
    };
  } finally {
    await context.close();
  }
}

/** What the page holds, garbage collected. */
async function heldBytes(session: CDPSession): Promise<number> {
  await session.send("HeapProfiler.collectGarbage");
  return (await session.send("Runtime.getHeapUsage")).usedSize;
}

/** CPU time of all processes of a browser, in microseconds. */
async function browserCpu(session: CDPSession): Promise<number> {
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  return processInfo.reduce((total, { cpuTime }) => total + cpuTime, 0) * 1e6;
}
