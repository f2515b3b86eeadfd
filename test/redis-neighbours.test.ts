/**
 * Several services in one Redis: one prefix each, one without, one in another database, all with the same run ids. And
 * the user's own client, which livetail is handed and never touches.
 */
import { Redis } from "ioredis";
import { Redis as Redis6 } from "ioredis6";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { createLivetail, type Livetail } from "../src/livetail.js";
import type { LivetailOptions } from "../src/livetail-options.js";
import { startRedis } from "./support/redis.js";
import { until } from "./support/until.js";

const server = await startRedis({ own: true });
const raw = new Redis(server.url);
afterAll(async () => {
  raw.disconnect();
  await server.stop();
});

const LEASE_MS = 900;

interface Service {
  name: string;
  livetail: Livetail;
}
const open: Livetail[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((livetail) => livetail.close()));
  await raw.flushall();
});
function service(name: string, options: LivetailOptions): Service {
  const livetail = createLivetail({ ownerId: "worker-1", onError: () => {}, ...options });
  open.push(livetail);
  return { name, livetail };
}

const clients: { disconnect(): void }[] = [];
afterAll(() => {
  for (const client of clients) client.disconnect();
});
const kept = <Client extends { disconnect(): void }>(client: Client): Client => {
  clients.push(client);
  return client;
};
const versions = [
  ["ioredis 5", (options: object) => kept(new Redis({ port: server.port, lazyConnect: true, ...options }))],
  ["ioredis 6", (options: object) => kept(new Redis6({ port: server.port, lazyConnect: true, ...options }))],
] as const;

async function read({ livetail }: Service, runId: string) {
  const from = { kind: "at", epoch: "", index: 0 } as const;
  const answer = await livetail.store.read({ runId, from, limit: 1000, known: null });
  if (answer === null) return null;
  const messages = answer.lines.map((line): string => JSON.parse(line).message ?? JSON.parse(line).event);
  return { status: answer.run.status, messages, errorCode: answer.run.errorCode };
}

describe.each(versions)("services that share a Redis, by %s", (_name, client) => {
  /** Four of them: by prefix of the client, by the option, without one, and without one in database 3. */
  const services = (options: LivetailOptions = {}): Service[] => [
    service("billing", { redis: client({ keyPrefix: "billing:" }), ...options }),
    service("search", { redis: client({}), keyPrefix: "search:", ...options }),
    service("plain", { redis: client({}), ...options }),
    service("third", { redis: client({ db: 3 }), ...options }),
  ];

  it("keep lines, results, layers and lists of the same ids apart", async () => {
    const all = services();
    for (const { name, livetail } of all) {
      const run = livetail.createOperationRun("job", name, { id: "op_same", metadata: { name } });
      run.layer(name, "success");
      run.log(`from ${name}`);
      expect(await run.complete({ name })).toEqual({ status: "completed", stored: true });
      await livetail.createOperationRun("job", name, { id: `op_only-${name}` }).complete();
    }
    for (const each of all) {
      expect(await read(each, "op_same")).toMatchObject({ status: "completed", messages: [`from ${each.name}`] });
      const { store, reader } = each.livetail;
      expect(await store.readResult("op_same")).toBe(JSON.stringify({ name: each.name }));
      expect(Object.keys((await reader.status("op_same")).layer_status)).toEqual([each.name]);
      const listed = (await store.list({ limit: 100 })).map((run) => [run.run_id, run.operation]).sort();
      expect(listed).toEqual([
        [`op_only-${each.name}`, each.name],
        ["op_same", each.name],
      ]);
      expect(await each.livetail.latestRun("job")).toBe(`op_only-${each.name}`);
      expect(await store.countOpen()).toBe(0);
    }
    const prefixes = new Set(
      (await raw.keys("*")).map((key) => /^(billing:|search:)?(logs|run|livetail):/.exec(key)?.[1]),
    );
    expect(prefixes).toEqual(new Set(["billing:", "search:", undefined]));
  });

  it("cancel only their own", async () => {
    const all = services();
    const runs = all.map(({ livetail }) => livetail.createOperationRun("job", "cancel", { id: "op_cancel" }));
    await Promise.all(runs.map((run) => run.ready));
    for (const [at, { livetail }] of all.entries()) {
      expect(runs.map((run) => run.cancelRequested)).toEqual(runs.map((_, other) => other < at));
      expect(await livetail.cancelRun("op_cancel")).toMatchObject({ code: "OK", cancelRequested: true });
      await until(() => runs[at]?.cancelRequested === true, "the cancel");
      // What it said to others has arrived by then: a channel keeps its order, and hints come on the same connection.
      await Promise.all(runs.map((run) => run.heartbeat()));
    }
    await Promise.all(runs.map((run) => run.fail("stopped")));
  });

  it("cancel only their own from another process, too", async () => {
    const all = services();
    const asking = services({ ownerId: "web" });
    const runs = all.map(({ livetail }) => livetail.createOperationRun("job", "cancel", { id: "op_asked" }));
    await Promise.all(runs.map((run) => run.ready));
    for (const [at, { livetail }] of asking.entries()) {
      await livetail.cancelRun("op_asked");
      await until(() => runs[at]?.cancelRequested === true, "the cancel");
      await Promise.all(runs.map((run) => run.heartbeat()));
      expect(runs.map((run) => run.cancelRequested)).toEqual(runs.map((_, other) => other <= at));
    }
    await Promise.all(runs.map((run) => run.fail("stopped")));
  });

  it("are woken by their own hints", async () => {
    const all = services();
    const runs = all.map(({ livetail }) => livetail.createOperationRun("job", "hints", { id: "op_hints" }));
    await Promise.all(runs.map((run) => run.ready));
    const hinted = all.map(() => [] as number[]);
    await Promise.all(
      all.map(
        ({ livetail }, at) =>
          new Promise<void>((resolve) =>
            livetail.store.watch("op_hints", ({ next }) => {
              // The first one says that the subscription stands.
              if (next === 0) resolve();
              else hinted[at]?.push(next);
            }),
          ),
      ),
    );
    for (const [at, run] of runs.entries()) {
      for (let i = 0; i <= at; i++) run.log(`line ${i}`);
      await run.flush();
      await until(() => hinted[at]?.includes(at + 1) === true, "the hint");
    }
    // Channels know no databases: those two hear each other, and read once more than they need to.
    expect(hinted.slice(0, 2).map((each) => new Set(each))).toEqual([new Set([1]), new Set([2])]);
    await Promise.all(runs.map((run) => run.complete()));
  });

  it("sweep only their own: what another one has lost stays as it is", async () => {
    const all = services({ leaseMs: LEASE_MS });
    const [sweeper, ...others] = all as [Service, ...Service[]];
    // Their processes are gone: nobody renews, and nobody sweeps.
    for (const { livetail } of all) await livetail.createOperationRun("job", "lost", { id: "op_lost" }).ready;
    await Promise.all(open.splice(0).map((livetail) => livetail.store.close()));
    const alive = service(sweeper.name, { redis: client({ keyPrefix: "billing:" }), leaseMs: LEASE_MS });
    await until(async () => (await read(alive, "op_lost"))?.status === "failed", "the sweep", 30_000);
    expect(await read(alive, "op_lost")).toMatchObject({ errorCode: "OWNER_LOST" });
    const looking = services({ leaseMs: 60_000 }).slice(1);
    expect(looking).toHaveLength(others.length);
    for (const each of looking) expect(await read(each, "op_lost")).toMatchObject({ status: "queued", messages: [] });
  });
});

describe.each(versions)("the client that a user hands in, of %s", (_name, make) => {
  it("keeps its commands, prefix, queue, database, listeners and subscriptions, and stays open", async () => {
    const client = make({
      ...{ keyPrefix: "mine:", db: 3, enableOfflineQueue: true, connectionName: "theirs", lazyConnect: false },
      scripts: { twice: { numberOfKeys: 1, lua: "return redis.call('INCRBY', KEYS[1], 2)" } },
    }) as Redis & { thrice(key: string): Promise<number>; twice(key: string): Promise<number> };
    client.defineCommand("thrice", { numberOfKeys: 1, lua: "return redis.call('INCRBY', KEYS[1], 3)" });
    await client.ping();
    const state = () => ({
      options: JSON.stringify(client.options),
      events: client.eventNames().map((name) => [name, client.listenerCount(name)]),
      own: Object.keys(client).sort(),
      status: client.status,
    });
    const before = state();
    const { livetail } = service("user", { redis: client });
    const run = livetail.createOperationRun("job", "user");
    livetail.store.watch(run.id, () => {});
    run.log("line");
    run.layer("fetch", "running");
    await run.complete({ answer: 42 });
    expect(state()).toEqual(before);
    await livetail.close();
    expect(state()).toEqual(before);
    expect(await client.twice("count")).toBe(2);
    expect(await client.thrice("count")).toBe(5);
    expect(await client.get("count")).toBe("5");
    const names = (await raw.call("CLIENT", "LIST")) as string;
    expect(names).toMatch(/name=theirs .*db=3/);
    await raw.select(3);
    expect(await raw.exists("mine:count", `mine:logs:${run.id}:meta`)).toBe(2);
    await raw.select(0);
    expect(await raw.keys("*")).toEqual([]);
    // A client whose connection is cut queues, as its user wants it, and comes back.
    await raw.client("KILL", "TYPE", "normal", "SKIPME", "yes");
    expect(await client.twice("count")).toBe(7);
  });
});

describe("a client with options of its user's own", () => {
  it.each([
    ["ioredis 5", () => new Redis({ port: server.port, lazyConnect: true, ...theirs })],
    ["ioredis 6", () => new Redis6({ port: server.port, lazyConnect: true, ...theirs, replyMapping: "resp3" })],
  ])("is no reason to read an answer wrongly: %s", async (_name, make) => {
    const { livetail } = service("odd", { redis: kept(make()) });
    const parent = livetail.createOperationRun("job", "parent");
    const run = livetail.createOperationRun("job", "odd", { parentId: parent.id });
    run.log("line");
    run.logger.info("call", { backend: "one", cost_usd: 0.5 });
    expect(await run.complete({ answer: 42 })).toEqual({ status: "completed", stored: true });
    expect(await livetail.reader.status(run.id)).toMatchObject({ total_count: 2, status: "completed" });
    expect(await livetail.store.readChildren(parent.id)).toEqual({ [run.id]: "completed" });
    expect(await livetail.store.list({ limit: 10, subjectId: "job" })).toHaveLength(2);
    expect(await livetail.store.countOpen()).toBe(1);
    await parent.complete();
  });
});

const theirs = {
  ...{ enableAutoPipelining: true, stringNumbers: true, readOnly: true, monitor: false, autoResubscribe: false },
  ...{ maxRetriesPerRequest: 0, enableOfflineQueue: false, enableReadyCheck: false, retryStrategy: () => null },
};
