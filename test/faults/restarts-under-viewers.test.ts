/** The server of a hundred viewers is killed and closed, again and again, while the run goes on. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, expect, it, vi } from "vitest";
import { createLivetail } from "../../src/livetail.js";
import { lastingPort } from "../support/lasting-port.js";
import { length } from "../support/length.js";
import { hasty, type LineViewer, lineTexts, startLineViewer, WAYS } from "../support/line-viewer.js";
import { startRedis } from "../support/redis.js";

const VIEWERS = 100;
/** SIGTERM closes in order, SIGKILL does not. */
const SIGNALS: NodeJS.Signals[] = length(
  ["SIGKILL", "SIGTERM", "SIGKILL", "SIGTERM", "SIGKILL"],
  ["SIGKILL", "SIGTERM"],
);
const LINES_A_TURN = length(5, 2);
const TURN_MS = 10;
const PATIENCE = { timeout: 60_000, interval: 20 };

const program = fileURLToPath(new URL("../fixtures/viewer-server.ts", import.meta.url));
const redis = await startRedis();
const port = await lastingPort();
let server: ChildProcess;
const viewers: LineViewer[] = [];
afterAll(async () => {
  for (const viewer of viewers) viewer.stop();
  server.kill("SIGKILL");
  await redis.stop();
});

async function startServer(): Promise<void> {
  server = fork(program, [redis.url, String(port)], { execArgv: ["--import", "tsx"] });
  const ended = once(server, "exit").then(([code]) => {
    throw new Error(`The server ended before it listened, with ${code}.`);
  });
  await Promise.race([once(server, "message"), ended]);
  ended.catch(() => {});
}

/** Two held requests are all that a process has for an origin: three viewers share one, as in a page of theirs. */
function watchLike(number: number, runId: string): LineViewer {
  const [, how] = WAYS[number % WAYS.length] as (typeof WAYS)[number];
  const page = `page-${Math.floor(number / WAYS.length)}.test`;
  return startLineViewer(runId, {
    endpointBase: `http://${page}:${port}/operations`,
    fetch: (url, init) => fetch(url.replace(page, "127.0.0.1"), init),
    ...length({}, hasty(5)),
    ...how(),
  });
}

it(
  `${VIEWERS} viewers of all kinds see every line once and in order, and the end, through ${SIGNALS.length} restarts of their server`,
  async () => {
    await startServer();
    const writing = createLivetail({ redis: redis.url, maxLines: 100_000, maxBufferBytes: 1e9 });
    const run = writing.createOperationRun("job", "restarts");
    await run.ready;
    for (let number = 0; number < VIEWERS; number += 1) viewers.push(watchLike(number, run.id));

    let logged = 0;
    let writes = true;
    const work = (async () => {
      while (writes) {
        for (let i = 0; i < LINES_A_TURN; i += 1) run.log(`line ${logged++}`);
        await delay(TURN_MS);
      }
    })();
    const slowest = () => Math.min(...viewers.map(({ messages }) => messages.length));
    let longestMs = 0;
    for (const signal of SIGNALS) {
      const before = logged;
      await vi.waitFor(() => expect(slowest()).toBeGreaterThan(before), PATIENCE);
      const exited = once(server, "exit");
      server.kill(signal);
      await exited;
      await startServer();
      const [missed, began] = [logged, performance.now()];
      await vi.waitFor(() => expect(slowest()).toBeGreaterThan(missed), PATIENCE);
      longestMs = Math.max(longestMs, performance.now() - began);
    }
    writes = false;
    await work;
    expect(await run.complete()).toEqual({ status: "completed", stored: true });
    for (const { status } of await Promise.all(viewers.map(({ finished }) => finished)))
      expect(status).toBe("completed");
    await writing.close();

    const lines = lineTexts(logged);
    for (const { messages, ends } of viewers) {
      expect(messages).toEqual(lines);
      expect(ends).toBe(1);
    }
    const cut = viewers.filter(({ errors }) => errors.length > 0).length;
    console.log(
      `restarts: ${VIEWERS} viewers, ${SIGNALS.length} restarts (${SIGNALS.join(" ")}), ${logged} lines each; ` +
        `${cut} viewers heard of an outage; all had caught up ${Math.round(longestMs)} ms after a start at the latest`,
    );
    // The kills came under them; only who paused between two requests may not have noticed any.
    expect(cut).toBeGreaterThan(VIEWERS / 2);
  },
  length(300_000, 120_000),
);
