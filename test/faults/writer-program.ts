/**
 * A writer in a process of its own: `writer-program OPTIONS`, the JSON of `WriterOptions`. It owns a run or joins it,
 * logs at random until it is told to end, and keeps a file that says how far it came, because it may be killed.
 */
import { existsSync, openSync, writeSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { createLivetail } from "../../src/livetail.js";
import { redisStore } from "../../src/store/redis.js";
import { clockAhead } from "../support/oracle.js";
import { request } from "../support/plain-request.js";
import { seededRandom } from "../support/seeded-random.js";
import type { WriterOptions, WriterOrder, WriterReport } from "./writer-process.js";

const options: WriterOptions = JSON.parse(process.argv[2] ?? "{}");
const { redis, runId, owns, name, hour, leaseMs, maxLines, seed, progressFile } = options;
process.once("disconnect", () => process.exit());

let logged = 0;
let acknowledged = 0;
let answers = 0;
const progress = openSync(progressFile, "w");
/** Written before the lines are logged: what is killed in between logged less. */
const keepProgress = (): void => {
  writeSync(progress, `${logged} ${acknowledged} ${answers}`.padEnd(40), 0);
};

const store = redisStore({ client: redis, maxLines });
const livetail = createLivetail({
  store: {
    ...store,
    async append(write) {
      const answer = await store.append(write);
      if (answer.code === "OK") acknowledged = write.upto;
      else acknowledged = "have" in answer ? answer.have : 0;
      if (answer.code === "OK" && write.lines.length > 0) answers += 1;
      keepProgress();
      return answer;
    },
  },
  clock: clockAhead(hour),
  leaseMs,
  maxLines,
  maxWaitingLines: 1_000_000,
  endTimeoutMs: 20_000,
  onError: () => {},
});
const run = owns ? livetail.createOperationRun("subject", "faults", { id: runId }) : null;
const log = run === null ? livetail.createLogCallback(runId) : run.log.bind(run);

const tell = (report: WriterReport): Promise<void> =>
  new Promise((resolve) => {
    process.send?.(report, () => resolve());
  });

let ending = false;
process.on("message", async (order: WriterOrder) => {
  if (order.kind === "block") {
    const cell = new Int32Array(new SharedArrayBuffer(4));
    // Nothing else happens in this process meanwhile: no timer, no answer, no heartbeat.
    while (!existsSync(order.until)) Atomics.wait(cell, 0, 0, 20);
    return;
  }
  ending = true;
  run?.layer("work", "success");
  const outcome = run === null ? null : await run.complete();
  const { body } = await livetail.handler.handle(request("/-/health"));
  await livetail.close();
  await store.close();
  keepProgress();
  await tell({ outcome, dropped: JSON.parse(String(body)).dropped_lines });
  process.disconnect();
});

const random = seededRandom(seed);
while (!ending) {
  const burst = random.between(1, 12);
  logged += burst;
  keepProgress();
  for (let i = logged - burst; i < logged; i++) log(`${name} ${i} `);
  await delay(random.between(0, 40));
}
