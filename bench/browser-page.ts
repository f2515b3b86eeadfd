/** A page that takes in all lines of a run, in one of several ways. */

/** How a page is told lines. The last two are no viewers: they know no gap, reset or end. */
export type BrowserWay = "polls" | "streams" | "bare polls" | "EventSource";

/** What a page does. */
export interface BrowserTask {
  runId: string;
  way: BrowserWay;
  /** Whether the page keeps every line. */
  keep: boolean;
  /** How many lines there are. */
  lines: number;
}

/** What it saw. */
export interface BrowserSight {
  /** Of all messages, in their order: `messageSum`. */
  sum: number;
  ms: number;
  /** Tasks over 50 ms, as the browser tells a page of them. */
  longTasks: number;
}

/** Goes on with the checksum of the messages so far. The page has the same. */
export function messageSum(sum: number, message: string): number {
  for (let at = 0; at < message.length; at += 1) sum = (Math.imul(sum, 31) + message.charCodeAt(at)) | 0;
  return sum;
}

/** `takeIn(task)` resolves to what was seen; it rejects when a line is not the next one. */
export const BROWSER_PAGE = `<!doctype html>
<title>bench</title>
<link rel="icon" href="data:,">
<script src="/operations/-/client.js"></script>
<script>
const kept = [];
let count = 0;
let sum = 0;
let wrong = null;

function take(entry, keep) {
  const { index, message } = entry;
  if (index !== count) wrong ??= "Line " + count + " came as " + index;
  count += 1;
  for (let at = 0; at < message.length; at += 1) sum = (Math.imul(sum, 31) + message.charCodeAt(at)) | 0;
  if (keep) kept.push(entry);
}

const ways = {
  polls: (task) => follow(task, {}),
  streams: (task) => follow(task, { transport: Livetail.sseTransport() }),
  async "bare polls"({ runId, keep, lines }) {
    for (let cursor = ""; count < lines; ) {
      const answer = await (await fetch("/operations/" + runId + "?limit=500" + cursor)).json();
      for (const entry of answer.logs) take(entry, keep);
      cursor = "&cursor=" + answer.cursor;
    }
  },
  EventSource: ({ runId, keep }) => new Promise((resolve) => {
    const source = new EventSource("/operations/" + runId + "/stream");
    source.addEventListener("log", ({ data }) => {
      const entry = JSON.parse(data);
      take(entry, keep);
    });
    source.addEventListener("end", () => {
      source.close();
      resolve();
    });
  }),
};

function follow({ runId, keep }, options) {
  return new Promise((resolve, reject) => {
    const poller = new Livetail.LogPoller(runId, { ...options, onComplete: resolve });
    poller.onLog((entry) => take(entry, keep));
    poller.onGap(() => reject(new Error("A gap.")));
    poller.onReset(() => reject(new Error("A reset.")));
    poller.onError(reject);
    poller.start();
  });
}

async function takeIn(task) {
  let longTasks = 0;
  const observer = new PerformanceObserver((list) => {
    longTasks += list.getEntries().length;
  });
  observer.observe({ type: "longtask" });
  const before = performance.now();
  await ways[task.way](task);
  const ms = performance.now() - before;
  if (wrong !== null || count !== task.lines) throw new Error(wrong ?? "Lines are missing.");
  // A task is told of when it is over, and another one tells.
  await new Promise((resolve) => setTimeout(resolve, 100));
  longTasks += observer.takeRecords().length;
  observer.disconnect();
  return { sum, ms, longTasks };
}
</script>
`;
