/**
 * Kills of a Redis that keeps every write, while lines are offered without a pause by writers that wait for nothing.
 * `LIVETAIL_FAULTS_LINES` sets how many; every other kill comes between a write and its answer.
 */
import { setTimeout as delay } from "node:timers/promises";
import { Redis } from "ioredis";
import { afterAll, expect, it } from "vitest";
import { createLivetail, type Livetail } from "../../src/livetail.js";
import { redisStore } from "../../src/store/redis.js";
import type { LogStore } from "../../src/store.js";
import { length } from "../support/length.js";
import { startRedis } from "../support/redis.js";
import { startTcpProxy } from "../support/tcp-proxy.js";
import { until } from "../support/until.js";

const LINES = Number(process.env.LIVETAIL_FAULTS_LINES || length(1_000_000, 40_000));
const KILLS = length(20, 4);
const LEAST_UNANSWERED = length(5, 1);
/** What is offered, and what it must have been at least, in lines a second: the short form is over too soon to tell. */
const PACE = 25_000;
const LEAST_PACE = length(20_000, 0);

const server = await startRedis({ aof: true });
const proxy = await startTcpProxy(server.port);
const stores: LogStore[] = [];
const raw = new Redis(server.url, { maxRetriesPerRequest: null, retryStrategy: () => 50 });
raw.on("error", () => {});
afterAll(async () => {
  raw.disconnect();
  await Promise.all(stores.map((store) => store.close()));
  await proxy.close();
  await server.stop();
});

it(
  `loses, doubles and disorders none of ${LINES} lines or more of four writers through ${KILLS} kills of a Redis that keeps every write`,
  async () => {
    const limits = { maxLines: 2 * LINES, maxBufferBytes: 1e9 };
    /** Of each run: what the newest answer that arrived said of its end. */
    const told = new Map<string, number>();
    let answers = 0;
    const open = (): Livetail => {
      const store = redisStore({ client: `redis://127.0.0.1:${proxy.port}`, commandTimeoutMs: 500, ...limits });
      stores.push(store);
      const append: LogStore["append"] = async (write) => {
        const answer = await store.append(write);
        answers += 1;
        if (answer.code === "OK") told.set(write.runId, Math.max(told.get(write.runId) ?? 0, answer.next));
        return answer;
      };
      return createLivetail({
        ...{ store: { ...store, append }, ...limits, onError: () => {} },
        ...{ maxWaitingLines: 2 * LINES, maxWaitingBytes: 1e9 },
      });
    };
    const owning = open();
    const joining = open();
    const runs = ["one", "two"].map((name) => owning.createOperationRun("job", name));
    await Promise.all(runs.map((run) => run.ready));
    // Each run has two writers, in livetails of their own.
    const logs = runs.flatMap((run) => [(line: string) => run.log(line), joining.createLogCallback(run.id)]);
    const stored = (): Promise<number[]> =>
      Promise.all(runs.map(async ({ id }) => Number(await raw.hget(`logs:${id}:meta`, "next"))));
    const beyondAnswers = (ends: readonly number[]): boolean =>
      ends.some((end, at) => end > (told.get(runs[at]?.id ?? "") ?? 0));

    let offered = 0;
    let killing = true;
    const began = performance.now();
    const writing = (async () => {
      // On a machine that is slow to kill, lines are offered for as long as that takes.
      while (offered < LINES || killing) {
        const due = Math.floor(((performance.now() - began) * PACE) / 1000);
        for (const most = killing ? due : Math.min(due, LINES); offered < most; offered++) {
          logs[offered % 4]?.(`${offered % 4} ${Math.floor(offered / 4)}`);
        }
        await delay(5);
      }
      return (offered * 1000) / (performance.now() - began);
    })();
    let unanswered = 0;
    for (let kill = 1; kill <= KILLS; kill++) {
      await until(() => offered >= (kill * LINES) / (KILLS + 1), "lines");
      let ends: number[] = [];
      if (kill % 2 === 0) {
        // Whoever is still on the way back from the last kill would not get through its greeting.
        const answered = answers;
        await until(() => answers > answered, "an answer");
        // From here on no answer arrives, so that what is stored beyond the last one was killed before its own.
        proxy.swallowAnswers();
        await until(async () => {
          ends = await stored();
          return beyondAnswers(ends);
        }, "a write without its answer");
      }
      await server.restart();
      // Asked again, now that the last answers of the killed server have been read.
      if (beyondAnswers(ends)) unanswered += 1;
      proxy.heal();
    }
    killing = false;
    const pace = await writing;
    await joining.close();
    const ended = { status: "completed", stored: true };
    expect(await Promise.all(runs.map((run) => run.complete()))).toEqual([ended, ended]);
    await owning.close();

    const counts = { lost: 0, doubled: 0, outOfOrder: 0 };
    const logged = logs.map((_, writer) => Math.ceil((offered - writer) / 4));
    for (const [at, { id }] of runs.entries()) {
      const writers = [2 * at, 2 * at + 1];
      const next = writers.reduce((sum, writer) => sum + (logged[writer] ?? 0), 0);
      expect(await raw.hmget(`logs:${id}:meta`, "next", "expected_log_count")).toEqual([`${next}`, `${next}`]);
      const found = new Map(writers.map((writer) => [`${writer}`, { numbers: new Set<number>(), last: -1 }]));
      for (const text of await readAll(id)) {
        const [writer = "", digits] = JSON.parse(text).message.split(" ");
        const known = found.get(writer);
        if (known === undefined) throw new Error(`Nobody logged ${text} to ${id}`);
        const number = Number(digits);
        if (known.numbers.has(number)) counts.doubled += 1;
        else if (number < known.last) counts.outOfOrder += 1;
        known.numbers.add(number);
        known.last = Math.max(known.last, number);
      }
      counts.lost += writers.reduce(
        (sum, writer) => sum + (logged[writer] ?? 0) - (found.get(`${writer}`)?.numbers.size ?? 0),
        0,
      );
    }
    console.log(
      `kills: ${offered} lines of 4 writers of 2 runs, offered at ${Math.round(pace)} a second; ${KILLS} kills with -9, ` +
        `${unanswered} of them between a write and its answer; ` +
        `${counts.lost} lost, ${counts.doubled} doubled, ${counts.outOfOrder} out of order; ` +
        `${Math.round((performance.now() - began) / 1000)} s in all`,
    );
    expect(counts).toEqual({ lost: 0, doubled: 0, outOfOrder: 0 });
    expect(unanswered).toBeGreaterThanOrEqual(LEAST_UNANSWERED);
    expect(pace).toBeGreaterThan(LEAST_PACE);
  },
  60_000 + LINES / 4,
);

/** All lines that are stored of a run, in their order. */
async function readAll(runId: string): Promise<string[]> {
  const texts: string[] = [];
  for (;;) {
    const page = await raw.lrange(`logs:${runId}:buffer`, texts.length, texts.length + 9999);
    if (page.length === 0) return texts;
    texts.push(...page);
  }
}
