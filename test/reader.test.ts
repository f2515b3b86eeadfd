import { afterEach, describe, expect, it, vi } from "vitest";
import { LivetailError } from "../src/errors.js";
import type { FollowEvent } from "../src/follow.js";
import type { LogEntry } from "../src/protocol.js";
import { createReader } from "../src/reader.js";
import type { AppendedLines } from "../src/store.js";
import {
  birth,
  claimBy,
  line,
  lines,
  newEpoch,
  type Producer,
  recreateRequest,
  unique,
} from "./contract/log-store/scene.js";
import { settle } from "./support/hand-clock.js";
import { type ReadingScene, setScene } from "./support/reading-scene.js";

let scene: ReadingScene;

afterEach(async () => {
  scene.reader.close();
  await scene.harness.close();
});

const indexes = (entries: LogEntry[]): number[] => entries.map(({ index }) => index);
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

describe("a poll", () => {
  it("gets the history page by page, and by its cursor only what is new", async () => {
    scene = await setScene();
    const run = await scene.run(7);
    const first = await scene.poll(run.runId, { limit: 5 });
    expect(indexes(first.logs)).toEqual(range(0, 5));
    expect(first).toMatchObject({ next_index: 5, first_index: 0, total_count: 7, gap: null, reset: null });
    const second = await scene.poll(run.runId, { cursor: first.cursor, limit: 5 });
    expect(indexes(second.logs)).toEqual([5, 6]);
    await run.write(lines(2, 7));
    await settle();
    const third = await scene.poll(run.runId, { cursor: second.cursor });
    expect(third.logs).toMatchObject([
      { index: 7, message: expect.stringContaining("7") },
      { index: 8, message: expect.stringContaining("8") },
    ]);
    expect(third.cursor).toMatch(/^[a-z0-9]{12}\.9\.\d+$/);
  });

  it("that finds nothing new gets the same bytes as everybody, without a read", async () => {
    scene = await setScene();
    const run = await scene.run(3);
    const { cursor } = await scene.poll(run.runId);
    const { reads } = scene;
    const begun = reads.length;
    const ask = () => scene.reader.poll(run.runId, { from: from(cursor), limit: 500, waitMs: 0 });
    const bytes = ask();
    expect(bytes).toBeInstanceOf(Buffer);
    for (let i = 0; i < 100; i += 1) expect(ask()).toBe(bytes);
    expect(JSON.parse(String(bytes))).toMatchObject({ logs: [], cursor });
    expect(reads.length).toBe(begun);
  });

  it("may ask for the newest lines, and is told of no gap", async () => {
    scene = await setScene();
    const run = await scene.run(10);
    expect(await scene.poll(run.runId, { tail: 3 })).toMatchObject({ next_index: 10, gap: null });
    expect(indexes((await scene.poll(run.runId, { tail: 3 })).logs)).toEqual([7, 8, 9]);
    expect((await scene.poll(run.runId, { tail: 0 })).logs).toEqual([]);
    expect((await scene.poll(run.runId, { tail: 99 })).logs).toHaveLength(10);
  });

  it("that is held is answered by the first new line", async () => {
    scene = await setScene();
    const run = await scene.run(1);
    const { cursor } = await scene.poll(run.runId);
    const held = scene.poll(run.runId, { cursor, waitMs: 20_000 });
    await scene.clock.advance(5000);
    await run.write([line("news")]);
    expect(await held).toMatchObject({ next_index: 2, logs: [{ index: 1, message: expect.stringContaining("news") }] });
  });

  it("that is held is answered by a new version, and by the end", async () => {
    scene = await setScene();
    const run = await scene.run(1);
    const { cursor } = await scene.poll(run.runId);
    const held = scene.poll(run.runId, { cursor, waitMs: 20_000 });
    const layers = { text: '{"fetch":{"status":"processing","order":0}}', replacesSha1: "" };
    await run.write([], { layers });
    const answer = await held;
    expect(answer).toMatchObject({ logs: [], layer_status: { fetch: { status: "running", order: 0 } } });
    const heldAgain = scene.poll(run.runId, { cursor: answer.cursor, waitMs: 20_000 });
    await run.end();
    expect(await heldAgain).toMatchObject({ status: "completed", expected_log_count: 1, next_index: 1 });
  });

  it("that is held in vain is answered with nothing when its time is over or its viewer is gone", async () => {
    scene = await setScene();
    const run = await scene.run(1);
    const { cursor } = await scene.poll(run.runId);
    let answered = false;
    const held = scene.poll(run.runId, { cursor, waitMs: 3000 }).finally(() => {
      answered = true;
    });
    await scene.clock.advance(2999);
    expect(answered).toBe(false);
    await scene.clock.advance(1);
    expect(await held).toMatchObject({ logs: [], cursor });
    const gone = new AbortController();
    const abandoned = scene.poll(run.runId, { cursor, waitMs: 3000, signal: gone.signal });
    await settle();
    gone.abort();
    expect(await abandoned).toMatchObject({ logs: [], cursor });
    const goneBefore = scene.poll(run.runId, { cursor, waitMs: 3000, signal: AbortSignal.abort() });
    expect(await goneBefore).toMatchObject({ logs: [], cursor });
    const ended = scene.poll(run.runId, { cursor, waitMs: 3000 });
    await settle();
    scene.reader.answerHeld();
    expect(await ended).toMatchObject({ logs: [], cursor });
  });

  it("with a cursor without a version is answered at once", async () => {
    scene = await setScene();
    const run = await scene.run(2);
    const { cursor } = await scene.poll(run.runId);
    const bare = cursor.split(".").slice(0, 2).join(".");
    expect(await scene.poll(run.runId, { cursor: bare, waitMs: 20_000 })).toMatchObject({ logs: [], cursor });
  });

  it("for an ended run is answered at once, however long it would wait", async () => {
    scene = await setScene();
    const run = await scene.run(2);
    await run.end();
    const { cursor } = await scene.poll(run.runId);
    expect(await scene.poll(run.runId, { cursor, waitMs: 20_000 })).toMatchObject({ status: "completed", cursor });
  });

  it("is told to ask again soon while lines flow, and later when nothing came for two seconds", async () => {
    scene = await setScene();
    const run = await scene.run(1);
    const { cursor, next_poll_ms } = await scene.poll(run.runId);
    expect(next_poll_ms).toBe(200);
    await scene.clock.advance(2000);
    expect((await scene.poll(run.runId, { cursor })).next_poll_ms).toBe(1000);
    await run.write([line("news")]);
    await settle();
    expect((await scene.poll(run.runId, { cursor })).next_poll_ms).toBe(200);
  });
});

describe("the shared feed of a run", () => {
  it.each([
    ["one read, where a hint only says that there is something", true, 1],
    ["no read, where a hint brings the lines", false, 0],
  ])("answers fifty held polls with the same bytes by %s", async (_, deaf, reads) => {
    scene = await setScene();
    scene.deaf = deaf;
    const run = await scene.run(1);
    const { cursor } = await scene.poll(run.runId);
    const ask = { from: from(cursor), limit: 500, waitMs: 20_000 };
    const held = Array.from({ length: 50 }, () => scene.reader.poll(run.runId, ask));
    await settle();
    const begun = scene.reads.length;
    const stringify = vi.spyOn(JSON, "stringify");
    await run.write(lines(3, 1));
    if (deaf) scene.tell(run.runId, { next: 4, version: Number(cursor.split(".")[2]) });
    const answers = await Promise.all(held);
    expect(stringify.mock.calls.length).toBeLessThan(50);
    expect(new Set(answers).size).toBe(1);
    expect(JSON.parse(String(answers[0])).logs).toHaveLength(3);
    expect(scene.reads.length).toBe(begun + reads);
    expect(scene.watched()).toBe(1);
  });

  it("reads from where it stands, and names the version that it has", async () => {
    scene = await setScene();
    const run = await scene.run(4);
    const { cursor } = await scene.poll(run.runId);
    const [epoch, , version] = cursor.split(".");
    scene.deaf = true;
    await run.write(lines(1, 4));
    scene.tell(run.runId, { next: 5, version: Number(version) });
    await settle();
    expect(scene.reads.at(-1)).toMatchObject({
      from: { kind: "at", epoch, index: 4 },
      known: { epoch, version: Number(version) },
    });
  });

  it("does not read for a hint of what it has", async () => {
    scene = await setScene();
    const run = await scene.run(1);
    await scene.poll(run.runId);
    await run.write(lines(1, 1));
    await settle();
    const begun = scene.reads.length;
    await run.write([]);
    await settle();
    expect(scene.reads.length).toBe(begun);
  });

  it("finds within a second what no hint told, and only while somebody reads", async () => {
    scene = await setScene();
    scene.deaf = true;
    const run = await scene.run(1);
    const { cursor } = await scene.poll(run.runId);
    const held = scene.poll(run.runId, { cursor, waitMs: 20_000 });
    await run.write([line("unheard")]);
    await scene.clock.advance(1000);
    expect(await held).toMatchObject({ logs: [{ message: expect.stringContaining("unheard") }] });
  });

  it("outlives its last reader by ten seconds, and leaves nothing behind", async () => {
    scene = await setScene();
    const run = await scene.run(100);
    await scene.poll(run.runId);
    await scene.clock.advance(9000);
    expect(scene.watched()).toBe(1);
    expect(scene.reader.keptBytes).toBeGreaterThan(0);
    await scene.clock.advance(2000);
    expect(scene.watched()).toBe(0);
    expect(scene.reader).toMatchObject({ feeds: 0, keptBytes: 0 });
    expect(scene.clock.timers).toBe(0);
    const begun = scene.reads.length;
    await scene.clock.advance(10_000);
    expect(scene.reads.length).toBe(begun);
  });

  it("keeps the newest lines within its bounds; older pages are read by cursor, as many lines as are wanted", async () => {
    scene = await setScene({}, { windowBytes: 2000 });
    const run = await scene.run(200);
    await scene.poll(run.runId);
    expect(scene.reader.keptBytes).toBeLessThanOrEqual(2000);
    const begun = scene.reads.length;
    const page = await scene.poll(run.runId, { since: 50, limit: 10 });
    expect(indexes(page.logs)).toEqual(range(50, 60));
    expect(scene.reads.slice(begun)).toMatchObject([{ from: { kind: "at", index: 50 }, limit: 10 }]);
    const newest = await scene.poll(run.runId, { tail: 2 });
    expect(indexes(newest.logs)).toEqual([198, 199]);
    expect(scene.reads.length).toBe(begun + 1);
  });

  it("gives a run of 1 MB to all who come late as the same bytes, after one read, and tells each its own gap", async () => {
    scene = await setScene();
    const run = await scene.run();
    for (let page = 0; page < 12; page += 1) {
      await run.write(range(0, 100).map((i) => line(`${page * 100 + i} ${"x".repeat(980)}`)));
    }
    const ask = (index: number) =>
      scene.reader.poll(run.runId, { from: { kind: "since", index }, limit: 1000, waitMs: 0 });
    const first = await ask(0);
    expect(first.length).toBeGreaterThan(1_048_576);
    const begun = scene.reads.length;
    const { logs, gap } = JSON.parse(String(first));
    expect(indexes(logs)).toEqual(range(200, 1200));
    expect(gap).toMatchObject({ from: 0, to: 199, lost: 200 });
    for (let viewer = 0; viewer < 100; viewer += 1) expect(ask(0)).toBe(first);
    expect(JSON.parse(String(await ask(5))).gap).toMatchObject({ from: 5, to: 199, lost: 195 });
    expect(scene.reads.length).toBe(begun);
    expect(scene.reader.keptBytes).toBeLessThanOrEqual(2 * 1_310_720);
  });

  it("reads an older page once for all who are behind at the same place, and remembers it for a moment", async () => {
    scene = await setScene();
    const run = await scene.run(500);
    await scene.poll(run.runId, { tail: 1 });
    const kept = scene.reader.keptBytes;
    const begun = scene.reads.length;
    const pages = await Promise.all(range(0, 50).map(() => scene.poll(run.runId, { limit: 500 })));
    for (const page of pages) expect(indexes(page.logs)).toEqual(range(0, 500));
    expect(scene.reads.length).toBe(begun + 1);
    await scene.poll(run.runId, { limit: 500 });
    expect(scene.reads.length).toBe(begun + 1);
    expect(scene.reader.keptBytes).toBeGreaterThan(kept);
    await scene.clock.advance(2000);
    expect(scene.reader.keptBytes).toBe(kept);
  });

  it("bounds what it remembers of older pages, and asks again for a page that could not be read", async () => {
    scene = await setScene({}, { windowBytes: 5000 });
    const run = await scene.run(500);
    await scene.poll(run.runId, { tail: 1 });
    scene.away = true;
    await expect(scene.poll(run.runId, { limit: 10 })).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    scene.away = false;
    for (let since = 0; since < 490; since += 10) {
      expect((await scene.poll(run.runId, { since, limit: 10 })).logs).toHaveLength(10);
      expect(scene.reader.keptBytes).toBeLessThanOrEqual(10_000);
    }
  });

  it("gives its lines up when all runs together keep too many, the one that was read longest ago first", async () => {
    scene = await setScene({}, { totalWindowBytes: 20_000 });
    const runs: Producer[] = [];
    for (let i = 0; i < 5; i += 1) {
      runs.push(await scene.run(50));
      await scene.poll((runs[i] as Producer).runId);
      await scene.clock.advance(10);
      expect(scene.reader.keptBytes).toBeLessThanOrEqual(20_000);
    }
    const begun = scene.reads.length;
    const poll = (i: number) => scene.poll((runs[i] as Producer).runId);
    expect((await poll(4)).logs).toHaveLength(50);
    expect(scene.reads.length).toBe(begun);
    expect((await poll(0)).logs).toHaveLength(50);
    expect(scene.reads.length).toBe(begun + 1);
  });

  it("tells of an owner whose lease ran out, though nothing was written", async () => {
    scene = await setScene();
    const run = await scene.run(1);
    const first = await scene.poll(run.runId);
    expect(first.owner).toMatchObject({ id: run.owner?.id, url: run.owner?.url, state: "live", attempt: 1 });
    const held = scene.poll(run.runId, { cursor: first.cursor, waitMs: 20_000 });
    await scene.harness.expireLease(run.runId);
    await scene.clock.advance(1000);
    expect(await held).toMatchObject({ cursor: first.cursor, owner: { state: "stalled" } });
    await run.end({ status: "failed", errorCode: "OWNER_LOST", error: "gone" });
    await settle();
    expect(await scene.poll(run.runId)).toMatchObject({ owner: { state: "lost" }, error_code: "OWNER_LOST" });
  });

  it("says of a run without an owner, and of one that has completed, that nobody owns it", async () => {
    scene = await setScene();
    const run = await scene.run(1);
    await run.release();
    expect((await scene.poll(run.runId)).owner.state).toBe("none");
    const other = await scene.run(1);
    await other.end();
    expect((await scene.poll(other.runId)).owner.state).toBe("none");
  });

  it("adds up the producers' totals", async () => {
    scene = await setScene();
    const run = await scene.run(1);
    expect((await scene.poll(run.runId)).backend_stats.total).toEqual({
      calls: 0,
      errors: 0,
      cost_usd: 0,
      unpriced_calls: 0,
    });
  });
});

describe("what a hint brings", () => {
  /** A run of three lines that is read, with hints that are told by hand. */
  async function prepare(options: Parameters<typeof setScene>[1] = {}) {
    scene = await setScene({ maxLines: 4 }, options);
    scene.deaf = true;
    const run = await scene.run(3);
    const { cursor } = await scene.poll(run.runId);
    const version = Number(cursor.split(".")[2]);
    /** Tells of lines as the store does that stored them. */
    const bring = (from: number, texts: string[], changes: Partial<AppendedLines & { version: number }> = {}) => {
      const next = from + texts.length;
      const appended = { epoch: run.epoch, first: Math.max(0, next - 4), from, lines: texts, ...changes };
      scene.tell(run.runId, { next, version: changes.version ?? version, appended });
    };
    return { run, cursor, bring };
  }

  it("is taken for what a read would have answered, without one", async () => {
    const { run, cursor, bring } = await prepare();
    const held = scene.poll(run.runId, { cursor, waitMs: 20_000 });
    await run.write(lines(2, 3));
    await run.write(lines(1, 5));
    const begun = scene.reads.length;
    bring(3, lines(2, 3));
    bring(5, lines(1, 5));
    const answer = await held;
    expect(indexes(answer.logs)).toEqual([3, 4, 5]);
    expect(scene.reads.length).toBe(begun);
    const other = createReader({ store: scene.store, clock: scene.clock });
    const read = JSON.parse(String(await other.poll(run.runId, { from: from(cursor), limit: 500, waitMs: 0 })));
    other.close();
    expect({ ...answer, first_index: 2 }).toEqual(read);
    await scene.clock.advance(1000);
    expect(await scene.poll(run.runId, { cursor: answer.cursor })).toMatchObject({ cursor: read.cursor, logs: [] });
  });

  it.each<[string, number, Partial<AppendedLines & { version: number }>]>([
    ["belongs to another epoch", 3, { epoch: newEpoch() }],
    ["does not begin where the reader stands", 4, {}],
    ["begins before the reader stands", 2, {}],
    ["came with another change", 3, { version: 99 }],
  ])("is not taken when it %s: then the run is read", async (_, at, changes) => {
    const { run, cursor, bring } = await prepare();
    const held = scene.poll(run.runId, { cursor, waitMs: 20_000 });
    await run.write(lines(2, 3));
    const begun = scene.reads.length;
    bring(at, [line("wrong"), line("wrong")], changes);
    expect((await held).logs).toMatchObject([
      { index: 3, message: "3" },
      { index: 4, message: "4" },
    ]);
    expect(scene.reads.length).toBe(begun + 1);
  });

  it("while the run is read is taken after that, unless the read has answered it", async () => {
    const { run, cursor, bring } = await prepare();
    const held = scene.poll(run.runId, { cursor, waitMs: 20_000 });
    let answer = (): void => {};
    scene.slow = new Promise((resolve) => {
      answer = resolve;
    });
    await run.write(lines(1, 3));
    scene.tell(run.runId, { next: 4, version: 0 });
    await settle();
    const begun = scene.reads.length;
    await run.write(lines(2, 4));
    bring(3, lines(1, 3));
    bring(4, lines(2, 4));
    answer();
    const { logs, ...rest } = await held;
    expect(indexes(logs)).toEqual([3, 4, 5]);
    expect(rest).toMatchObject({ next_index: 6, first_index: 0, reset: null });
    expect(scene.reads.length).toBe(begun);
  });

  it("is less than what was missed: then the run is read", async () => {
    const { run, cursor, bring } = await prepare();
    await run.write(lines(1, 3));
    await run.write(lines(1, 4));
    bring(4, lines(1, 4));
    await settle();
    expect(indexes((await scene.poll(run.runId, { cursor })).logs)).toEqual([3, 4]);
  });

  it("does not hide that the owner of a run is back", async () => {
    const { run, bring } = await prepare();
    await scene.harness.expireLease(run.runId);
    await scene.clock.advance(1000);
    expect((await scene.poll(run.runId)).owner.state).toBe("stalled");
    await run.write(lines(1, 3));
    bring(3, lines(1, 3));
    await settle();
    expect(await scene.poll(run.runId)).toMatchObject({ next_index: 4, owner: { state: "live" } });
  });

  it("counts for the bounds of what is kept", async () => {
    const { run, bring } = await prepare({ windowBytes: 2000 });
    for (let at = 3; at < 103; at += 1) {
      await run.write(lines(1, at));
      bring(at, lines(1, at));
      await settle();
      expect(scene.reader.keptBytes).toBeLessThanOrEqual(2000);
    }
    const begun = scene.reads.length;
    expect(indexes((await scene.poll(run.runId, { tail: 2 })).logs)).toEqual([101, 102]);
    expect(scene.reads.length).toBe(begun);
  });

  it("is read instead while the store could not be read last time", async () => {
    const { run, bring } = await prepare();
    scene.away = true;
    await scene.clock.advance(1000);
    scene.away = false;
    const begun = scene.reads.length;
    await run.write(lines(1, 3));
    bring(3, lines(1, 3));
    await settle();
    expect(scene.reads.length).toBe(begun + 1);
    expect((await scene.poll(run.runId, {})).logs).toHaveLength(4);
  });
});

describe("a reader that is closed", () => {
  it("reads nothing any more, and says so", async () => {
    scene = await setScene();
    const run = await scene.run(1);
    const waiting = expect(scene.poll("unknown", { waitMs: 20_000 })).rejects.toMatchObject({
      code: "STORE_UNAVAILABLE",
    });
    await scene.poll(run.runId);
    scene.reader.close();
    await waiting;
    await expect(scene.poll(run.runId)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    expect(scene.watched()).toBe(0);
    expect(scene.clock.timers).toBe(0);
  });
});

describe("gaps and resets", () => {
  it("tells a late viewer the exact gap, then lets it finish", async () => {
    scene = await setScene({ maxLines: 10 });
    const run = await scene.run();
    for (let i = 0; i < 50; i += 1) await run.write(lines(1, i));
    await run.end();
    const answer = await scene.poll(run.runId);
    expect(answer.gap).toEqual({ from: 0, to: 39, lost: 40, reason: "trimmed" });
    expect(indexes(answer.logs)).toEqual(range(40, 50));
    expect(answer).toMatchObject({ status: "completed", next_index: 50, expected_log_count: 50 });
  });

  it("calls lost what lies below the base of the epoch", async () => {
    scene = await setScene();
    const run = await scene.run(5);
    await scene.harness.lose(run.runId);
    const epoch = newEpoch();
    await scene.store.recreate(recreateRequest(run, { newEpoch: epoch, base: 4, have: 4 }));
    run.epoch = epoch;
    await run.write(lines(1, 4), { first: 4, acked: 4, told: 4 });
    const answer = await scene.poll(run.runId);
    expect(indexes(answer.logs)).toEqual([4]);
    expect(answer.gap).toEqual({ from: 0, to: 3, lost: 4, reason: "lost" });
  });

  it("calls lost what was evicted", async () => {
    scene = await setScene();
    const run = await scene.run(5);
    await scene.harness.loseBufferOnly(run.runId);
    const answer = await scene.poll(run.runId, { since: 2 });
    expect(answer).toMatchObject({ gap: { from: 2, to: 4, lost: 3, reason: "lost" }, logs: [], next_index: 5 });
  });

  it("resets a viewer of another epoch, and says where the lines begin", async () => {
    scene = await setScene();
    const run = await scene.run(5);
    const { cursor } = await scene.poll(run.runId);
    await scene.harness.changeServer();
    await run.append(lines(1, 5));
    await run.write(lines(1, 5));
    await settle();
    const answer = await scene.poll(run.runId, { cursor });
    expect(answer.reset).toEqual({ reason: "epoch", first_index: 0 });
    expect(answer.gap).toBeNull();
    expect(indexes(answer.logs)).toEqual(range(0, 6));
    expect(answer.cursor.split(".")[0]).not.toBe(cursor.split(".")[0]);
  });

  it("resets a viewer that is ahead of what is stored", async () => {
    scene = await setScene();
    const run = await scene.run(5);
    expect((await scene.poll(run.runId, { since: 6 })).reset).toEqual({ reason: "ahead", first_index: 0 });
    const { cursor } = await scene.poll(run.runId);
    const ahead = cursor.replace(".5.", ".9.");
    expect((await scene.poll(run.runId, { cursor: ahead })).reset).toEqual({ reason: "ahead", first_index: 0 });
  });

  it("never resets because this process is behind: the store is asked first, once for all who disagree", async () => {
    scene = await setScene();
    const run = await scene.run(5);
    const { cursor } = await scene.poll(run.runId);
    scene.deaf = true;
    await run.write(lines(3, 5));
    const begun = scene.reads.length;
    const ahead = cursor.replace(".5.", ".8.");
    const answers = await Promise.all(Array.from({ length: 20 }, () => scene.poll(run.runId, { cursor: ahead })));
    for (const answer of answers) expect(answer).toMatchObject({ reset: null, logs: [], next_index: 8 });
    expect(scene.reads.length).toBe(begun + 1);
  });

  it("does not take a read that was under way for one that began after the request", async () => {
    scene = await setScene();
    const run = await scene.run(5);
    const { cursor } = await scene.poll(run.runId);
    scene.deaf = true;
    let goOn = () => {};
    scene.slow = new Promise((resolve) => {
      goOn = resolve;
    });
    // The safety poll has its answer already, but it is still on its way.
    await scene.clock.advance(1000);
    scene.slow = null;
    await run.write(lines(3, 5));
    const answer = scene.poll(run.runId, { cursor: cursor.replace(".5.", ".8.") });
    goOn();
    expect(await answer).toMatchObject({ reset: null, next_index: 8 });
  });

  it("asks the store before it shows a viewer an older state than the one it has", async () => {
    scene = await setScene();
    const run = await scene.run(1);
    const { cursor } = await scene.poll(run.runId);
    scene.deaf = true;
    await run.end();
    const [epoch, next, version] = cursor.split(".");
    const newer = `${epoch}.${next}.${Number(version) + 1}`;
    expect(await scene.poll(run.runId, { cursor: newer })).toMatchObject({ status: "completed", cursor: newer });
  });

  it("serves lines that this process has and the store trimmed since", async () => {
    scene = await setScene({ maxLines: 10 });
    const run = await scene.run(10);
    const { cursor } = await scene.poll(run.runId, { limit: 5 });
    await run.write(lines(10, 10));
    await settle();
    expect(indexes((await scene.poll(run.runId, { cursor })).logs)).toEqual(range(5, 20));
  });

  it("tells the gap when an older page was trimmed while it was asked for", async () => {
    scene = await setScene({ maxLines: 20 }, { windowBytes: 300 });
    const run = await scene.run(20);
    await scene.poll(run.runId);
    scene.deaf = true;
    await run.write(lines(10, 20));
    const answer = await scene.poll(run.runId, { since: 0, limit: 5 });
    expect(answer.gap).toEqual({ from: 0, to: 9, lost: 10, reason: "trimmed" });
    expect(indexes(answer.logs)).toEqual(range(10, 15));
  });
});

describe("a run that something else writes", () => {
  it("is readable: its lines from 0, its state when that changes", async () => {
    scene = await setScene();
    const runId = unique("foreign");
    const meta = { status: "processing" };
    await scene.harness.foreignRun(runId, { lines: ["one", "two"], meta });
    const first = await scene.poll(runId);
    expect(first).toMatchObject({ status: "running", next_index: 2, first_index: 0 });
    expect(first.cursor).toMatch(/^0\.2\.\d+$/);
    await scene.harness.foreignPush(runId, ["three"]);
    const held = scene.poll(runId, { cursor: first.cursor, waitMs: 5000 });
    await scene.clock.advance(1000);
    expect(await held).toMatchObject({ logs: [{ index: 2, message: "three" }] });
  });

  it("is shown as open for ten seconds when it has ended with fewer lines than announced", async () => {
    scene = await setScene();
    const runId = unique("foreign");
    const ended = { status: "completed", expected_log_count: "5", finished_at: new Date().toISOString() };
    await scene.harness.foreignRun(runId, { lines: ["one", "two"], meta: { status: "running" } });
    const first = await scene.poll(runId);
    await scene.harness.foreignRun(runId, { lines: ["one", "two", "three"], meta: ended });
    await scene.clock.advance(1000);
    const second = await scene.poll(runId, { cursor: first.cursor });
    expect(second).toMatchObject({ status: "running", expected_log_count: null, reset: null });
    expect(indexes(second.logs)).toEqual([2]);
    await scene.harness.foreignPush(runId, ["four"]);
    await scene.clock.advance(1000);
    const third = await scene.poll(runId, { cursor: second.cursor });
    expect(third).toMatchObject({ status: "running", logs: [{ index: 3, message: "four" }] });
    for (let i = 0; i < 9; i += 1) {
      await scene.poll(runId);
      await scene.clock.advance(1000);
    }
    const last = await scene.poll(runId, { cursor: third.cursor });
    expect(last).toMatchObject({ status: "completed", expected_log_count: 5, next_index: 5 });
    expect(last.reset).toEqual({ reason: "epoch", first_index: 1 });
    expect(indexes(last.logs)).toEqual([1, 2, 3, 4]);
  });

  it("that ended longer ago is shown as ended at once, numbered from its end", async () => {
    scene = await setScene();
    const runId = unique("foreign");
    const finished_at = new Date(Date.now() - 11_000).toISOString();
    const meta = { status: "failed", expected_count: "5", finished_at };
    await scene.harness.foreignRun(runId, { lines: ["four", "five"], meta });
    const answer = await scene.poll(runId);
    expect(answer).toMatchObject({ status: "failed", expected_log_count: 5, next_index: 5 });
    expect(answer.gap).toEqual({ from: 0, to: 2, lost: 3, reason: "trimmed" });
    expect(indexes(answer.logs)).toEqual([3, 4]);
  });

  it("ends as soon as the announced lines are there", async () => {
    scene = await setScene();
    const runId = unique("foreign");
    const meta = { status: "completed", expected_log_count: "3", finished_at: new Date().toISOString() };
    await scene.harness.foreignRun(runId, { lines: ["one", "two"], meta });
    const first = await scene.poll(runId);
    expect(first).toMatchObject({ status: "running", next_index: 2 });
    await scene.harness.foreignPush(runId, ["three"]);
    await scene.clock.advance(1000);
    const second = await scene.poll(runId, { cursor: first.cursor });
    expect(second).toMatchObject({ status: "completed", expected_log_count: 3, next_index: 3, reset: null });
  });
});

describe("a run that is not there", () => {
  it("is answered at once without a wait, and leaves nothing behind", async () => {
    scene = await setScene();
    await expect(scene.poll("unknown")).rejects.toMatchObject({ code: "RUN_NOT_FOUND" });
    expect(scene.reader.feeds).toBe(0);
    expect(scene.watched()).toBe(0);
  });

  it("is waited for, and its first lines are the answer", async () => {
    scene = await setScene();
    const runId = "unknown-yet";
    const held = scene.poll(runId, { waitMs: 20_000 });
    await scene.clock.advance(500);
    await claimBy(scene.harness, runId);
    expect(await held).toMatchObject({
      run_id: runId,
      status: "queued",
      operation: "operation",
      subject_id: "subject",
    });
  });

  it("is waited for no longer than ten seconds", async () => {
    scene = await setScene();
    let failed: unknown = null;
    scene.poll("unknown", { waitMs: 20_000 }).catch((error) => {
      failed = error;
    });
    await scene.clock.advance(9900);
    expect(failed).toBeNull();
    await scene.clock.advance(100);
    expect(failed).toMatchObject({ code: "RUN_NOT_FOUND" });
  });
});

describe("a store that is away", () => {
  it("is said to whoever would hear nothing new, while kept lines are still served", async () => {
    scene = await setScene();
    const run = await scene.run(5);
    const { cursor } = await scene.poll(run.runId);
    scene.away = true;
    await scene.clock.advance(1000);
    await expect(scene.poll(run.runId, { cursor })).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    expect(await scene.poll(run.runId, { since: 3 })).toMatchObject({ next_index: 5 });
    scene.away = false;
    await scene.clock.advance(1000);
    expect(await scene.poll(run.runId, { cursor })).toMatchObject({ logs: [] });
  });

  it("answers a held poll when it goes, and one for a run that was never read", async () => {
    scene = await setScene();
    const run = await scene.run(5);
    const { cursor } = await scene.poll(run.runId);
    const held = scene.poll(run.runId, { cursor, waitMs: 20_000 });
    const outcome = expect(held).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    scene.away = true;
    await scene.clock.advance(1000);
    await outcome;
    const never = scene.poll("never-read", { waitMs: 20_000 });
    await expect(never).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  });

  it("does not answer a doubtful cursor with a reset", async () => {
    scene = await setScene();
    const run = await scene.run(5);
    const { cursor } = await scene.poll(run.runId);
    scene.away = true;
    const ahead = cursor.replace(".5.", ".9.");
    await expect(scene.poll(run.runId, { cursor: ahead })).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  });
});

describe("a fault that is no outage", () => {
  it("is answered as one, and reported once a feed, wherever it was met", async () => {
    const reports: [LivetailError, string][] = [];
    scene = await setScene({}, { windowBytes: 500, report: (error, runId) => reports.push([error, runId]) });
    const run = await scene.run(50);
    await scene.poll(run.runId);
    scene.away = true;
    await expect(scene.poll(run.runId)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    scene.away = false;
    expect(reports).toEqual([]);
    const fault = new TypeError("oops");
    scene.fault = fault;
    await expect(scene.poll(run.runId)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    await scene.clock.advance(5000);
    await expect(scene.poll(run.runId)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    expect(reports).toEqual([[expect.objectContaining({ code: "STORE_UNAVAILABLE", cause: fault }), run.runId]]);
    const refusal = new LivetailError("STORE_REFUSED");
    scene.fault = refusal;
    await expect(scene.poll("another")).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    expect(reports.slice(1)).toEqual([[refusal, "another"]]);
  });

  it("in a line of an older page is no reason to read it again and again", async () => {
    const reports: LivetailError[] = [];
    scene = await setScene({}, { windowBytes: 500, report: (error) => reports.push(error) });
    const run = await scene.run(50);
    await scene.poll(run.runId);
    const begun = scene.reads.length;
    scene.spoilt = true;
    await expect(scene.poll(run.runId)).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    expect(scene.reads.length).toBe(begun + 1);
    expect(reports[0]?.cause).toBeInstanceOf(TypeError);
  });
});

describe("status", () => {
  it("says all of a run but its lines, and counts its children", async () => {
    scene = await setScene();
    const run = await claimBy(scene.harness, "parent", { birth: birth({ metadata: '{"a":1}' }) });
    const layers = {
      text: '{"one":{"status":"success","order":0},"two":{"status":"skipped","order":1},"three":{"status":"running","order":2}}',
      replacesSha1: "",
    };
    await run.write(lines(2), { layers, start: true });
    const child = await claimBy(scene.harness, "child", { birth: birth({ parentId: "parent" }) });
    await child.end();
    expect(await scene.reader.status("parent")).toMatchObject({
      run_id: "parent",
      operation: "operation",
      subject_id: "subject",
      parent_id: null,
      metadata: { a: 1 },
      status: "running",
      layers_done: 2,
      layers_total: 3,
      total_count: 2,
      owner: { state: "live" },
      children: { completed: 1, running: 0, total: 1 },
      started_at: expect.stringMatching(/^\d{4}-.*Z$/),
      finished_at: null,
    });
  });

  it("is what the summary tells when only that is left", async () => {
    scene = await setScene();
    const run = await scene.run(3);
    await run.end({ status: "failed", error: "no luck", errorCode: "BAD" });
    await scene.harness.lose(run.runId);
    expect(await scene.reader.status(run.runId)).toMatchObject({
      status: "failed",
      error: "no luck",
      total_count: 3,
      expected_log_count: 3,
    });
    await expect(scene.reader.status("unknown")).rejects.toMatchObject({ code: "RUN_NOT_FOUND" });
  });

  it("is read once for all who ask at the same time", async () => {
    scene = await setScene();
    const run = await scene.run(3);
    const begun = scene.reads.length;
    await Promise.all([scene.reader.status(run.runId), scene.reader.status(run.runId)]);
    expect(scene.reads.length).toBe(begun + 1);
  });
});

describe("follow", () => {
  const collect = async (events: AsyncIterable<FollowEvent>): Promise<FollowEvent[]> => {
    const all: FollowEvent[] = [];
    for await (const event of events) all.push(event);
    return all;
  };
  const logs = (events: FollowEvent[]): number[] =>
    events.flatMap((event) => (event.type === "log" ? [event.entry.index] : []));

  it("yields every line once and in order, the states, and the end", async () => {
    scene = await setScene();
    const run = await scene.run(3);
    const all = collect(scene.reader.follow(run.runId));
    await settle();
    for (let i = 3; i < 2000; i += 100) {
      await run.write(lines(100, i));
      await settle();
    }
    await run.end();
    const events = await all;
    expect(logs(events)).toEqual(range(0, 2003));
    expect(events[0]).toMatchObject({ type: "state", store: "ok", state: { status: "queued" } });
    expect(events.at(-1)).toMatchObject({ type: "end", state: { status: "completed", expected_log_count: 2003 } });
  });

  it("goes on from a cursor", async () => {
    scene = await setScene();
    const run = await scene.run(10);
    await run.end();
    const cursor = `${run.epoch}.7`;
    const events = await collect(scene.reader.follow(run.runId, { from: from(cursor) }));
    expect(logs(events)).toEqual([7, 8, 9]);
  });

  it("tells gaps and resets", async () => {
    scene = await setScene({ maxLines: 5 });
    const run = await scene.run();
    for (let i = 0; i < 10; i += 1) await run.write(lines(1, i));
    const all = collect(scene.reader.follow(run.runId));
    await settle();
    await scene.harness.changeServer();
    await run.append(lines(1, 10));
    await run.write(lines(1, 10));
    await run.end();
    const events = await all;
    expect(events).toContainEqual({
      type: "gap",
      gap: { from: 0, to: 4, lost: 5, reason: "trimmed" },
      cursor: expect.stringMatching(/\.5$/),
    });
    expect(events).toContainEqual({
      type: "reset",
      reset: { reason: "epoch", first_index: 6 },
      cursor: expect.stringMatching(/\.6$/),
    });
    expect(logs(events)).toEqual([...range(5, 10), ...range(6, 11)]);
  });

  it("waits through an outage and says so", async () => {
    scene = await setScene();
    const run = await scene.run(1);
    const all = collect(scene.reader.follow(run.runId));
    await settle();
    scene.away = true;
    await scene.clock.advance(5000);
    await run.write(lines(1, 1));
    await scene.clock.advance(5000);
    scene.away = false;
    await scene.clock.advance(1000);
    await run.end();
    const events = await all;
    expect(events.flatMap((event) => (event.type === "state" ? [event.store] : []))).toContain("unavailable");
    expect(logs(events)).toEqual([0, 1]);
  });

  it("ends with its signal, and throws when the run never comes", async () => {
    scene = await setScene();
    const run = await scene.run(1);
    const stop = new AbortController();
    const all = collect(scene.reader.follow(run.runId, { signal: stop.signal }));
    await settle();
    stop.abort();
    expect(logs(await all)).toEqual([0]);
    const never = expect(collect(scene.reader.follow("unknown"))).rejects.toMatchObject({ code: "RUN_NOT_FOUND" });
    await scene.clock.advance(10_000);
    await never;
  });

  it("survives that the run was lost and created again", async () => {
    scene = await setScene();
    const run = await scene.run(2);
    const all = collect(scene.reader.follow(run.runId));
    await settle();
    await scene.harness.lose(run.runId);
    await scene.clock.advance(20_000);
    const epoch = newEpoch();
    await scene.store.recreate(recreateRequest(run, { newEpoch: epoch, base: 1, have: 1 }));
    run.epoch = epoch;
    run.acked = 1;
    run.told = 1;
    await run.write(lines(2, 1));
    await run.end();
    await scene.clock.advance(2000);
    const events = await all;
    expect(logs(events)).toEqual([0, 1, 1, 2]);
    expect(events.map(({ type }) => type)).toContain("reset");
  });

  it("goes on with a consumer that does something else for longer than a feed outlives its readers", async () => {
    scene = await setScene({}, { windowBytes: 20_000 });
    const run = await scene.run(700);
    await run.end();
    const seen: number[] = [];
    let last = "";
    for await (const event of scene.reader.follow(run.runId)) {
      last = event.type;
      if (event.type === "log") seen.push(event.entry.index);
      if (seen.length === 10) await scene.clock.advance(13_000);
    }
    expect(seen).toEqual(range(0, 700));
    expect(last).toBe("end");
    await scene.clock.advance(11_000);
    expect(scene.reader.feeds).toBe(0);
  });

  it("ends when the reader is closed", async () => {
    scene = await setScene();
    const run = await scene.run(1);
    const all = collect(scene.reader.follow(run.runId));
    await settle();
    scene.reader.close();
    expect(logs(await all)).toEqual([0]);
  });
});

function from(cursor: string) {
  const [epoch = "", next, version] = cursor.split(".");
  const parsed = { epoch, next: Number(next), version: version === undefined ? null : Number(version) };
  return { kind: "cursor", text: cursor, cursor: parsed } as const;
}
