import { describe, expect, it } from "vitest";
import type { LivetailError } from "../../src/errors.js";
import { createLivetail, type Livetail } from "../../src/livetail.js";
import type { LivetailOptions } from "../../src/livetail-options.js";
import type { AppendAnswer, EndRequest, LogStore } from "../../src/store.js";
import { eagerClock } from "../support/eager-clock.js";
import { faultyStore } from "../support/faulty-store.js";
import { openMemoryHarness } from "../support/memory-harness.js";
import { request } from "../support/plain-request.js";

const turn = () => new Promise((resolve) => setImmediate(resolve));

async function open(options: LivetailOptions = {}) {
  const harness = await openMemoryHarness(options.maxLines === undefined ? {} : { maxLines: options.maxLines });
  const faulty = faultyStore(harness.store);
  const heard: string[] = [];
  const createAnother = (store: LogStore = faulty.store): Livetail =>
    createLivetail({ store, clock: eagerClock, onError: (error: LivetailError) => heard.push(error.code), ...options });
  const read = async (runId: string) => {
    const answer = await harness.store.read({
      runId,
      from: { kind: "at", epoch: "", index: 0 },
      limit: 1000,
      known: null,
    });
    if (answer === null) throw new Error("no such run");
    return { ...answer, messages: answer.lines.map((line) => JSON.parse(line).message ?? JSON.parse(line)) };
  };
  return { harness, faulty, heard, livetail: createAnother(), createAnother, read };
}

/** What a process says it dropped. */
async function droppedBy({ handler }: Livetail): Promise<number> {
  const { body } = await handler.handle(request("/-/health"));
  return JSON.parse(String(body)).dropped_lines;
}

describe("what was logged before the end", () => {
  it("is stored whole when much has to be sent again with the end", async () => {
    const { harness, livetail, read } = await open();
    const run = livetail.createOperationRun("job", "resend");
    for (let i = 0; i < 300; i++) run.log(`${i} ${"x".repeat(2000)}`);
    await run.flush();
    await harness.lose(run.id);
    await run.complete();
    expect((await read(run.id)).messages.map((message) => Number(message.split(" ")[0]))).toEqual(
      Array.from({ length: 300 }, (_, i) => i),
    );
  });

  it("is stored whole when the line that stands for dropped ones fills the last batch up", async () => {
    const { faulty, livetail, read } = await open({ maxWaitingLines: 17 });
    const run = livetail.createOperationRun("job", "brim");
    run.log("");
    await run.flush();
    const overhead = faulty.appends[0]?.lines[0]?.length ?? 0;
    const batchBytes = 262_144;
    for (let i = 0; i < 3; i++) run.log("dropped");
    const long = Math.floor((batchBytes - overhead - 1) / 16) - overhead;
    for (let i = 0; i < 16; i++) run.log("x".repeat(long));
    run.log("z".repeat(batchBytes - 16 * (long + overhead) - overhead));
    await run.complete();
    const { messages, run: record } = await read(run.id);
    expect(messages[1]).toMatchObject({ event: "log_gap", dropped: 3 });
    expect(messages.at(-1)).toMatch(/^z+$/);
    expect(record).toMatchObject({ status: "completed", next: 19 });
  });

  it("counts in the totals that the end brings along, whatever an older call did in between", async () => {
    const { faulty, livetail } = await open();
    const ends: EndRequest[] = [];
    const { end } = faulty.store;
    faulty.store.end = (asked) => {
      ends.push(asked);
      return end(asked);
    };
    const run = livetail.createOperationRun("job", "cost");
    run.logger.info("scored", { backend: "claude_cli", cost_usd: 0.25 });
    await run.flush();
    await run.complete();
    expect(ends[0]?.totals).toContain("claude_cli");
  });

  it("does not hold the end back when a batch was refused", async () => {
    const { faulty, heard, livetail, read } = await open({ endTimeoutMs: 2000 });
    const run = livetail.createOperationRun("job", "refused");
    await run.ready;
    faulty.fate = () => "refused";
    run.log("lost");
    while (heard.length === 0) await turn();
    faulty.fate = () => null;
    expect(await run.complete()).toEqual({ status: "completed", stored: true });
    expect((await read(run.id)).messages).toEqual([expect.objectContaining({ event: "log_gap", dropped: 1 })]);
  });
});

describe("an outage that is met while livetail closes", () => {
  it("is told, because what cannot be stored then is lost", async () => {
    const { faulty, heard, livetail } = await open({ endTimeoutMs: 50 });
    const run = livetail.createOperationRun("job", "close");
    await run.ready;
    faulty.fate = () => "unreachable";
    run.log("lost");
    await livetail.close();
    expect(heard).toEqual(["STORE_UNAVAILABLE"]);
    expect(await droppedBy(livetail)).toBe(1);
  });
});

describe("a restart of the store", () => {
  it("does not hold a flush up whose lines are stored though nobody said so", async () => {
    const { harness, faulty, livetail, read } = await open({ endTimeoutMs: 20_000 });
    const run = livetail.createOperationRun("job", "flush");
    await run.ready;
    faulty.fate = () => "answer lost";
    run.log("stored");
    const flushed = run.flush();
    while (faulty.appends.length === 0) await turn();
    while ((await read(run.id)).run.next === 0) await turn();
    await harness.changeServer();
    faulty.fate = () => null;
    await flushed;
    expect(run.waitingLines).toBe(0);
  }, 5000);

  it("loses no layer that was set while the run was created again", async () => {
    const { harness, faulty, livetail, read } = await open();
    const { recreate } = faulty.store;
    const run = livetail.createOperationRun("job", "layers");
    run.layer("first", "running");
    await run.flush();
    faulty.store.recreate = async (asked) => {
      run.layer("second", "running");
      return recreate(asked);
    };
    await harness.lose(run.id);
    run.log("found out");
    await run.flush();
    await run.complete();
    expect(Object.keys(JSON.parse((await read(run.id)).state?.layers ?? "{}"))).toEqual(["first", "second"]);
  });

  it("leaves a gap that counts what earlier gaps counted", async () => {
    const { harness, faulty, livetail, createAnother, read } = await open({ maxWaitingLines: 10, maxLines: 5 });
    const run = livetail.createOperationRun("job", "gaps");
    await run.ready;
    const beside = createAnother();
    const log = beside.createLogCallback(run.id);
    for (let i = 0; i < 50; i++) log(`line ${i}`);
    while ((await read(run.id)).run.next < 11) await turn();
    await harness.lose(run.id);
    await run.heartbeat();
    while ((await read(run.id).catch(() => null)) === null) await turn();
    faulty.appends.length = 0;
    log("line 50");
    while ((await read(run.id)).messages.at(-1) !== "line 50") await turn();
    const sent = faulty.appends.flatMap(({ lines }) => lines.map((line) => JSON.parse(line)));
    const gap = sent.find(({ event }) => event === "log_gap");
    // 45 of 50 are gone: 40 were dropped, and of the rest 5 are still here.
    expect(gap).toMatchObject({ dropped: 45, reason: "store_lost" });
  });
});

describe("lines that nobody can have", () => {
  it("counts those of a fenced writer as dropped, before and after it knows", async () => {
    const { livetail, createAnother } = await open();
    const zombie = livetail.createOperationRun("job", "taken");
    zombie.log("before");
    await zombie.flush();
    const heir = createAnother().createOperationRun("job", "taken", { id: zombie.id, takeOver: true });
    await heir.ready;
    for (let i = 0; i < 3; i++) zombie.log("too late");
    await zombie.flush();
    for (let i = 0; i < 4; i++) zombie.log("still talking");
    // A source that pauses while lines wait must not pause for ever.
    expect(zombie.waitingLines).toBe(0);
    expect(await droppedBy(livetail)).toBe(7);
  });

  it("counts a line as dropped once, though it was dropped before its writer gave up", async () => {
    const { faulty, livetail, createAnother } = await open({ maxWaitingLines: 10 });
    const zombie = livetail.createOperationRun("job", "taken");
    await zombie.ready;
    const heir = createAnother().createOperationRun("job", "taken", { id: zombie.id, takeOver: true });
    await heir.ready;
    faulty.fate = () => "unreachable";
    for (let i = 0; i < 50; i++) zombie.log(`line ${i}`);
    while (faulty.appends.length < 3) await turn();
    faulty.fate = () => null;
    await zombie.flush();
    expect(zombie.signal.reason).toMatchObject({ code: "FENCED" });
    expect(await droppedBy(livetail)).toBe(50);
  });

  it("counts late lines whose turn comes while another answer has to be dealt with", async () => {
    const { faulty, livetail, read } = await open();
    const run = livetail.createOperationRun("job", "late");
    await run.complete();
    const told: number[] = [];
    const gates: ((answer: AppendAnswer) => void)[] = [];
    const { append } = faulty.store;
    faulty.store.append = (asked) => {
      told.push(asked.logged);
      return gates.length < 2 ? new Promise((resolve) => gates.push(resolve)) : append(asked);
    };
    const joining = createLivetail({ store: faulty.store, clock: eagerClock, onError: () => {} });
    const log = joining.createLogCallback(run.id);
    log("one");
    while (gates.length < 1) await turn();
    log("two");
    while (gates.length < 2) await turn();
    gates[0]?.({ code: "EPOCH", epoch: "another", have: 0, next: 0 });
    log("three");
    await turn();
    gates[1]?.({ code: "RUN_ENDED", status: "completed" });
    while ((await read(run.id)).run.lateLines < 3) await turn();
    expect(told.at(-1)).toBe(3);
  }, 5000);

  it("counts late lines that could not be told at first", async () => {
    const { faulty, livetail, createAnother, read } = await open();
    const run = livetail.createOperationRun("job", "late");
    await run.complete();
    const log = createAnother().createLogCallback(run.id);
    log("one");
    while ((await read(run.id)).run.lateLines < 1) await turn();
    let failures = 0;
    faulty.fate = () => (failures++ < 2 ? "unreachable" : null);
    log("two");
    while ((await read(run.id)).run.lateLines < 2) await turn();
  }, 5000);

  it("reports once that a run has ended to whoever joined it and goes on", async () => {
    const { heard, livetail, createAnother, read } = await open();
    const run = livetail.createOperationRun("job", "deaf");
    await run.complete();
    const log = createAnother().createLogCallback(run.id);
    for (let late = 1; late <= 5; late++) {
      log("late");
      while ((await read(run.id)).run.lateLines < late) await turn();
    }
    expect(heard).toEqual(["RUN_ENDED"]);
  }, 5000);
});
