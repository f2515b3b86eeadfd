/** `livetail coverage`: which routes of a service are slow, and which of them can be watched. */
import { parseArgs } from "node:util";
import { COVERAGE_HEADS, coverageRows } from "../coverage-table.js";
import { LivetailError } from "../errors.js";
import type { CoverageAnswer } from "../protocol.js";
import { harmless, harmlessJson } from "./harmless.js";
import { type CliIo, processIo, write } from "./io.js";

/** What `livetail coverage --help` prints. */
export const COVERAGE_HELP = `Usage: livetail coverage --url BASE [options]

Prints the routes of a service, those that users wait for longest first: how long
they take, and whether anybody can watch them meanwhile.

  --url BASE           where livetail is served, like http://127.0.0.1:4000/livetail
                       (default: LIVETAIL_URL)
  --header 'NAME: V'   goes along with the request; may be given again
  --fail-over TIME     exit with 1 when a route whose 95th percentile is longer
                       than this (like 5s or 500ms) is not fully visible
  --json               print the answer as it came
  -h, --help

Exits with 2 when the service cannot be asked.
`;

/** How `livetail coverage` was called. */
export interface CoverageCall {
  url: string;
  headers: [string, string][];
  /** Milliseconds; null: nothing fails. */
  failOverMs: number | null;
  json: boolean;
}

/** Reads the arguments after `coverage`; throws `INVALID_OPTION` or what `parseArgs` throws. null: help is wanted. */
export function readCoverageCall(argv: readonly string[], env: NodeJS.ProcessEnv): CoverageCall | null {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      url: { type: "string" },
      header: { type: "string", multiple: true, default: [] },
      "fail-over": { type: "string" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return null;
  const url = values.url ?? env.LIVETAIL_URL ?? "";
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) {
    throw new LivetailError(
      "INVALID_OPTION",
      url === "" ? "Where is livetail? Say --url." : `This is not a URL: ${url}`,
    );
  }
  const failOver = values["fail-over"];
  return {
    url: url.replace(/\/+$/, ""),
    headers: values.header.map(readHeader),
    failOverMs: failOver === undefined ? null : readDuration(failOver),
    json: values.json,
  };
}

/** Prints the table; resolves to the exit code. */
export async function coverage(call: CoverageCall, io: CliIo = processIo): Promise<number> {
  const answer = await ask(call, io);
  if (typeof answer === "string") {
    await write(io.stderr, `livetail: ${harmless(answer, false)}\n`);
    return 2;
  }
  await write(io.stdout, call.json ? `${harmlessJson(JSON.stringify(answer))}\n` : table(answer));
  if (call.failOverMs === null) return 0;
  const limit = call.failOverMs;
  const blind = answer.routes.filter((one) => one.visibility !== "full" && one.p95_ms > limit);
  for (const { route, missing } of blind) {
    await write(io.stderr, `livetail: ${harmless(route, false)} is slow, and misses ${missing.join(", ") || "runs"}\n`);
  }
  return blind.length === 0 ? 0 : 1;
}

/** The answer, or why there is none. */
async function ask({ url, headers }: CoverageCall, io: CliIo): Promise<CoverageAnswer | string> {
  try {
    const response = await io.fetch(`${url}/-/coverage`, {
      headers: [["Accept", "application/json"], ...headers],
      signal: AbortSignal.timeout(30_000),
    });
    const body = (await response.json()) as Partial<CoverageAnswer> & { detail?: unknown };
    if (response.ok && Array.isArray(body.routes)) return body as CoverageAnswer;
    return `${url} answers ${response.status}${typeof body.detail === "string" ? `: ${body.detail}` : ""}`;
  } catch (error) {
    const { cause, message } = error as { cause?: { code?: unknown }; message?: string };
    return `${url} cannot be asked: ${String(cause?.code ?? message)}`;
  }
}

function table(answer: CoverageAnswer): string {
  if (answer.routes.length === 0) return "Nothing was asked yet, or no coverage middleware is in place.\n";
  const rows = [[...COVERAGE_HEADS], ...coverageRows(answer)].map((row) => row.map((cell) => harmless(cell, false)));
  const widths = COVERAGE_HEADS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, at) => cell.padEnd(widths[at] ?? 0))
          .join("  ")
          .trimEnd()}\n`,
    )
    .join("");
}

function readHeader(text: string): [string, string] {
  const colon = text.indexOf(":");
  if (colon < 1) throw new LivetailError("INVALID_OPTION", `This is not a header: ${text}`);
  return [text.slice(0, colon).trim(), text.slice(colon + 1).trim()];
}

function readDuration(text: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m)$/.exec(text) ?? [];
  if (amount === undefined) throw new LivetailError("INVALID_OPTION", `This is not a time like 5s or 500ms: ${text}`);
  return Number(amount) * (unit === "ms" ? 1 : unit === "s" ? 1000 : 60_000);
}
