/** Lines per second into Redis, from the first log call to the last acknowledgement. */
import { deepStrictEqual, strictEqual } from "node:assert";
import { Queue } from "bullmq";
import { Redis } from "ioredis";
import { createLivetail, type Livetail } from "livetail";
import { type CpuClock, ownCpu, perUnit, redisCpu, startCpu } from "./cpu-time.js";
import { type BenchLine, benchLines } from "./inputs.js";
import { type Contender, type Measurement, measureInRounds } from "./rounds.js";
import type { Scenario } from "./scenario.js";

/** Lines that are logged in one turn of the event loop. */
const BURST = 500;
/** Lines that may wait before the source pauses, and that every contender keeps in the end. */
const WAITING = 5000;
const KEPT = 1000;
const LIVETAIL = "livetail run.log()";
const NOT_AWAITED = "BullMQ job.log(), not awaited";

export const ingest: Scenario = {
  name: "ingest",
  about: `Lines of 80 B to 4 kB into Redis, ${BURST} a turn, the newest ${KEPT} kept and verified.`,
  unit: "lines/s",
  goals: [
    { row: LIVETAIL, atLeast: 0.8 },
    { row: LIVETAIL, figure: "perSecond", of: NOT_AWAITED, atLeast: 4 },
  ],
  async run({ redis, quick }) {
    const lines = benchLines(quick ? 20_000 : 100_000);
    const few = lines.slice(0, lines.length / 10);
    const server = redisCpu(redis);
    const client = new Redis(redis.url);
    const livetail = createLivetail({ redis: redis.url });
    const connection = { host: "127.0.0.1", port: redis.port };
    const queue = new Queue("bench", { connection, defaultJobOptions: { keepLogs: KEPT } });
    const contenders: Contender[] = [
      { name: `RPUSH of ${BURST} values a command, nothing else`, measure: () => pushLists(server, client, lines) },
      { name: LIVETAIL, measure: () => logRun(server, livetail, lines) },
      { name: NOT_AWAITED, measure: () => logJob(server, queue, lines, false) },
      { name: "BullMQ job.log(), awaited", measure: () => logJob(server, queue, few, true) },
    ];
    try {
      return await measureInRounds(contenders, quick ? 2 : 5);
    } finally {
      await livetail.close();
      await queue.close();
      client.disconnect();
    }
  },
};

async function pushLists(server: CpuClock, client: Redis, lines: readonly BenchLine[]): Promise<Measurement> {
  const key = "bench:list";
  const measured = await timed(server, lines.length, async () => {
    const inFlight: Promise<unknown>[] = [];
    for (let from = 0; from < lines.length; from += BURST) {
      const values = lines.slice(from, from + BURST).map((line) => JSON.stringify(line));
      inFlight.push(client.rpush(key, ...values));
      if (inFlight.length === 4) await inFlight.shift();
      else await turn();
    }
    await Promise.all(inFlight);
  });
  strictEqual(await client.llen(key), lines.length);
  verify(await client.lrange(key, -KEPT, -1), lines);
  await client.unlink(key);
  return measured;
}

async function logRun(server: CpuClock, livetail: Livetail, lines: readonly BenchLine[]): Promise<Measurement> {
  const run = livetail.createOperationRun("bench", "ingest");
  await run.ready;
  const measured = await timed(server, lines.length, async () => {
    for (let from = 0; from < lines.length; from += BURST) {
      for (const line of lines.slice(from, from + BURST)) run.log(line);
      do await turn();
      while (run.waitingLines > WAITING);
    }
    await run.flush();
  });
  await run.complete();
  const answer = await livetail.store.read({
    runId: run.id,
    from: { kind: "tail", count: KEPT },
    limit: KEPT,
    known: null,
  });
  strictEqual(answer?.run.expectedLogCount, lines.length, "livetail accepted each line once");
  verify(answer.lines, lines);
  strictEqual(await livetail.store.remove(run.id), "OK");
  return measured;
}

async function logJob(
  server: CpuClock,
  queue: Queue,
  lines: readonly BenchLine[],
  awaited: boolean,
): Promise<Measurement> {
  const job = await queue.add("ingest", {});
  const measured = await timed(server, lines.length, async () => {
    const inFlight = new Set<Promise<unknown>>();
    for (let from = 0; from < lines.length; from += BURST) {
      for (const line of lines.slice(from, from + BURST)) {
        const logged = job.log(JSON.stringify(line));
        if (awaited) {
          await logged;
        } else {
          inFlight.add(logged);
          void logged.then(() => inFlight.delete(logged));
        }
      }
      do await turn();
      while (inFlight.size > WAITING);
    }
    await Promise.all(inFlight);
  });
  verify((await queue.getJobLogs(job.id ?? "")).logs, lines);
  await job.remove();
  return measured;
}

/** The newest lines are there, in order, and say what was logged. */
function verify(stored: readonly string[], lines: readonly BenchLine[]): void {
  const expected = lines.slice(-stored.length);
  // livetail also bounds the bytes that it keeps, so it may keep fewer lines.
  if (stored.length > KEPT || stored.length < KEPT / 2) throw new Error(`${stored.length} lines are kept`);
  deepStrictEqual(
    stored.map((text) => JSON.parse(text).message),
    expected.map((line) => line.message),
  );
}

async function timed(server: CpuClock, count: number, work: () => Promise<void>): Promise<Measurement> {
  const stopCpu = await startCpu({ logger: ownCpu, Redis: server });
  const before = performance.now();
  await work();
  const seconds = (performance.now() - before) / 1000;
  const { logger, Redis } = perUnit(await stopCpu(), count);
  return { perSecond: count / seconds, cpuMicros: logger, otherMicros: { Redis } };
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
