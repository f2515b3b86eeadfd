/** A page with panels in a real browser, and what happened in it. */
import type { Page } from "playwright-core";
import type { LogEntry } from "../../src/protocol.js";
import { launchBrowser } from "./browser.js";

/** What `openPanelPage` may be told of the browser. */
export type PanelPageOptions = NonNullable<Parameters<Awaited<ReturnType<typeof launchBrowser>>["newContext"]>[0]>;

/** A page that is open. */
export interface PanelPage {
  readonly page: Page;
  /** Errors, dialogs, what a policy forbade, requests to elsewhere: whatever must not happen in it. */
  readonly faults: string[];
  /** The names of the panels' events so far, but for lines. */
  events(): Promise<string[]>;
  /** Messages of the lines that the panels reported so far. */
  messages(): Promise<string[]>;
  close(): Promise<void>;
}

interface Heard {
  events: string[];
  messages: string[];
}

/** Opens a URL in a browser of its own state; `prepare` is done before. */
export async function openPanelPage(
  url: string,
  options: PanelPageOptions = {},
  prepare: (page: Page) => Promise<void> = async () => {},
): Promise<PanelPage> {
  const browser = await launchBrowser();
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const faults: string[] = [];
  const { origin } = new URL(url);
  page.on("pageerror", (error) => faults.push(`error ${error}`));
  page.on("console", (message) => {
    // A request that fails is no fault of the page.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) {
      faults.push(`console ${message.text()}`);
    }
  });
  page.on("dialog", (dialog) => {
    faults.push(`dialog ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("popup", () => faults.push("popup"));
  page.on("request", (request) => {
    if (!request.url().startsWith(`${origin}/`)) faults.push(`request ${request.url()}`);
  });
  await page.addInitScript(() => {
    const heard: Heard = { events: [], messages: [] };
    Object.assign(globalThis, { heard });
    addEventListener("securitypolicyviolation", (event) => console.error(`policy ${event.effectiveDirective}`));
    addEventListener("livetail-log", (event) => {
      for (const { message } of (event as CustomEvent<LogEntry[]>).detail) heard.messages.push(message);
    });
    for (const name of ["status", "gap", "reset", "complete", "error"]) {
      addEventListener(`livetail-${name}`, (event) => {
        const { detail } = event as CustomEvent;
        heard.events.push([name, name === "status" ? detail : (detail.code ?? "")].join(" ").trim());
      });
    }
  });
  await prepare(page);
  await page.goto(url);
  const heard = (): Promise<Heard> => page.evaluate(() => Reflect.get(globalThis, "heard"));
  return {
    page,
    faults,
    events: async () => (await heard()).events,
    messages: async () => (await heard()).messages,
    close: () => context.close(),
  };
}
