/** The outside world of the service: a job board and a server of models, on free ports of this machine. */
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { jobBoard } from "./job-board.js";
import { type ModelCall, modelServer } from "./model-server.js";

/** A world that runs. */
export interface World {
  /** `http://127.0.0.1:PORT`, as is `modelsUrl`. */
  boardUrl: string;
  /** Anthropic's base URL; OpenAI's is `/v1` below it. The ledger of a key is at `/calls?key=`. */
  modelsUrl: string;
  /** Divides every latency that begins from now on. */
  speed: number;
  /** What the models answered to this key so far. */
  calls(apiKey: string): ModelCall[];
  close(): Promise<void>;
}

/** Starts both, at speed 1 by default. */
export async function startWorld({ speed = 1 }: { speed?: number } = {}): Promise<World> {
  const wait = (ms: number): Promise<void> => delay(ms / world.speed);
  const models = modelServer(wait);
  const [board, providers] = await Promise.all([listen(jobBoard(wait)), listen(models.handle)]);
  const world: World = {
    boardUrl: board.url,
    modelsUrl: providers.url,
    speed,
    calls: models.calls,
    close: async () => void (await Promise.all([board.close(), providers.close()])),
  };
  return world;
}

async function listen(listener: RequestListener): Promise<{ url: string; close(): Promise<void> }> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
