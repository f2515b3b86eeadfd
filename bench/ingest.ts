/** Lines per second into Redis, from the first log call to the last acknowledgement. */
import { deepStrictEqual, strictEqual } from "node:assert";
import { Queue } from "bullmq";
import { Redis } from "ioredis";
import { createLivetail, type Livetail, type Run } from "livetail";
import { createResumableStreamContext } from "resumable-stream/ioredis";
import { type CpuClock, ownCpu, perUnit, redisCpu, startCpu } from "./cpu-time.js";
import { type BenchLine, benchLines } from "./inputs.js";
import { type Contender, type Measurement, measureInRounds } from "./rounds.js";
import type { Scenario } from "./scenario.js";

/** Lines that are logged in one turn of the event loop. */
const BURST = 500;
/** Lines that may wait before the source pauses, and that every contender keeps in the end. */
const WAITING = 5000;
const KEPT = 1000;
const RUNS = 100;
const LIVETAIL = "livetail run.log()";
const NOT_AWAITED = "BullMQ job.log(), not awaited";
const AWAITED = "BullMQ job.log(), awaited";
const RESUMABLE = "resumable-stream, one local reader";
const XADD = "XADD with MAXLEN, not awaited";

export const ingest: Scenario = {
  name: "ingest",
  about: `Lines of 80 B to 4 kB into Redis, ${BURST} a turn, the newest ${KEPT} kept and verified.`,
  unit: "lines/s",
  goals: [
    { row: LIVETAIL, atLeast: 0.85 },
    { row: LIVETAIL, figure: "perSecond", of: NOT_AWAITED, atLeast: 5 },
    { row: LIVETAIL, figure: "perSecond", of: RESUMABLE, atLeast: 1 },
    { row: LIVETAIL, figure: "perSecond", of: XADD, atLeast: 1 },
    { row: LIVETAIL, figure: "perSecond", of: AWAITED, atLeast: 40 },
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
      { name: LIVETAIL, measure: () => logRuns(server, livetail, lines, 1) },
      { name: `${LIVETAIL}, ${RUNS} runs in turns`, measure: () => logRuns(server, livetail, lines, RUNS) },
      { name: NOT_AWAITED, measure: () => logJob(server, queue, lines, false) },
      { name: AWAITED, measure: () => logJob(server, queue, few, true) },
      { name: RESUMABLE, measure: () => pipeStream(server, client, lines) },
      { name: XADD, measure: () => addToStream(server, client, lines) },
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

/** A source that can wait does so while more than this is not stored, as the capture of a child process does. */
async function logRuns(
  server: CpuClock,
  livetail: Livetail,
  lines: readonly BenchLine[],
  count: number,
): Promise<Measurement> {
  const runs = Array.from({ length: count }, () => livetail.createOperationRun("bench", "ingest"));
  await Promise.all(runs.map((run) => run.ready));
  const flushed = (): Promise<unknown> => Promise.all(runs.map((run) => run.flush()));
  const measured = await timed(server, lines.length, async () => {
    for (let from = 0; from < lines.length; from += BURST) {
      for (const [i, line] of lines.slice(from, from + BURST).entries()) runs[(from + i) % count]?.log(line);
      await turn();
      if (runs.reduce((sum, run) => sum + run.waitingLines, 0) > WAITING) await flushed();
    }
    await flushed();
  });
  for (const [at, run] of runs.entries()) {
    await verifyRun(
      livetail,
      run,
      lines.filter((_, i) => i % count === at),
    );
  }
  return measured;
}

async function verifyRun({ store }: Livetail, run: Run, lines: readonly BenchLine[]): Promise<void> {
  await run.complete();
  const answer = await store.read({ runId: run.id, from: { kind: "tail", count: KEPT }, limit: KEPT, known: null });
  strictEqual(answer?.run.expectedLogCount, lines.length, "livetail accepted each line once");
  verify(answer.lines, lines);
  strictEqual(await store.remove(run.id), "OK");
}

/** It holds the lines in its own memory and tells Redis of the stream; a second reader would have them by PUBLISH. */
async function pipeStream(server: CpuClock, client: Redis, lines: readonly BenchLine[]): Promise<Measurement> {
  const subscriber = client.duplicate();
  // A connection that subscribes before it is ready can no longer ask whether it is.
  await subscriber.ping();
  const context = createResumableStreamContext({ waitUntil: null, publisher: client, subscriber });
  const read: string[] = [];
  const measured = await timed(server, lines.length, async () => {
    let from = 0;
    const source = new ReadableStream<string>({
      pull(controller) {
        for (const line of lines.slice(from, from + BURST)) controller.enqueue(JSON.stringify(line));
        from += BURST;
        if (from >= lines.length) controller.close();
      },
    });
    const stream = await context.createNewResumableStream(`bench-${performance.now()}`, () => source);
    const reader = stream?.getReader();
    for (let next = await reader?.read(); next?.done === false; next = await reader?.read()) read.push(next.value);
  });
  strictEqual(read.length, lines.length);
  verify(read.slice(-KEPT), lines);
  subscriber.disconnect();
  return measured;
}

/** What one would write on Redis itself: a stream that is trimmed at each line. */
async function addToStream(server: CpuClock, client: Redis, lines: readonly BenchLine[]): Promise<Measurement> {
  const key = "bench:stream";
  const measured = await timed(server, lines.length, async () => {
    let inFlight: Promise<unknown>[] = [];
    for (let from = 0; from < lines.length; from += BURST) {
      for (const line of lines.slice(from, from + BURST)) {
        inFlight.push(client.xadd(key, "MAXLEN", "~", KEPT, "*", "line", JSON.stringify(line)));
      }
      await turn();
      if (inFlight.length <= WAITING) continue;
      await Promise.all(inFlight);
      inFlight = [];
    }
    await Promise.all(inFlight);
  });
  const newest = await client.xrevrange(key, "+", "-", "COUNT", KEPT);
  verify(newest.map(([, [, text]]) => text ?? "").reverse(), lines);
  await client.unlink(key);
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
      await turn();
      if (inFlight.size > WAITING) await Promise.all(inFlight);
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
  const most = Math.min(KEPT, lines.length);
  // livetail also bounds the bytes that it keeps, so it may keep fewer lines.
  if (stored.length > most || stored.length < most / 2) throw new Error(`${stored.length} lines are kept`);
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
