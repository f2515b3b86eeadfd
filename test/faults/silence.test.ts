/**
 * Calls that say nothing for a long time: half an hour on a clock of the test's own, with every timer that the store,
 * the owner, the server and the viewers set; and a real Redis with times to live that are shorter than the silence.
 */
import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import { afterAll, describe, expect, it } from "vitest";
import { LogPoller, type LogPollerOptions } from "../../src/client/log-poller.js";
import { sseTransport } from "../../src/client/sse.js";
import { createFetchHandler } from "../../src/fetch.js";
import { createLivetail } from "../../src/livetail.js";
import { memoryStore } from "../../src/store/memory.js";
import type { MemoryRun } from "../../src/store/memory-run.js";
import type { SweepReport } from "../../src/store.js";
import { openAudience } from "../support/audience.js";
import { createHandClock, settle } from "../support/hand-clock.js";
import { length } from "../support/length.js";
import { killOwners, startOwner } from "../support/owner-process.js";
import { startRedis } from "../support/redis.js";
import { until } from "../support/until.js";

const MINUTE_MS = 60_000;

describe("half an hour without a line", () => {
  it("costs a run neither its lease nor its keys, and its viewers nothing but pings and new streams", async () => {
    const clock = createHandClock();
    const runs = new Map<string, MemoryRun>();
    // Less than the silence: a heartbeat has to renew it.
    const openTtlSeconds = 600;
    const inner = memoryStore({ runs, now: clock.now, openTtlSeconds });
    const sweeps: SweepReport[] = [];
    const store = {
      ...inner,
      async sweep(request: Parameters<typeof inner.sweep>[0]) {
        const report = await inner.sweep(request);
        sweeps.push(report);
        return report;
      },
    };
    const heard: string[] = [];
    const livetail = createLivetail({ store, clock, onError: ({ code }) => heard.push(code), authorize: () => true });
    const serve = createFetchHandler(livetail, { mount: "/operations" });
    const run = livetail.createOperationRun("subject", "silent");
    run.layer("think", "running");
    run.log("before");
    await run.flush();

    const requests = { poll: 0, "long poll": 0, stream: 0 };
    let pings = 0;
    /** A viewer with nothing between it and the handler, and all its time on the same clock. */
    const watch = (name: keyof typeof requests, options: LogPollerOptions) => {
      const told: string[] = [];
      const lines: string[] = [];
      const poller = new LogPoller(run.id, {
        endpointBase: `http://${name.replace(" ", "-")}.invalid/operations`,
        now: clock.now,
        setTimer: (callback, ms) => clock.after(ms, callback),
        async fetch(url, init) {
          requests[name] += 1;
          const response = await serve(new Request(url, init));
          const count = new TransformStream<Uint8Array, Uint8Array>({
            transform(chunk, controller) {
              if (new TextDecoder().decode(chunk).includes(": ping")) pings += 1;
              controller.enqueue(chunk);
            },
          });
          const body = (response.body as ReadableStream<Uint8Array<ArrayBuffer>> | null)?.pipeThrough(count) ?? null;
          return new Response(body, { status: response.status, headers: response.headers });
        },
        onLog: ({ message }) => lines.push(message),
        onOwner: ({ state }) => told.push(state),
        onStatus: (status) => told.push(status),
        onGap: () => told.push("a gap"),
        onReset: () => told.push("a reset"),
        onError: ({ code }) => told.push(code),
        onComplete: ({ status }) => told.push(`end: ${status}`),
        ...options,
      }).start();
      return { poller, told, lines };
    };
    const viewers = [
      watch("poll", { waitSeconds: 0 }),
      watch("long poll", {}),
      watch("stream", { transport: sseTransport({ random: () => 0.5 }) }),
    ];
    await until(() => viewers.every(({ lines }) => lines.length === 1), "the first line");

    for (let minute = 1; minute <= 30; minute += 1) {
      await clock.advance(MINUTE_MS);
      const stored = runs.get(run.id);
      if (stored === undefined) throw new Error(`The run was gone after ${minute} minutes.`);
      expect(stored.leaseUntil - clock.now()).toBeGreaterThan(0);
      expect(stored.expiresAt - clock.now()).toBeGreaterThan((openTtlSeconds - 30) * 1000);
      expect(await livetail.reader.status(run.id)).toMatchObject({ status: "running", owner: { state: "live" } });
    }
    // Every ten seconds, and never a stalled run.
    expect(sweeps.length).toBeGreaterThanOrEqual(179);
    expect(sweeps.filter(({ stalled, ended }) => stalled.length + ended.length > 0)).toEqual([]);
    for (const { told, lines } of viewers) {
      expect([...told].sort()).toEqual(["live", "running"]);
      expect(lines).toEqual(["before"]);
    }
    // A stream lasts five minutes, and comes back after its delay.
    expect(requests.stream).toBe(6);
    expect(pings).toBeGreaterThanOrEqual(5 * 19);
    // A poll is held for 20 s, with a floor between two; a plain one is asked for once a second.
    expect(requests["long poll"]).toBeGreaterThan(80);
    expect(requests["long poll"]).toBeLessThan(100);
    expect(requests.poll).toBeGreaterThan(1700);
    expect(requests.poll).toBeLessThan(1830);

    run.log("after");
    await run.flush();
    await clock.advance(2000);
    for (const { lines } of viewers) expect(lines).toEqual(["before", "after"]);
    expect(await run.complete()).toEqual({ status: "completed", stored: true });
    await clock.advance(2000);
    for (const { told } of viewers) expect(told.at(-1)).toBe("end: completed");
    expect(heard).toEqual([]);
    for (const { poller } of viewers) poller.stop();
    await livetail.close();
    await settle();
  });
});

describe("a silence longer than the times to live in Redis", async () => {
  const leaseMs = length(30_000, 900);
  const openTtlSeconds = length(45, 3);
  const silenceMs = length(150_000, 6500);
  const server = await startRedis({ own: true });
  const raw = new Redis(server.url);
  afterAll(async () => {
    killOwners();
    raw.disconnect();
    await server.stop();
  });

  it("leaves every key of the run, its lease and its viewers as they were", {
    timeout: silenceMs + 60_000,
  }, async () => {
    const runId = "op_silent";
    const options = { redis: server.url, leaseMs, openTtlSeconds };
    const watching = createLivetail({ ...options, authorize: () => true, onError: () => {} });
    const audience = openAudience(watching);
    const owner = await startOwner({ options });
    await owner.call("create", runId);
    await owner.call("layer", runId, "think");
    await owner.call("log", runId, "before");
    await owner.call("flush", runId);
    const viewers = await audience.watchAll(runId);
    await until(() => viewers.every((viewer) => viewer.seen() === 1), "the first line");

    const keys = ["meta", "buffer", "layers", "producers"].map((name) => `logs:${runId}:${name}`);
    const began = performance.now();
    const least = new Map<string, number>();
    while (performance.now() - began < silenceMs) {
      for (const key of [...keys, `logs:owner:${runId}`, `run:${runId}`]) {
        least.set(key, Math.min(least.get(key) ?? Number.POSITIVE_INFINITY, await raw.pttl(key)));
      }
      await delay(50);
    }
    // Two heartbeats of three may come late before anything is lost.
    for (const key of keys) expect(least.get(key), key).toBeGreaterThan(openTtlSeconds * 1000 - leaseMs);
    expect(least.get(`logs:owner:${runId}`)).toBeGreaterThan(0);
    expect(least.get(`run:${runId}`)).toBeGreaterThan(86_000_000);
    const { stalled_sweeps, lease_until } = await raw.hgetall(`logs:${runId}:meta`);
    expect(stalled_sweeps).toBe("0");
    expect(Number(lease_until)).toBeGreaterThan(Date.now());
    for (const viewer of viewers) {
      expect(viewer.owners).toEqual(["live"]);
      expect(viewer.errors).toEqual([]);
    }

    await owner.call("log", runId, "after");
    await until(() => viewers.every((viewer) => viewer.seen() === 2), "the line after the silence");
    expect(await owner.call("complete", runId)).toEqual({ status: "completed", stored: true });
    for (const viewer of viewers) {
      expect(await viewer.finished).toMatchObject({ status: "completed" });
      expect(viewer.lines()).toEqual(["before", "after"]);
    }
    await audience.close();
    await watching.close();
  });
});
