/** A process that writes to some runs at a pace, one line at a time; see `model.ts`. */
import { setTimeout as delay } from "node:timers/promises";
import { createLivetail, type Livetail, type Run } from "livetail";
import { ownCpu } from "./cpu-time.js";
import { MODEL_LINES } from "./model-lines.js";

/** What the process does next. `write` begins and answers at once; `stop` ends that. */
export type ModelWriterOrder =
  | { kind: "open"; redisUrl: string; runs: number }
  | { kind: "write"; perSecond: number }
  | { kind: "stop" }
  | { kind: "close" };

/** The runs, and how many lines each has. */
export interface ModelRuns {
  ids: string[];
  lines: number[];
}

let livetail: Livetail | null = null;
let runs: Run[] = [];
let lines: number[] = [];
const writing = { on: false, over: Promise.resolve() };

process.on("disconnect", () => process.exit(0));
process.on("message", async (order: ModelWriterOrder | "cpu") => {
  if (order === "cpu") {
    process.send?.(ownCpu());
    return;
  }
  await carryOut(order);
  process.send?.({ ids: runs.map(({ id }) => id), lines } satisfies ModelRuns);
});

async function carryOut(order: ModelWriterOrder): Promise<void> {
  switch (order.kind) {
    case "open": {
      const opened = createLivetail({ redis: order.redisUrl });
      livetail = opened;
      runs = Array.from({ length: order.runs }, () => opened.createOperationRun("bench", "model"));
      lines = runs.map(() => 0);
      for (const run of runs) run.start();
      await Promise.all(runs.map((run) => run.flush()));
      return;
    }
    case "write":
      writing.on = true;
      writing.over = write(order.perSecond * runs.length);
      return;
    case "stop":
      writing.on = false;
      await writing.over;
      await Promise.all(runs.map((run) => run.flush()));
      return;
    case "close":
      await livetail?.close();
  }
}

/** One line to the next run each time that one is due. */
async function write(perSecond: number): Promise<void> {
  const begun = performance.now();
  let sent = 0;
  while (writing.on && perSecond > 0) {
    const due = Math.floor(((performance.now() - begun) * perSecond) / 1000);
    for (; sent < due; sent += 1) {
      const to = sent % runs.length;
      const index = lines[to] ?? 0;
      runs[to]?.log(MODEL_LINES[index % MODEL_LINES.length] ?? {});
      lines[to] = index + 1;
    }
    await delay(Math.max(1, ((sent + 1) * 1000) / perSecond - (performance.now() - begun)));
  }
}
