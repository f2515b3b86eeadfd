/**
 * `npm run bench -- [scenario…] [options]`: each scenario compares contenders on this machine, and judges its goals.
 *
 *   --quick        fewer and shorter rounds: a look, not a measurement
 *   --json         one report in place of tables
 *   --from FILE    takes such a report in place of measuring, and judges it anew
 *   --markdown     the README's table in place of tables
 *   --readme       writes that table into README.md
 */
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { startRedis } from "../test/support/redis.js";
import { judge } from "./goals.js";
import { markdownOf, withMarkdown } from "./markdown.js";
import { goalsMet, type Report, type ScenarioReport, thisMachine } from "./report.js";
import type { BenchSetting, Scenario } from "./scenario.js";
import { SCENARIOS } from "./scenarios.js";
import { tableOf } from "./tables.js";
import { round } from "./words.js";

const README = new URL("../README.md", import.meta.url);

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    markdown: { type: "boolean", default: false },
    readme: { type: "boolean", default: false },
    from: { type: "string" },
  },
});
const unknown = positionals.filter((name) => !SCENARIOS.some((scenario) => scenario.name === name));
if (unknown.length > 0) {
  console.error(`Unknown: ${unknown.join(", ")}. Scenarios: ${SCENARIOS.map(({ name }) => name).join(", ")}`);
  process.exit(1);
}
/** Tables are printed as they come; the rest at the end, alone. */
const asTables = !values.json && !values.markdown && values.from === undefined;

const report =
  values.from === undefined ? await measure() : judgedAnew(JSON.parse(readFileSync(values.from, "utf8")) as Report);
if (values.json) console.log(JSON.stringify(report, null, 2));
if (values.markdown) console.log(markdownOf(report));
if (values.readme && report.scenarios.length < SCENARIOS.length) {
  console.error("The README shows all scenarios: the report has to have them.");
  process.exitCode = 1;
} else if (values.readme) writeFileSync(README, withMarkdown(readFileSync(README, "utf8"), report));
if (asTables) {
  const { machine, quick, scenarios } = report;
  const seconds = scenarios.reduce((sum, scenario) => sum + scenario.seconds, 0);
  console.log(`\n${goalsMet(report)}, in ${round(seconds / 60)} minutes${quick ? ": a quick look" : ""}.`);
  console.log(`${machine.cores} cores of ${machine.cpu}, Node ${machine.node}, ${machine.redis}.`);
}
// A scenario that failed may have left connections open that would keep the process.
process.stdout.write("", () => process.exit());

/** What was measured, with what the goals are by now. */
function judgedAnew(old: Report): Report {
  const goalsOf = (name: string) => SCENARIOS.find((scenario) => scenario.name === name)?.goals ?? [];
  return { ...old, scenarios: old.scenarios.map((one) => ({ ...one, verdicts: judge(goalsOf(one.name), one.rows) })) };
}

async function measure(): Promise<Report> {
  const redis = await startRedis({ own: true });
  try {
    const machine = thisMachine(await redis.cli("INFO", "server"));
    const scenarios: ScenarioReport[] = [];
    for (const scenario of SCENARIOS) {
      if (positionals.length > 0 && !positionals.includes(scenario.name)) continue;
      if (asTables) console.log(`\n${scenario.name}: ${scenario.about}\n`);
      try {
        const done = await measureOne(scenario, { redis, quick: values.quick });
        if (asTables) console.log(tableOf(done));
        scenarios.push(done);
      } catch (error) {
        // What was not as it should be is no figure, and no reason to lose those of the other scenarios.
        console.error(`${scenario.name} failed:`, error);
        process.exitCode = 1;
      }
    }
    const options = process.argv.slice(2).filter((option) => !/^--(json|markdown|readme)$/.test(option));
    const command = ["npm run bench", ...(options.length > 0 ? ["--", ...options] : [])].join(" ");
    return { machine, command, quick: values.quick, scenarios };
  } finally {
    await redis.stop();
  }
}

async function measureOne(scenario: Scenario, setting: BenchSetting): Promise<ScenarioReport> {
  const before = performance.now();
  const rows = await scenario.run(setting);
  const seconds = (performance.now() - before) / 1000;
  const { name, about, unit, each, goals } = scenario;
  return {
    name,
    about,
    ...(unit !== undefined && { unit }),
    ...(each !== undefined && { each }),
    seconds,
    rows,
    verdicts: judge(goals, rows),
  };
}
