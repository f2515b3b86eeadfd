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

export const idlePolls: Scenario = {
  name: "idle-polls",
  about: `Polls that find nothing new, on ${CONNECTIONS} connections; each server is a process of its own.`,
  unit: "polls/s",
  async run({ redis, quick }) {
    const seconds = quick ? 1 : 3;
    const livetail = createLivetail({ redis: redis.url });
    const children: ChildProcess[] = [];
    try {
      const run = livetail.createOperationRun("bench", "idle-polls");
      for (const line of benchLines(1200)) run.log(line);
      await run.flush();

      const start = async (role: Pick<PollServerRole, "server" | "answers"> & Partial<PollServerRole>) => {
        const child = fork(new URL("./poll-server.ts", import.meta.url), { execArgv: ["--import", "tsx"] });
        children.push(child);
        const whole: PollServerRole = { redisUrl: redis.url, runId: run.id, body: "", kept: 0, ...role };
        const { port } = await ask<PollServerReady>(child, whole);
        return { child, port };
      };
      const contenders: Contender[] = [];
      const add = (
        name: string,
        { child, port }: { child: ChildProcess; port: number },
        path: string,
        body: string,
      ) => {
        contenders.push({
          name,
          async measure() {
            const before = (await ask<PollServerCpu>(child, "cpu")).cpuMicros;
            const perSecond = await answersPerSecond({ port, path, body, connections: CONNECTIONS, seconds });
            const spent = (await ask<PollServerCpu>(child, "cpu")).cpuMicros - before;
            return { perSecond, cpuMicros: spent / (perSecond * seconds) };
          },
        });
      };

      for (const server of ["http", "fastify"] as const) {
        const name = server === "http" ? "node:http" : "Fastify";
        const live = await start({ server, answers: "livetail" });
        const { path, body, kept } = await pollToTheEnd(live.port, `/operations/${run.id}`);
        add(
          `${name}, a constant of ${body.length} bytes`,
          await start({ server, answers: "constant", body }),
          path,
          body,
        );
        add(`${name}, livetail`, live, path, body);
        const naive = await start({ server, answers: "redis", kept });
        const naiveBody = await (await fetch(`http://127.0.0.1:${naive.port}${path}`)).text();
        add(`${name}, LRANGE and HGETALL each time`, naive, path, naiveBody);
      }
      return await measureInRounds(contenders, quick ? 2 : 5);
    } finally {
      for (const child of children) child.disconnect();
      await livetail.close();
    }
  },
};

/** Reads a run until a poll finds nothing new; that poll's path and answer. */
async function pollToTheEnd(port: number, mount: string): Promise<{ path: string; body: string; kept: number }> {
  let path = mount;
  for (;;) {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    const body = await response.text();
    if (response.status !== 200) throw new Error(`${response.status}: ${body}`);
    const answer = JSON.parse(body) as PollAnswer;
    const next = `${mount}?cursor=${answer.cursor}`;
    // The pace that the server asks for settles only when nothing has come for a while.
    if (next === path && answer.next_poll_ms > 200) return { path, body, kept: answer.next_index - answer.first_index };
    path = next;
  }
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
