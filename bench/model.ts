/**
 * What a fleet costs, as the README reckons it: so much for each open run and second, for each line, and for each line
 * that goes to a viewer. The costs are measured with few runs; then what they predict of more runs is measured, too.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { TestRedis } from "../test/support/redis.js";
import { type CountingProxy, startCountingProxy } from "./counting-proxy.js";
import { helperCpu, redisCpu, startCpu } from "./cpu-time.js";
import type { FanOutReady, FanOutRole } from "./fan-out-server.js";
import { type Costs, costsOf, type Load, predict, type UnitCosts } from "./fleet.js";
import type { Goal } from "./goals.js";
import { startHelper } from "./helper-process.js";
import type { ModelViewersOrder } from "./model-viewers.js";
import type { ModelRuns, ModelWriterOrder } from "./model-writer.js";
import { type Figure, figuresOverRounds, type Row } from "./rounds.js";
import type { Scenario } from "./scenario.js";

const IDLE: Load = { runs: 20, viewers: 10, linesPerSecond: 0 };
const FEW_VIEWERS: Load = { runs: 5, viewers: 2, linesPerSecond: 40 };
const MANY_VIEWERS: Load = { runs: 5, viewers: 20, linesPerSecond: 40 };
const CHECKED: Load = { runs: 20, viewers: 10, linesPerSecond: 10 };
const WARM_UP_MS = 1000;

const UNITS = {
  run: "an open run that is viewed, for a second",
  line: "a line, alone in its batch",
  event: "an event, that is a line to a viewer",
};
const nameOf = ({ runs, viewers, linesPerSecond }: Load): string =>
  `${runs} runs × ${viewers} viewers × ${linesPerSecond} lines/s`;
const PREDICTED = `${nameOf(CHECKED)}, predicted`;
const MEASURED = `${nameOf(CHECKED)}, measured`;

/** That the prediction is right to within so much. */
function within(part: number, ...figures: readonly string[]): Goal[] {
  return figures.map((figure) => ({ row: MEASURED, figure, of: PREDICTED, between: [1 - part, 1 + part] }));
}

export const model: Scenario = {
  name: "model",
  about: "What each run, line and event costs, per second; and whether that predicts what more runs cost.",
  goals: [...within(0.15, "commands", "Redis bytes"), ...within(0.3, "Redis CPU µs", "writer CPU µs", "server CPU µs")],
  async run({ redis, quick }) {
    const seconds = quick ? 2 : 5;
    const rounds: Row[][] = [];
    while (rounds.length < (quick ? 1 : 3)) {
      const idle = await measure(redis, IDLE, seconds);
      const fewViewers = await measure(redis, FEW_VIEWERS, seconds);
      const manyViewers = await measure(redis, MANY_VIEWERS, seconds);
      const measured = await measure(redis, CHECKED, seconds);
      const costs = costsOf([
        { load: IDLE, costs: idle },
        { load: FEW_VIEWERS, costs: fewViewers },
        { load: MANY_VIEWERS, costs: manyViewers },
      ]);
      rounds.push([
        { name: UNITS.run, figures: costs.run },
        { name: UNITS.line, figures: costs.line },
        { name: UNITS.event, figures: costs.event },
        { name: PREDICTED, figures: predict(costs, CHECKED) },
        { name: MEASURED, figures: measured },
      ]);
    }
    return figuresOverRounds(rounds);
  },
};

/** What one of each costs, out of the rows of a report. */
export function unitCostsOf(rows: readonly Figure[]): UnitCosts {
  const of = (name: string): Costs => {
    const row = rows.find((each) => each.name === name);
    if (row === undefined) throw new Error(`There is no row "${name}": the model was not measured.`);
    return Object.fromEntries(Object.entries(row.figures).map(([figure, { median }]) => [figure, median]));
  };
  return { run: of(UNITS.run), line: of(UNITS.line), event: of(UNITS.event) };
}

/** What a load costs in a second. Every viewer gets every line of its run. */
async function measure(redis: TestRedis, load: Load, seconds: number): Promise<Costs> {
  const writer = startHelper("./model-writer.ts");
  const server = startHelper("./fan-out-server.ts");
  const viewers = startHelper("./model-viewers.ts");
  const proxies = [await startCountingProxy(redis.port), await startCountingProxy(redis.port)] as const;
  const order = (what: ModelWriterOrder): Promise<ModelRuns> => writer.ask<ModelRuns>(what);
  const view = (what: ModelViewersOrder): Promise<unknown> => viewers.ask(what);
  try {
    const { ids } = await order({ kind: "open", redisUrl: proxies[0].url, runs: load.runs });
    const role: FanOutRole = { way: "livetail", redisUrl: proxies[1].url, socketPath: "" };
    const { port } = await server.ask<FanOutReady>(role);
    const paths = ids.map((id) => `/operations/${id}/stream`);
    await view({ kind: "open", port, paths, viewers: load.viewers });
    await order({ kind: "write", perSecond: load.linesPerSecond });
    await delay(WARM_UP_MS);
    const stopCpu = await startCpu({ writer: helperCpu(writer), server: helperCpu(server), Redis: redisCpu(redis) });
    const before = trafficOf(proxies);
    const begun = performance.now();
    await delay(seconds * 1000);
    const took = (performance.now() - begun) / 1000;
    const after = trafficOf(proxies);
    const cpu = await stopCpu();
    const { lines } = await order({ kind: "stop" });
    await view({ kind: "verify", lines });
    await order({ kind: "close" });
    return {
      commands: (after.commands - before.commands) / took,
      "Redis bytes": (after.bytes - before.bytes) / took,
      "Redis CPU µs": cpu.Redis / took,
      "writer CPU µs": cpu.writer / took,
      "server CPU µs": cpu.server / took,
    };
  } finally {
    for (const helper of [writer, server, viewers]) helper.stop();
    for (const proxy of proxies) proxy.close();
  }
}

function trafficOf(proxies: readonly CountingProxy[]): { commands: number; bytes: number } {
  const sum = (name: "commands" | "bytes"): number => proxies.reduce((total, { traffic }) => total + traffic[name], 0);
  return { commands: sum("commands"), bytes: sum("bytes") };
}
