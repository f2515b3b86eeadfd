/** What the panel does to its page: 100,000 lines of all heights, a search that is open, and more lines that come. */
import { ok } from "node:assert";
import { createLivetail, type Run } from "livetail";
import type { TestRedis } from "../test/support/redis.js";
import { longestTask } from "./browser-tasks.js";
import type { BareChromium } from "./chromium.js";
import type { PanelSight } from "./panel-page.js";

const LINES_PER_SECOND = 200;
/** How often lines are logged, in milliseconds. */
const TURN_MS = 50;
const BURST = 1000;

/** 16 KiB, which a row shows in a hundred lines and more. */
const LONG = "0123456789abcdef ".repeat(960);
const TRACEBACK = "Traceback (most recent call last):\n  File 'app.py', line 12\nValueError: no paper";

/** A line of one of several heights, every fourth one found by the search. */
function panelLine(index: number): Record<string, unknown> {
  if (index % 1000 === 0) return { message: LONG };
  if (index % 50 === 0) return { message: `step ${index} failed`, level: "error", traceback: TRACEBACK };
  if (index % 10 === 0) return { message: `first of ${index}\nsecond\nthird` };
  if (index % 4 === 0) return { message: `\u001b[32m✓\u001b[0m built \u001b[1mfile ${index}\u001b[0m in 12 ms` };
  return { message: `line ${index}`, metadata: { attempt: 1, url: `https://example.com/${index}` } };
}

/** Watches a page with the panel of such a run; verifies that it showed what came. */
export async function measurePanel(
  chromium: BareChromium,
  redis: TestRedis,
  url: string,
  { lines, watchMs }: { lines: number; watchMs: number },
): Promise<Record<string, number>> {
  const livetail = createLivetail({ redis: redis.url, maxLines: 2 * lines, maxBufferBytes: 1e9 });
  const run = livetail.createOperationRun("bench", "panel");
  let timer: ReturnType<typeof setInterval> | undefined;
  try {
    await storeLines(run, lines);
    const page = await chromium.open(`${url}/panel/${run.id}`);
    await page.evaluate(`ready(${lines})`);
    let index = lines;
    timer = setInterval(() => {
      for (const end = index + (LINES_PER_SECOND * TURN_MS) / 1000; index < end; index += 1) run.log(panelLine(index));
    }, TURN_MS);
    const stopTrace = await chromium.trace();
    const sight = (await page.evaluate(`watch(${watchMs})`)) as PanelSight;
    const longest = longestTask(await stopTrace());
    clearInterval(timer);
    const heldBytes = await page.heldBytes();
    await page.close();
    ok(sight.lines > (0.5 * LINES_PER_SECOND * watchMs) / 1000, "lines came meanwhile");
    ok(sight.found > lines / 5, "the search has found what it looks for");
    return {
      "p95 frame ms": sight.p95,
      "longest frame ms": sight.longest,
      "tasks over 50 ms": sight.longTasks,
      "longest task ms": longest.ms,
      "longest CPU ms": longest.cpuMs,
      "lines/s": (sight.lines * 1000) / watchMs,
      "held kB": heldBytes / 1000,
    };
  } finally {
    clearInterval(timer);
    await run.complete();
    await livetail.close();
  }
}

async function storeLines(run: Run, lines: number): Promise<void> {
  for (let from = 0; from < lines; from += BURST) {
    for (let index = from; index < from + BURST; index += 1) run.log(panelLine(index));
    await run.flush();
  }
}
