/** The runners of the demo, and what its page asks about them. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { fileURLToPath } from "node:url";
import type { ServiceOptions } from "../service/options.js";
import type { Framework } from "./frameworks.js";

const PROGRAM = fileURLToPath(new URL("./runner.ts", import.meta.url));

/** What a runner is told. */
export interface RunnerSetup extends ServiceOptions {
  framework: Framework;
  /** Its runs name their owner so, with the id of its process. */
  name: string;
  /** The URL of the Redis that the runners share. */
  redis: string;
  leaseMs: number;
  /** The HTML at `/`. */
  page: string;
}

/** A process that runs the service, or did. */
export interface Runner {
  readonly name: string;
  /** Where it listens, or did. */
  readonly url: string;
  /** It listens. */
  readonly alive: boolean;
  /** Ends it in the midst of what it does; resolves when it is gone. */
  kill(): Promise<void>;
  /** Starts it again where it was killed. */
  revive(): Promise<void>;
  /** Lets it end what it does not finish; resolves when it is gone. */
  close(): Promise<void>;
}

/** Starts a runner; resolves when it listens. Rejects when it ends before that. */
export async function startRunner(setup: RunnerSetup): Promise<Runner> {
  let child: ChildProcess;
  let url = "";
  let exited: Promise<unknown>;
  let alive = false;

  const start = async (): Promise<void> => {
    child = fork(PROGRAM, [JSON.stringify(setup)], { execArgv: ["--import", "tsx"] });
    exited = once(child, "exit");
    child.once("exit", () => {
      alive = false;
    });
    const ended = exited.then(() => {
      throw new Error(`${setup.name} ended before it listened.`);
    });
    [url] = (await Promise.race([once(child, "message"), ended])) as [string];
    ended.catch(() => {});
    alive = true;
  };
  await start();

  return {
    name: setup.name,
    get url() {
      return url;
    },
    get alive() {
      return alive;
    },
    async kill() {
      child.kill("SIGKILL");
      await exited;
    },
    async revive() {
      const ended = child.exitCode !== null || child.signalCode !== null;
      if (ended) await start();
    },
    async close() {
      if (child.connected) child.disconnect();
      await exited;
    },
  };
}

/** `GET /runners`, `POST /runners/NAME/kill` and `POST /runners/NAME/revive`; false for what is none of these. */
export function answerAboutRunners(runners: readonly Runner[], req: IncomingMessage, res: ServerResponse): boolean {
  const [, place, name, action] = (req.url ?? "").split("/");
  if (place !== "runners") return false;
  const runner = runners.find((one) => one.name === name);
  if (req.method === "GET" && name === undefined) {
    const told = runners.map(({ name, alive }) => ({ name, alive }));
    res.writeHead(200, { "Content-Type": "application/json", "Cache-Control": "no-store" }).end(JSON.stringify(told));
  } else if (req.method === "POST" && runner !== undefined && (action === "kill" || action === "revive")) {
    runner[action]().then(
      () => res.writeHead(204).end(),
      () => res.writeHead(500).end(),
    );
  } else {
    res.writeHead(404).end();
  }
  return true;
}
