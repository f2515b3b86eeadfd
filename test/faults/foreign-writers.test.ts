/**
 * A service in another language that writes runs itself: RPUSH, HSET, SET, EXPIRE and PUBLISH over a plain socket,
 * alone, and beside ours in one run. Viewers come through real HTTP.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { createNodeHandler } from "../../src/adapters/node.js";
import { fetchStatus, LogPoller, type LogPollerOptions } from "../../src/client/index.js";
import { sseTransport } from "../../src/client/sse.js";
import { createLivetail } from "../../src/livetail.js";
import { createFastClock } from "../support/fast-clock.js";
import { startRedis } from "../support/redis.js";
import { openResp } from "../support/resp.js";
import { retold } from "../support/retold.js";
import { until } from "../support/until.js";

/** An end is held back for ten seconds: half a second here. */
const clock = createFastClock(20);

const redis = await startRedis({ own: true });
const python = await openResp(redis.port);
const maxLines = 5000;
const ours = createLivetail({ redis: redis.url, maxLines, onError: () => {} });
const heard: string[] = [];
const viewing = createLivetail({
  redis: redis.url,
  clock,
  authorize: () => true,
  onError: ({ code }) => heard.push(code),
});
const server = createServer(createNodeHandler(viewing, { mount: "/operations" })).listen(0, "127.0.0.1");
await once(server, "listening");
const endpointBase = `http://127.0.0.1:${(server.address() as AddressInfo).port}/operations`;
const pollers: LogPoller[] = [];

afterEach(() => {
  for (const poller of pollers.splice(0)) poller.stop();
});
afterAll(async () => {
  await ours.close();
  await viewing.close();
  server.close();
  server.closeAllConnections();
  python.close();
  await redis.stop();
});

let runs = 0;
const newId = (): string => `foreign-${runs++}`;
const range = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => `line ${from + i}`);

/** Pushes as such a service does: text and JSON in turns, and the time to live each time. */
async function push(runId: string, from: number, to: number): Promise<void> {
  const lines = range(from, to).map((message, i) => (i % 2 === 0 ? message : JSON.stringify({ message })));
  await python.send("RPUSH", `logs:${runId}:buffer`, ...lines);
  await python.send("EXPIRE", `logs:${runId}:buffer`, 86_400);
}

async function describeRun(runId: string, ...fields: (string | number)[]): Promise<void> {
  await python.send("HSET", `logs:${runId}:meta`, ...fields);
  await python.send("EXPIRE", `logs:${runId}:meta`, 86_400);
}

function watch(runId: string, options: LogPollerOptions = {}) {
  const poller = new LogPoller(runId, { endpointBase, pollInterval: 20, ...clock.poller, ...options });
  pollers.push(poller);
  const told = retold(poller);
  poller.start();
  return { poller, told };
}

describe.each<[string, () => LogPollerOptions]>([
  ["polls", () => ({ waitSeconds: 0 })],
  ["held polls", () => ({})],
  ["a stream", () => ({ transport: sseTransport() })],
])("a run that only another service writes, seen by %s", (_, how) => {
  it("is followed live, with or without its hints, to the end that its status says", async () => {
    const runId = newId();
    await describeRun(runId, "status", "running", "subject_id", "job-42", "operation", "import");
    await push(runId, 0, 3);
    const { poller, told } = watch(runId, how());
    const layers: unknown[] = [];
    poller.onLayerStatus((map) => layers.push(map.fetch?.status));
    await until(() => told.at(-1) === "lines 0-2", "the first lines");
    await push(runId, 3, 10);
    await until(() => told.at(-1) === "lines 0-9", "lines without a hint");
    await push(runId, 10, 12);
    await python.send("SET", `logs:${runId}:layers`, '{"fetch":{"status":"processing","order":0}}', "EX", 86_400);
    await python.send("PUBLISH", `logs:${runId}:wake`, "12 1");
    await until(() => layers.includes("running"), "the layer");
    await push(runId, 12, 20);
    await describeRun(runId, "status", "completed", "expected_log_count", 20);
    await until(() => told.length === 2, "the end");
    expect(told).toEqual(["lines 0-19", "completed at 20"]);
    expect(await fetchStatus(runId, { endpointBase })).toMatchObject({ subject_id: "job-42", operation: "import" });
  });

  it.each(["expected_log_count", "expected_count"])(
    "is not over while lines come late that %s announced, and is complete with them",
    async (field) => {
      const runId = newId();
      await describeRun(runId, "status", "running");
      await push(runId, 0, 15);
      const { told } = watch(runId, how());
      await until(() => told.at(-1) === "lines 0-14", "the first lines");
      await describeRun(runId, "status", "completed", field, 20);
      await push(runId, 15, 18);
      await until(() => told.at(-1) === "lines 0-17", "a late line");
      await push(runId, 18, 20);
      await until(() => told.length === 2, "the end");
      expect(told).toEqual(["lines 0-19", "completed at 20"]);
    },
  );

  it("is numbered from its end when the announced lines never came, and is over then", async () => {
    const runId = newId();
    await describeRun(runId, "status", "running");
    await push(runId, 0, 15);
    const { told } = watch(runId, how());
    await until(() => told.at(-1) === "lines 0-14", "the first lines");
    const ended = clock.now();
    await describeRun(runId, "status", "failed", "expected_log_count", 20);
    await until(() => told.at(-1) === "failed at 20", "the end");
    expect(clock.now() - ended).toBeGreaterThanOrEqual(10_000);
    expect(told).toEqual(["lines 0-14", 'reset {"reason":"epoch","first_index":5}', "lines 0-14 at 5", "failed at 20"]);
  });

  it("may be trimmed by its writer while it is open: numbers shift, which is a reset, and nobody hangs", async () => {
    const runId = newId();
    await describeRun(runId, "status", "running");
    await push(runId, 0, 10);
    const { told } = watch(runId, how());
    await until(() => told.at(-1) === "lines 0-9", "the first lines");
    await python.send("LTRIM", `logs:${runId}:buffer`, -5, -1);
    await until(() => told.at(-1) === "lines 5-9 at 0", "the numbers to shift");
    await push(runId, 10, 12);
    await describeRun(runId, "status", "completed");
    await until(() => told.at(-1) === "completed at 7", "the end");
    const reset = 'reset {"reason":"ahead","first_index":0}';
    expect(told).toEqual(["lines 0-9", reset, "lines 5-11 at 0", "completed at 7"]);
  });
});

describe("another service beside ours in one run", () => {
  it("has its lines counted once, between ours, in the order of the list", async () => {
    const run = ours.createOperationRun("job", "beside");
    const { told } = watch(run.id);
    const log = async (from: number, to: number): Promise<void> => {
      for (const line of range(from, to)) run.log(line);
      await run.flush();
    };
    await log(0, 10);
    await push(run.id, 10, 15);
    await until(() => told.at(-1) === "lines 0-14", "lines that nobody hinted at");
    await log(15, 20);
    await push(run.id, 20, 23);
    await run.complete();
    await until(() => told.length === 2, "the end");
    expect(told).toEqual(["lines 0-22", "completed at 23"]);
  });

  it("loses and doubles nothing when both write at once through several connections", async () => {
    const run = ours.createOperationRun("job", "at once");
    await run.ready;
    const seen: string[] = [];
    const { poller, told } = watch(run.id);
    poller.onLog(({ message }) => seen.push(message));
    const sockets = await Promise.all(Array.from({ length: 4 }, () => openResp(redis.port)));
    const foreign = sockets.map(async (socket, writer) => {
      for (let line = 0; line < 250; line++) await socket.send("RPUSH", `logs:${run.id}:buffer`, `${writer} ${line}`);
      socket.close();
    });
    const own = 1000;
    for (let line = 0; line < own; line++) {
      run.log(`ours ${line}`);
      if (line % 4 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(foreign);
    await run.complete();
    await until(() => told.at(-1)?.startsWith("completed") === true, "the end");
    const total = 1000 + own;
    expect(told.at(-1)).toBe(`completed at ${total}`);
    expect(told.filter((each) => each.startsWith("gap") || each.startsWith("reset"))).toEqual([]);
    for (const [writer, count] of [
      ...["0", "1", "2", "3"].map((name) => [name, 250] as const),
      ["ours", own] as const,
    ]) {
      const lines = seen.filter((message) => message.startsWith(`${writer} `));
      expect(lines).toEqual(Array.from({ length: count }, (_, i) => `${writer} ${i}`));
    }
    const stored = (await python.send("LRANGE", `logs:${run.id}:buffer`, 0, -1)) as string[];
    expect(seen).toEqual(stored.map((text) => (text.startsWith("{") ? JSON.parse(text).message : text)));
    expect(await python.send("HGET", `logs:${run.id}:meta`, "expected_log_count")).toBe(`${total}`);
  });

  it("has what it trimmed announced with its exact number", async () => {
    const run = ours.createOperationRun("job", "trimmed");
    for (const line of range(0, 10)) run.log(line);
    await run.flush();
    await python.send("LTRIM", `logs:${run.id}:buffer`, 4, -1);
    for (const line of range(10, 12)) run.log(line);
    await run.complete();
    const { told } = watch(run.id);
    await until(() => told.length === 3, "the end");
    expect(told).toEqual(['gap {"from":0,"to":3,"lost":4,"reason":"trimmed"}', "lines 4-11", "completed at 12"]);
  });

  it("keeps its lines when its run is adopted, and when one of ours joins it", async () => {
    for (const how of ["adopt", "join"]) {
      const runId = newId();
      await describeRun(runId, "status", "running", "operation", "import");
      await push(runId, 0, 10);
      const { told } = watch(runId);
      await until(() => told.at(-1) === "lines 0-9", "the first lines");
      const run = how === "adopt" ? ours.createOperationRun("job", "import", { id: runId }) : null;
      const log = run === null ? ours.createLogCallback(runId) : (line: string) => run.log(line);
      for (const line of range(10, 15)) log(line);
      await until(() => told.at(-1) === "lines 0-14", "our lines");
      await push(runId, 15, 20);
      if (run !== null) await run.complete();
      else await describeRun(runId, "status", "completed", "expected_log_count", 20);
      await until(() => told.at(-1) === "completed at 20", "the end");
      const reset = 'reset {"reason":"epoch","first_index":0}';
      expect(told).toEqual(["lines 0-9", reset, "lines 0-19", "completed at 20"]);
    }
  });
});

describe("whatever another service writes", () => {
  it("is readable as lines: no JSON, no UTF-8, nothing at all, a megabyte, JSON that is no object", async () => {
    const runId = newId();
    const lines = [
      Buffer.from([0xff, 0xfe, 0x00, 0x80, 0x0a, 0x22]),
      Buffer.from("not \xe9 UTF-8", "latin1"),
      Buffer.alloc(0),
      Buffer.alloc(1_048_576, "x"),
      Buffer.from('{"message":"cut off'),
      ...["null", "[]", "42", '"text"', "{}", '{"index":99,"message":{"a":1},"level":"shout"}', "\u2028\u0000"].map(
        (text) => Buffer.from(text),
      ),
    ];
    await python.send("RPUSH", `logs:${runId}:buffer`, ...lines);
    await describeRun(runId, "status", "completed", "expected_log_count", lines.length, "started_at", "yesterday");
    for (const options of [{}, { transport: sseTransport() }]) {
      const seen: { index: number; message: unknown }[] = [];
      const { poller, told } = watch(runId, options);
      poller.onLog(({ index, message }) => seen.push({ index, message }));
      await until(() => told.at(-1) === `completed at ${lines.length}`, "the end");
      expect(seen.map(({ index }) => index)).toEqual(lines.map((_, i) => i));
      for (const { message } of seen) expect(typeof message).toBe("string");
      expect(seen[3]?.message).toHaveLength(1_048_576);
    }
    const kept = Buffer.from(await (await fetch(`${endpointBase}/${runId}/download`)).arrayBuffer());
    expect(kept.length).toBeGreaterThan(1_048_576);
  });

  const NAMES = ["meta", "buffer", "layers", "producers", "result", "children"];
  const WRONG: readonly [string, (key: string) => (string | number)[]][] = [
    ["a string", (key) => ["SET", key, "something else"]],
    ["a set", (key) => ["SADD", key, "a"]],
    ["a list", (key) => ["RPUSH", key, "a"]],
    ["a hash", (key) => ["HSET", key, "a", "b"]],
  ];

  it("under the keys of a run is answered by no fault of ours, and other runs and lists are as they were", async () => {
    const good = ours.createOperationRun("job", "good");
    good.log("line 0");
    await good.complete();
    const keys = (runId: string): string[] => [
      ...NAMES.map((name) => `logs:${runId}:${name}`),
      `run:${runId}`,
      `logs:owner:${runId}`,
    ];
    const statuses = new Map<number, number>();
    for (let at = 0; at < keys("").length; at++) {
      for (const [what, make] of WRONG) {
        const run = ours.createOperationRun("job", "spoilt");
        run.log("line 0");
        await run.complete({ answer: 42 });
        const key = keys(run.id)[at] ?? "";
        await python.send("DEL", key);
        await python.send(...make(key));
        for (const path of ["", "?wait=1", "/status", "/stream", "/result", "/download", "/view"]) {
          const response = await fetch(`${endpointBase}/${run.id}${path}`);
          const about = `${path} of a run with ${what} at ${key}`;
          statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
          expect([200, 202, 204, 503], about).toContain(response.status);
          if (response.status === 503) {
            expect(await response.json(), about).toMatchObject({ code: "STORE_UNAVAILABLE", status: 503 });
          } else await response.body?.cancel();
        }
        const list = await fetch(`${endpointBase}/?subject_id=job`, { headers: { accept: "application/json" } });
        expect(list.status, `the list beside ${what} at ${key}`).toBe(200);
        const { runs } = (await list.json()) as { runs: { run_id: string }[] };
        expect(runs.map(({ run_id }) => run_id)).toContain(good.id);
        await python.send("DEL", key);
        await python.send("DEL", ...keys(run.id));
        await python.send("ZREM", "livetail:subject:job", run.id);
        await python.send("ZREM", "livetail:runs", run.id);
      }
    }
    console.log(`foreign keys: answers by status ${JSON.stringify(Object.fromEntries(statuses))}`);
    const { told } = watch(good.id);
    await until(() => told.length === 2, "the end");
    expect(told).toEqual(["lines 0-0", "completed at 1"]);
    expect(new Set(heard)).toEqual(new Set(["STORE_REFUSED"]));
  });
});
