/** Polls per second that find nothing new: what every waiting viewer costs its server. */
import { createLivetail, type PollAnswer } from "livetail";
import { benchLines } from "./inputs.js";
import { CONNECTIONS, type PolledServer, PolledServers, SERVERS } from "./polled-server.js";
import { type Contender, measureInRounds } from "./rounds.js";
import type { Scenario } from "./scenario.js";

export const idlePolls: Scenario = {
  name: "idle-polls",
  about: `Polls that find nothing new, on ${CONNECTIONS} connections; each server is a process of its own.`,
  unit: "polls/s",
  goals: SERVERS.flatMap(([, title]) => [
    { row: `${title}, livetail`, atLeast: 0.75 },
    { row: `${title}, livetail`, figure: "perSecond", of: `${title}, LRANGE and HGETALL each time`, atLeast: 2 },
  ]),
  async run({ redis, quick }) {
    const seconds = quick ? 0.5 : 2;
    const livetail = createLivetail({ redis: redis.url });
    const servers = new PolledServers(redis);
    try {
      const run = livetail.createOperationRun("bench", "idle-polls");
      for (const line of benchLines(1200)) run.log(line);
      await run.flush();

      const contenders: Contender[] = [];
      for (const [server, title] of SERVERS) {
        const role = { server, redisUrl: redis.url, body: "" };
        const live = await servers.start({ ...role, answers: "livetail" });
        const idle = await pollToTheEnd(live, `/operations/${run.id}`);
        const constant = await servers.start({ ...role, answers: "constant", body: idle.body });
        const reading = await servers.start({ ...role, answers: "redis" });
        // A position in the list: it is trimmed.
        const beyond = `/operations/${run.id}?since=${idle.kept}&limit=500`;
        const read = await reading.get(beyond);
        // The pace that livetail asks for comes last, and changes while nothing happens.
        const stable = idle.body.slice(0, idle.body.indexOf('"next_poll_ms"'));
        const yardstick = `${title}, a constant of ${idle.body.length} bytes`;
        const measure = (polled: PolledServer, path: string, bodyStart: string) => () =>
          polled.measure(() => ({ path, bodyStart, bodyHolds: "" }), seconds);
        contenders.push(
          { name: yardstick, yardstick, measure: measure(constant, idle.path, idle.body) },
          { name: `${title}, livetail`, yardstick, measure: measure(live, idle.path, stable) },
          { name: `${title}, LRANGE and HGETALL each time`, yardstick, measure: measure(reading, beyond, read) },
        );
      }
      return await measureInRounds(contenders, quick ? 2 : 5);
    } finally {
      servers.stop();
      await livetail.close();
    }
  },
};

/** Reads a run until a poll finds nothing new; that poll's path and answer. */
async function pollToTheEnd(
  server: PolledServer,
  mount: string,
): Promise<{ path: string; body: string; kept: number }> {
  let path = mount;
  for (;;) {
    const body = await server.get(path);
    const { cursor, next_index, first_index } = JSON.parse(body) as PollAnswer;
    const next = `${mount}?cursor=${cursor}`;
    if (next === path) return { path, body, kept: next_index - first_index };
    path = next;
  }
}
