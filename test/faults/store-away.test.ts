/**
 * What an operation notices of a store that is away: nothing. A process of its own runs operations that log without a
 * pause, and measures itself: what each call and each turn of its event loop costs, its timers, what calls return.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Asks, Opening, Standing } from "../fixtures/operations.js";
import { length } from "../support/length.js";
import { startRedis } from "../support/redis.js";
import { startTcpProxy } from "../support/tcp-proxy.js";
import { until } from "../support/until.js";

const OPERATIONS = length(50, 10);
/** What is logged while the store is away: more than the 10,000 lines that may wait. */
const LINES = length(50_000, 13_000);
const COMMAND_TIMEOUT_MS = length(2000, 500);
/** What no turn may cost because of livetail, nor any call. Beside all other tests the caches are cold, and it is more. */
const MOST_MS = length(5, 15);
/** A machine that does other things, too, makes a turn slow now and then; what livetail does is slow in each round. */
const ROUNDS = 20;
/** The lease timer, the turn to try again, deadlines of commands, of the connection and of ends, and reconnecting. */
const MOST_TIMERS = 12;

const program = fileURLToPath(new URL("../fixtures/operations.ts", import.meta.url));
const server = await startRedis({ own: true });
const proxy = await startTcpProxy(server.port);
// Its own threads must not run beside it: their CPU time could not be told from that of the event loop.
const child = fork(program, [], { execArgv: ["--single-threaded-gc", "--import", "tsx"] });
afterAll(async () => {
  child.kill("SIGKILL");
  await proxy.close();
  await server.stop();
});

/** Asks the process that runs the operations. */
async function ask<Name extends keyof Asks>(name: Name, opening?: Opening): Promise<Awaited<ReturnType<Asks[Name]>>> {
  const answered = once(child, "message");
  child.send({ ask: name, ...opening });
  const [{ answer }] = await answered;
  return answer;
}

function standing(holds: (now: Standing) => boolean, what: string): Promise<void> {
  return until(async () => holds(await ask("standing")), what, 60_000);
}

interface Outage {
  url: string;
  /** When the store goes away: before there is a livetail, or in the midst of everything. */
  begins: "before" | "amidst";
  begin(): Promise<void>;
  end(): Promise<void>;
}

const direct = { url: server.url, begins: "amidst" } as const;
const OUTAGES: Record<string, Outage> = {
  "is killed": { ...direct, begin: () => server.kill(), end: () => server.restart() },
  "is stopped": { ...direct, begin: () => server.kill("SIGSTOP"), end: () => server.kill("SIGCONT") },
  "is not there from the start": {
    ...direct,
    begins: "before",
    begin: () => server.kill(),
    end: () => server.restart(),
  },
  "answers nothing": {
    url: `redis://127.0.0.1:${proxy.port}`,
    begins: "amidst",
    begin: async () => proxy.swallowAnswers(),
    end: async () => proxy.heal(),
  },
};

/** Lets operations go through an outage: what comes before it, its first moment, the overflow, the end, recovery. */
async function goThrough({ url, begins, begin, end }: Outage, livetail = true) {
  const opening = { url, commandTimeoutMs: COMMAND_TIMEOUT_MS, operations: OPERATIONS, livetail };
  if (begins === "before") await begin();
  await ask("open", opening);
  await standing(({ logged }) => logged > 2000, "lines");
  if (begins === "amidst") await begin();
  const { logged } = await ask("standing");
  const noticed = (heard: string[]): boolean => !livetail || heard.includes("STORE_UNAVAILABLE");
  await standing((now) => now.logged > logged + LINES && noticed(now.heard), "the outage, and lines to be dropped");
  await ask("finish");
  await standing((now) => now.returned === OPERATIONS, "the operations to return");
  const away = await ask("standing");
  await end();
  await standing((now) => now.waiting === 0, "all that waits to be stored");
  const costs = await ask("costs");
  const dropped = livetail ? await ask("dropped") : 0;
  await ask("close");
  // Those of ioredis are there until its sockets are closed.
  await until(async () => (await ask("standing")).timers.alive === 0, "a closed livetail to leave no timer", 4000);
  return { away, costs, dropped };
}

const shown = (ms: number): string => ms.toFixed(2);

// Everything is done once before it is measured, so that V8 has compiled it.
beforeAll(async () => {
  for (const outage of Object.values(OUTAGES)) await goThrough(outage);
});

it.each(Object.entries(OUTAGES))(
  "an operation has no promise, no timer and no slow turn because of a store that %s",
  async (what, outage) => {
    let slowest = Number.POSITIVE_INFINITY;
    for (let round = 1; round <= ROUNDS && slowest > MOST_MS; round++) {
      const { away, costs, dropped } = await goThrough(outage);
      expect(away.awaitable).toBe(0);
      expect(away.madeInCalls).toBe(0);
      expect(away.timers.most).toBeLessThanOrEqual(MOST_TIMERS);
      // The operations returned while their lines waited.
      expect(away.waiting).toBeGreaterThan(9000);
      expect(dropped).toBeGreaterThan(0);
      const { turns, calls, withPauses } = costs;
      slowest = Math.min(slowest, Math.max(turns.max, calls.max));
      console.log(
        `store ${what}: ${OPERATIONS} operations, ${away.logged} lines, ${dropped} dropped; because of livetail a turn ` +
          `costs p99 ${shown(turns.p99)} ms, max ${shown(turns.max)} ms (${shown(withPauses.max)} with the pauses of the garbage collector), a call p99 ${shown(calls.p99)} ms, ` +
          `max ${shown(calls.max)} ms; timers at most ${away.timers.most} (round ${round})`,
      );
    }
    expect(slowest).toBeLessThanOrEqual(MOST_MS);
  },
  length(580_000, 240_000),
);

it("measures next to nothing of the same operations without livetail", async () => {
  const nothing = async (): Promise<void> => {};
  const { away, costs } = await goThrough({ ...direct, begin: nothing, end: nothing }, false);
  console.log(`without livetail: ${away.logged} lines, a turn costs p99 ${shown(costs.turns.p99)} ms`);
  expect(away).toMatchObject({ awaitable: 0, madeInCalls: 0, timers: { most: 0 } });
});
