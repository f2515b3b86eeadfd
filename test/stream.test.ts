import { afterEach, describe, expect, it } from "vitest";
import { isLiveBody } from "../src/exchange.js";
import { createHandler, type Handler } from "../src/handler.js";
import type { ReaderOptions } from "../src/reader.js";
import type { StoreLimits } from "../src/store.js";
import { claimBy, line, lines, sha1 } from "./contract/log-store/scene.js";
import { settle } from "./support/hand-clock.js";
import { request, TestViewer } from "./support/plain-request.js";
import { type ReadingScene, setScene } from "./support/reading-scene.js";

let scene: ReadingScene;
let handler: Handler;

async function prepare(limits: Partial<StoreLimits> = {}, options: Partial<ReaderOptions> = {}): Promise<void> {
  scene = await setScene(limits, options);
  const { reader, store, clock } = scene;
  handler = createHandler({ reader, store, clock, requestCancel: (runId) => store.cancel(runId) });
}

afterEach(async () => {
  handler.closeViewers();
  expect(handler.viewers()).toBe(0);
  scene.reader.close();
  expect(scene.clock.timers).toBe(0);
  await scene.harness.close();
});

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

async function open(runId: string, query = "", headers: Record<string, string> = {}): Promise<TestViewer> {
  const { status, body } = await handler.handle(request(`/${runId}/stream${query}`, { headers }));
  expect(status).toBe(200);
  if (!isLiveBody(body)) throw new Error("a stream has a live body");
  const viewer = new TestViewer(body);
  await settle();
  return viewer;
}

/** A change that moves the version. */
async function changeLayers(run: Awaited<ReturnType<ReadingScene["run"]>>, value: number): Promise<void> {
  const text = (current: number) => JSON.stringify({ fetch: { status: "running", order: 0, current } });
  const replacesSha1 = value === 0 ? "" : sha1(text(value - 1));
  await run.write([], { layers: { text: text(value), replacesSha1 } });
}

describe("a stream", () => {
  it("is hello, the state, the history, then what comes, and the end", async () => {
    await prepare();
    const run = await scene.run(3);
    const viewer = await open(run.runId);
    expect(viewer.text.startsWith("retry: 2000\n\n")).toBe(true);
    const { epoch } = run;
    expect(viewer.frames).toMatchObject([
      { event: "hello", id: `${epoch}.0`, data: { run_id: run.runId, first_index: 0, next_index: 3 } },
      { event: "state", id: `${epoch}.0`, data: { status: "queued", store: "ok", owner: { state: "live" } } },
      { event: "log", id: `${epoch}.1`, data: { index: 0 } },
      { event: "log", id: `${epoch}.2`, data: { index: 1 } },
      { event: "log", id: `${epoch}.3`, data: { index: 2 } },
    ]);
    await run.write([line("live")]);
    await settle();
    expect(viewer.frames.at(-1)).toMatchObject({ event: "log", id: `${epoch}.4`, data: { index: 3 } });
    expect(viewer.ended).toBe(false);
    await run.end({}, [line("last")]);
    await settle();
    expect(viewer.indexes).toEqual([0, 1, 2, 3, 4]);
    expect(viewer.frames.at(-1)).toMatchObject({
      event: "end",
      id: expect.stringMatching(new RegExp(`^${epoch}\\.5\\.\\d+$`)),
      data: { status: "completed", expected_log_count: 5, layer_status: {}, store: "ok" },
    });
    expect(viewer.ended).toBe(true);
    expect(handler.viewers()).toBe(0);
  });

  it("goes on from an id, and from a cursor with its version", async () => {
    await prepare();
    const run = await scene.run(5);
    const resumed = await open(run.runId, "?since=0", { "Last-Event-ID": `${run.epoch}.3` });
    expect(resumed.indexes).toEqual([3, 4]);
    const { cursor } = await scene.poll(run.runId, { limit: 4 });
    expect((await open(run.runId, `?cursor=${cursor}`)).indexes).toEqual([4]);
    expect((await open(run.runId, "?tail=2")).indexes).toEqual([3, 4]);
    expect((await open(run.runId, "?since=1")).indexes).toEqual([1, 2, 3, 4]);
  });

  it("encodes a batch once for all viewers at the same position", async () => {
    await prepare();
    const run = await scene.run(1);
    const viewers = await Promise.all(range(0, 20).map(() => open(run.runId)));
    await run.write(lines(10, 1));
    await settle();
    const chunks = new Set(viewers.map((viewer) => viewer.chunks.at(-1)));
    expect(chunks.size).toBe(1);
    expect(viewers[7]?.indexes).toEqual(range(0, 11));
  });

  it("reads and encodes a piece of history once for all viewers that come late", async () => {
    await prepare();
    const run = await scene.run(500);
    await scene.poll(run.runId, { tail: 1 });
    const begun = scene.reads.length;
    const viewers = await Promise.all(range(0, 20).map(() => open(run.runId)));
    const pieces = (viewers[0]?.chunks ?? []).filter((chunk) => typeof chunk !== "string" && chunk.byteLength > 10_000);
    expect(pieces.length).toBeGreaterThan(0);
    expect(scene.reads.length).toBe(begun + pieces.length);
    for (const viewer of viewers) {
      expect(viewer.indexes).toEqual(range(0, 500));
      for (const piece of pieces) expect(viewer.chunks).toContain(piece);
    }
  });

  it("sends long histories piece by piece", async () => {
    await prepare();
    const run = await scene.run();
    await run.write(range(0, 900).map((i) => line(`${i} ${"x".repeat(400)}`)));
    const viewer = await open(run.runId);
    expect(viewer.indexes).toEqual(range(0, 900));
    const largest = Math.max(...viewer.chunks.map((chunk) => chunk.length));
    expect(largest).toBeLessThan(150_000);
    expect(viewer.chunks.length).toBeGreaterThan(5);
  });

  it("catches up with a long run page by page, without waiting for a hint", async () => {
    await prepare({ maxLines: 5000, maxBufferBytes: 10_000_000 });
    const run = await scene.run(3500);
    await run.end();
    const viewer = await open(run.runId);
    expect(viewer.indexes).toEqual(range(0, 3500));
    expect(viewer.named("end")).toHaveLength(1);
    expect(scene.reads.length).toBe(4);
  });

  it("tells a late viewer the exact gap, and lets it finish", async () => {
    await prepare({ maxLines: 10 });
    const run = await scene.run();
    for (let i = 0; i < 50; i += 1) await run.write(lines(1, i));
    await run.end();
    const viewer = await open(run.runId);
    expect(viewer.named("gap")).toMatchObject([
      { id: `${run.epoch}.40`, data: { from: 0, to: 39, lost: 40, reason: "trimmed" } },
    ]);
    expect(viewer.indexes).toEqual(range(40, 50));
    expect(viewer.frames.at(-1)?.event).toBe("end");
  });

  it("answers the id of its end with 204, but not an id of any other state", async () => {
    await prepare();
    const run = await scene.run(2);
    await run.end();
    const end = (await open(run.runId)).frames.at(-1);
    const again = await handler.handle(
      request(`/${run.runId}/stream`, { headers: { "Last-Event-ID": end?.id ?? "" } }),
    );
    expect(again).toMatchObject({ status: 204, body: null });
    const before = await open(run.runId, "", { "Last-Event-ID": `${run.epoch}.2.1` });
    expect(before.frames.at(-1)?.event).toBe("end");
    const bare = await open(run.runId, "", { "Last-Event-ID": `${run.epoch}.2` });
    expect(bare.frames.at(-1)?.event).toBe("end");
  });

  it("has the headers that proxies and compressors leave alone", async () => {
    await prepare();
    const run = await scene.run(1);
    const { headers } = await handler.handle(request(`/${run.runId}/stream`, { method: "POST" }));
    expect(headers).toMatchObject({
      "Content-Type": "text/event-stream; charset=utf-8",
      "Cache-Control": "no-cache, no-transform",
      "X-Accel-Buffering": "no",
    });
    const head = await handler.handle(request(`/${run.runId}/stream`, { method: "HEAD" }));
    expect(head).toMatchObject({ status: 200, body: null });
  });
});

describe("the state in a stream", () => {
  it("is told at most four times a second, and the last one never withheld", async () => {
    await prepare();
    const run = await scene.run(1);
    const viewer = await open(run.runId);
    const times: number[] = [];
    for (let i = 0; i < 100; i += 1) {
      const before = viewer.named("state").length;
      await changeLayers(run, i);
      await scene.clock.advance(20);
      times.push(...Array(viewer.named("state").length - before).fill(i * 20));
    }
    for (const from of times) {
      expect(times.filter((time) => time >= from && time < from + 1000).length).toBeLessThanOrEqual(4);
    }
    expect(times.length).toBeGreaterThanOrEqual(7);
    await scene.clock.advance(500);
    expect(viewer.named("state").at(-1)?.data).toMatchObject({ layer_status: { fetch: { current: 99 } } });
  });

  it("does not hold lines back", async () => {
    await prepare();
    const run = await scene.run(1);
    const viewer = await open(run.runId);
    await changeLayers(run, 0);
    await run.write(lines(2, 1));
    await settle();
    expect(viewer.indexes).toEqual([0, 1, 2]);
    expect(viewer.named("state")).toHaveLength(1);
  });

  it("gives way to the end", async () => {
    await prepare();
    const run = await scene.run(1);
    const viewer = await open(run.runId);
    await scene.clock.advance(1000);
    await run.end();
    await settle();
    expect(viewer.named("state")).toHaveLength(1);
    expect(viewer.frames.at(-1)).toMatchObject({
      event: "end",
      data: { status: "completed", expected_log_count: 1 },
    });
  });

  it("tells that the store is away and back, and the lines go on", async () => {
    await prepare();
    const run = await scene.run(1);
    const viewer = await open(run.runId);
    scene.away = true;
    await scene.clock.advance(5000);
    expect(viewer.named("state").at(-1)?.data).toMatchObject({ store: "unavailable", status: "queued" });
    expect(viewer.named("state")).toHaveLength(2);
    scene.away = false;
    await run.write(lines(1, 1));
    await scene.clock.advance(2000);
    expect(viewer.named("state").at(-1)?.data).toMatchObject({ store: "ok" });
    expect(viewer.indexes).toEqual([0, 1]);
  });

  it("is only that of the store while a run could never be read", async () => {
    await prepare();
    const run = await scene.run(3);
    scene.away = true;
    const viewer = await open(run.runId, "", { "Last-Event-ID": `${run.epoch}.2` });
    expect(viewer.frames).toEqual([{ event: "state", id: `${run.epoch}.2`, data: { store: "unavailable" } }]);
    const fresh = await open(run.runId);
    expect(fresh.frames).toEqual([{ event: "state", id: null, data: { store: "unavailable" } }]);
    scene.away = false;
    await scene.clock.advance(1000);
    expect(viewer.indexes).toEqual([2]);
    expect(fresh.indexes).toEqual([0, 1, 2]);
  });
});

describe("resets in a stream", () => {
  it("come for a cursor that is none, before any line; until then a cut viewer would be told again", async () => {
    await prepare();
    const run = await scene.run(3);
    const viewer = await open(run.runId, "", { "Last-Event-ID": "rubbish" });
    expect(viewer.frames.slice(0, 2)).toMatchObject([
      { event: "hello", id: "0.0" },
      { event: "reset", id: `${run.epoch}.0`, data: { reason: "cursor", first_index: 0 } },
    ]);
    expect(viewer.indexes).toEqual([0, 1, 2]);
  });

  it("come once for a rubbish cursor of a run that something else writes", async () => {
    await prepare();
    const runId = "op_foreign_abcdefghijklmnopqrstuvwx";
    await scene.harness.foreignRun(runId, { lines: ["one"], meta: { status: "running" } });
    const viewer = await open(runId, "", { "Last-Event-ID": "rubbish" });
    expect(viewer.named("reset")).toHaveLength(1);
    expect(viewer.indexes).toEqual([0]);
  });

  it("come for another epoch and for a position beyond what is stored", async () => {
    await prepare();
    const run = await scene.run(3);
    const other = await open(run.runId, "", { "Last-Event-ID": "abcabcabcabc.2" });
    expect(other.frames.slice(0, 2)).toMatchObject([
      { event: "hello", id: "abcabcabcabc.2" },
      { event: "reset", data: { reason: "epoch", first_index: 0 } },
    ]);
    const ahead = await open(run.runId, "", { "Last-Event-ID": `${run.epoch}.9` });
    expect(ahead.named("reset")).toMatchObject([{ data: { reason: "ahead", first_index: 0 } }]);
    expect(ahead.indexes).toEqual([0, 1, 2]);
  });

  it("do not come because this process is behind", async () => {
    await prepare();
    const run = await scene.run(3);
    await scene.poll(run.runId);
    scene.deaf = true;
    await run.write(lines(3, 3));
    const viewer = await open(run.runId, "", { "Last-Event-ID": `${run.epoch}.5` });
    expect(viewer.named("reset")).toEqual([]);
    expect(viewer.indexes).toEqual([5]);
  });

  it("come in mid-stream when the numbering begins anew", async () => {
    await prepare();
    const run = await scene.run(3);
    const viewer = await open(run.runId);
    await scene.harness.changeServer();
    await run.append(lines(1, 3));
    await run.write(lines(1, 3));
    await settle();
    expect(viewer.named("reset")).toMatchObject([{ id: `${run.epoch}.0`, data: { reason: "epoch" } }]);
    expect(viewer.indexes).toEqual([0, 1, 2, 0, 1, 2, 3]);
  });
});

describe("a viewer of a run that is not stored yet", () => {
  it("is held until it is", async () => {
    await prepare();
    const runId = "op_late_abcdefghijklmnopqrstuvwx";
    const opening = open(runId);
    await scene.clock.advance(3000);
    expect(handler.viewers()).toBe(1);
    await claimBy(scene.harness, runId);
    expect((await opening).frames[0]).toMatchObject({ event: "hello", data: { run_id: runId } });
  });

  it("is told 404 after ten seconds, and leaves nothing behind", async () => {
    await prepare();
    const answer = handler.handle(request("/op_late_abcdefghijklmnopqrstuvwx/stream"));
    await scene.clock.advance(9900);
    expect(handler.viewers()).toBe(1);
    await scene.clock.advance(100);
    expect((await answer).status).toBe(404);
    expect(scene.watched()).toBe(0);
  });
});

describe("a viewer that is slow", () => {
  it("gets nothing while it takes nothing, and costs nobody else a line", async () => {
    await prepare();
    const run = await scene.run(1);
    const slow = await open(run.runId);
    const quick = await open(run.runId);
    slow.pause();
    for (let i = 1; i < 101; i += 1) {
      await run.write(lines(1, i));
      await settle();
    }
    expect(quick.indexes).toEqual(range(0, 101));
    expect(slow.indexes).toEqual([0, 1]);
    slow.resume();
    await settle();
    expect(slow.indexes).toEqual(range(0, 101));
  });

  it("is sent what it missed by its cursor when the feed has moved on", async () => {
    await prepare({}, { windowBytes: 2000 });
    const run = await scene.run(1);
    const viewer = await open(run.runId);
    viewer.pause();
    for (let i = 1; i < 501; i += 50) {
      await run.write(lines(50, i));
      await settle();
    }
    const begun = scene.reads.length;
    viewer.resume();
    await settle();
    expect(viewer.indexes).toEqual(range(0, 501));
    expect(scene.reads.length).toBeGreaterThan(begun);
  });

  it("is told a gap for what is gone meanwhile", async () => {
    await prepare({ maxLines: 20 }, { windowBytes: 500 });
    const run = await scene.run(1);
    const viewer = await open(run.runId);
    viewer.pause();
    for (let i = 1; i < 101; i += 10) {
      await run.write(lines(10, i));
      await settle();
    }
    viewer.resume();
    await settle();
    const lost = viewer.named("gap").reduce((sum, { data }) => sum + (data.lost as number), 0);
    expect(lost).toBe(70);
    expect(viewer.indexes).toEqual([...range(0, 11), ...range(81, 101)]);
  });

  it("is cut off when it takes nothing for thirty seconds", async () => {
    await prepare();
    const run = await scene.run(1);
    const viewer = await open(run.runId);
    viewer.pause();
    await run.write(lines(1, 1));
    await scene.clock.advance(29_000);
    expect(viewer.destroyed).toBe(false);
    await scene.clock.advance(2000);
    expect(viewer).toMatchObject({ destroyed: true, ended: false });
    expect(handler.viewers()).toBe(0);
  });

  it("is not cut off while it takes a little", async () => {
    await prepare();
    const run = await scene.run(1);
    const viewer = await open(run.runId);
    viewer.pause();
    await run.write(lines(1, 1));
    for (let i = 0; i < 4; i += 1) {
      await scene.clock.advance(20_000);
      viewer.sip(1);
    }
    expect(viewer.destroyed).toBe(false);
  });

  it("waits for a store that is away with what only the store has, without asking again and again", async () => {
    await prepare({}, { windowBytes: 500 });
    const run = await scene.run(1);
    const viewer = await open(run.runId);
    viewer.pause();
    await run.write(lines(50, 1));
    await settle();
    await run.write(lines(50, 51));
    await settle();
    scene.away = true;
    const begun = scene.reads.length;
    viewer.resume();
    await scene.clock.advance(3000);
    expect(scene.reads.length - begun).toBeLessThanOrEqual(4);
    expect(viewer.named("state").at(-1)?.data).toMatchObject({ store: "unavailable" });
    scene.away = false;
    await scene.clock.advance(2000);
    expect(viewer.indexes).toEqual(range(0, 101));
  });

  it("that vanishes while something is read for it is written nothing more", async () => {
    await prepare({}, { windowBytes: 500 });
    const run = await scene.run(100);
    await scene.poll(run.runId);
    let goOn = () => {};
    scene.slow = new Promise((resolve) => {
      goOn = resolve;
    });
    const viewer = await open(run.runId);
    const chunks = viewer.chunks.length;
    viewer.vanish();
    goOn();
    await settle();
    expect(viewer.indexes).toEqual([]);
    expect(viewer.chunks.length).toBe(chunks);
  });

  it("whose connection throws is cut off, and nobody else", async () => {
    await prepare();
    const run = await scene.run(1);
    const broken = await open(run.runId);
    const other = await open(run.runId);
    broken.write = () => {
      throw new Error("the connection is broken");
    };
    await run.write(lines(1, 1));
    await settle();
    expect(broken.destroyed).toBe(true);
    expect(other.indexes).toEqual([0, 1]);
    expect(handler.viewers()).toBe(1);
  });

  it("that vanishes is forgotten", async () => {
    await prepare();
    const run = await scene.run(1);
    const viewer = await open(run.runId);
    const chunks = viewer.chunks.length;
    viewer.vanish();
    expect(handler.viewers()).toBe(0);
    await run.write(lines(1, 1));
    await settle();
    expect(viewer.chunks.length).toBe(chunks);
    await scene.clock.advance(12_000);
    expect(scene.watched()).toBe(0);
  });
});

describe("the life of a stream", () => {
  it("has a ping every fifteen seconds and ends after five minutes", async () => {
    await prepare();
    const run = await scene.run(1);
    const viewer = await open(run.runId);
    const pings = () => viewer.text.split(": ping\n\n").length - 1;
    await scene.clock.advance(16_000);
    expect(pings()).toBe(1);
    await scene.clock.advance(60_000);
    expect(pings()).toBe(5);
    await scene.clock.advance(223_000);
    expect(viewer.ended).toBe(false);
    await scene.clock.advance(2000);
    expect(viewer).toMatchObject({ ended: true, destroyed: false });
    expect(viewer.named("end")).toEqual([]);
  });

  it("takes as many timers for a hundred viewers as for one", async () => {
    await prepare();
    const run = await scene.run(1);
    await open(run.runId);
    const timers = scene.clock.timers;
    for (let i = 0; i < 99; i += 1) await open(run.runId);
    expect(handler.viewers()).toBe(100);
    expect(scene.clock.timers).toBe(timers);
  });

  it("is over at once when the viewers are closed", async () => {
    await prepare();
    const run = await scene.run(1);
    const viewer = await open(run.runId);
    handler.closeViewers();
    expect(viewer).toMatchObject({ ended: true, destroyed: false });
  });

  it("outlasts a run that is lost and created again, but not one that stays away", async () => {
    await prepare();
    const run = await scene.run(1);
    const viewer = await open(run.runId);
    await scene.harness.lose(run.runId);
    await scene.clock.advance(59_000);
    expect(viewer.ended).toBe(false);
    await scene.clock.advance(4000);
    expect(viewer.ended).toBe(true);
    expect(viewer.named("end")).toEqual([]);
  });
});
