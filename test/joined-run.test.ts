import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { captureOutput } from "../src/capture/child-process.js";
import { currentRun as contextRun } from "../src/context.js";
import { currentRun } from "../src/default-livetail.js";
import { createLivetail, type Livetail } from "../src/livetail.js";
import type { LivetailOptions } from "../src/livetail-options.js";
import { parseRunRef } from "../src/run-ref.js";
import { memoryStore } from "../src/store/memory.js";
import { ensureBuilt } from "./support/built.js";
import { poll } from "./support/captured.js";
import { createHandClock, settle } from "./support/hand-clock.js";
import { startRedis } from "./support/redis.js";
import { until } from "./support/until.js";

const redis = await startRedis();
const PROGRAM = fileURLToPath(new URL("fixtures/joined.mjs", import.meta.url));

beforeAll(ensureBuilt, 120_000);
afterAll(() => redis.stop());

const opened: Livetail[] = [];
afterEach(() => Promise.all(opened.splice(0).map((livetail) => livetail.close())));

function open(options: LivetailOptions = { redis: redis.url }) {
  const heard: string[] = [];
  const livetail = createLivetail({ authorize: () => true, onError: (error) => heard.push(error.code), ...options });
  opened.push(livetail);
  return { livetail, heard };
}

/** A part of a run that was started with `env`. */
interface Part {
  stdin: Writable;
  stdout: Readable;
  stderr: Readable;
  ended: Promise<unknown>;
}

type Start = (env: Record<string, string>) => Part;

const startProcess: Start = (env) => {
  const child = spawn(process.execPath, ["--no-warnings", PROGRAM], {
    env: { ...process.env, REDIS_URL: redis.url, ...env },
  });
  return { stdin: child.stdin, stdout: child.stdout, stderr: child.stderr, ended: once(child, "close") };
};

const startThread =
  (how: "env" | "workerData"): Start =>
  (env) => {
    const worker = new Worker(PROGRAM, {
      ...{ stdin: true, stdout: true, stderr: true },
      ...(how === "env"
        ? { env: { ...process.env, REDIS_URL: redis.url, ...env } }
        : { env: { ...process.env, REDIS_URL: redis.url }, workerData: { jobs: 3, ...env } }),
    });
    const { stdin, stdout, stderr } = worker;
    if (stdin === null) throw new Error("A worker with stdin has none.");
    return { stdin, stdout, stderr, ended: once(worker, "exit") };
  };

/** What a part prints, as it comes. */
function read(stream: Readable): () => string {
  let text = "";
  stream.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  return () => text;
}

describe.each<[string, string, Start]>([
  ["a child process", "process", startProcess],
  ["a worker thread by its environment", "thread", startThread("env")],
  ["a worker thread by its workerData", "thread", startThread("workerData")],
])("%s", (_name, kind, start) => {
  it("finds the run that it was started for, adds its lines, layers and cost, and ends by itself", async () => {
    const { livetail } = open();
    const id = await livetail.runOperation("job", "parent", async (run) => {
      await run.ready;
      const part = start(run.env);
      read(part.stdout);
      part.stdin.end("from stdin\n");
      await part.ended;
      return run.id;
    });
    await until(async () => (await poll(livetail, id)).status === "completed", "the end");
    const { logs, layer_status, backend_stats } = await poll(livetail, id);
    expect(logs).toMatchObject([
      { message: `from a ${kind}` },
      { event: "llm_call_complete", message: "grade: complete [openrouter]", cost_usd: 0.002 },
      { message: "from stdin" },
    ]);
    expect(layer_status).toMatchObject({ part: { status: "success" } });
    expect(backend_stats.total).toMatchObject({ calls: 1, cost_usd: 0.002 });
  });

  it("writes no more, and is told so, when another owner took the run over", async () => {
    const { livetail } = open();
    const run = livetail.createOperationRun("job", "parent");
    await run.ready;
    const part = start(run.env);
    const [stdout, stderr] = [read(part.stdout), read(part.stderr)];
    await until(async () => (await poll(livetail, run.id)).logs.length === 2, "the part's lines");
    const { livetail: other } = open();
    const adopted = other.createOperationRun("job", "parent", { id: run.id, takeOver: true });
    await adopted.ready;
    part.stdin.write("too late\n");
    await until(() => stdout().includes("aborted FENCED"), "the abort");
    part.stdin.end();
    await part.ended;
    expect(stderr()).toContain("livetail: FENCED");
    await adopted.complete();
    expect((await poll(other, run.id)).logs.map(({ message }) => message)).not.toContain("too late");
  });

  it("prints where the run is in another one's memory, which its parent can capture", async () => {
    const { livetail } = open({ store: memoryStore() });
    const run = livetail.createOperationRun("job", "parent");
    await run.ready;
    const part = start(run.env);
    part.stdin.end();
    await Promise.all([captureOutput(part, run), part.ended]);
    await run.complete();
    const { logs, backend_stats } = await poll(livetail, run.id);
    expect(logs).toMatchObject([
      { event: "llm_call_complete", stream: "stdout", cost_usd: 0.002 },
      { message: "joined", stream: "stdout" },
    ]);
    expect(backend_stats.total).toMatchObject({ calls: 1, cost_usd: 0.002 });
  });
});

describe("a run's environment", () => {
  it("names its id and its fence, once the store has said which", async () => {
    const { livetail } = open();
    const run = livetail.createOperationRun("job", "parent");
    expect(run.env).toEqual({ LIVETAIL_RUN: run.id });
    await run.ready;
    expect(run.env.LIVETAIL_RUN).toMatch(new RegExp(`^${run.id}@[1-9]\\d+$`));
  });

  it("is handed on by whoever joined, and understood by callbacks", async () => {
    const [{ livetail }, { livetail: elsewhere }] = [open(), open()];
    const run = livetail.createOperationRun("job", "parent");
    await run.ready;
    const joined = elsewhere.joinRun(run.env.LIVETAIL_RUN);
    expect(joined?.env).toEqual(run.env);
    elsewhere.createLogCallback(run.env.LIVETAIL_RUN)("by a callback");
    await joined?.flush();
    expect((await poll(livetail, run.id)).logs).toMatchObject([{ message: "by a callback" }]);
    // One handle, so one producer, for all who have the same.
    expect(elsewhere.joinRun(run.env.LIVETAIL_RUN)).toBe(joined);
  });

  it("may be an id alone, under which a part writes whoever owns the run", async () => {
    const [{ livetail }, { livetail: elsewhere, heard }] = [open(), open()];
    const run = livetail.createOperationRun("job", "parent");
    await run.ready;
    const joined = elsewhere.joinRun(run.id);
    const { livetail: other } = open();
    await other.createOperationRun("job", "parent", { id: run.id, takeOver: true }).ready;
    joined?.log("unfenced");
    await joined?.flush();
    expect((await poll(other, run.id)).logs.map(({ message }) => message)).toContain("unfenced");
    expect(heard).toEqual([]);
  });

  it.each<[unknown, unknown]>([
    ["op_a", { id: "op_a", fence: 0, local: false }],
    ["op_a:b.c-d@1767225600000", { id: "op_a:b.c-d", fence: 1767225600000, local: false }],
    ["op_a@memory", { id: "op_a", fence: 0, local: true }],
    ...["", "@1", "op_a@", "op_a@x", "op_a@1@2", "op_a@-1", "op a@1", "owner:x", "op_a@1234567890123456"].map(
      (text): [unknown, unknown] => [text, undefined],
    ),
    [7, undefined],
  ])("%j reads as %j", (text, ref) => {
    expect(parseRunRef(text)).toEqual(ref);
  });
});

describe("joining", () => {
  it("lets all code find the run that is in no other, until its livetail closes", async () => {
    const { livetail } = open();
    const run = livetail.createOperationRun("job", "parent");
    await run.ready;
    const elsewhere = createLivetail({ redis: redis.url });
    const joined = elsewhere.joinRun(run.env.LIVETAIL_RUN);
    expect(joined).toBeDefined();
    expect(currentRun()).toBe(joined);
    const inner = await elsewhere.runOperation("job", "inner", (own) => [own, contextRun()]);
    expect(inner[1]).toBe(inner[0]);
    await elsewhere.close();
    expect(currentRun()).toBeUndefined();
    expect(() => elsewhere.joinRun(run.id)).toThrow(expect.objectContaining({ code: "CLOSED" }));
  });

  it("does nothing where no run is named, or where the runs are this process's own", () => {
    expect(open().livetail.joinRun("")).toBeUndefined();
    expect(open({ store: memoryStore() }).livetail.joinRun("op_a@12")).toBeUndefined();
    expect(open().livetail.joinRun("op_a@memory")).toBeUndefined();
    expect(currentRun()).toBeUndefined();
  });

  it("says that a name is none", () => {
    expect(() => open().livetail.joinRun("owner:x")).toThrow(expect.objectContaining({ code: "INVALID_RUN_ID" }));
  });

  it("lasts, however long nothing is logged", async () => {
    const { livetail } = open();
    const run = livetail.createOperationRun("job", "parent");
    await run.ready;
    const clock = createHandClock();
    const { livetail: elsewhere } = open({ redis: redis.url, clock });
    const joined = elsewhere.joinRun(run.env.LIVETAIL_RUN);
    await clock.advance(600_000);
    await settle();
    joined?.log("after ten minutes");
    await until(async () => (await poll(livetail, run.id)).logs.length === 1, "the line");
  });
});
