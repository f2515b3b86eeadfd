/** A viewer that comes late and reads all that is kept of a run: 1,000 lines of about 1 kB in one answer. */
import { deepStrictEqual, strictEqual } from "node:assert";
import { createLivetail } from "livetail";
import type { TestRedis } from "../test/support/redis.js";
import { AnswerReader } from "./answer-reader.js";
import type { CatchUpQuestion, CatchUpReady, CatchUpRole } from "./catch-up-server.js";
import { type CpuClock, helperCpu, ownCpu, perUnit, redisCpu, startCpu } from "./cpu-time.js";
import { type HelperProcess, startHelper } from "./helper-process.js";
import { type BenchLine, kilobyteLines } from "./inputs.js";
import { BULL_BOARD, openJobs } from "./job-logs.js";
import { type Contender, type Measurement, measureInRounds } from "./rounds.js";
import type { Scenario } from "./scenario.js";

const LINES = 1000;
/** Viewers that read at a time, each on a connection of its own. */
const VIEWERS = 4;
/** Runs with the same lines: a process can read each of them for the first time only once. */
const RUNS = 24;

export const catchUp: Scenario = {
  name: "catch-up",
  about: `A late viewer reads ${LINES} lines of 1 kB, from node:http; ${VIEWERS} at a time. The CPU is that of the server.`,
  unit: "viewers/s",
  goals: [
    { row: "livetail, warm", atLeast: 0.7 },
    { row: "livetail, cold", atLeast: 0.9 },
  ],
  async run({ redis, quick }) {
    const lines = kilobyteLines(LINES);
    const ids = await storeRuns(redis, lines);
    const jobs = await openJobs(redis.port, 1);
    const [jobId = ""] = jobs.ids;
    await jobs.log(lines);
    await jobs.close();
    const servers: CatchUpServer[] = [];
    const start = async (answers: CatchUpRole["answers"], body = ""): Promise<CatchUpServer> => {
      const helper = startHelper("./catch-up-server.ts");
      const { port } = await helper.ask<CatchUpReady>({ answers, redisPort: redis.port, body } satisfies CatchUpRole);
      const readers = Array.from({ length: VIEWERS }, () => new AnswerReader(port));
      const server = { helper, readers, redisMicros: redisCpu(redis) };
      servers.push(server);
      return server;
    };
    try {
      const [one = ""] = ids;
      const path = (id: string) => `/operations/${id}?limit=${LINES}`;
      const times = quick ? 60 : 400;
      const again = Array.from({ length: times }, () => path(one));
      const each = ids.map(path);

      const warm = await start("livetail");
      const body = (await firstOf(warm, path(one))).toString();
      const constant = await start("constant", body);
      const rows = await start("rows");
      const jobLogs = await start("job logs");
      const cold = await start("livetail");
      const sent = `the same ${(body.length / 1e6).toFixed(2)} MB, constant`;
      const parsed = "LRANGE, JSON.parse, JSON.stringify";

      const entries = logsOf(await firstOf(warm, path(one)), lines, (entry) => entry);
      const rowTexts = logsOf(await firstOf(rows, path(one)), lines, (row) => row);
      const logTexts = logsOf(await firstOf(jobLogs, path(jobId)), lines, (text) => JSON.parse(text as string));
      const contenders: Contender[] = [
        { name: sent, measure: () => measure(constant, again, entries) },
        { name: "livetail, warm", measure: () => measure(warm, again, entries) },
        { name: parsed, yardstick: parsed, measure: () => measure(rows, each, rowTexts) },
        {
          name: "livetail, cold",
          yardstick: parsed,
          async measure() {
            await cold.helper.ask("forget" satisfies CatchUpQuestion);
            // Cold is the run, not the connection.
            await firstOf(cold, `/operations/${one}?tail=1`);
            return measure(cold, each.slice(1), entries);
          },
        },
        {
          name: BULL_BOARD,
          yardstick: parsed,
          measure: () =>
            measure(
              jobLogs,
              each.map(() => path(jobId)),
              logTexts,
            ),
        },
      ];
      return await measureInRounds(contenders, quick ? 2 : 9);
    } finally {
      for (const { helper, readers } of servers) {
        for (const reader of readers) reader.close();
        helper.stop();
      }
    }
  },
};

interface CatchUpServer {
  helper: HelperProcess;
  readers: AnswerReader[];
  redisMicros: CpuClock;
}

/** Asks for every path once and expects `logs` in each answer, byte by byte. */
async function measure(
  { helper, readers, redisMicros }: CatchUpServer,
  paths: readonly string[],
  logs: Buffer,
): Promise<Measurement> {
  const stopCpu = await startCpu({ server: helperCpu(helper), reader: ownCpu, Redis: redisMicros });
  const before = performance.now();
  let next = 0;
  const read = async (reader: AnswerReader): Promise<void> => {
    for (let path = paths[next++]; path !== undefined; path = paths[next++]) {
      const body = await reader.get(path);
      const at = body.indexOf('"logs":[');
      strictEqual(body.compare(logs, 0, logs.length, at, at + logs.length), 0, `${path} has the lines`);
    }
  };
  await Promise.all(readers.map(read));
  const seconds = (performance.now() - before) / 1000;
  const { server, ...otherMicros } = perUnit(await stopCpu(), paths.length);
  return { perSecond: paths.length / seconds, cpuMicros: server, otherMicros };
}

/** A copy of one answer. */
async function firstOf({ readers: [reader] }: CatchUpServer, path: string): Promise<Buffer> {
  if (reader === undefined) throw new Error("A server without a reader.");
  return Buffer.from(await reader.get(path));
}

/** The part of an answer that holds the lines, which are shown to be `lines`. */
function logsOf(body: Buffer, lines: readonly BenchLine[], parse: (log: unknown) => unknown): Buffer {
  const { logs } = JSON.parse(body.toString()) as { logs: unknown[] };
  deepStrictEqual(
    logs.map((log) => (parse(log) as BenchLine).message),
    lines.map(({ message }) => message),
  );
  return body.subarray(body.indexOf('"logs":['), body.lastIndexOf("],") + 1);
}

/** Stores the lines as runs that have ended; returns their ids. */
async function storeRuns(redis: TestRedis, lines: readonly BenchLine[]): Promise<string[]> {
  const livetail = createLivetail({ redis: redis.url });
  try {
    const ids: string[] = [];
    for (let i = 0; i < RUNS; i += 1) {
      const run = livetail.createOperationRun("bench", "catch-up");
      // With a time of their own the lines are the same bytes in each run.
      for (const line of lines) run.log({ timestamp: "2026-01-14T10:00:00.000Z", ...line });
      const { stored } = await run.complete();
      strictEqual(stored, true);
      strictEqual(await redis.cli("LLEN", `logs:${run.id}:buffer`), String(LINES), "every line is kept");
      ids.push(run.id);
    }
    return ids;
  } finally {
    await livetail.close();
  }
}
