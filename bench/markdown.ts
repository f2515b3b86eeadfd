/** A report as the README shows it: each goal with its figure, and what a fleet costs. */
import { capacity, type UnitCosts } from "./fleet.js";
import { figuresOf, type Verdict } from "./goals.js";
import { unitCostsOf } from "./model.js";
import { goalsMet, type Report, type ScenarioReport } from "./report.js";
import { boundText, round, spreadText } from "./words.js";

/** Places of the README, by the name that stands in the comments around them. */
const BLOCKS: Readonly<Record<string, (report: Report) => string>> = { goals: goalsTable, fleet: fleetTables };

const MADE_BY = "made by `npm run bench -- --readme`";
/** What a core is loaded with at most, so that it is soon through with what comes at once. */
const SHARE = 0.6;
/** What runs may be like. */
const MIXES = [
  { linesPerSecond: 1, viewers: 3 },
  { linesPerSecond: 10, viewers: 3 },
  { linesPerSecond: 10, viewers: 100 },
];

/** The tables of what was measured. */
export function markdownOf(report: Report): string {
  return Object.values(BLOCKS)
    .map((make) => make(report))
    .filter((text) => text !== "")
    .join("\n\n");
}

/** `readme` with the tables in the places of the last ones. Throws where there is no place for one. */
export function withMarkdown(readme: string, report: Report): string {
  return Object.entries(BLOCKS).reduce((text, [name, make]) => {
    const [begin, end] = [`<!-- ${name}: ${MADE_BY} -->`, `<!-- end of ${name} -->`];
    const [before, rest] = text.split(begin);
    const after = rest?.split(end)[1];
    if (before === undefined || after === undefined) throw new Error(`The README has no "${begin}" with its end.`);
    return `${before}${begin}\n\n${make(report)}\n\n${end}${after}`;
  }, readme);
}

/** Each goal with its figure, and when, where and by what they were made. */
function goalsTable(report: Report): string {
  const { machine, command, quick } = report;
  const rows = report.scenarios.flatMap((scenario) => scenario.verdicts.map((verdict) => goalRow(scenario, verdict)));
  const made =
    `Made on ${machine.date} by \`${command}\` on ${machine.cores} cores of ${machine.cpu}, ` +
    `Node ${machine.node}, ${machine.redis}; ${goalsMet(report)}.`;
  return [
    quick ? `${made} This was a quick run: a look, not a measurement.` : made,
    "",
    ...table(["scenario", "what", "figure", "CPU µs each", "ratio to", "ratio", "goal", ""], rows),
  ].join("\n");
}

function goalRow(scenario: ScenarioReport, { goal, value, met }: Verdict): string[] {
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

/** What one of each costs, and how much of it a core carries; "" when that was not measured. */
function fleetTables({ scenarios }: Report): string {
  const rows = scenarios.find(({ name }) => name === "model")?.rows.filter((row) => "figures" in row) ?? [];
  if (rows.length === 0) return "";
  const figures = Object.keys(rows[0]?.figures ?? {});
  const costs = unitCostsOf(rows);
  const mixes = MIXES.map(
    ({ linesPerSecond, viewers }) =>
      `${linesPerSecond} ${linesPerSecond === 1 ? "line" : "lines"}/s, ${viewers} viewers each`,
  );
  return [
    ...table(
      ["", ...figures],
      Object.values(costs).map((cost, at) => [
        rows[at]?.name ?? "",
        ...figures.map((figure) => round(cost[figure] ?? Number.NaN)),
      ]),
    ),
    "",
    ...table(
      [`${SHARE * 100} % of a core carries`, ...mixes],
      [
        ["runs, of a Redis", ...capacities(costs, "Redis CPU µs")],
        ["runs, of a process that writes", ...capacities(costs, "writer CPU µs")],
        ["runs, of a process that serves", ...capacities(costs, "server CPU µs")],
      ],
    ),
  ].join("\n");
}

function capacities(costs: UnitCosts, figure: string): string[] {
  return MIXES.map((mix) => Number(capacity(costs, mix, figure, SHARE).toPrecision(2)).toLocaleString("en-US"));
}

/** The first column holds names, the others figures. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  const isFigure = (column: number): boolean => rows.every((row) => /^(?:[\d≥≤-]|$)/.test(row[column] ?? ""));
  return [line(head), `|${head.map((_, column) => (isFigure(column) ? "---:" : "---")).join("|")}|`, ...rows.map(line)];
}
