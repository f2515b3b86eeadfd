import { setTimeout as delay } from "node:timers/promises";
import { Redis, type RedisOptions } from "ioredis";
import { Redis as Redis6 } from "ioredis6";
import { afterAll, describe, expect, it } from "vitest";
import { createLivetail, type Livetail } from "../../src/livetail.js";
import type { LivetailOptions } from "../../src/livetail-options.js";
import { startRedis } from "../support/redis.js";
import { until } from "../support/until.js";

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

/** Clients of the user's: never connected themselves, only duplicated. */
const versions = [
  ["ioredis 5", (options: RedisOptions) => new Redis({ ...options, lazyConnect: true })],
  [
    "ioredis 6",
    ({ host, port, username, password }: RedisOptions) =>
      new Redis6({
        lazyConnect: true,
        host: host ?? "127.0.0.1",
        port: port ?? 0,
        username: username ?? "default",
        password: password ?? "",
      }),
  ],
] as const;
const byDefault = { host: "127.0.0.1", port: server.port, username: "default", password: "open sesame" };

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
});

describe.each(versions)("a password that is changed in mid-run, by %s", (name, client) => {
  const cutEverybody = async (): Promise<void> => {
    await raw.client("KILL", "TYPE", "normal", "SKIPME", "yes");
    await raw.client("KILL", "TYPE", "pubsub");
  };
  const rotate = async (password: string): Promise<void> => {
    await raw.config("SET", "requirepass", password);
    await cutEverybody();
  };

  it("is an outage, told once and by name, until it is the right one again; hints come back, too", async () => {
    const { heard, livetail } = open(client(byDefault), { commandTimeoutMs: 300 });
    const run = livetail.createOperationRun("job", "rotated");
    run.log("before");
    await run.flush();
    let hints = 0;
    livetail.store.watch(run.id, ({ next }) => {
      if (next > 0) hints += 1;
    });
    await rotate("another one");
    // Nobody could subscribe to this one yet.
    livetail.store.watch(`${run.id}-later`, () => {});
    for (let i = 0; heard.length === 0 || i < 5; i++) {
      run.log("while the password is wrong");
      await delay(10);
    }
    expect(heard).toEqual(["STORE_UNAVAILABLE: Redis cannot be reached: WRONGPASS."]);
    const waiting = run.waitingLines;
    expect(waiting).toBeGreaterThan(0);
    await rotate("open sesame");
    await run.flush();
    const before = hints;
    await until(async () => {
      run.log("after");
      await run.flush();
      return hints > before;
    }, "hints");
    expect(await run.complete()).toEqual({ status: "completed", stored: true });
    const { messages } = await read(livetail, run.id);
    expect(messages.filter((message) => message.startsWith("while"))).toHaveLength(waiting);
    await livetail.close();
    expect(heard).toEqual([expect.stringContaining("WRONGPASS"), expect.stringContaining("STORE_RECOVERED")]);
  });

  it("loses nothing of a user who has the next one already, when every connection is cut", async () => {
    const options = await user(`two-passwords-${name.replace(" ", "")}`);
    const { heard, livetail } = open(client(options));
    const run = livetail.createOperationRun("job", "rolled");
    run.log("before");
    await run.flush();
    await raw.call("ACL", "SETUSER", options.username, ">the next one");
    await cutEverybody();
    run.log("after");
    expect(await run.complete()).toEqual({ status: "completed", stored: true });
    expect((await read(livetail, run.id)).messages).toEqual(["before", "after"]);
    await livetail.close();
    expect(heard.filter((each) => !/^STORE_(UNAVAILABLE|RECOVERED)/.test(each))).toEqual([]);
  });
});

describe.each(versions)("a Redis user with few rights, by %s", (name, client) => {
  it("need not have EVALSHA", async () => {
    const { heard, livetail } = open(client(await user("no-evalsha", "-evalsha")));
    await work(livetail);
    await livetail.close();
    expect(heard).toEqual([]);
  });

  it("need not have INFO: that restarts go unnoticed is said once", async () => {
    const { heard, livetail } = open(client(await user("no-info", "-info")));
    const runId = await work(livetail);
    await work(livetail);
    expect(await raw.hget(`logs:${runId}:meta`, "server")).toBe("");
    await until(() => heard.length > 0, "the warning");
    await livetail.close();
    expect(heard).toEqual([expect.stringMatching(/STORE_REFUSED: .*INFO/i)]);
  });

  it("need not have channels: viewers find what is new by polls, which is said once", async () => {
    const { heard, livetail } = open(client(await user("no-channels", "resetchannels")));
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

  it("may lose its channels in mid-run: that harms nothing, and is said once", async () => {
    const username = `loses-channels-${name.replace(" ", "")}`;
    const { heard, livetail } = open(client(await user(username)));
    const run = livetail.createOperationRun("job", "revoked");
    let hints = 0;
    livetail.store.watch(run.id, ({ next }) => {
      if (next > 0) hints += 1;
    });
    await run.ready;
    await until(async () => {
      run.log("line");
      await run.flush();
      return hints > 0;
    }, "a hint");
    // Who is subscribed to what it may not have any more is cut off, and comes back.
    await raw.call("ACL", "SETUSER", username, "resetchannels");
    await until(() => heard.length > 0, "the warning");
    expect(await run.complete()).toEqual({ status: "completed", stored: true });
    await livetail.close();
    expect(heard).toEqual([expect.stringMatching(/STORE_REFUSED: .*channel/i)]);
  });
});

describe.each(versions)("scripts that the server forgot, by %s", (_name, client) => {
  it("are sent again in mid-run, with no line lost, doubled or out of order", async () => {
    const { heard, livetail } = open(client(byDefault));
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
    ["allkeys-lru", "1gb", 1],
    ["allkeys-lfu", "1gb", 1],
    ["allkeys-random", "1gb", 1],
    // Every key of a run has a TTL.
    ["volatile-lru", "1gb", 1],
    ["volatile-ttl", "1gb", 1],
    ["noeviction", "1gb", 0],
    // Without a limit nothing is evicted.
    ["allkeys-lru", "0", 0],
  ])("is warned of at the first run, once: %s within %s, %i times", async (policy, limit, times) => {
    await raw.config("SET", "maxmemory-policy", policy, "maxmemory", limit);
    const { heard, livetail } = open(byDefault);
    await work(livetail);
    await work(livetail);
    await livetail.close();
    await raw.config("SET", "maxmemory-policy", "noeviction", "maxmemory", "0");
    const words = `INVALID_OPTION: Redis may evict open runs: its maxmemory-policy is ${policy}; noeviction would be right.`;
    expect(heard).toEqual(Array.from({ length: times }, () => words));
  });
});

describe.each(versions)("a Redis that is full, by %s", (_name, client) => {
  it("lets a run that is started meanwhile wait, and viewers read what is there", async () => {
    const { heard, livetail } = open(client(byDefault));
    const earlier = livetail.createOperationRun("job", "earlier");
    earlier.log("one");
    await earlier.flush();
    await raw.config("SET", "maxmemory", "1");
    const run = livetail.createOperationRun("job", "meanwhile");
    try {
      run.log("waits");
      await until(() => heard.length > 0, "the outage");
      expect(await read(livetail, earlier.id)).toEqual({ status: "running", messages: ["one"] });
      expect(run.waitingLines).toBe(1);
    } finally {
      await raw.config("SET", "maxmemory", "0");
    }
    expect(await run.complete()).toEqual({ status: "completed", stored: true });
    expect(await read(livetail, run.id)).toEqual({ status: "completed", messages: ["waits"] });
    await livetail.close();
    expect(heard).toEqual([
      expect.stringMatching(/^STORE_UNAVAILABLE: .*OOM/),
      expect.stringMatching(/^STORE_RECOVERED/),
    ]);
  });
});
