import { afterEach, describe, expect, test } from "vitest";
import { createLivetail } from "../src/livetail.js";
import type { LivetailOptions } from "../src/livetail-options.js";
import type { StatusAnswer } from "../src/protocol.js";
import type { Run } from "../src/run.js";
import { memoryStore } from "../src/store/memory.js";
import { poll } from "./support/captured.js";
import { createHandClock, settle } from "./support/hand-clock.js";
import { request } from "./support/plain-request.js";

const opened: { close(): unknown }[] = [];
afterEach(() => Promise.all(opened.splice(0).map((livetail) => livetail.close())));

function open(options: LivetailOptions = {}) {
  const livetail = createLivetail({ store: memoryStore(), onError() {}, ...options });
  opened.push(livetail);
  const statusOf = async ({ id }: Run): Promise<StatusAnswer> =>
    JSON.parse(String((await livetail.handler.handle(request(`/${id}/status`))).body));
  return { livetail, statusOf };
}

const spend = (run: Run, costUsd: number) => run.logger.llmCallComplete({ backend: "b", costUsd });
const OVER = {
  status: "failed",
  error_code: "BUDGET_EXCEEDED",
  error: "The run has cost $0.30 of its budget of $0.30.",
};

describe("a run with a budget", () => {
  test("goes on while its calls cost less, and stops when they cost as much, to the nano-dollar", async () => {
    const { livetail } = open();
    const run = livetail.createOperationRun("job", "op", { budgetUsd: 0.3 });
    spend(run, 0.1);
    spend(run, 0.199_999_999);
    expect(run.signal.aborted).toBe(false);
    spend(run, 0.000_000_001);
    expect(run.signal.reason).toMatchObject({ name: "LivetailError", code: "BUDGET_EXCEEDED", message: OVER.error });
    spend(run, 1);
    await run.flush();
    const { logs, status } = await poll(livetail, run.id);
    expect(status).toBe("running");
    expect(logs.map(({ event }) => event)).toEqual([
      ...Array<string>(3).fill("llm_call_complete"),
      "budget_exceeded",
      "llm_call_complete",
    ]);
    expect(logs[3]).toMatchObject({
      level: "error",
      message: OVER.error,
      metadata: { budget_usd: 0.3, spent_usd: 0.3 },
    });
  });

  test("aborts a signal that nobody had asked for yet", () => {
    const { livetail } = open();
    const run = livetail.createOperationRun("job", "op", { budgetUsd: 0 });
    spend(run, 0);
    run.logger.llmCallComplete({ backend: "b" });
    expect(run.signal.aborted).toBe(false);
    spend(run, 0.000_000_001);
    expect(run.signal.aborted).toBe(true);
  });

  const sources: [string, (run: Run, cost: object) => void][] = [
    ["logged", (run, cost) => run.log({ event: "job_scored", backend: "b", ...cost })],
    ["printed", (run, cost) => run.logOutput(JSON.stringify({ event: "llm_call_complete", backend: "b", ...cost }))],
    ["told by a logger's child", (run, cost) => run.logger.child({ backend: "b" }).info("scored", { ...cost })],
  ];
  test.each(sources)("counts a cost that is %s, and says that it is over after that line", async (_, tell) => {
    const { livetail } = open();
    const run = livetail.createOperationRun("job", "op", { budgetUsd: 0.3 });
    tell(run, { cost_usd: 0.3, message: "scored" });
    await run.flush();
    const { logs } = await poll(livetail, run.id);
    expect(logs.map(({ cost_usd, event }) => cost_usd ?? event)).toEqual([0.3, "budget_exceeded"]);
  });

  const ends: [string, (run: Run) => Promise<unknown>][] = [
    ["fail() with the signal's reason", (run) => run.fail(run.signal.reason)],
    ["fail() with another error", (run) => run.fail(new TypeError("Cannot read properties of undefined"))],
    ["complete()", (run) => run.complete({ cv: "done" })],
    ["release()", (run) => run.release()],
    ["close() of its process", (run) => run.abandon()],
  ];
  test.each(ends)("that is spent fails with BUDGET_EXCEEDED after %s", async (_, end) => {
    const { livetail, statusOf } = open();
    const run = livetail.createOperationRun("job", "op", { budgetUsd: 0.3 });
    run.layer("score", "running");
    spend(run, 0.3);
    expect(await end(run)).toEqual({ status: "failed", stored: true });
    expect(await statusOf(run)).toMatchObject(OVER);
  });

  test("that was cancelled as well is cancelled, when it fails", async () => {
    const { livetail, statusOf } = open();
    const run = livetail.createOperationRun("job", "op", { budgetUsd: 0.3 });
    await run.ready;
    await livetail.cancelRun(run.id);
    spend(run, 0.3);
    await run.fail(new Error("stopped"));
    expect(await statusOf(run)).toMatchObject({ status: "cancelled" });
  });

  test("keeps its end when it is spent after it", async () => {
    const { livetail, statusOf } = open();
    const run = livetail.createOperationRun("job", "op", { budgetUsd: 0.3 });
    const ended = run.complete();
    spend(run, 0.3);
    await ended;
    expect(await statusOf(run)).toMatchObject({ status: "completed", error_code: null });
    expect(run.signal.aborted).toBe(false);
  });

  test("stops an operation that watches its signal", async () => {
    const { livetail, statusOf } = open({ budgetUsd: 0.3 });
    let seen: Run | undefined;
    const operation = livetail.runOperation("job", "op", async (run) => {
      seen = run;
      for (;;) {
        await run.llm({ backend: "b" }, (call) => call.report({ costUsd: 0.1 }));
        run.signal.throwIfAborted();
      }
    });
    await expect(operation).rejects.toMatchObject({ code: "BUDGET_EXCEEDED" });
    await seen?.flush();
    const run = seen as Run;
    expect(await statusOf(run)).toMatchObject({ ...OVER, backend_stats: { total: { calls: 3, cost_usd: 0.3 } } });
    // The error is told once.
    expect((await poll(livetail, run.id)).logs.filter(({ level }) => level === "error")).toHaveLength(1);
  });
});

describe("the cost of other producers", () => {
  test("counts once the owner's next write shows that something else changed the run", async () => {
    const clock = createHandClock();
    const { livetail } = open({ clock });
    const run = livetail.createOperationRun("job", "op", { budgetUsd: 0.3 });
    spend(run, 0.1);
    await run.flush();
    await settle();
    const elsewhere = createLivetail({ store: livetail.store, clock });
    opened.push(elsewhere);
    const log = elsewhere.createLogCallback(run.id);
    log({ event: "llm_call_complete", backend: "b", cost_usd: 0.199_999_999 });
    await settle();
    await clock.advance(1000);
    run.log("a line");
    await settle();
    expect(run.signal.aborted).toBe(false);
    log({ event: "llm_call_complete", backend: "b", cost_usd: 0.000_000_001 });
    await settle();
    expect(run.signal.aborted).toBe(false);
    // Without a line of its own, the owner's heartbeat tells it.
    await clock.advance(10_000);
    expect(run.signal.reason).toMatchObject({ code: "BUDGET_EXCEEDED" });
  });

  test("includes what was spent before the run was adopted", async () => {
    const { livetail } = open();
    const first = livetail.createOperationRun("job", "op", { budgetUsd: 0.3 });
    spend(first, 0.2);
    await first.release();
    const second = livetail.createOperationRun("job", "op", { id: first.id, budgetUsd: 0.3 });
    await second.ready;
    spend(second, 0.1);
    await second.flush();
    await settle();
    expect(second.signal.reason).toMatchObject({ code: "BUDGET_EXCEEDED" });
  });

  test("is not asked for by a run without a budget, and at most once a second with one", async () => {
    const clock = createHandClock();
    const store = memoryStore({ now: clock.now });
    let reads = 0;
    const counting: typeof store = {
      ...store,
      read: (asked) => {
        reads += 1;
        return store.read(asked);
      },
    };
    const { livetail } = open({ store: counting, clock });
    const free = livetail.createOperationRun("job", "op");
    for (let i = 0; i < 5; i += 1) {
      spend(free, 0.01);
      await free.flush();
    }
    await settle();
    expect(reads).toBe(0);
    const run = livetail.createOperationRun("job", "op", { budgetUsd: 1 });
    for (let i = 0; i < 5; i += 1) {
      spend(run, 0.01);
      await run.flush();
    }
    await settle();
    expect(reads).toBe(1);
    await clock.advance(1000);
    spend(run, 0.01);
    await run.flush();
    await settle();
    expect(reads).toBe(2);
  });
});

describe("the option budgetUsd", () => {
  test.each([-1, Number.NaN, Number.POSITIVE_INFINITY, 1_000_001, "1" as never, null as never])(
    "cannot be %s",
    async (budgetUsd) => {
      const invalid = expect.objectContaining({ code: "INVALID_OPTION" });
      expect(() => createLivetail({ budgetUsd })).toThrow(invalid);
      const { livetail } = open();
      if (budgetUsd !== null) {
        expect(() => livetail.createOperationRun("job", "op", { budgetUsd })).toThrow(invalid);
        await expect(livetail.runOperation("job", "op", () => 1, { budgetUsd })).rejects.toEqual(invalid);
      }
    },
  );

  test("of a run stands above that of its livetail, which holds where the run's is left undefined", () => {
    const { livetail } = open({ budgetUsd: 0.3 });
    const own = livetail.createOperationRun("job", "op", { budgetUsd: 1 });
    const other = livetail.createOperationRun("job", "op", { budgetUsd: undefined as never });
    for (const run of [own, other]) spend(run, 0.3);
    expect([own.signal.aborted, other.signal.aborted]).toEqual([false, true]);
  });
});
