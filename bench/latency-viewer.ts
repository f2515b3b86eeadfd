/** A process that waits for lines in one of several ways and notes how long each took; see `latency.ts`. */
import { ownCpu } from "./cpu-time.js";
import { WAYS_TO_WATCH, type Watching, type WayToWatch } from "./latency-viewers.js";
import { nowMicros } from "./stamped-line.js";

/** What the parent says: watch a run; tell when so many lines have come in all; stop. */
export type ViewerOrder =
  | { kind: "watch"; way: WayToWatch; redis: { url: string; port: number }; id: string }
  | { kind: "reach"; lines: number }
  | { kind: "stop" };

/** What the child says of the lines that came since it was asked last. */
export interface ViewerReport {
  /** How long each took, in ms. */
  latencies: number[];
  /** The first one that came twice, too early or not at all; "": none. */
  wrong: string;
}

let watching: Watching | null = null;
let latencies: number[] = [];
let lines = 0;
let wrong = "";
let goal = { lines: Number.POSITIVE_INFINITY, reached: (): void => {} };

function take(message: string): void {
  const now = nowMicros();
  const [index, sent] = message.split(" ");
  if (Number(index) !== lines) wrong ||= `Line ${lines} came as ${message}.`;
  latencies.push((now - Number(sent)) / 1000);
  lines += 1;
  if (lines >= goal.lines) goal.reached();
}

async function obey(order: ViewerOrder): Promise<ViewerReport> {
  if (order.kind === "watch") watching = await WAYS_TO_WATCH[order.way](order.redis, order.id, take);
  else if (order.kind === "stop") await watching?.stop();
  else if (lines < order.lines) {
    await new Promise<void>((resolve) => {
      goal = { lines: order.lines, reached: resolve };
    });
  }
  const report = { latencies, wrong };
  latencies = [];
  return report;
}

process.on("disconnect", () => process.exit(0));
process.on("message", async (order: ViewerOrder | "cpu" | "server cpu") => {
  if (order === "cpu") process.send?.(ownCpu());
  else if (order === "server cpu") process.send?.((await watching?.server?.ask<number>("cpu")) ?? 0);
  else process.send?.(await obey(order));
});
