/** How long a line takes from the log call to a viewer's callback, through Redis, into another process. */
import type { TestRedis } from "../test/support/redis.js";
import { until } from "../test/support/until.js";
import { helperCpu, ownCpu, perUnit, redisCpu, startCpu } from "./cpu-time.js";
import { type HelperProcess, startHelper } from "./helper-process.js";
import { followRun, pollList, queueEvents, resumeStream, streamRun, subscribe, type Watch } from "./latency-viewers.js";
import type { LatencyWay, WriterAnswer, WriterOrder } from "./latency-writer.js";
import { figuresInRounds } from "./rounds.js";
import type { Scenario } from "./scenario.js";
import { nowMicros } from "./stamped-line.js";

const CEILING = "PUBLISH to a subscriber, nothing stored";
const READER = "livetail to a Node reader";
const RESUMABLE = "resumable-stream";
const BULLMQ = "BullMQ updateProgress() to QueueEvents";
const SSE_VIEWER = "livetail to an SSE viewer, by a server between";

const CONTENDERS: readonly { name: string; way: LatencyWay; watch: Watch }[] = [
  { name: CEILING, way: "publish", watch: subscribe },
  { name: READER, way: "livetail", watch: followRun },
  { name: SSE_VIEWER, way: "livetail", watch: streamRun },
  { name: RESUMABLE, way: "resumable-stream", watch: resumeStream },
  { name: BULLMQ, way: "bullmq", watch: queueEvents },
  { name: "RPUSH to LRANGE every 200 ms", way: "list", watch: pollList },
];

/** Lines a second. */
const IDLE = 50;
const BUSY = 10_000;

export const latency: Scenario = {
  name: "latency",
  about: `From the log call to the callback in another process, in ms: at ${IDLE} and at ${BUSY} lines/s, with the CPU time of a line at the latter.`,
  goals: [
    { row: READER, figure: "p50", of: CEILING, atMost: 2.5 },
    { row: SSE_VIEWER, figure: "p50", of: CEILING, atMost: 4.5 },
    { row: READER, figure: "p50", of: RESUMABLE, atMost: 1 },
    { row: READER, figure: "p50", of: BULLMQ, atMost: 1 },
    { row: READER, figure: `p99 at ${BUSY}/s`, atMost: 10 },
    { row: SSE_VIEWER, figure: `p99 at ${BUSY}/s`, atMost: 10 },
  ],
  async run({ redis, quick }) {
    const seconds = quick ? 1 : 3;
    const rounds = quick ? 1 : 3;
    const measured = CONTENDERS.map(({ name, way, watch }) => ({
      name,
      async measure() {
        const { idle, busy, cpu } = await measure(redis, way, watch, seconds);
        return {
          p50: percentile(idle, 0.5),
          p99: percentile(idle, 0.99),
          [`p50 at ${BUSY}/s`]: percentile(busy, 0.5),
          [`p99 at ${BUSY}/s`]: percentile(busy, 0.99),
          ...Object.fromEntries(Object.entries(cpu).map(([who, micros]) => [`${who} µs`, micros])),
        };
      },
    }));
    return figuresInRounds(measured, rounds);
  },
};

/** Latencies in ms, and the CPU time of a line at the busy pace. Every line comes once and in order; the first of each pace only warm up. */
async function measure(
  redis: TestRedis,
  way: LatencyWay,
  watch: Watch,
  seconds: number,
): Promise<{ idle: number[]; busy: number[]; cpu: Record<string, number> }> {
  const writer = startHelper("./latency-writer.ts");
  const order = (what: WriterOrder): Promise<WriterAnswer> => writer.ask<WriterAnswer>(what);
  try {
    const wanted = `op_latency_${process.hrtime.bigint().toString(36).padStart(24, "0")}`;
    const id = await order({ kind: "prepare", way, id: wanted, redisUrl: redis.url });
    const latencies: number[] = [];
    let wrong = "";
    const watching = await watch(redis, id, (message) => {
      const now = nowMicros();
      const [index, sent] = message.split(" ");
      if (Number(index) !== latencies.length) wrong ||= `Line ${latencies.length} came as ${message}.`;
      latencies.push((now - Number(sent)) / 1000);
    });
    const send = (count: number, perSecond: number): Promise<number[]> =>
      sendAll(writer, latencies, { count, perSecond }, `all lines to come by ${way}`);
    await send(BUSY / 2, BUSY);
    const idle = await send(IDLE * 2 * seconds, IDLE);
    const stopCpu = await startCpu<string>({
      writer: helperCpu(writer),
      viewer: ownCpu,
      ...(watching.server && { server: helperCpu(watching.server) }),
      Redis: redisCpu(redis),
    });
    const busy = await send(BUSY * seconds, BUSY);
    const cpu = perUnit(await stopCpu(), busy.length);
    if (wrong !== "") throw new Error(`Not every line came once and in order by ${way}: ${wrong}`);
    await order({ kind: "end" });
    await watching.stop();
    return { idle, busy, cpu };
  } finally {
    writer.stop();
  }
}

/** Sends lines and waits until all have come; what they took. */
async function sendAll(
  writer: HelperProcess,
  latencies: readonly number[],
  pace: { count: number; perSecond: number },
  what: string,
): Promise<number[]> {
  const from = latencies.length;
  await writer.ask<WriterAnswer>({ kind: "send", from, ...pace } satisfies WriterOrder);
  await until(() => latencies.length >= from + pace.count, what, 60_000);
  return latencies.slice(from);
}

function percentile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}
