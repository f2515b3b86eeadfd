/** How fast lines that come all at once get to many viewers. */
import { perUnit } from "./cpu-time.js";
import { FanOut } from "./fan-out.js";
import type { FanOutWay } from "./fan-out-server.js";
import { type Contender, measureInRounds } from "./rounds.js";
import type { Scenario } from "./scenario.js";

const VIEWERS = 1000;
/** Lines that come at once: what the system holds for each viewer, so that nobody has to wait for one. */
const BURST = 200;
/** For resumable-stream, which sends each viewer's copy through Redis: at 32 MB behind its subscriber would be cut off. */
const FEW = 20;
const LIVETAIL = "livetail, from another process through Redis";
const BETTER_SSE = "better-sse, channel.broadcast()";
const CONTENDERS: readonly { way: FanOutWay; name: string; perTurn: number; burst: number }[] = [
  { way: "raw", name: "res.write() of ten lines at once", perTurn: 10, burst: BURST },
  { way: "raw", name: "res.write() of a whole burst at once", perTurn: BURST, burst: BURST },
  { way: "livetail", name: LIVETAIL, perTurn: 10, burst: BURST },
  { way: "better-sse", name: BETTER_SSE, perTurn: 10, burst: BURST },
  { way: "resumable-stream", name: "resumable-stream, from another process", perTurn: 10, burst: FEW },
];

export const fanOutBurst: Scenario = {
  name: "fan-out-burst",
  about: `Bursts of ${BURST} lines, ten a turn, to ${VIEWERS} event streams of a run, each when all viewers have the last one.`,
  unit: "events/s",
  goals: [
    { row: LIVETAIL, atLeast: 0.85 },
    { row: LIVETAIL, figure: "perSecond", of: BETTER_SSE, atLeast: 1 },
  ],
  async run({ redis, quick }) {
    const fanOut = await FanOut.open(redis);
    const bursts = quick ? 2 : 6;
    const contenders = CONTENDERS.map(({ way, name, perTurn, burst }): Contender => {
      const task = { viewers: VIEWERS, slow: false, lines: burst * bursts, burst, pace: { perTurn } };
      return {
        name,
        async measure() {
          const { events, seconds, serverMicros, otherMicros } = await fanOut.measure(way, task);
          return {
            perSecond: events / seconds,
            cpuMicros: serverMicros / events,
            otherMicros: perUnit(otherMicros, events),
          };
        },
      };
    });
    try {
      // To warm up, a server has told its first audience lines already.
      return await (quick ? measureInRounds(contenders, 1, 0) : measureInRounds(contenders, 3));
    } finally {
      await fanOut.close();
    }
  },
};
