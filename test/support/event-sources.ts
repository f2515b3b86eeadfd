/** The EventSources that people have: the one of a browser, and the npm package `eventsource`. */
import { EventSource } from "eventsource";
import type { FrameName } from "../../src/protocol.js";
import { launchBrowser } from "./browser.js";

/** An event as it was heard. */
export interface HeardEvent {
  name: FrameName;
  id: string;
  data: Record<string, unknown>;
}

/** An EventSource that was opened. */
export interface OpenSource {
  /** Every event so far. */
  events(): Promise<HeardEvent[]>;
  /** How often it lost its connection, or was refused one. */
  errors(): Promise<number>;
  /** Whether it has given up, or is done: it will not come back. */
  closed(): Promise<boolean>;
  close(): Promise<void>;
}

const NAMES: readonly FrameName[] = ["hello", "state", "log", "gap", "reset", "end"];

/** By what a title calls it: opens `url` in a page of the same origin, or in this process. */
export const EVENT_SOURCES: [name: string, open: (url: string) => Promise<OpenSource>][] = [
  ["the EventSource of Chromium", openInChromium],
  ["the eventsource package", openInNode],
];

interface PageState {
  source: { readyState: number; close(): void };
  events: HeardEvent[];
  errors: number;
}

async function openInChromium(url: string): Promise<OpenSource> {
  const browser = await launchBrowser();
  const page = await browser.newPage();
  await page.goto(new URL("/page", url).href);
  const state = await page.evaluateHandle(
    ([url, names]) => {
      const source = new globalThis.EventSource(url);
      const state: PageState = { source, events: [], errors: 0 };
      for (const name of names) {
        source.addEventListener(name, ({ data, lastEventId }: MessageEvent<string>) => {
          state.events.push({ name, id: lastEventId, data: JSON.parse(data) });
        });
      }
      source.addEventListener("error", () => {
        state.errors += 1;
      });
      return state;
    },
    [url, NAMES] as const,
  );
  return {
    events: () => state.evaluate(({ events }) => events),
    errors: () => state.evaluate(({ errors }) => errors),
    closed: () => state.evaluate(({ source }) => source.readyState === 2),
    close: () => page.close(),
  };
}

async function openInNode(url: string): Promise<OpenSource> {
  const source = new EventSource(url);
  const events: HeardEvent[] = [];
  let errors = 0;
  for (const name of NAMES) {
    source.addEventListener(name, ({ data, lastEventId }: MessageEvent<string>) => {
      events.push({ name, id: lastEventId, data: JSON.parse(data) });
    });
  }
  source.addEventListener("error", () => {
    errors += 1;
  });
  return {
    events: async () => events,
    errors: async () => errors,
    closed: async () => source.readyState === source.CLOSED,
    close: async () => source.close(),
  };
}
