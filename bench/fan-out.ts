/** What the fan-out scenarios share: servers in processes of their own, viewers in another, and lines between them. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { createLivetail } from "livetail";
import { createResumableStreamContext } from "resumable-stream/ioredis";
import type { TestRedis } from "../test/support/redis.js";
import { helperCpu, ownCpu, redisCpu, startCpu } from "./cpu-time.js";
import type { FanOutReady, FanOutRole, FanOutWay } from "./fan-out-server.js";
import { benchFrames, type Pace, type Telling, tell } from "./fan-out-source.js";
import type { FanOutQuestion } from "./fan-out-viewers.js";
import { type HelperProcess, startHelper } from "./helper-process.js";

/** One audience that is told lines. */
export interface FanOutTask {
  viewers: number;
  /** Whether one of them takes nothing until the others have everything. */
  slow: boolean;
  lines: number;
  /** The next ones are told when all viewers have so many. Default: all at once. */
  burst?: number;
  pace: Pace;
}

/** What that took. */
export interface FanOutCost {
  /** Lines that arrived, counted at each viewer. */
  events: number;
  seconds: number;
  /** CPU time of the process that serves. */
  serverMicros: number;
  /** Of the one that writes (and does little else where the server makes the lines itself), Redis, and all viewers. */
  otherMicros: Record<"writer" | "Redis" | "viewers", number>;
}

/** So many turns of the event loop that what is measured afterwards is compiled: that is CPU time of the server, too. */
const WARM_UP: FanOutTask = { viewers: 100, slow: false, lines: 1000, burst: 2, pace: { perTurn: 1 } };

interface Source {
  /** Path of the stream. */
  path: string;
  tell(telling: Telling): Promise<void>;
  close(): Promise<void>;
}

/** The processes of a scenario: the viewers, and a server for each way that is measured. */
export class FanOut {
  readonly #redis: TestRedis;
  readonly #folder: string;
  readonly #viewers = startHelper("./fan-out-viewers.ts");
  readonly #servers = new Map<FanOutWay, HelperProcess>();
  readonly #ports = new Map<FanOutWay, number>();
  readonly #livetail: ReturnType<typeof createLivetail>;
  readonly #clients: Redis[];

  static async open(redis: TestRedis): Promise<FanOut> {
    return new FanOut(redis, await mkdtemp(join(tmpdir(), "livetail-fan-out-")));
  }

  private constructor(redis: TestRedis, folder: string) {
    this.#redis = redis;
    this.#folder = folder;
    this.#livetail = createLivetail({ redis: redis.url });
    this.#clients = [new Redis(redis.url), new Redis(redis.url)];
  }

  /** Tells new viewers of a server lines, and verifies that each of them got each of the lines. */
  async measure(way: FanOutWay, task: FanOutTask): Promise<FanOutCost> {
    const { viewers, slow, lines, burst = lines, pace } = task;
    const server = await this.#server(way);
    const source = await this.#source(way, server);
    const port = this.#ports.get(way) as number;
    const place = { port, slowPath: slow ? this.#socketPath(way) : "", path: source.path };
    const quick = slow ? viewers - 1 : viewers;
    await this.#ask({ ask: "open", place, viewers: quick });
    const stopCpu = await startCpu({
      server: helperCpu(server),
      writer: ownCpu,
      Redis: redisCpu(this.#redis),
      viewers: helperCpu(this.#viewers),
    });
    const before = performance.now();
    for (let from = 0; from < lines; from += burst) {
      const to = Math.min(from + burst, lines);
      await Promise.all([source.tell({ from, to, pace }), this.#ask({ ask: "reach", lines: to })]);
    }
    const seconds = (performance.now() - before) / 1000;
    const { server: serverMicros, ...otherMicros } = await stopCpu();
    await this.#ask({ ask: "verify", lines });
    await source.close();
    return { events: lines * quick, seconds, serverMicros, otherMicros };
  }

  async close(): Promise<void> {
    for (const helper of [this.#viewers, ...this.#servers.values()]) helper.stop();
    for (const client of this.#clients) client.disconnect();
    await this.#livetail.close();
    await rm(this.#folder, { recursive: true });
  }

  async #server(way: FanOutWay): Promise<HelperProcess> {
    const known = this.#servers.get(way);
    if (known !== undefined) return known;
    const server = startHelper("./fan-out-server.ts");
    this.#servers.set(way, server);
    const role: FanOutRole = { way, redisUrl: this.#redis.url, socketPath: this.#socketPath(way) };
    this.#ports.set(way, (await server.ask<FanOutReady>(role)).port);
    await this.measure(way, WARM_UP);
    return server;
  }

  #socketPath(way: FanOutWay): string {
    return join(this.#folder, way);
  }

  /** Where the lines come from: this process and Redis for those who have a store, the server itself for the others. */
  async #source(way: FanOutWay, server: HelperProcess): Promise<Source> {
    switch (way) {
      case "livetail": {
        const run = this.#livetail.createOperationRun("bench", "fan-out");
        run.start();
        await run.ready;
        await run.flush();
        return {
          path: `/operations/${run.id}/stream`,
          async tell(telling) {
            await tell(telling, (due) => {
              for (const line of due) run.log(line);
            });
          },
          close: async () => {
            await run.complete();
            await this.#livetail.store.remove(run.id);
          },
        };
      }
      case "resumable-stream":
        return this.#resumableSource();
      default:
        return { path: "/", tell: (telling) => server.ask(telling), close: async () => {} };
    }
  }

  async #resumableSource(): Promise<Source> {
    const [publisher, subscriber] = this.#clients as [Redis, Redis];
    const context = createResumableStreamContext({ waitUntil: null, publisher, subscriber });
    const id = `bench-${performance.now()}`;
    const lines = new TransformStream<string, string>();
    const writer = lines.writable.getWriter();
    await context.createNewResumableStream(id, () => lines.readable);
    return {
      path: `/${id}`,
      async tell(telling) {
        await tell(telling, (due, from) => {
          void writer.write(benchFrames(due, from));
        });
      },
      close: () => writer.close(),
    };
  }

  #ask(question: FanOutQuestion): Promise<unknown> {
    return this.#viewers.ask(question);
  }
}
