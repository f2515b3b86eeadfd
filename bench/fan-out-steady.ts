/** What a line costs a server for each viewer that it goes to, at the pace of a busy operation. */
import { perUnit } from "./cpu-time.js";
import { FanOut, type FanOutTask } from "./fan-out.js";
import type { FanOutWay } from "./fan-out-server.js";
import { type Contender, type Measurement, measureInRounds } from "./rounds.js";
import type { Scenario } from "./scenario.js";

const LINES_PER_SECOND = 100;
const LIVETAIL = "livetail, from another process through Redis";
const BETTER_SSE = "better-sse, channel.broadcast()";
const WAYS: readonly [FanOutWay, string][] = [
  ["raw", "res.write() of the same chunks"],
  ["livetail", LIVETAIL],
  ["better-sse", BETTER_SSE],
  ["resumable-stream", "resumable-stream, from another process"],
];

export const fanOutSteady: Scenario = {
  name: "fan-out-steady",
  about: `${LINES_PER_SECOND} lines/s as chance has it to all event streams of a run, one of which takes nothing for now.`,
  unit: "events/CPU s",
  goals: [100, 1000].flatMap((viewers) => [
    // At most 1.2 times the CPU time of bare writes, and 0.6 times that of better-sse.
    { row: `${viewers} viewers, ${LIVETAIL}`, atLeast: 1 / 1.2 },
    {
      row: `${viewers} viewers, ${LIVETAIL}`,
      figure: "perSecond",
      of: `${viewers} viewers, ${BETTER_SSE}`,
      atLeast: 1 / 0.6,
    },
  ]),
  async run({ redis, quick }) {
    const lines = LINES_PER_SECOND * (quick ? 1 : 4);
    const fanOut = await FanOut.open(redis);
    const contenders = [100, 1000].flatMap((viewers) =>
      WAYS.map(([way, title]): Contender => {
        const ceiling = `${viewers} viewers, ${WAYS[0]?.[1]}`;
        // It publishes each line once for each viewer, and cannot keep up: its subscriber would be cut off by Redis.
        const few = way === "resumable-stream" && viewers === 1000;
        const task = { viewers, slow: true, lines: few ? 50 : lines, pace: { perSecond: LINES_PER_SECOND } };
        return { name: `${viewers} viewers, ${title}`, yardstick: ceiling, measure: () => measure(fanOut, way, task) };
      }),
    );
    try {
      return await measureInRounds(contenders, quick ? 1 : 3);
    } finally {
      await fanOut.close();
    }
  },
};

async function measure(fanOut: FanOut, way: FanOutWay, task: FanOutTask): Promise<Measurement> {
  const { events, serverMicros, otherMicros } = await fanOut.measure(way, task);
  const cpuMicros = serverMicros / events;
  return { perSecond: 1e6 / cpuMicros, cpuMicros, otherMicros: perUnit(otherMicros, events) };
}
