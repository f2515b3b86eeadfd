/** Polls per second that find nothing new: what every waiting viewer costs its server. */
import { type ChildProcess, fork } from "node:child_process";
import { createLivetail } from "../src/livetail.js";
import type { PollAnswer } from "../src/protocol.js";
import { answersPerSecond } from "./http-load.js";
import { benchLines } from "./inputs.js";
import type { PollServerCpu, PollServerReady, PollServerRole } from "./poll-server.js";
import { type Contender, measureInRounds } from "./rounds.js";
import type { Scenario } from "./scenario.js";

const CONNECTIONS = 32;
const SERVERS = [
  ["http", "node:http"],
  ["fastify", "Fastify"],
] as const;

export const idlePolls: Scenario = {
  name: "idle-polls",
  about: `Polls that find nothing new, on ${CONNECTIONS} connections; each server is a process of its own.`,
  unit: "polls/s",
  async run({ redis, quick }) {
    const seconds = quick ? 1 : 3;
    const livetail = createLivetail({ redis: redis.url });
    const children: ChildProcess[] = [];
    const start = async (role: PollServerRole): Promise<PollServer> => {
      const child = fork(new URL("./poll-server.ts", import.meta.url), { execArgv: ["--import", "tsx"] });
      children.push(child);
      const { port } = await ask<PollServerReady>(child, role);
      return { child, port };
    };
    try {
      const run = livetail.createOperationRun("bench", "idle-polls");
      for (const line of benchLines(1200)) run.log(line);
      await run.flush();

      const contenders: Contender[] = [];
      for (const [server, title] of SERVERS) {
        const role = { server, redisUrl: redis.url, runId: run.id, body: "", kept: 0 };
        const live = await start({ ...role, answers: "livetail" });
        const idle = await pollToTheEnd(live.port, `/operations/${run.id}`);
        const constant = await start({ ...role, answers: "constant", body: idle.body });
        const reading = await start({ ...role, answers: "redis", kept: idle.kept });
        const read = await get(reading.port, idle.path);
        // The pace that livetail asks for comes last, and changes while nothing happens.
        const stable = idle.body.slice(0, idle.body.indexOf('"next_poll_ms"'));
        const yardstick = `${title}, a constant of ${idle.body.length} bytes`;
        const measure = (polled: PollServer, bodyStart: string) => () =>
          measurePolls(polled, { path: idle.path, bodyStart, seconds });
        contenders.push(
          { name: yardstick, yardstick, measure: measure(constant, idle.body) },
          { name: `${title}, livetail`, yardstick, measure: measure(live, stable) },
          { name: `${title}, LRANGE and HGETALL each time`, yardstick, measure: measure(reading, read) },
        );
      }
      return await measureInRounds(contenders, quick ? 2 : 5);
    } finally {
      for (const child of children) child.disconnect();
      await livetail.close();
    }
  },
};

interface PollServer {
  child: ChildProcess;
  port: number;
}

async function measurePolls(
  { child, port }: PollServer,
  load: { path: string; bodyStart: string; seconds: number },
): ReturnType<Contender["measure"]> {
  const before = await ask<PollServerCpu>(child, "cpu");
  const { answers, perSecond } = await answersPerSecond({ ...load, port, connections: CONNECTIONS });
  const after = await ask<PollServerCpu>(child, "cpu");
  return { perSecond, cpuMicros: (after.cpuMicros - before.cpuMicros) / answers };
}

/** Reads a run until a poll finds nothing new; that poll's path and answer. */
async function pollToTheEnd(port: number, mount: string): Promise<{ path: string; body: string; kept: number }> {
  let path = mount;
  for (;;) {
    const body = await get(port, path);
    const { cursor, next_index, first_index } = JSON.parse(body) as PollAnswer;
    const next = `${mount}?cursor=${cursor}`;
    if (next === path) return { path, body, kept: next_index - first_index };
    path = next;
  }
}

async function get(port: number, path: string): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`);
  const body = await response.text();
  if (response.status !== 200) throw new Error(`${path}: ${response.status} ${body}`);
  return body;
}

function ask<T>(child: ChildProcess, question: PollServerRole | "cpu"): Promise<T> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null) => reject(new Error(`A server ended with code ${code}.`));
    child.once("exit", ended);
    child.once("message", (answer) => {
      child.off("exit", ended);
      resolve(answer as T);
    });
    child.send(question);
  });
}
