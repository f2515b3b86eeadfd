/** The parent's side of `poll-server.ts`: starts servers, asks them, and measures what a poll costs them. */
import type { TestRedis } from "../test/support/redis.js";
import { helperCpu, ownCpu, perUnit, redisCpu, startCpu } from "./cpu-time.js";
import { type HelperProcess, startHelper } from "./helper-process.js";
import { answersPerSecond, type Question } from "./http-load.js";
import type { PollServerReady, PollServerRole } from "./poll-server.js";
import type { Measurement } from "./rounds.js";

/** The servers that are compared, with the names that they are printed with. */
export const SERVERS = [
  ["http", "node:http"],
  ["fastify", "Fastify"],
] as const;

export interface PolledServer {
  /** The body of one answer; rejects unless it is a 200. */
  get(path: string): Promise<string>;
  /** Asks as fast as it answers, on so many connections at a time. */
  measure(question: () => Question, connections: number, seconds: number): Promise<Measurement>;
}

/** Servers that are stopped together. */
export class PolledServers {
  readonly #helpers: HelperProcess[] = [];
  readonly #redis: TestRedis;

  constructor(redis: TestRedis) {
    this.#redis = redis;
  }

  /** Starts one; resolves when it listens. */
  async start(role: PollServerRole): Promise<PolledServer> {
    const helper = startHelper("./poll-server.ts");
    this.#helpers.push(helper);
    const { port } = await helper.ask<PollServerReady>(role);
    return {
      async get(path) {
        const response = await fetch(`http://127.0.0.1:${port}${path}`);
        const body = await response.text();
        if (response.status !== 200) throw new Error(`${path}: ${response.status} ${body}`);
        return body;
      },
      measure: async (question, connections, seconds) => {
        const stopCpu = await startCpu({ server: helperCpu(helper), client: ownCpu, Redis: redisCpu(this.#redis) });
        const { answers, perSecond } = await answersPerSecond({ port, question, seconds, connections });
        const { server, ...otherMicros } = perUnit(await stopCpu(), answers);
        return { perSecond, cpuMicros: server, otherMicros };
      },
    };
  }

  stop(): void {
    for (const helper of this.#helpers) helper.stop();
  }
}
