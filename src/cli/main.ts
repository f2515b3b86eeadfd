#!/usr/bin/env node
/** The command line of livetail: which command, and its exit code. */
import { readFileSync } from "node:fs";
import { isLivetailError } from "../errors.js";
import { COVERAGE_HELP, coverage, readCoverageCall } from "./coverage.js";
import { harmlessJson } from "./harmless.js";
import { processIo } from "./io.js";
import { RUN_HELP, readRunCall, runCommand } from "./run.js";
import { readTailCall, TAIL_HELP, tail } from "./tail.js";

const HELP = `livetail shows long operations live.

  livetail run [options] -- COMMAND   run a command as an operation that can be watched
  livetail tail RUN_ID [options]      watch a run in this terminal
  livetail coverage --url BASE        which routes of a service are slow and cannot be watched

  -h, --help     also of a command: livetail run --help
  -v, --version
`;

/** A wrong call, as in sysexits.h. */
const USAGE = 64;

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

function version(): string {
  // Two folders up, from src/cli as from dist/cli.
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  return `${version}\n`;
}

async function main([command, ...rest]: string[]): Promise<number> {
  try {
    switch (command) {
      case "run": {
        const call = readRunCall(rest);
        return call === null ? print(RUN_HELP) : await runCommand(call);
      }
      case "tail": {
        const call = readTailCall(rest, process.env);
        return call === null ? print(TAIL_HELP) : await tail(call);
      }
      case "coverage": {
        const call = readCoverageCall(rest, process.env);
        return call === null ? print(COVERAGE_HELP) : await coverage(call);
      }
      case "help":
      case "-h":
      case "--help":
        return print(HELP);
      case "-v":
      case "--version":
        return print(version());
      default:
        process.stderr.write(
          command === undefined ? HELP : `livetail: there is no command ${harmlessJson(command)}\n\n${HELP}`,
        );
        return USAGE;
    }
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    const wrongCall = isLivetailError(error, "INVALID_OPTION") || String(code).startsWith("ERR_PARSE_ARGS_");
    if (!wrongCall) throw error;
    process.stderr.write(`livetail: ${harmlessJson((error as Error).message)}\nTry: livetail ${command} --help\n`);
    return USAGE;
  }
}

// What was printed to a reader that has gone is nobody's loss.
for (const stream of [processIo.stdout, processIo.stderr]) stream.on("error", () => {});
// livetail's connections and timers keep no process alive; a command does.
setInterval(() => {}, 3_600_000);
process.exit(await main(process.argv.slice(2)));
