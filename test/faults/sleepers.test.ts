/** Viewers that fall asleep and wake up when the world is another one: trimmed, ended, expired, or begun anew. */
import { once } from "node:events";
import { createServer, get, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { createParser } from "eventsource-parser";
import { Redis } from "ioredis";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { createNodeHandler } from "../../src/adapters/node.js";
import { fetchStatus, LogPoller, type LogPollerOptions } from "../../src/client/index.js";
import { sseTransport } from "../../src/client/sse.js";
import { createLivetail } from "../../src/livetail.js";
import type { Gap, LogEntry } from "../../src/protocol.js";
import type { Run } from "../../src/run.js";
import { createFastClock } from "../support/fast-clock.js";
import { startRedis } from "../support/redis.js";
import { retold } from "../support/retold.js";
import { until } from "../support/until.js";

/** Time flies for the viewers and their server: a minute is over in one second. */
const clock = createFastClock(60);
const MAX_LINES = 100;

const redis = await startRedis({ own: true });
const raw = new Redis(redis.url);
const writing = createLivetail({ redis: redis.url, maxLines: MAX_LINES, endedTtlSeconds: 1, onError: () => {} });
const viewing = createLivetail({ redis: redis.url, clock, onError: () => {} });
/** A server on which time passes as it does. */
const patient = createLivetail({ redis: redis.url, onError: () => {} });
const servers = [viewing, patient].map((livetail) =>
  createServer(createNodeHandler(livetail, { mount: "/operations" })).listen(0, "127.0.0.1"),
);
await Promise.all(servers.map((server) => once(server, "listening")));
const [endpointBase, patientBase] = servers.map(
  (server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}/operations`,
) as [string, string];
const pollers: LogPoller[] = [];

afterEach(() => {
  for (const poller of pollers.splice(0)) poller.stop();
});
afterAll(async () => {
  await writing.close();
  await viewing.close();
  await patient.close();
  for (const server of servers) {
    server.close();
    server.closeAllConnections();
  }
  raw.disconnect();
  await redis.stop();
});

function watch(runId: string, options: LogPollerOptions) {
  const poller = new LogPoller(runId, { endpointBase, pollInterval: 20, ...clock.poller, ...options });
  pollers.push(poller);
  return { poller, told: retold(poller) };
}

/** A run with ten lines. */
async function begin(): Promise<Run> {
  const run = writing.createOperationRun("job", "sleepers");
  await log(run, 0, 10);
  return run;
}

async function log(run: Run, from: number, to: number): Promise<void> {
  for (let line = from; line < to; line++) run.log(`line ${line}`);
  await run.flush();
}

/** A watch that saw ten lines and fell asleep. */
async function asleep(run: Run, options: LogPollerOptions) {
  const sleeper = watch(run.id, options);
  sleeper.poller.start();
  await until(() => sleeper.told.at(-1) === "lines 0-9", "the first lines");
  // What was said with the lines is taken in the same turn.
  await until(() => sleeper.poller.cursor?.split(".")[1] === "10", "the cursor");
  sleeper.poller.stop();
  return sleeper;
}

const trimmed = (from: number, to: number): string =>
  `gap ${JSON.stringify({ from, to, lost: to - from + 1, reason: "trimmed" } satisfies Gap)}`;

describe.each<[string, () => LogPollerOptions]>([
  ["by polls", () => ({ waitSeconds: 0 })],
  ["by held polls", () => ({})],
  ["by a stream", () => ({ transport: sseTransport() })],
])("a viewer that watches %s and sleeps", (_, how) => {
  it("past a trim is told the exact gap, then lives on, and finishes", async () => {
    const run = await begin();
    const { poller, told } = await asleep(run, how());
    await log(run, 10, 500);
    poller.start();
    await until(() => told.at(-1) === "lines 400-499", "the kept lines");
    await log(run, 500, 510);
    await run.complete();
    await until(() => told.length === 4, "the end");
    expect(told).toEqual(["lines 0-9", trimmed(10, 399), "lines 400-509", "completed at 510"]);
  });

  it("past trims and the end is told the same when it wakes up, and finishes", async () => {
    const run = await begin();
    const { poller, told } = await asleep(run, how());
    await log(run, 10, 3000);
    await run.complete();
    poller.start();
    await until(() => told.length === 4, "the end");
    expect(told).toEqual(["lines 0-9", trimmed(10, 2899), "lines 2900-2999", "completed at 3000"]);
  });

  it("past the end and the life of the run gives up with RUN_NOT_FOUND, not with an end that it did not see", async () => {
    const run = await begin();
    const { poller, told } = await asleep(run, how());
    await run.complete();
    await until(async () => (await raw.exists(`logs:${run.id}:meta`)) === 0, "the run to expire");
    const woke = clock.now();
    poller.start();
    await until(() => told.length === 2, "the viewer to give up", 40_000);
    expect(told).toEqual(["lines 0-9", "RUN_NOT_FOUND"]);
    // A run that was seen may be created again by its owner: that takes at most a lease and the grace.
    expect(clock.now() - woke).toBeGreaterThanOrEqual(60_000);
    // What is left says how it ended.
    expect(await fetchStatus(run.id, { endpointBase })).toMatchObject({ status: "completed", total_count: 10 });
  }, 60_000);

  it("past a loss of everything is told of one reset, and gets what there is", async () => {
    const run = await begin();
    const { poller, told } = await asleep(run, how());
    await raw.flushall();
    await log(run, 10, 20);
    poller.start();
    await until(() => told.at(-1)?.endsWith("-19") === true, "the lines");
    await run.complete();
    await until(() => told.length === 4, "the end");
    expect(told).toEqual(["lines 0-9", 'reset {"reason":"epoch","first_index":0}', "lines 0-19", "completed at 20"]);
  });

  it("past two losses is told of one reset, and of what is gone for good in its place", async () => {
    const run = await begin();
    const { poller, told } = await asleep(run, how());
    await log(run, 10, 150);
    await raw.flushall();
    await log(run, 150, 160);
    await raw.flushall();
    await log(run, 160, 170);
    await run.complete();
    poller.start();
    await until(() => told.at(-1) === "completed at 170", "the end");
    expect(told).toEqual([
      "lines 0-9",
      'reset {"reason":"epoch","first_index":70}',
      "lines 70-169",
      "completed at 170",
    ]);
    const late = watch(run.id, how());
    late.poller.start();
    await until(() => late.told.length === 3, "the end");
    const { from, to, lost } = JSON.parse(late.told[0]?.slice(4) ?? "") as Gap;
    expect({ from, to, lost }).toEqual({ from: 0, to: 69, lost: 70 });
    expect(late.told.slice(1)).toEqual(["lines 70-169", "completed at 170"]);
  });

  it("and comes with a cursor beyond what is stored is told of a reset, and gets everything", async () => {
    const run = await begin();
    const { poller } = await asleep(run, how());
    const [epoch, next, version] = (poller.cursor ?? "").split(".");
    const cursor = `${epoch}.${Number(next) + 5}${version === undefined ? "" : `.${version}`}`;
    const { poller: ahead, told } = watch(run.id, { ...how(), cursor });
    ahead.start();
    await until(() => told.length === 2, "the lines");
    await run.complete();
    await until(() => told.length === 3, "the end");
    expect(told).toEqual(['reset {"reason":"ahead","first_index":0}', "lines 0-9", "completed at 10"]);
  });
});

describe("a viewer whose socket takes nothing", () => {
  it("is told the exact gap when it takes again, and everything but that, once and in order", async () => {
    const run = writing.createOperationRun("job", "paused");
    await log(run, 0, 10);
    const [response] = (await once(get(`${patientBase}/${run.id}/stream`), "response")) as [IncomingMessage];
    response.setEncoding("utf8");
    const seen: { event: string; data: unknown }[] = [];
    const parser = createParser({
      onEvent: ({ event = "", data }) => seen.push({ event, data: JSON.parse(data) }),
    });
    response.on("data", (text: string) => parser.feed(text));
    const ended = once(response, "end");
    await until(() => seen.filter(({ event }) => event === "log").length === 10, "the first lines");
    response.pause();
    // Far more than sockets hold, piece by piece, so that nothing is dropped before it is stored.
    const padding = "x".repeat(10_000);
    for (let from = 10; from < 3010; from += 250) {
      for (let line = from; line < from + 250; line++) run.log(`line ${line}`, { padding });
      await run.flush();
    }
    await run.complete();
    response.resume();
    await ended;
    const gaps = seen.filter(({ event }) => event === "gap").map(({ data }) => data as Gap);
    expect(gaps.length).toBeGreaterThan(0);
    let next = 0;
    for (const { event, data } of seen) {
      if (event === "gap") {
        const { from, to, lost, reason } = data as Gap;
        expect({ from, lost, reason }).toEqual({ from: next, lost: to - from + 1, reason: "trimmed" });
        next = to + 1;
      } else if (event === "log") {
        const { index, message } = data as LogEntry;
        expect({ index, message }).toEqual({ index: next, message: `line ${next}` });
        next += 1;
      }
    }
    expect(next).toBe(3010);
    expect(seen.at(-1)).toMatchObject({ event: "end", data: { status: "completed", expected_log_count: 3010 } });
  }, 60_000);
});
