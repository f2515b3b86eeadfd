/** Polls per second that find five new lines each, of runs that go on writing. */
import { deepStrictEqual } from "node:assert";
import { createLivetail, type Livetail, type PollAnswer, type Run } from "livetail";
import type { Question } from "./http-load.js";
import { type BenchLine, benchLines } from "./inputs.js";
import { type PolledServer, PolledServers, SERVERS } from "./polled-server.js";
import { type Contender, type Measurement, measureInRounds } from "./rounds.js";
import type { Scenario } from "./scenario.js";

const RUNS = 10;
/** On how many connections a server is asked at a time. */
const CONNECTIONS = 32;
/** New lines in an answer. */
const FRESH = 5;
/** Whoever polls every 200 ms then finds five new lines. */
const LINE_EVERY_MS = 40;
/** How many lines viewers are behind what was logged: 4 s, so that the lines are there however loaded the machine is. */
const BEHIND = 100;
const SAMPLED_ANSWERS = 50;

export const busyPolls: Scenario = {
  name: "busy-polls",
  about:
    `Polls that find ${FRESH} new lines each, on ${CONNECTIONS} connections, of ${RUNS} runs with a line every ` +
    `${LINE_EVERY_MS} ms; each server is a process of its own.`,
  unit: "polls/s",
  goals: SERVERS.flatMap(([, title]) => [
    { row: `${title}, livetail`, atLeast: 0.7 },
    { row: `${title}, livetail`, figure: "perSecond", of: `${title}, LRANGE and HGETALL each time`, atLeast: 2 },
  ]),
  async run({ redis, quick }) {
    const seconds = quick ? 0.5 : 2;
    // Nothing is trimmed, so that the route that reads Redis can take a line's index for its place in the list.
    const livetail = createLivetail({ redis: redis.url, maxLines: 1e6, maxBufferBytes: 1e9 });
    const servers = new PolledServers(redis);
    const writing = await startRuns(livetail);
    try {
      const contenders: Contender[] = [];
      for (const [server, title] of SERVERS) {
        const role = { server, redisUrl: redis.url, body: "" };
        const live = await servers.start({ ...role, answers: "livetail" });
        const reading = await servers.start({ ...role, answers: "redis" });
        const body = await middlingAnswer(live, writing);
        const constant = await servers.start({ ...role, answers: "constant", body });
        const yardstick = `${title}, a constant of ${Buffer.byteLength(body)} bytes`;
        const constantPage = {
          path: "/operations/constant",
          bodyStart: body.slice(0, 60),
          bodyHolds: '"next_poll_ms"',
        };
        contenders.push(
          { name: yardstick, yardstick, measure: () => constant.measure(() => constantPage, CONNECTIONS, seconds) },
          {
            name: `${title}, livetail`,
            yardstick,
            measure: () => measurePages(live, writing, pageOfLivetail, seconds),
          },
          {
            name: `${title}, LRANGE and HGETALL each time`,
            yardstick,
            measure: () => measurePages(reading, writing, pageOfList, seconds),
          },
        );
      }
      return await measureInRounds(contenders, quick ? 2 : 5);
    } finally {
      writing.stop();
      servers.stop();
      await livetail.close();
    }
  },
};

/** Runs that are written to. */
interface Writing {
  runs: readonly { id: string; epoch: string; version: number }[];
  /** How many lines each has so far. */
  count: number;
  /** What was logged as line `index` of each. */
  lineAt(index: number): BenchLine;
  stop(): void;
}

async function startRuns(livetail: Livetail): Promise<Writing> {
  const lines = benchLines(5000);
  const runs = Array.from({ length: RUNS }, () => livetail.createOperationRun("bench", "busy-polls"));
  const lineAt = (index: number): BenchLine => lines[index % lines.length] as BenchLine;
  const writing: Writing = { runs: [], count: 0, lineAt, stop: () => clearInterval(timer) };
  const logToAll = (): void => {
    for (const run of runs) run.log(lineAt(writing.count));
    writing.count += 1;
  };
  for (let line = 0; line < 3 * BEHIND; line += 1) logToAll();
  const states = runs.map(async (run: Run) => {
    await run.flush();
    const none = { kind: "none" } as const;
    const answer = await livetail.store.read({ runId: run.id, from: none, limit: 1, known: null });
    if (answer === null) throw new Error("A run is missing.");
    return { id: run.id, epoch: answer.run.epoch, version: answer.run.version };
  });
  writing.runs = await Promise.all(states);
  const timer = setInterval(logToAll, LINE_EVERY_MS);
  return writing;
}

type PageOf = (run: Writing["runs"][number], from: number) => Question;

/** The version is an older one by now, as that of a viewer with something to fetch often is. */
const pageOfLivetail: PageOf = ({ id, epoch, version }, from) => ({
  path: `/operations/${id}?cursor=${epoch}.${from}.${version}&limit=${FRESH}`,
  bodyStart: `{"run_id":"${id}",`,
  bodyHolds: `}],"cursor":"${epoch}.${from + FRESH}.`,
});

const pageOfList: PageOf = ({ id }, from) => ({
  path: `/operations/${id}?since=${from}&limit=${FRESH}`,
  bodyStart: `{"run_id":"${id}","status":"running","logs":[{`,
  bodyHolds: `}],"next_index":${from + FRESH}}`,
});

/** Viewers of all runs in turn, each at the newest lines; afterwards a few answers are read word by word. */
async function measurePages(
  server: PolledServer,
  writing: Writing,
  pageOf: PageOf,
  seconds: number,
): Promise<Measurement> {
  const { runs } = writing;
  const position = (): number => writing.count - BEHIND;
  let asked = 0;
  const question = (): Question => {
    asked += 1;
    return pageOf(runs[asked % runs.length] as (typeof runs)[number], position());
  };
  const measurement = await server.measure(question, CONNECTIONS, seconds);
  for (let from = position(); from > position() - SAMPLED_ANSWERS; from -= 1) {
    const run = runs[from % runs.length] as (typeof runs)[number];
    verify(await server.get(pageOf(run, from).path), writing, from);
  }
  return measurement;
}

function verify(body: string, writing: Writing, from: number): void {
  const { logs } = JSON.parse(body) as PollAnswer;
  const expected = Array.from({ length: FRESH }, (_, i) => writing.lineAt(from + i).message);
  deepStrictEqual(
    logs.map(({ message }) => message),
    expected,
  );
}

/** The answer whose size is nearest to the mean. */
async function middlingAnswer(server: PolledServer, writing: Writing): Promise<string> {
  const run = writing.runs[0] as Writing["runs"][number];
  const bodies: string[] = [];
  for (let from = 0; from < 2 * BEHIND; from += FRESH) {
    const body = await server.get(pageOfLivetail(run, from).path);
    verify(body, writing, from);
    bodies.push(body);
  }
  const mean = bodies.reduce((sum, { length }) => sum + length, 0) / bodies.length;
  const distance = ({ length }: string): number => Math.abs(length - mean);
  return bodies.reduce((nearest, body) => (distance(body) < distance(nearest) ? body : nearest));
}
