/** A page in a real browser with pollers in it, of the client as it is now in src/. */
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { BrowserContext, Page } from "playwright-core";
import type * as Client from "../../src/client/bundle.js";
import { launchBrowser } from "./browser.js";

/** How a poller of a page asks. */
export type PageWay = "a poll" | "a held poll" | "a stream";

/** What a poller of a page heard so far. */
export interface PageWatch {
  /** Messages of lines; gaps and resets in their place. */
  messages: string[];
  errors: string[];
  /** The status it ended with. */
  end: string | null;
  /** Requests sent. */
  requests: number;
}

/** What stands on `globalThis` in the page. */
export interface PageGlobals {
  Livetail: typeof Client;
  watches: PageWatch[];
}

/** A page of `origin` that has the client. */
export interface ClientPage {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Starts a poller of a run; resolves to its number. */
  watch(runId: string, way: PageWay): Promise<number>;
  /** What the poller of that number heard so far. */
  heard(number: number): Promise<PageWatch>;
  /** Hides or shows the page; resolves to how many requests were sent at that, without waiting for anything. */
  show(visible: boolean): Promise<number>;
  close(): Promise<void>;
}

/** Opens a page of `origin` in a browser of its own state. */
export async function openClientPage(origin: string): Promise<ClientPage> {
  const browser = await launchBrowser();
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`${origin}/page`);
  await page.addScriptTag({ content: await clientScript() });
  await page.evaluate(() => {
    (globalThis as unknown as PageGlobals).watches = [];
  });
  return {
    page,
    context,
    watch: (runId, way) =>
      page.evaluate(
        ([runId, way]) => {
          const { Livetail, watches } = globalThis as unknown as PageGlobals;
          const watch: PageWatch = { messages: [], errors: [], end: null, requests: 0 };
          new Livetail.LogPoller(runId, {
            pollInterval: 20,
            ...(way === "a poll" && { waitSeconds: 0 }),
            ...(way === "a stream" && { transport: Livetail.sseTransport() }),
            fetch(url, init) {
              watch.requests += 1;
              return fetch(url, init);
            },
            onLog: ({ message }) => watch.messages.push(message),
            onGap: ({ from, to, lost, reason }) => watch.messages.push(`gap ${from}-${to} ${lost} ${reason}`),
            onReset: ({ reason }) => watch.messages.push(`reset ${reason}`),
            onError: ({ code }) => watch.errors.push(code),
            onComplete: ({ status }) => {
              watch.end = status;
            },
          }).start();
          return watches.push(watch) - 1;
        },
        [runId, way] as const,
      ),
    heard: (number) =>
      page.evaluate((number) => (globalThis as unknown as PageGlobals).watches[number] as PageWatch, number),
    // A headless browser shows all of its pages all of the time, and has no command to hide one.
    show: (visible) =>
      page.evaluate((visible) => {
        const { watches } = globalThis as unknown as PageGlobals;
        const sent = () => watches.reduce((sum, { requests }) => sum + requests, 0);
        const before = sent();
        Object.defineProperty(document, "hidden", { value: !visible, configurable: true });
        Object.defineProperty(document, "visibilityState", {
          value: visible ? "visible" : "hidden",
          configurable: true,
        });
        document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
        return sent() - before;
      }, visible),
    close: () => context.close(),
  };
}

async function clientScript(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("../../src/client/bundle.ts", import.meta.url))],
    bundle: true,
    platform: "browser",
    format: "iife",
    globalName: "Livetail",
    write: false,
  });
  return outputFiles[0]?.text ?? "";
}
