/** Several producers of one run: late lines, limits, totals and layers stay exact whatever the others do. */
import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import { afterAll, describe, expect, it } from "vitest";
import { isLiveBody } from "../../src/exchange.js";
import { createLivetail, type Livetail } from "../../src/livetail.js";
import type { LivetailOptions } from "../../src/livetail-options.js";
import type { LayerMap, PollAnswer, RunState, StatusAnswer } from "../../src/protocol.js";
import { memoryStore } from "../../src/store/memory.js";
import { type AppendRequest, MAX_PRODUCERS } from "../../src/store.js";
import { createHandClock } from "../support/hand-clock.js";
import { length } from "../support/length.js";
import { request, TestViewer } from "../support/plain-request.js";
import { startRedis } from "../support/redis.js";
import { startTcpProxy } from "../support/tcp-proxy.js";
import { until } from "../support/until.js";

const server = await startRedis({ own: true });
const raw = new Redis(server.url);
const opened: Livetail[] = [];
afterAll(async () => {
  await Promise.all(opened.map((livetail) => livetail.close()));
  raw.disconnect();
  await server.stop();
});

function open(options: LivetailOptions = {}) {
  const heard: string[] = [];
  const livetail = createLivetail({
    redis: server.url,
    authorize: () => true,
    onError: ({ code }) => heard.push(code),
    ...options,
  });
  opened.push(livetail);
  return { heard, livetail };
}

async function ask<T>(livetail: Livetail, target: string): Promise<T> {
  const { body } = await livetail.handler.handle(request(target));
  return JSON.parse(String(body)) as T;
}

async function openStream(livetail: Livetail, runId: string): Promise<TestViewer> {
  const { body } = await livetail.handler.handle(request(`/${runId}/stream`));
  if (!isLiveBody(body)) throw new Error("A stream has a live body.");
  return new TestViewer(body);
}

/** What the store counts of each producer, by the letters before its number: `p` stored, `l` late. */
async function counts(runId: string, letter: "p" | "l"): Promise<number[]> {
  const all = Object.entries(await raw.hgetall(`logs:${runId}:producers`));
  return all.filter(([field]) => field.startsWith(`${letter}:`)).map(([, count]) => Number(count));
}

describe("an owner that ends its run while others still write to it", () => {
  it("leaves their late lines counted exactly, of each of them and in every answer", async () => {
    const { livetail } = open();
    const run = livetail.createOperationRun("job", "late");
    const beside = [1, 2, 3].map(() => open());
    const logs = beside.map((each) => each.livetail.createLogCallback(run.id));
    run.log("ours");
    await run.flush();
    for (const log of logs) log("in time");
    const viewing = open().livetail;
    const poll = (): Promise<PollAnswer> => ask(viewing, `/${run.id}`);
    await until(async () => (await poll()).total_count === 4, "the lines in time");
    await run.complete();
    await until(async () => (await poll()).status === "completed", "the end to be heard of");
    expect(await poll()).toMatchObject({ status: "completed", late_lines: 0, expected_log_count: 4 });
    for (const [at, log] of logs.entries()) for (let line = 0; line <= at; line++) log("late");
    await until(async () => (await poll()).late_lines === 6, "the late lines");
    expect((await counts(run.id, "l")).sort()).toEqual([1, 2, 3]);
    logs[0]?.("later");
    await until(async () => (await poll()).late_lines === 7, "one more");
    expect((await counts(run.id, "l")).sort()).toEqual([2, 2, 3]);
    expect(await ask<StatusAnswer>(viewing, `/${run.id}/status`)).toMatchObject({ late_lines: 7, total_count: 4 });
    const stream = await openStream(viewing, run.id);
    await until(() => stream.ended, "the end of the stream");
    expect(stream.frames.at(-1)).toMatchObject({ event: "end", data: { late_lines: 7, expected_log_count: 4 } });
    // Who goes on is told once that the run has ended.
    expect(beside.map(({ heard }) => heard)).toEqual([["RUN_ENDED"], ["RUN_ENDED"], ["RUN_ENDED"]]);
  });

  it("has every line of theirs either stored or late, however the end falls between them", async () => {
    for (let round = 0; round < length(50, 15); round++) {
      const { livetail } = open({ maxLines: 100_000, maxBufferBytes: 1e8 });
      const run = livetail.createOperationRun("job", "race");
      await run.ready;
      const beside = [1, 2, 3].map(() => open().livetail);
      const logs = beside.map((each) => each.createLogCallback(run.id));
      const logged = [0, 0, 0];
      let ended = false;
      const writing = logs.map(async (log, at) => {
        while (!ended || (logged[at] ?? 0) < 40) {
          for (let line = 0; line <= at; line++) {
            const number = logged[at] ?? 0;
            log(`${at} ${number}`);
            logged[at] = number + 1;
          }
          await delay(1);
        }
      });
      const stream = await openStream(livetail, run.id);
      await until(async () => (await counts(run.id, "p")).length === 3, "each of them to be known");
      const ending = run.complete();
      await delay(round % 5);
      ended = true;
      await Promise.all([...writing, ending]);
      const all = logged.reduce((sum, each) => sum + each, 0);
      const poll = (): Promise<PollAnswer> => ask(livetail, `/${run.id}`);
      await until(
        async () => (await poll()).total_count + (await poll()).late_lines === all,
        "every line to be told of",
      );
      await until(() => stream.ended, "the end of the stream");
      const messages = stream.named("log").map(({ data }) => String(data.message));
      const late = await counts(run.id, "l");
      expect(late.reduce((sum, each) => sum + each, 0)).toBe((await poll()).late_lines);
      for (const at of logs.keys()) {
        const own = messages.filter((message) => message.startsWith(`${at} `));
        expect(own).toEqual(own.map((_, i) => `${at} ${i}`));
      }
      expect(messages).toHaveLength(all - (await poll()).late_lines);
      await Promise.all([livetail, ...beside].map((each) => each.close()));
    }
  }, 120_000);
});

describe("the producers of a run beyond their limit", () => {
  it("are told so once, and neither they nor anybody else is held up", async () => {
    const { livetail } = open();
    const run = livetail.createOperationRun("job", "crowd");
    run.log("ours 0");
    await run.flush();
    const join = (producer: string): AppendRequest => ({
      ...{ runId: run.id, producer, fence: 0, owner: null, epoch: "", newEpoch: "aaaaaaaaaaaa", acked: 0, told: 0 },
      ...{ first: 0, upto: 1, lines: [producer], logged: 1, totals: "", start: false, layers: null },
    });
    const joined = Array.from({ length: MAX_PRODUCERS - 1 }, (_, i) => livetail.store.append(join(`producer-${i}`)));
    expect(new Set((await Promise.all(joined)).map(({ code }) => code))).toEqual(new Set(["OK"]));

    const refused = open();
    const log = refused.livetail.createLogCallback(run.id);
    for (let turn = 0; turn < 100; turn++) {
      for (let line = 0; line < 10; line++) log(`too many ${line}`);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => refused.heard.length > 0, "the refusal");
    for (let line = 0; line < 100; line++) log("still too many");
    await refused.livetail.close();
    expect(refused.heard).toEqual(["TOO_MANY_PRODUCERS"]);
    const health = await ask<{ dropped_lines: number; waiting_lines: number }>(refused.livetail, "/-/health");
    expect(health).toMatchObject({ dropped_lines: 1100, waiting_lines: 0 });

    expect((await livetail.store.append({ ...join("producer-7"), first: 1, upto: 2, acked: 1, logged: 2 })).code).toBe(
      "OK",
    );
    run.log("ours 1");
    expect(await run.complete()).toEqual({ status: "completed", stored: true });
    const answer = await ask<PollAnswer>(livetail, `/${run.id}`);
    expect(answer).toMatchObject({ total_count: MAX_PRODUCERS + 2, late_lines: 0 });
  }, 60_000);
});

describe("the cost of a run with several producers", () => {
  it("is exact to the nano-dollar after swallowed answers, cut connections and a loss of everything", async () => {
    const proxy = await startTcpProxy(server.port);
    const options = { redis: `redis://127.0.0.1:${proxy.port}`, commandTimeoutMs: 300 };
    const { livetail } = open(options);
    const run = livetail.createOperationRun("job", "cost");
    await run.ready;
    const others = [open(options), open({ commandTimeoutMs: 300 })];
    const logs = [
      (line: object) => run.log(line),
      ...others.map((each) => each.livetail.createLogCallback(run.id) as (line: object) => void),
    ];
    let nano = 0n;
    let calls = 0;
    let errors = 0;
    const faults = [
      () => proxy.swallowAnswers(),
      () => proxy.heal(),
      () => proxy.cut(),
      () => proxy.swallowAnswers(),
      () => proxy.heal(),
      () => raw.flushall(),
      () => proxy.refuse(),
      () => proxy.heal(),
    ];
    for (const [round, fault] of faults.entries()) {
      const swallowed = proxy.swallowed;
      await fault();
      for (const [at, log] of logs.entries()) {
        for (let call = 0; call < 40; call++) {
          // 0.1 + 0.2 and calls that cost less than a millionth.
          const cost = call % 3 === 0 ? 1 + call : 100_000_000 + at * 200_000_001 + round;
          const failed = call % 7 === 0;
          log({ event: failed ? "llm_call_error" : "llm_call_complete", backend: `b${at}`, cost_usd: cost / 1e9 });
          nano += BigInt(cost);
          calls += 1;
          if (failed) errors += 1;
          if (call % 10 === 9) await new Promise((resolve) => setImmediate(resolve));
        }
      }
      if (round === 0 || round === 3) await until(() => proxy.swallowed > swallowed, "an answer to be swallowed");
    }
    const status = (): Promise<StatusAnswer> => ask(others[1]?.livetail as Livetail, `/${run.id}/status`);
    await run.flush();
    await until(async () => (await status()).backend_stats?.total.calls === calls, "every call to be counted");
    await run.complete();
    const { total, backends } = (await status()).backend_stats;
    expect({ ...total, nano: BigInt(Math.round(total.cost_usd * 1e9)) }).toMatchObject({ calls, errors, nano });
    expect(Object.values(backends).map((each) => each.calls)).toEqual([320, 320, 320]);
    console.log(
      `cost: ${calls} calls of 3 producers, ${nano} nano-dollars, ${proxy.swallowed} bytes of answers swallowed`,
    );
    expect(proxy.swallowed).toBeGreaterThan(0);
    await Promise.all([livetail, ...others.map((each) => each.livetail)].map((each) => each.close()));
    await proxy.close();
  }, 60_000);
});

describe("layers that two producers change at once", () => {
  const CHANGES = length(10_000, 4000);

  it(`lose no change of either in ${CHANGES} alternating ones, and never go back`, async () => {
    const { livetail } = open();
    const elsewhere = open().livetail;
    const run = livetail.createOperationRun("job", "layers");
    await run.ready;
    const theirs = elsewhere.createLayerCallback(run.id);
    const steps = new Map<string, number>();
    const seen: string[] = [];
    let states = 0;
    const watching = (async (): Promise<RunState | null> => {
      const before = new Map<string, number>();
      for await (const event of livetail.reader.follow(run.id)) {
        if (event.type !== "state" && event.type !== "end") continue;
        states += 1;
        for (const [name, { current = 0 }] of Object.entries<LayerMap[string]>(event.state.layer_status)) {
          if (current < (before.get(name) ?? 0)) seen.push(`${name} went back to ${current}`);
          before.set(name, current);
        }
        if (event.type === "end") return event.state;
      }
      return null;
    })();
    for (let change = 1; change <= CHANGES; change++) {
      const name = `${change % 2 === 0 ? "ours" : "theirs"} ${change % 10}`;
      steps.set(name, change);
      if (change % 2 === 0) run.layer(name, "running", undefined, { current: change });
      else theirs(name, "running", undefined, { current: change });
      if (change % 4 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    const stored = async (): Promise<Record<string, number | undefined>> => {
      const layers = JSON.parse((await raw.get(`logs:${run.id}:layers`)) ?? "{}") as LayerMap;
      return Object.fromEntries(Object.entries(layers).map(([name, { current }]) => [name, current]));
    };
    const all = Object.fromEntries(steps);
    await until(
      async () => Object.entries(await stored()).filter(([name, at]) => all[name] === at).length === 10,
      "all",
    );
    expect(await stored()).toEqual(all);
    await run.complete();
    const end = await watching;
    expect(Object.keys(end?.layer_status ?? {}).sort()).toEqual(Object.keys(all).sort());
    expect(seen).toEqual([]);
    console.log(`layers: ${CHANGES} changes of two producers, ${states} states seen by one viewer`);
  }, 120_000);
});

describe("a handle that joined and was idle for more than ten leases", () => {
  it("is let go, and joins again as another producer when it logs", async () => {
    const clock = createHandClock();
    const store = memoryStore({ now: clock.now });
    const livetail = createLivetail({ store, clock, onError: () => {} });
    const elsewhere = createLivetail({ store, clock, onError: () => {} });
    const run = livetail.createOperationRun("job", "idle");
    const producers = new Set<string>();
    const { append } = store;
    store.append = (asked) => {
      if (asked.owner === null && asked.lines.length > 0) producers.add(asked.producer);
      return append(asked);
    };
    const log = elsewhere.createLogCallback(run.id);
    await clock.advance(0);
    log("line 0");
    await clock.advance(9 * 30_000);
    log("line 1");
    await clock.advance(10 * 30_000);
    expect(producers.size).toBe(1);
    await clock.advance(30_000);
    log("line 2");
    await clock.advance(10_000);
    expect(producers.size).toBe(2);
    const ending = run.complete();
    await clock.advance(0);
    expect(await ending).toEqual({ status: "completed", stored: true });
    const { logs, late_lines } = await ask<PollAnswer>(elsewhere, `/${run.id}`);
    expect({ messages: logs.map(({ message }) => message), late_lines }).toEqual({
      messages: ["line 0", "line 1", "line 2"],
      late_lines: 0,
    });
    await elsewhere.close();
    await livetail.close();
  });
});

describe("an ended run whose producers' counts were evicted", () => {
  it("does not call lines late that it has", async () => {
    const { livetail } = open();
    const run = livetail.createOperationRun("job", "evicted");
    for (let line = 0; line < 10; line++) run.log(`line ${line}`);
    await run.complete();
    await raw.del(`logs:${run.id}:producers`);
    await run.heartbeat();
    expect(await ask<PollAnswer>(livetail, `/${run.id}`)).toMatchObject({ total_count: 10, late_lines: 0 });
    run.log("late");
    await until(async () => (await ask<PollAnswer>(livetail, `/${run.id}`)).late_lines > 0, "the late line");
    expect((await ask<PollAnswer>(livetail, `/${run.id}`)).late_lines).toBe(1);
  });
});
