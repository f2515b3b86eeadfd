/** Polls per second that find nothing new: what every waiting viewer costs its server. */
import { deepStrictEqual } from "node:assert";
import { createLivetail, type PollAnswer } from "livetail";
import type { Question } from "./http-load.js";
import { benchLines } from "./inputs.js";
import { BULL_BOARD, JOB_LOGS_KEPT, openJobs } from "./job-logs.js";
import { type PolledServer, PolledServers, SERVERS } from "./polled-server.js";
import { type Contender, measureInRounds } from "./rounds.js";
import type { Scenario } from "./scenario.js";

const RUNS = 10;
/** Each has a connection of its own, and asks again as soon as it is answered. */
const VIEWERS = 1000;
/** The same where an answer is everything that is kept: more of them would only fill the memory. */
const FULL_READERS = 100;

export const idlePolls: Scenario = {
  name: "idle-polls",
  about: `Polls that find nothing new, by ${VIEWERS} viewers of ${RUNS} runs; each server is a process of its own.`,
  unit: "polls/s",
  goals: SERVERS.flatMap(([, title]) => [
    { row: `${title}, livetail`, atLeast: 0.85 },
    { row: `${title}, livetail`, figure: "perSecond", of: `${title}, LRANGE and HGETALL each time`, atLeast: 2 },
  ]),
  async run({ redis, quick }) {
    const seconds = quick ? 1 : 2;
    const livetail = createLivetail({ redis: redis.url });
    const servers = new PolledServers(redis);
    try {
      const runs = Array.from({ length: RUNS }, () => livetail.createOperationRun("bench", "idle-polls"));
      const lines = benchLines(1200);
      for (const line of lines) for (const run of runs) run.log(line);
      await Promise.all(runs.map((run) => run.flush()));
      const jobs = await openJobs(redis.port, RUNS);
      await jobs.log(lines);
      await jobs.close();

      const contenders: Contender[] = [];
      for (const [server, title] of SERVERS) {
        const role = { server, redisUrl: redis.url, body: "" };
        const live = await servers.start({ ...role, answers: "livetail" });
        const idle = await Promise.all(runs.map((run) => pollToTheEnd(live, `/operations/${run.id}`)));
        const body = idle[0]?.body ?? "";
        const constant = await servers.start({ ...role, answers: "constant", body });
        const reading = await servers.start({ ...role, answers: "redis" });
        // The pace that livetail asks for comes last, and changes while nothing happens.
        const stable = (text: string): string => text.slice(0, text.indexOf('"next_poll_ms"'));
        const reads = idle.map(async ({ mount, kept }) => {
          // A position in the list: it is trimmed.
          const path = `${mount}?since=${kept}&limit=500`;
          return { path, bodyStart: await reading.get(path), bodyHolds: "" };
        });
        const yardstick = `${title}, a constant of ${body.length} bytes`;
        const measure = (polled: PolledServer, questions: readonly Question[]) => () =>
          polled.measure(inTurn(questions), VIEWERS, seconds);
        const expecting = (bodyStart: (text: string) => string): Question[] =>
          idle.map(({ path, body: text }) => ({ path, bodyStart: bodyStart(text), bodyHolds: "" }));
        contenders.push(
          {
            name: yardstick,
            yardstick,
            measure: measure(
              constant,
              expecting(() => body),
            ),
          },
          { name: `${title}, livetail`, yardstick, measure: measure(live, expecting(stable)) },
          {
            name: `${title}, LRANGE and HGETALL each time`,
            yardstick,
            measure: measure(reading, await Promise.all(reads)),
          },
        );
        if (server !== "http") continue;
        // It takes as long in any framework, and whether or not there is something new.
        const board = await servers.start({ ...role, answers: "job logs" });
        const questions = jobs.ids.map((id): Question => {
          return { path: `/operations/${id}`, bodyStart: '{"logs":["{', bodyHolds: `"],"count":${JOB_LOGS_KEPT}}` };
        });
        const { logs } = JSON.parse(await board.get(questions[0]?.path ?? "")) as { logs: string[] };
        deepStrictEqual(
          logs.map((text) => JSON.parse(text).message),
          lines.slice(-JOB_LOGS_KEPT).map(({ message }) => message),
        );
        contenders.push({
          name: `${title}, ${BULL_BOARD}`,
          yardstick,
          measure: () => board.measure(inTurn(questions), FULL_READERS, seconds),
        });
      }
      return await measureInRounds(contenders, quick ? 2 : 5);
    } finally {
      servers.stop();
      await livetail.close();
    }
  },
};

function inTurn(questions: readonly Question[]): () => Question {
  let asked = 0;
  return () => {
    asked += 1;
    return questions[asked % questions.length] as Question;
  };
}

/** Reads a run until a poll finds nothing new; that poll's path and answer. */
async function pollToTheEnd(
  server: PolledServer,
  mount: string,
): Promise<{ mount: string; path: string; body: string; kept: number }> {
  let path = mount;
  for (;;) {
    const body = await server.get(path);
    const { cursor, next_index, first_index } = JSON.parse(body) as PollAnswer;
    const next = `${mount}?cursor=${cursor}`;
    if (next === path) return { mount, path, body, kept: next_index - first_index };
    path = next;
  }
}
