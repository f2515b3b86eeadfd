/** A report as the README shows it: each goal with its figure. */
import { figuresOf, type Verdict } from "./goals.js";
import { goalsMet, type Report, type ScenarioReport } from "./report.js";
import { boundText, round, spreadText } from "./words.js";

const BEGIN = "<!-- made by `npm run bench -- --readme` -->";
const END = "<!-- end of what the bench made -->";

/** The table, with when, where and by what it was made. */
export function markdownOf(report: Report): string {
  const { machine, command, quick } = report;
  const rows = report.scenarios.flatMap((scenario) => scenario.verdicts.map((verdict) => rowOf(scenario, verdict)));
  const made =
    `Made on ${machine.date} by \`${command}\` on ${machine.cores} cores of ${machine.cpu}, ` +
    `Node ${machine.node}, ${machine.redis}; ${goalsMet(report)}.`;
  return [
    quick ? `${made} This was a quick run: a look, not a measurement.` : made,
    "",
    "| scenario | what | figure | CPU µs each | ratio to | ratio | goal | |",
    "|---|---|---:|---:|---|---:|---:|---|",
    ...rows.map((cells) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`),
  ].join("\n");
}

/** `readme` with the table in the place of the last one. Throws where there is no place for it. */
export function withMarkdown(readme: string, report: Report): string {
  const [before, rest] = readme.split(BEGIN);
  const after = rest?.split(END)[1];
  if (before === undefined || after === undefined) throw new Error(`The README has no "${BEGIN}" with its end.`);
  return `${before}${BEGIN}\n\n${markdownOf(report)}\n\n${END}${after}`;
}

function rowOf(scenario: ScenarioReport, { goal, value, met }: Verdict): string[] {
  const row = scenario.rows.find(({ name }) => name === goal.row);
  if (row === undefined) throw new Error(`${scenario.name} has no row "${goal.row}".`);
  const { figure = "ratio" } = goal;
  const isRatio = figure === "ratio" || figure === "cpuRatio";
  const spread = figuresOf(row)[isRatio && "perSecond" in row ? "perSecond" : figure];
  const unit = isRatio || figure === "perSecond" ? (scenario.unit ?? "") : figure;
  const beside = goal.of ?? (isRatio && "yardstick" in row ? row.yardstick : "");
  return [
    scenario.name,
    goal.row.trim(),
    spread === undefined ? "" : `${spreadText(spread)} ${unit}`,
    "cpuMicros" in row && row.cpuMicros !== null ? round(row.cpuMicros) : "",
    beside,
    beside === "" ? "" : round(value),
    boundText(goal),
    met ? "met" : "**missed**",
  ];
}
