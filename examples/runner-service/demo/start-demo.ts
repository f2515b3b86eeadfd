/** The service with all that it needs: the world, a store, and on Redis two runners behind a front. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memoryStore } from "livetail";
import { openLivetail } from "../after/livetail.js";
import { startWorld, type World } from "../world/start-world.js";
import { type Framework, startService } from "./frameworks.js";
import { startFront } from "./front.js";
import { pageOf } from "./page.js";
import { startRedisServer } from "./redis-server.js";
import { answerAboutRunners, type Runner, startRunner } from "./runners.js";

/** How a demo is started. */
export interface DemoOptions {
  /** Default express. */
  framework?: Framework;
  /** Keeps runs in Redis, with two runners: in a server of the demo's own, or in that with this URL. Default false. */
  redis?: boolean | string;
  /** Default 3000; a free one if it is taken. */
  port?: number;
  /** Divides what the job sites and the models take. Default 1. */
  speed?: number;
  /** After this time, and four sweeps in a third of it each, a killed runner's runs have failed. Default 5,000. */
  leaseMs?: number;
}

/** A demo that runs. */
export interface Demo {
  /** The page. */
  url: string;
  world: World;
  /** None on the embedded store, where the service runs in this process. */
  runners: readonly Runner[];
  close(): Promise<void>;
}

/** Starts it. Rejects with what could not be started, when all that could be is closed again. */
export async function startDemo(options: DemoOptions = {}): Promise<Demo> {
  const { framework = "express", redis = false, port = 3000, speed = 1, leaseMs = 5000 } = options;
  const opened: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (const end of opened.splice(0).reverse()) await end();
  };
  try {
    const folder = await mkdtemp(join(tmpdir(), "livetail-demo-"));
    opened.push(() => rm(folder, { recursive: true, maxRetries: 5 }));
    const world = await startWorld({ speed });
    opened.push(world.close);
    const { boardUrl, modelsUrl } = world;
    const service = {
      boardUrl,
      modelsUrl,
      folder,
      page: pageOf({ framework, leaseMs: redis === false ? null : leaseMs }),
    };

    if (redis === false) {
      const livetail = openLivetail({ store: memoryStore() });
      opened.push(() => livetail.close());
      const { url, close: end } = await onPort(port, (at) => startService(framework, at, { ...service, livetail }));
      opened.push(end);
      return { url, world, runners: [], close };
    }

    let redisUrl = redis;
    if (redisUrl === true) {
      const server = await startRedisServer();
      opened.push(server.close);
      redisUrl = server.url;
    }
    const setup = { ...service, framework, redis: redisUrl, leaseMs };
    const runners = await Promise.all(
      ["runner-1", "runner-2"].map(async (name) => {
        const runner = await startRunner({ ...setup, name });
        opened.push(runner.close);
        return runner;
      }),
    );
    const front = await onPort(port, (at) =>
      startFront(at, {
        runners: () => runners.map(({ url }) => url),
        own: (req, res) => answerAboutRunners(runners, req, res),
      }),
    );
    opened.push(front.close);
    return { url: front.url, world, runners, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Starts a server on `port`, or on a free one if that is taken. */
async function onPort<T>(port: number, start: (port: number) => Promise<T>): Promise<T> {
  try {
    return await start(port);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    return start(0);
  }
}
