import { Redis } from "ioredis";
import { afterAll, describe, expect, it } from "vitest";
import { createLivetail, type Livetail } from "../../src/livetail.js";
import type { LivetailOptions } from "../../src/livetail-options.js";
import { startRedis } from "../support/redis.js";
import { until } from "./scene.js";

const server = await startRedis({ own: true });
const raw = new Redis({ port: server.port });
await raw.config("SET", "requirepass", "open sesame");
afterAll(async () => {
  raw.disconnect();
  await server.stop();
});

function open(redis: LivetailOptions["redis"], options: LivetailOptions = {}) {
  const heard: string[] = [];
  const livetail = createLivetail({
    ...(redis === undefined ? {} : { redis }),
    onError: ({ code, message }) => heard.push(`${code}: ${message}`),
    ...options,
  });
  return { heard, livetail };
}

/** A user of the server who may do everything but `rules` forbid it; as ioredis options. */
async function user(name: string, ...rules: string[]) {
  await raw.call("ACL", "SETUSER", name, "reset", "on", ">secret", "~*", "&*", "+@all", ...rules);
  return { host: "127.0.0.1", port: server.port, username: name, password: "secret" };
}

async function read(livetail: Livetail, runId: string): Promise<{ status: string; messages: string[] }> {
  const from = { kind: "at", epoch: "", index: 0 } as const;
  const answer = await livetail.store.read({ runId, from, limit: 1000, known: null });
  if (answer === null) throw new Error("There is no such run.");
  const messages = answer.lines.map((line): string => JSON.parse(line).message ?? JSON.parse(line).event);
  return { status: answer.run.status, messages };
}

/** One run with all that a run does. */
async function work(livetail: Livetail) {
  const run = livetail.createOperationRun("job", "acl");
  run.log("one");
  run.layer("fetch", "running");
  await run.flush();
  await run.heartbeat();
  run.log("two");
  expect(await run.complete({ answer: 42 })).toEqual({ status: "completed", stored: true });
  expect(await read(livetail, run.id)).toEqual({ status: "completed", messages: ["one", "two"] });
  return run.id;
}

describe("a Redis with a password", () => {
  it("is used with it, and with a wrong one it is an outage that is told once", async () => {
    const { heard, livetail } = open(`redis://:${encodeURIComponent("open sesame")}@127.0.0.1:${server.port}`);
    await work(livetail);
    await livetail.close();
    expect(heard).toEqual([]);
    const wrong = open(`redis://:wrong@127.0.0.1:${server.port}`, { endTimeoutMs: 500, commandTimeoutMs: 300 });
    const run = wrong.livetail.createOperationRun("job", "wrong");
    run.log("goes nowhere");
    expect(await run.complete()).toMatchObject({ stored: false });
    await until(() => wrong.heard.length > 0, "the outage");
    await wrong.livetail.close();
    expect(wrong.heard).toEqual([expect.stringContaining("STORE_UNAVAILABLE")]);
  });

  it("keeps two services apart that write with prefixes of their own", async () => {
    const redis = { port: server.port, password: "open sesame" };
    const one = open({ ...redis, keyPrefix: "one:" });
    const two = open(redis, { keyPrefix: "two:" });
    for (const [livetail, text] of [
      [one.livetail, "from one"],
      [two.livetail, "from two"],
    ] as const) {
      const run = livetail.createOperationRun("job", "prefix", { id: "op_same-id" });
      run.log(text);
      await run.complete();
    }
    expect((await read(one.livetail, "op_same-id")).messages).toEqual(["from one"]);
    expect((await read(two.livetail, "op_same-id")).messages).toEqual(["from two"]);
    expect(await raw.keys("logs:op_same-id:*")).toEqual([]);
    expect(await one.livetail.latestRun("job")).toBe("op_same-id");
    await one.livetail.close();
    await two.livetail.close();
  });
});

describe("a Redis user with few rights", () => {
  it("need not have EVALSHA", async () => {
    const { heard, livetail } = open(await user("no-evalsha", "-evalsha"));
    await work(livetail);
    await livetail.close();
    expect(heard).toEqual([]);
  });

  it("need not have INFO: that restarts go unnoticed is said once", async () => {
    const { heard, livetail } = open(await user("no-info", "-info"));
    const runId = await work(livetail);
    await work(livetail);
    expect(await raw.hget(`logs:${runId}:meta`, "server")).toBe("");
    await until(() => heard.length > 0, "the warning");
    await livetail.close();
    expect(heard).toEqual([expect.stringMatching(/STORE_REFUSED: .*INFO/i)]);
  });

  it("need not have channels: viewers find what is new by polls, which is said once", async () => {
    const { heard, livetail } = open(await user("no-channels", "resetchannels"));
    const run = livetail.createOperationRun("job", "silent");
    await run.ready;
    const events = livetail.reader.follow(run.id);
    const seen: string[] = [];
    const following = (async () => {
      for await (const event of events) if (event.type === "log") seen.push(event.entry.message);
    })();
    run.log("one");
    await until(() => seen.length === 1, "the first line");
    run.log("two");
    await run.complete();
    await following;
    expect(seen).toEqual(["one", "two"]);
    await livetail.close();
    expect(heard).toEqual([expect.stringMatching(/STORE_REFUSED: .*channel/i)]);
  });
});

describe("scripts that the server forgot", () => {
  it("are sent again in mid-run, with no line lost, doubled or out of order", async () => {
    const { heard, livetail } = open({ port: server.port, password: "open sesame" });
    const run = livetail.createOperationRun("job", "forgotten");
    for (let i = 0; i < 500; i++) {
      run.log(`line ${i}`);
      if (i % 20 === 0) void raw.script("FLUSH");
      if (i % 5 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await run.complete();
    expect((await read(livetail, run.id)).messages).toEqual(Array.from({ length: 500 }, (_, i) => `line ${i}`));
    await livetail.close();
    expect(heard).toEqual([]);
  });
});

describe("a Redis that evicts what it likes", () => {
  it.each([
    ["allkeys-lru", 1],
    ["volatile-lru", 0],
    ["noeviction", 0],
  ])("is warned of at the first run: %s, %i times", async (policy, times) => {
    await raw.config("SET", "maxmemory-policy", policy);
    const { heard, livetail } = open({ port: server.port, password: "open sesame" });
    await work(livetail);
    await work(livetail);
    await livetail.close();
    await raw.config("SET", "maxmemory-policy", "noeviction");
    expect(heard.filter((each) => /INVALID_OPTION: .*allkeys-lru/.test(each))).toHaveLength(times);
    expect(heard).toHaveLength(times);
  });
});
