/** What a run of the benchmark found, as `--json` prints it. */
import { cpus } from "node:os";
import type { Verdict } from "./goals.js";
import type { Figure, Result } from "./rounds.js";

export interface Report {
  machine: Machine;
  /** What made it. */
  command: string;
  quick: boolean;
  scenarios: ScenarioReport[];
}

/** Where it was measured. */
export interface Machine {
  /** ISO date. */
  date: string;
  cores: number;
  cpu: string;
  node: string;
  /** What the server calls itself, with its version. */
  redis: string;
}

export interface ScenarioReport {
  name: string;
  about: string;
  unit?: string;
  each?: "ns";
  /** How long it took. */
  seconds: number;
  rows: readonly (Result | Figure)[];
  verdicts: Verdict[];
}

/** This machine, today; `serverInfo` is what INFO of the server said. */
export function thisMachine(serverInfo: string): Machine {
  const field = (name: string): string => new RegExp(`^${name}:(\\S+)`, "m").exec(serverInfo)?.[1] ?? "";
  const valkey = field("valkey_version");
  return {
    date: new Date().toISOString().slice(0, 10),
    cores: cpus().length,
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    node: process.version.slice(1),
    redis: valkey === "" ? `Redis ${field("redis_version")}` : `Valkey ${valkey}`,
  };
}

/** "3 of 4 goals met", over all scenarios. */
export function goalsMet({ scenarios }: Report): string {
  const verdicts = scenarios.flatMap((scenario) => scenario.verdicts);
  return `${verdicts.filter(({ met }) => met).length} of ${verdicts.length} goals met`;
}
