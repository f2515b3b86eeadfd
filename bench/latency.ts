/** How long a line takes from the log call to a viewer's callback, through Redis, into another process. */
import type { TestRedis } from "../test/support/redis.js";
import { helperCpu, perUnit, redisCpu, startCpu } from "./cpu-time.js";
import { startHelper } from "./helper-process.js";
import type { ViewerOrder, ViewerReport } from "./latency-viewer.js";
import type { WayToWatch } from "./latency-viewers.js";
import type { LatencyWay, WriterAnswer, WriterOrder } from "./latency-writer.js";
import { figuresInRounds } from "./rounds.js";
import type { Scenario } from "./scenario.js";

const CEILING = "PUBLISH to a subscriber, nothing stored";
const READER = "livetail to a Node reader";
/** For comparison: it keeps a stream in its producer's memory and stores nothing, which no goal here is about. */
const RESUMABLE = "resumable-stream, nothing stored";
const BULLMQ = "BullMQ updateProgress() to QueueEvents";
const SSE_VIEWER = "livetail to an SSE viewer, by a server between";

const CONTENDERS: readonly { name: string; way: LatencyWay; watch: WayToWatch }[] = [
  { name: CEILING, way: "publish", watch: "subscribe" },
  { name: READER, way: "livetail", watch: "followRun" },
  { name: SSE_VIEWER, way: "livetail", watch: "streamRun" },
  { name: RESUMABLE, way: "resumable-stream", watch: "resumeStream" },
  { name: BULLMQ, way: "bullmq", watch: "queueEvents" },
  { name: "RPUSH to LRANGE every 200 ms", way: "list", watch: "pollList" },
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
    { row: READER, figure: "p50", of: BULLMQ, atMost: 1 },
    { row: READER, figure: `p99 at ${BUSY}/s`, atMost: 10 },
    { row: SSE_VIEWER, figure: `p99 at ${BUSY}/s`, atMost: 10 },
  ],
  async run({ redis, quick }) {
    const seconds = quick ? 0.5 : 3;
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

/** How long the lines of a pace may take to come, all together. */
const GIVE_UP_MS = 60_000;

/**
 * Latencies in ms, and the CPU time of a line at the busy pace. Writer and viewer are processes of their own, so that no
 * garbage of others is collected in them. Every line comes once and in order; the first ones only warm up.
 */
async function measure(
  redis: TestRedis,
  way: LatencyWay,
  watch: WayToWatch,
  seconds: number,
): Promise<{ idle: number[]; busy: number[]; cpu: Record<string, number> }> {
  const [writer, viewer] = [startHelper("./latency-writer.ts"), startHelper("./latency-viewer.ts")];
  const order = (what: WriterOrder): Promise<WriterAnswer> => writer.ask<WriterAnswer>(what);
  const tell = (what: ViewerOrder): Promise<ViewerReport> => viewer.ask<ViewerReport>(what);
  let asked: Promise<unknown> = Promise.resolve();
  /** A helper is asked one question at a time. */
  const viewerCpu = (whose: "cpu" | "server cpu") => (): Promise<number> => {
    const answer = asked.then(() => viewer.ask<number>(whose));
    asked = answer;
    return answer;
  };
  let from = 0;
  const send = async (count: number, perSecond: number): Promise<number[]> => {
    const tooLong = setTimeout(() => viewer.stop(), GIVE_UP_MS);
    await order({ kind: "send", from, count, perSecond });
    from += count;
    const { latencies, wrong } = await tell({ kind: "reach", lines: from });
    clearTimeout(tooLong);
    if (wrong !== "") throw new Error(`Not every line came once and in order by ${way}: ${wrong}`);
    return latencies;
  };
  try {
    const wanted = `op_latency_${process.hrtime.bigint().toString(36).padStart(24, "0")}`;
    const id = await order({ kind: "prepare", way, id: wanted, redisUrl: redis.url });
    await tell({ kind: "watch", way: watch, redis: { url: redis.url, port: redis.port }, id });
    await send(BUSY / 2, BUSY);
    const idle = await send(IDLE * 2 * seconds, IDLE);
    const stopCpu = await startCpu<string>({
      writer: helperCpu(writer),
      viewer: viewerCpu("cpu"),
      ...(watch === "streamRun" && { server: viewerCpu("server cpu") }),
      Redis: redisCpu(redis),
    });
    const busy = await send(BUSY * seconds, BUSY);
    const cpu = perUnit(await stopCpu(), busy.length);
    await order({ kind: "end" });
    await tell({ kind: "stop" });
    return { idle, busy, cpu };
  } finally {
    writer.stop();
    viewer.stop();
  }
}

function percentile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}
