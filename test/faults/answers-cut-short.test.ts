/** Answers that a proxy ends too early, as if they were complete: nothing in their HTTP tells that something is missing. */
import { afterAll, afterEach, expect, it, vi } from "vitest";
import { startCuttingProxy } from "../support/cutting-proxy.js";
import { length } from "../support/length.js";
import { lineTexts, startLineViewer, WAYS } from "../support/line-viewer.js";
import { createQuickClock } from "../support/quick-clock.js";
import { startRestartableServer } from "../support/restartable-server.js";
import { seededRandom } from "../support/seeded-random.js";

const PATIENCE = { timeout: 20_000, interval: 5 };
const FIRST = ["line 0 grün 🌿", "line 1", "line 2"];
const LAST = ["line 3", "line 4"];

const server = await startRestartableServer();
afterAll(() => server.close());
const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function startProxy() {
  const proxy = await startCuttingProxy(server.port);
  open.push(() => proxy.close());
  return proxy;
}

async function startRun() {
  const run = server.writing.createOperationRun("job", "cut");
  for (const line of FIRST) run.log(line);
  await run.flush();
  return run;
}

/** How many bytes an answer has up to `last`. */
async function sizeUpTo(last: string, path: string): Promise<number> {
  const controller = new AbortController();
  const response = await fetch(`${server.base}/${path}`, { signal: controller.signal });
  const reader = response.body?.getReader();
  let bytes = Buffer.alloc(0);
  while (!bytes.includes(last)) {
    const part = await reader?.read();
    if (part?.value === undefined) break;
    bytes = Buffer.concat([bytes, part.value]);
  }
  controller.abort();
  return bytes.length;
}

it.each(WAYS)(
  "an answer to %s that ends early, wherever that is, loses and doubles nothing and is no end",
  async (name, how) => {
    const proxy = await startProxy();
    const { id } = await startRun();
    const size = name === "a stream" ? await sizeUpTo("line 2", `${id}/stream`) : await sizeUpTo("next_poll_ms", id);
    let places = 0;
    for (let at = 0; at < size; at += length(1, 37)) {
      const run = await startRun();
      const before = proxy.cuts;
      const limits = [at];
      proxy.limit = () => limits.shift();
      const viewer = startLineViewer(run.id, {
        endpointBase: `${proxy.origin}/operations`,
        ...createQuickClock(),
        ...how(),
      });
      open.push(() => viewer.stop());
      await vi.waitFor(() => expect(proxy.cuts).toBe(before + 1), PATIENCE);
      for (const line of LAST) run.log(line);
      await run.complete();
      await viewer.finished;
      expect([at, viewer.messages, viewer.ends]).toEqual([at, [...FIRST, ...LAST], 1]);
      places += 1;
    }
    console.log(`answers cut short: ${name}, at ${places} places of ${size} bytes, nothing lost or doubled`);
    expect(places).toBeGreaterThan(20);
  },
  300_000,
);

it.each(WAYS)(
  "not a line is lost to %s, though nearly every answer ends early",
  async (name, how) => {
    const proxy = await startProxy();
    const count = length(5000, 200);
    const random = seededRandom(7);
    // What a poll brings is lost whole: some of its answers have to get through. A stream without a frame would be none.
    proxy.limit = () =>
      name === "a stream" ? random.between(600, 3000) : random.next() < 0.3 ? undefined : random.between(0, 1200);
    const run = server.writing.createOperationRun("job", "cuts");
    const viewer = startLineViewer(run.id, {
      endpointBase: `${proxy.origin}/operations`,
      limit: 7,
      ...createQuickClock(),
      ...how(),
    });
    open.push(() => viewer.stop());
    for (const [i, line] of lineTexts(count).entries()) {
      run.log(line);
      if (random.next() < 0.2) await run.flush();
      // No further ahead than what is kept.
      await vi.waitFor(() => expect(i - viewer.messages.length).toBeLessThan(500), PATIENCE);
    }
    await run.complete();
    await viewer.finished;
    expect(viewer.messages).toEqual(lineTexts(count));
    expect(viewer.ends).toBe(1);
    expect(proxy.cuts).toBeGreaterThan(count / 50);
    console.log(`answers cut short: ${name}, ${count} lines through ${proxy.cuts} answers that ended early`);
  },
  300_000,
);
