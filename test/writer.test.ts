import { describe, expect, it } from "vitest";
import type { LivetailError } from "../src/errors.js";
import { createLivetail } from "../src/livetail.js";
import type { LivetailOptions } from "../src/livetail-options.js";
import { eagerClock } from "./support/eager-clock.js";
import { faultyStore } from "./support/faulty-store.js";

function open(options: LivetailOptions = {}) {
  const faulty = faultyStore();
  const heard: string[] = [];
  const livetail = createLivetail({
    store: faulty.store,
    clock: eagerClock,
    onError: (error: LivetailError) => heard.push(error.code),
    ...options,
  });
  const stored = async (runId: string) => {
    const answer = await faulty.store.read({
      runId,
      from: { kind: "at", epoch: "", index: 0 },
      limit: 1000,
      known: null,
    });
    if (answer === null) throw new Error("no such run");
    return { ...answer, messages: answer.lines.map((line) => JSON.parse(line).message ?? JSON.parse(line)) };
  };
  return { faulty, heard, livetail, stored };
}

describe("the writer", () => {
  it("sends what was logged in one turn of the event loop as one batch", async () => {
    const { faulty, livetail } = open();
    const run = livetail.createOperationRun("job", "batch");
    await run.ready;
    for (let i = 0; i < 500; i++) run.log(`line ${i}`);
    await run.flush();
    expect(faulty.appends.map((append) => append.lines.length)).toEqual([500]);
  });

  it("cuts a burst into batches of at most 1,000 lines and keeps at most four of them in flight", async () => {
    const { faulty, livetail, stored } = open({ maxWaitingLines: 50_000 });
    // Each batch leaves in a turn of its own: the first answer comes when there could be more than four.
    faulty.turnsAway = 10;
    const run = livetail.createOperationRun("job", "burst");
    await run.ready;
    for (let i = 0; i < 9500; i++) run.log(`line ${i}`);
    await run.flush();
    expect(Math.max(...faulty.appends.map((append) => append.lines.length))).toBe(1000);
    expect(faulty.mostInFlight).toBe(4);
    const { run: record, messages } = await stored(run.id);
    expect(record.next).toBe(9500);
    expect(messages.at(0)).toBe("line 8500");
    expect(messages.at(-1)).toBe("line 9499");
  });

  it("bounds a batch by its bytes", async () => {
    const { faulty, livetail } = open();
    const run = livetail.createOperationRun("job", "bytes");
    await run.ready;
    for (let i = 0; i < 100; i++) run.log("x".repeat(10_000));
    await run.flush();
    for (const { lines } of faulty.appends) {
      expect(lines.join("").length).toBeLessThan(262_144 + 16_384);
    }
    expect(faulty.appends.flatMap(({ lines }) => lines)).toHaveLength(100);
  });

  it("stores every line once and in order when calls fail and answers get lost at random", async () => {
    const { faulty, livetail, stored } = open({ maxLines: 5000, maxWaitingLines: 50_000 });
    let seed = 7;
    faulty.fate = () => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      const dice = seed / 2_147_483_648;
      return dice < 0.2 ? "unreachable" : dice < 0.4 ? "answer lost" : null;
    };
    const run = livetail.createOperationRun("job", "chaos");
    for (let i = 0; i < 900; i++) {
      run.log(`line ${i}`);
      if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
      if (i % 50 === 0) await run.flush();
    }
    const outcome = await run.complete();
    expect(outcome).toEqual({ status: "completed", stored: true });
    const { messages, run: record } = await stored(run.id);
    expect(messages).toEqual(Array.from({ length: 900 }, (_, i) => `line ${i}`));
    expect(record.expectedLogCount).toBe(900);
    expect(faulty.appends.length).toBeGreaterThan(30);
  });

  it("drops the oldest unsent lines past the cap, counts them exactly, and puts one line in their place", async () => {
    const { livetail, stored } = open({ maxWaitingLines: 100 });
    const run = livetail.createOperationRun("job", "cap");
    await run.ready;
    for (let i = 0; i < 1000; i++) run.log(`line ${i}`);
    await run.flush();
    const { messages } = await stored(run.id);
    expect(messages).toHaveLength(101);
    expect(messages[0]).toMatchObject({ event: "log_gap", dropped: 900, reason: "burst" });
    expect(messages[1]).toBe("line 900");
    expect(messages[100]).toBe("line 999");
  });

  it("takes from the run with most waiting lines, so that a loud one does not silence a quiet one", async () => {
    const { livetail, stored } = open({ maxWaitingLines: 100 });
    const quiet = livetail.createOperationRun("job", "quiet");
    const loud = livetail.createOperationRun("job", "loud");
    await Promise.all([quiet.ready, loud.ready]);
    for (let i = 0; i < 10; i++) quiet.log(`line ${i}`);
    for (let i = 0; i < 5000; i++) loud.log(`line ${i}`);
    await Promise.all([quiet.flush(), loud.flush()]);
    expect((await stored(quiet.id)).messages).toEqual(Array.from({ length: 10 }, (_, i) => `line ${i}`));
    expect((await stored(loud.id)).messages[0]).toMatchObject({ dropped: 4910 });
  });

  it("hears of an outage once and of its end once, and says in the gap that the store was away", async () => {
    const { faulty, heard, livetail, stored } = open({ maxWaitingLines: 10 });
    const run = livetail.createOperationRun("job", "outage");
    await run.ready;
    faulty.fate = () => "unreachable";
    run.log("first");
    while (faulty.appends.length < 5) await new Promise((resolve) => setImmediate(resolve));
    for (let i = 0; i < 50; i++) run.log(`line ${i}`);
    faulty.fate = () => null;
    await run.flush();
    expect(heard).toEqual(["STORE_UNAVAILABLE", "STORE_RECOVERED"]);
    const { messages } = await stored(run.id);
    expect(messages[0]).toBe("first");
    expect(messages[1]).toMatchObject({ event: "log_gap", dropped: 41, reason: "store_unavailable" });
    expect(messages.at(-1)).toBe("line 49");
  });

  it("sets a refused batch aside, reports it once, and announces what is missing", async () => {
    const { faulty, heard, livetail, stored } = open();
    const run = livetail.createOperationRun("job", "refused");
    await run.ready;
    faulty.fate = () => "refused";
    for (let i = 0; i < 3; i++) run.log(`lost ${i}`);
    while (heard.length === 0) await new Promise((resolve) => setImmediate(resolve));
    faulty.fate = () => null;
    run.log("kept");
    await run.flush();
    expect(heard).toEqual(["STORE_REFUSED"]);
    const { messages } = await stored(run.id);
    expect(messages).toEqual([expect.objectContaining({ event: "log_gap", dropped: 3, reason: "store_lost" }), "kept"]);
  });

  it("sends the last lines inside the end, in one call", async () => {
    const { faulty, livetail, stored } = open();
    const run = livetail.createOperationRun("job", "short");
    await run.ready;
    run.log("only");
    await run.complete({ answer: 42 });
    expect(faulty.appends).toHaveLength(0);
    const { messages, run: record } = await stored(run.id);
    expect(messages).toEqual(["only"]);
    expect(record).toMatchObject({ status: "completed", expectedLogCount: 1 });
    expect(await faulty.store.readResult(run.id)).toBe('{"answer":42}');
  });

  it("merges layers that two handles change at once", async () => {
    const { faulty, livetail } = open();
    const owner = livetail.createOperationRun("job", "layers");
    await owner.ready;
    const other = createLivetail({ store: faulty.store, clock: eagerClock });
    const join = other.createLayerCallback(owner.id);
    for (let i = 0; i < 20; i++) {
      owner.layer(`ours-${i}`, "running");
      join(`theirs-${i}`, "running");
      if (i % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    join("theirs-0", "failed", "no luck");
    owner.layer("ours-0", "success");
    await other.close();
    await owner.flush();
    const answer = await faulty.store.read({ runId: owner.id, from: { kind: "none" }, limit: 0, known: null });
    const layers = JSON.parse(answer?.state?.layers ?? "{}");
    expect(Object.keys(layers)).toHaveLength(40);
    expect(layers["theirs-0"]).toMatchObject({ status: "failed", message: "no luck" });
    expect(layers["ours-0"]).toMatchObject({ status: "success", started_at: expect.any(String) });
    expect(new Set(Object.values(layers as Record<string, { order: number }>).map(({ order }) => order)).size).toBe(40);
  });

  it("refuses lines after the end, reports it once, and the store counts them", async () => {
    const { heard, livetail, stored } = open();
    const run = livetail.createOperationRun("job", "late");
    run.log("in time");
    await run.complete();
    for (let i = 0; i < 3; i++) run.log("late");
    while ((await stored(run.id)).run.lateLines < 3) await new Promise((resolve) => setImmediate(resolve));
    run.log("later still");
    while ((await stored(run.id)).run.lateLines < 4) await new Promise((resolve) => setImmediate(resolve));
    expect(heard).toEqual(["RUN_ENDED"]);
    expect((await stored(run.id)).messages).toEqual(["in time"]);
  });

  it("stops and aborts the signal when another owner took over", async () => {
    const { faulty, heard, livetail, stored } = open();
    const zombie = livetail.createOperationRun("job", "taken");
    zombie.log("before");
    await zombie.flush();
    const other = createLivetail({ store: faulty.store, clock: eagerClock });
    const taker = other.createOperationRun("job", "taken", { id: zombie.id, takeOver: true });
    await taker.ready;
    zombie.log("too late");
    await zombie.flush();
    expect(zombie.signal.aborted).toBe(true);
    expect(zombie.signal.reason).toMatchObject({ code: "FENCED" });
    expect(await zombie.complete()).toMatchObject({ stored: false });
    taker.log("mine");
    await taker.complete();
    expect((await stored(zombie.id)).messages.map((line) => line.event ?? line)).toEqual([
      "before",
      "owner_changed",
      "mine",
    ]);
    expect(heard).toEqual(["FENCED"]);
  });
});
