/** A scenario's report as a table for a terminal. */
import type { ScenarioReport } from "./report.js";
import type { Figure, Result } from "./rounds.js";
import { round, spreadText, verdictText } from "./words.js";

/** The rows, then the goals. */
export function tableOf(report: ScenarioReport): string {
  const rates = report.rows.filter((row) => "perSecond" in row);
  const rows = rates.length > 0 ? rateRows(rates, report) : figureRows(report.rows.filter((row) => "figures" in row));
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  const lines = rows.map((row) => row.map((cell, column) => pad(cell, widths[column] ?? 0, column > 0)).join("  "));
  const goals = report.verdicts.map((verdict) => `  ${verdict.goal.row}: ${verdictText(verdict)}`);
  return [...lines, "", ...goals, `  (${round(report.seconds)} s)`].join("\n");
}

function figureRows(all: readonly Figure[]): string[][] {
  const columns = [...new Set(all.flatMap(({ figures }) => Object.keys(figures)))];
  const cell = ({ figures }: Figure, column: string): string => {
    const spread = figures[column];
    return spread === undefined ? "" : spreadText(spread);
  };
  return [["", ...columns], ...all.map((row) => [row.name, ...columns.map((column) => cell(row, column))])];
}

function rateRows(results: readonly Result[], { unit = "per second", each }: ScenarioReport): string[][] {
  const others = [...new Set(results.flatMap(({ otherMicros = {} }) => Object.keys(otherMicros)))];
  return [
    [
      "",
      unit,
      ...(each ? [`${each} each`] : []),
      "slowest to fastest",
      "CPU µs each",
      ...others.map((who) => `in ${who}`),
      "ratio",
      "CPU ratio",
    ],
    ...results.map((result) => [
      result.name,
      round(result.perSecond),
      ...(each ? [round(1e9 / result.perSecond)] : []),
      `${round(result.slowest)} to ${round(result.fastest)}`,
      result.cpuMicros === null ? "-" : round(result.cpuMicros),
      ...others.map((who) => {
        const micros = result.otherMicros?.[who];
        return micros === undefined ? "" : round(micros);
      }),
      result.ratio.toFixed(2),
      result.cpuRatio?.toFixed(2) ?? "-",
    ]),
  ];
}

function pad(cell: string, width: number, right: boolean): string {
  return right ? cell.padStart(width) : cell.padEnd(width);
}
