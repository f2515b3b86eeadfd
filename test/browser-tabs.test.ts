/** What happens to a page in a real browser while it watches: it is put aside, loses its network, watches many runs. */
import { afterEach, describe, expect, it, vi } from "vitest";
import { type ClientPage, openClientPage, type PageGlobals, type PageWay } from "./support/client-page.js";
import { lineTexts } from "./support/line-viewer.js";
import { type RestartableOptions, startRestartableServer } from "./support/restartable-server.js";

const PATIENCE = { timeout: 20_000, interval: 10 };
const WAYS: PageWay[] = ["a poll", "a held poll", "a stream"];

vi.setConfig({ testTimeout: 60_000 });

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function openPage(options: RestartableOptions = {}) {
  const server = await startRestartableServer(options);
  open.push(() => server.close());
  const tab = await openClientPage(server.origin);
  open.push(() => tab.close());
  return { server, tab };
}

const hears = (tab: ClientPage, number: number, messages: string[]) =>
  vi.waitFor(async () => expect((await tab.heard(number)).messages).toEqual(messages), PATIENCE);

/** A round through the browser's network and back, many times as long as a poller waits. */
async function rounds(tab: ClientPage): Promise<void> {
  for (let round = 0; round < 20; round += 1) {
    await tab.page.evaluate(() => fetch("/page").then((response) => response.text()));
    await tab.page.evaluate(() => new Promise((resolve) => requestIdleCallback(resolve)));
  }
}

describe("a tab that is put aside", () => {
  it.each(WAYS)(
    "asks nothing by %s, and when it is shown again it asks at once and is told the exact gap",
    async (way) => {
      const { server, tab } = await openPage({ maxLines: 100 });
      const run = server.writing.createOperationRun("job", "aside");
      for (const line of lineTexts(10)) run.log(line);
      await run.flush();
      const number = await tab.watch(run.id, way);
      await hears(tab, number, lineTexts(10));
      expect(await tab.show(false)).toBe(0);
      await vi.waitFor(() => expect(server.serving.handler.viewers()).toBe(0), PATIENCE);
      // What was on its way when the page was hidden has arrived by now.
      await rounds(tab);
      const asked = server.asked.length;
      for (const line of lineTexts(510).slice(10)) run.log(line);
      await run.flush();
      await rounds(tab);
      expect(server.asked).toHaveLength(asked);
      expect((await tab.heard(number)).messages).toEqual(lineTexts(10));
      expect(await tab.show(true)).toBe(1);
      await hears(tab, number, [...lineTexts(10), "gap 10-409 400 trimmed", ...lineTexts(510).slice(410)]);
      await run.complete();
      await vi.waitFor(async () => expect((await tab.heard(number)).end).toBe("completed"), PATIENCE);
      expect((await tab.heard(number)).errors).toEqual([]);
      if (way === "a stream") expect(server.asked.every(({ url }) => url.includes("/stream"))).toBe(true);
    },
  );
});

describe("a tab that loses its network", () => {
  it.each(WAYS)("asks by %s at once when it is online again, and has each line once", async (way) => {
    const { server, tab } = await openPage();
    const run = server.writing.createOperationRun("job", "offline");
    run.log("line 0");
    await tab.page.evaluate(() => {
      const sent = () => (globalThis as unknown as PageGlobals).watches[0]?.requests ?? 0;
      // Called before the poller hears of it, which is started later.
      addEventListener("online", () => Object.assign(globalThis, { sentBefore: sent() }));
    });
    const number = await tab.watch(run.id, way);
    await tab.page.evaluate(() => {
      const sent = () => (globalThis as unknown as PageGlobals).watches[0]?.requests ?? 0;
      addEventListener("online", () => Object.assign(globalThis, { sentAfter: sent() }));
    });
    await hears(tab, number, lineTexts(1));
    await tab.context.setOffline(true);
    // The browser lets go of nothing that is open; a network that is gone does.
    for (const { response } of server.asked) response.destroy();
    for (const line of lineTexts(5).slice(1)) run.log(line);
    await vi.waitFor(async () => expect((await tab.heard(number)).errors).toEqual(["NO_ANSWER"]), PATIENCE);
    await tab.context.setOffline(false);
    await hears(tab, number, lineTexts(5));
    const { sentBefore, sentAfter } = await tab.page.evaluate(() => {
      const { sentBefore, sentAfter } = globalThis as unknown as Record<"sentBefore" | "sentAfter", number>;
      return { sentBefore, sentAfter };
    });
    expect(sentAfter).toBe(sentBefore + 1);
    await run.complete();
    await vi.waitFor(async () => expect((await tab.heard(number)).end).toBe("completed"), PATIENCE);
    expect((await tab.heard(number)).messages).toEqual(lineTexts(5));
  });
});

describe("seven pollers in one page", () => {
  it.each<PageWay>(["a held poll", "a stream"])(
    "by %s hold two requests at most, leave the page its own, and all see the end",
    async (way) => {
      let held = 0;
      let mostHeld = 0;
      const { server, tab } = await openPage({
        front(request, response, next) {
          if (!request.url?.includes("wait=0")) {
            held += 1;
            mostHeld = Math.max(mostHeld, held);
            let over = false;
            for (const name of ["finish", "close"]) {
              response.once(name, () => {
                if (!over) held -= 1;
                over = true;
              });
            }
          }
          next();
        },
      });
      const runs = Array.from({ length: 7 }, (_, i) => server.writing.createOperationRun("job", `seven-${i}`));
      await Promise.all(runs.map((run) => run.ready));
      const numbers = await Promise.all(runs.map(({ id }) => tab.watch(id, way)));
      // Those that have nothing to be answered with: the first poll of a run is answered at once.
      const idle = () =>
        server.asked.filter(({ url, response }) => /stream|cursor=.*wait=20/.test(url) && !response.writableEnded);
      await vi.waitFor(() => expect(idle()).toHaveLength(2), PATIENCE);
      const before = idle();
      // A browser has six connections to an origin: with seven held requests these would wait for the first to be over.
      const texts = await tab.page.evaluate(() =>
        Promise.all([1, 2, 3].map(() => fetch("/page").then((response) => response.text()))),
      );
      expect(texts).toHaveLength(3);
      expect(before.map(({ response }) => response.writableEnded)).toEqual([false, false]);
      for (const line of lineTexts(20)) {
        for (const run of runs) run.log(line);
        await Promise.all(runs.map((run) => run.flush()));
      }
      for (const number of numbers) await hears(tab, number, lineTexts(20));
      await Promise.all(runs.map((run) => run.complete()));
      for (const number of numbers) {
        await vi.waitFor(async () => expect((await tab.heard(number)).end).toBe("completed"), PATIENCE);
        expect(await tab.heard(number)).toMatchObject({ messages: lineTexts(20), errors: [] });
      }
      expect(mostHeld).toBe(2);
    },
  );
});
