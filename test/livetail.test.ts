import { afterEach, describe, expect, it } from "vitest";
import {
  configureLivetail,
  createLogCallback,
  createOperationRun,
  currentRun,
  defaultLivetail,
  latestRun,
  runOperation,
  startOperation,
} from "../src/default-livetail.js";
import type { LivetailError } from "../src/errors.js";
import { createLivetail, type Livetail } from "../src/livetail.js";
import type { LivetailOptions } from "../src/livetail-options.js";
import { memoryStore } from "../src/store/memory.js";
import type { MemoryRun } from "../src/store/memory-run.js";
import { faultyStore } from "./support/faulty-store.js";

const opened: Livetail[] = [];
afterEach(() => Promise.all(opened.splice(0).map((livetail) => livetail.close())));

function open(options: LivetailOptions = {}) {
  const heard: string[] = [];
  const livetail = createLivetail({
    store: memoryStore(),
    onError: (error: LivetailError) => heard.push(error.code),
    ...options,
  });
  opened.push(livetail);
  const read = async (runId: string) => {
    const answer = await livetail.store.read({
      runId,
      from: { kind: "at", epoch: "", index: 0 },
      limit: 1000,
      known: null,
    });
    if (answer === null) throw new Error("there is no such run");
    return { ...answer, lines: answer.lines.map((line) => JSON.parse(line)) };
  };
  return { heard, livetail, read };
}

async function ended(livetail: Livetail, runId: string): Promise<void> {
  while ((await livetail.reader.status(runId)).expected_log_count === null) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe("creating runs", () => {
  it("returns at once with an id that names the operation and cannot be guessed", async () => {
    const { livetail } = open();
    const run = livetail.createOperationRun("job-42", "generate cv/é!");
    expect(run.id).toMatch(/^op_generate-cv-_[a-z2-7]{24}$/);
    expect(livetail.createOperationRun("job-42", "…").id).toMatch(/^op_-_[a-z2-7]{24}$/);
    expect(livetail.createOperationRun("job-42", "x".repeat(500)).id.length).toBeLessThanOrEqual(128);
    await run.ready;
  });

  it("says that an id is not one, before anything is stored", () => {
    const { livetail } = open();
    for (const id of ["", "owner:x", "a/b", "é", "x".repeat(129), "-x"]) {
      expect(() => livetail.createOperationRun("job", "op", { id })).toThrowError(
        expect.objectContaining({ code: "INVALID_RUN_ID" }),
      );
    }
    expect(() => livetail.createOperationRun("job", "op", { parentId: "../x" })).toThrowError(
      expect.objectContaining({ code: "INVALID_RUN_ID" }),
    );
  });

  it("says that an option is not valid", () => {
    expect(() => createLivetail({ leaseMs: 0 })).toThrowError(expect.objectContaining({ code: "INVALID_OPTION" }));
    expect(() => createLivetail({ maxLines: Number.NaN })).toThrowError(/maxLines/);
    expect(() => createLivetail({ redis: "redis://x", store: memoryStore() })).toThrowError(/Only one/);
  });

  it("keeps a run queued until its first line, layer or start", async () => {
    const { livetail, read } = open();
    const [quiet, started, logged, layered] = ["a", "b", "c", "d"].map((operation) =>
      livetail.createOperationRun("job", operation),
    ) as [never, never, never, never] as ReturnType<Livetail["createOperationRun"]>[];
    started?.start();
    logged?.log("x");
    layered?.layer("fetch", "pending");
    for (const run of [quiet, started, logged, layered]) {
      await run?.ready;
      await run?.flush();
    }
    while ((await read(started?.id ?? "")).run.status === "queued")
      await new Promise((resolve) => setImmediate(resolve));
    const statuses = await Promise.all(
      [quiet, started, logged, layered].map(async (run) => (await read(run?.id ?? "")).run.status),
    );
    expect(statuses).toEqual(["queued", "running", "running", "running"]);
  });

  it("keeps metadata with the run, with its secrets redacted", async () => {
    const { livetail, read } = open();
    const run = livetail.createOperationRun("job", "meta", {
      metadata: { url: "http://x", headers: { Cookie: "s=1" } },
    });
    await run.ready;
    expect(JSON.parse((await read(run.id)).run.metadata)).toEqual({
      url: "http://x",
      headers: { Cookie: "[redacted]" },
    });
  });
});

describe("operations", () => {
  it("returns what the function returns and completes the run with it", async () => {
    const { livetail, read } = open();
    let id = "";
    const result = await livetail.runOperation("job", "sum", async (run) => {
      id = run.id;
      currentRun()?.log("from below");
      await Promise.resolve();
      currentRun()?.logger.info("summed", { count: 2 });
      return { sum: 3 };
    });
    expect(result).toEqual({ sum: 3 });
    expect(currentRun()).toBeUndefined();
    await ended(livetail, id);
    const { run, lines } = await read(id);
    expect(run.status).toBe("completed");
    expect(lines.map((line) => line.message ?? line.event)).toEqual(["from below", "summed"]);
    expect(await livetail.store.readResult(id)).toBe('{"sum":3}');
  });

  it("throws what the function throws, and fails the run with its message, code and traceback", async () => {
    const { livetail, read } = open();
    let id = "";
    const fault = Object.assign(new Error("no more disk"), { code: "ENOSPC" });
    await expect(
      livetail.runOperation("job", "fails", (run) => {
        id = run.id;
        run.layer("write", "running");
        throw fault;
      }),
    ).rejects.toBe(fault);
    await ended(livetail, id);
    const { run, lines, state } = await read(id);
    expect(run).toMatchObject({ status: "failed", error: "no more disk", errorCode: "ENOSPC" });
    expect(lines.at(-1)).toMatchObject({ level: "error", message: "no more disk" });
    expect(lines.at(-1)?.traceback).toContain("livetail.test");
    expect(JSON.parse(state?.layers ?? "{}").write.status).toBe("failed");
  });

  it("is not held up by a store that cannot be reached", async () => {
    const faulty = faultyStore();
    faulty.fate = () => "unreachable";
    const { livetail, heard } = open({ store: faulty.store });
    const result = await livetail.runOperation("job", "goes on", (run) => {
      run.log("lost for now");
      return 7;
    });
    expect(result).toBe(7);
    faulty.fate = () => null;
    expect(heard.filter((code) => code !== "STORE_UNAVAILABLE")).toEqual([]);
  });

  it("works in the background and fails the run with what is thrown there", async () => {
    const { livetail, read } = open();
    const order: string[] = [];
    const run = livetail.startOperation("job", "background", async (own) => {
      order.push("work");
      expect(currentRun()).toBe(own);
      throw new Error("broke");
    });
    order.push("returned");
    await ended(livetail, run.id);
    expect(order).toEqual(["returned", "work"]);
    expect((await read(run.id)).run).toMatchObject({ status: "failed", error: "broke" });
  });

  it("keeps a result that is no JSON or too large out of the way and says so in a line", async () => {
    const { livetail, read } = open();
    const circular: Record<string, unknown> = {};
    circular.self = circular;
    for (const result of [circular, "x".repeat(1_100_000), 10n]) {
      const run = livetail.createOperationRun("job", "result");
      expect(await run.complete(result)).toEqual({ status: "completed", stored: true });
      const { lines } = await read(run.id);
      expect(lines).toEqual([
        expect.objectContaining({ level: "warn", message: expect.stringContaining("not stored") }),
      ]);
      expect(await livetail.store.readResult(run.id)).toBeNull();
    }
  });

  it("ends once: a second end changes nothing and says what stands", async () => {
    const { livetail, read } = open();
    const run = livetail.createOperationRun("job", "twice");
    expect(await run.complete(1)).toEqual({ status: "completed", stored: true });
    expect(await run.fail(new Error("too late"))).toEqual({ status: "completed", stored: true });
    expect(await run.release()).toEqual({ status: "completed", stored: true });
    const { run: record, lines } = await read(run.id);
    expect(record).toMatchObject({ status: "completed", error: "", lateLines: 0 });
    expect(lines).toEqual([]);
  });

  it("sums cost over producers, failed calls included", async () => {
    const { livetail } = open();
    const run = livetail.createOperationRun("job", "cost");
    run.logger.llmCallComplete({ backend: "claude_cli", step_name: "grader", cost_usd: 0.05, duration_ms: 1500 });
    run.log({ message: "scored", backend: "openrouter", cost_usd: 0.002 });
    run.log("scored", { backend: "openrouter", cost_usd: 0.001 });
    run.logger.llmCallError({ backend: "claude_cli", error: "overloaded" });
    await run.complete();
    const { backend_stats: stats } = await livetail.reader.status(run.id);
    expect(stats.backends.claude_cli).toMatchObject({ calls: 2, errors: 1, cost_usd: 0.05, unpriced_calls: 1 });
    expect(stats.backends.openrouter).toMatchObject({ calls: 2, errors: 0, cost_usd: 0.003 });
    expect(stats.total).toMatchObject({ calls: 4, errors: 1, cost_usd: 0.053 });
  });
});

describe("callbacks", () => {
  it("write to the run of an id, in the same process and through another", async () => {
    const store = memoryStore();
    const { livetail, read } = open({ store });
    const other = open({ store }).livetail;
    const run = livetail.createOperationRun("job", "callbacks");
    await run.ready;
    livetail.createLogCallback(run)("by handle", { a: 1 });
    livetail.createLogCallback(run.id)("by id");
    await run.flush();
    const log = other.createLogCallback(run.id);
    const layer = other.createLayerCallback(run.id);
    log("from elsewhere");
    layer("fetch", "running", "half", { current: 1, total: 2, source: "a" });
    while ((await read(run.id)).run.next < 3) await new Promise((resolve) => setImmediate(resolve));
    const { lines, state } = await read(run.id);
    expect(lines.map((line) => line.message)).toEqual(["by handle", "by id", "from elsewhere"]);
    expect(JSON.parse(state?.layers ?? "{}").fetch).toMatchObject({
      status: "running",
      message: "half",
      current: 1,
      total: 2,
      metadata: { source: "a" },
    });
    expect(() => livetail.createLogCallback("owner:x")).toThrowError(
      expect.objectContaining({ code: "INVALID_RUN_ID" }),
    );
  });

  it("never throw, whatever they are handed, before and after the end", async () => {
    const { livetail } = open();
    const run = livetail.createOperationRun("job", "odd");
    const log = livetail.createLogCallback(run);
    const layer = livetail.createLayerCallback(run);
    const odd: unknown[] = [
      undefined,
      null,
      1n,
      Symbol("s"),
      () => 1,
      new Map([[1, 2]]),
      {
        toJSON: () => {
          throw 1;
        },
      },
    ];
    for (const value of odd) {
      log(value, value as never);
      layer(value as never, value as never, value as never, value as never);
    }
    await run.complete();
    for (const value of odd) log(value, value as never);
    expect((await livetail.reader.status(run.id)).total_count).toBe(odd.length);
  });
});

describe("a handle that joined", () => {
  it("is let go when it was idle for long, and joins again", async () => {
    let now = 1_000_000;
    const ticks: (() => void)[] = [];
    const clock = {
      now: () => now,
      after: (_ms: number, run: () => void) => {
        ticks.push(run);
        return () => {};
      },
    };
    const runs = new Map<string, MemoryRun>();
    const store = memoryStore({ runs });
    const { livetail, read } = open({ store });
    const joining = open({ store, clock }).livetail;
    const run = livetail.createOperationRun("job", "joined");
    await run.ready;
    const log = joining.createLogCallback(run.id);
    const stored = async (count: number) => {
      while ((await read(run.id)).run.next < count) await new Promise((resolve) => setImmediate(resolve));
    };
    log("first");
    await stored(1);
    log("second");
    await stored(2);
    expect(runs.get(run.id)?.producers.size).toBe(1);
    now += 301_000;
    for (const tick of ticks.splice(0)) tick();
    log("third, as another producer");
    await stored(3);
    expect(runs.get(run.id)?.producers.size).toBe(2);
  });
});

describe("the default instance", () => {
  it("is one for the process, and configureLivetail makes it anew", async () => {
    const made = configureLivetail({ store: memoryStore() });
    opened.push(made);
    expect(defaultLivetail()).toBe(made);
    const run = createOperationRun("subject-1", "named");
    createLogCallback(run.id)("hello");
    await run.complete();
    expect(await latestRun("subject-1", "named")).toBe(run.id);
    expect(await latestRun("subject-1", "other")).toBeNull();
    expect(await runOperation("s", "op", () => 5)).toBe(5);
    const started = startOperation("s", "op", () => currentRun()?.id);
    await ended(made, started.id);
    expect(await made.store.readResult(started.id)).toBe(JSON.stringify(started.id));
  });
});

describe("close", () => {
  it("stores what waits, fails what is still open, and refuses what comes after", async () => {
    const store = memoryStore();
    const { livetail } = open({ store });
    const run = livetail.createOperationRun("job", "open");
    run.log("waiting");
    const ended = livetail.createOperationRun("job", "ended");
    await ended.complete();
    await livetail.close();
    expect(run.signal.reason).toMatchObject({ code: "CLOSED" });
    expect(ended.signal.aborted).toBe(false);
    const answer = await store.read({ runId: run.id, from: { kind: "tail", count: 10 }, limit: 10, known: null });
    expect(answer?.run).toMatchObject({ status: "failed", errorCode: "OWNER_CLOSED", next: 1 });
    expect(() => livetail.createOperationRun("job", "late")).toThrowError(expect.objectContaining({ code: "CLOSED" }));
    livetail.createLogCallback(run)("goes nowhere");
    await livetail.close();
  });
});
