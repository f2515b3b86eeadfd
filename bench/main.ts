/** `npm run bench -- [scenario…] [--quick] [--json]`: each scenario compares contenders on this machine. */
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { startRedis } from "../test/support/redis.js";
import { busyPolls } from "./busy-polls.js";
import { catchUp } from "./catch-up.js";
import { fanOutBurst } from "./fan-out-burst.js";
import { fanOutSteady } from "./fan-out-steady.js";
import { growth } from "./growth.js";
import { idlePolls } from "./idle-polls.js";
import { ingest } from "./ingest.js";
import { latency } from "./latency.js";
import { logCall } from "./log-call.js";
import type { Figure, Result } from "./rounds.js";
import type { Scenario } from "./scenario.js";

const SCENARIOS: readonly Scenario[] = [
  logCall,
  ingest,
  idlePolls,
  busyPolls,
  catchUp,
  fanOutSteady,
  fanOutBurst,
  growth,
  latency,
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: "boolean", default: false }, json: { type: "boolean", default: false } },
});
const unknown = positionals.filter((name) => !SCENARIOS.some((scenario) => scenario.name === name));
if (unknown.length > 0) {
  console.error(`Unknown: ${unknown.join(", ")}. Scenarios: ${SCENARIOS.map(({ name }) => name).join(", ")}`);
  process.exit(1);
}
const chosen = SCENARIOS.filter(({ name }) => positionals.length === 0 || positionals.includes(name));

const redis = await startRedis({ own: true });
try {
  const report: Record<string, readonly (Result | Figure)[]> = {};
  for (const scenario of chosen) {
    if (!values.json) console.log(`\n${scenario.name}: ${scenario.about}\n`);
    const results = await scenario.run({ redis, quick: values.quick });
    report[scenario.name] = results;
    if (!values.json) console.log(table(results, scenario));
  }
  const machine = { node: process.version, cores: cpus().length, quick: values.quick };
  if (values.json) console.log(JSON.stringify({ machine, scenarios: report }, null, 2));
  else console.log(`\nNode ${machine.node}, ${machine.cores} cores${values.quick ? ", a quick look" : ""}.`);
} finally {
  await redis.stop();
}

function table(results: readonly (Result | Figure)[], scenario: Scenario): string {
  const rates = results.filter((result) => "perSecond" in result);
  const rows = rates.length > 0 ? rateRows(rates, scenario) : figureRows(results.filter((each) => "figures" in each));
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows.map((row) => row.map((cell, column) => pad(cell, widths[column] ?? 0, column > 0)).join("  ")).join("\n");
}

function figureRows(all: readonly Figure[]): string[][] {
  const columns = [...new Set(all.flatMap(({ figures }) => Object.keys(figures)))];
  const cell = (value: number | undefined): string => (value === undefined ? "" : round(value));
  return [
    ["", ...columns],
    ...all.map(({ name, figures }) => [name, ...columns.map((column) => cell(figures[column]))]),
  ];
}

function rateRows(results: readonly Result[], { unit = "per second", each }: Scenario): string[][] {
  const others = results.some(({ otherMicros }) => otherMicros !== undefined);
  return [
    [
      "",
      unit,
      ...(each ? [`${each} each`] : []),
      "slowest to fastest",
      "CPU µs each",
      ...(others ? ["elsewhere"] : []),
      "ratio",
    ],
    ...results.map((result) => [
      result.name,
      round(result.perSecond),
      ...(each ? [round(1e9 / result.perSecond)] : []),
      `${round(result.slowest)} to ${round(result.fastest)}`,
      result.cpuMicros === null ? "-" : round(result.cpuMicros),
      ...(others ? [round(result.otherMicros ?? 0)] : []),
      result.ratio.toFixed(2),
    ]),
  ];
}

function pad(cell: string, width: number, right: boolean): string {
  return right ? cell.padStart(width) : cell.padEnd(width);
}

/** Three digits are what such a measurement is worth. */
function round(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString("en-US");
}
