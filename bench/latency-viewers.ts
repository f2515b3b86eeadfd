/** Those who wait for the lines of `latency-writer.ts`, each in the way of one library. */
import { setTimeout as delay } from "node:timers/promises";
import { QueueEvents } from "bullmq";
import { Redis } from "ioredis";
import { createLivetail } from "livetail";
import { LogPoller } from "livetail/client";
import { sseTransport } from "livetail/client/sse";
import { createResumableStreamContext } from "resumable-stream/ioredis";
import { type HelperProcess, startHelper } from "./helper-process.js";
import type { PollServerReady, PollServerRole } from "./poll-server.js";

/** Calls `onMessage` with each line's message, in the order in which they come. Resolves when it listens. */
type Watch = (redis: RedisPlace, id: string, onMessage: (message: string) => void) => Promise<Watching>;

/** Where Redis is. */
interface RedisPlace {
  url: string;
  port: number;
}

export interface Watching {
  /** The process that serves, where there is one between. */
  server?: HelperProcess;
  stop(): unknown;
}

const POLL_EVERY_MS = 200;

const messageOf = (text: string): string => (JSON.parse(text) as { message: string }).message;

/** A Redis subscriber. */
const subscribe: Watch = async (redis, id, onMessage) => {
  const client = new Redis(redis.url);
  client.on("message", (_channel, text) => onMessage(messageOf(text)));
  await client.subscribe(id);
  return { stop: () => client.disconnect() };
};

/** `reader.follow()`, in this process. */
const followRun: Watch = async (redis, id, onMessage) => {
  const livetail = createLivetail({ redis: redis.url });
  const over = new AbortController();
  let ready = (): void => {};
  const listening = new Promise<void>((resolve) => {
    ready = resolve;
  });
  const following = (async () => {
    for await (const event of livetail.reader.follow(id, { signal: over.signal })) {
      if (event.type === "state") ready();
      if (event.type === "gap" || event.type === "reset") throw new Error(`There was a ${event.type}.`);
      if (event.type === "log") onMessage(event.entry.message);
    }
  })();
  await Promise.race([listening, following]);
  return {
    async stop() {
      over.abort();
      await following;
      await livetail.close();
    },
  };
};

/** `LogPoller` over SSE, from a server that is another process. */
const streamRun: Watch = async (redis, id, onMessage) => {
  const server = startHelper("./poll-server.ts");
  const role: PollServerRole = { server: "http", answers: "livetail", redisUrl: redis.url, body: "" };
  const { port } = await server.ask<PollServerReady>(role);
  const poller = new LogPoller(id, {
    endpointBase: `http://127.0.0.1:${port}/operations`,
    transport: sseTransport(),
    onLog: (entry) => onMessage(entry.message),
  });
  const listening = new Promise((resolve) => poller.onStatus(resolve));
  poller.start();
  await listening;
  return {
    server,
    stop() {
      poller.stop();
      server.stop();
    },
  };
};

/** `resumeExistingStream()`. */
const resumeStream: Watch = async (redis, id, onMessage) => {
  const [publisher, subscriber] = [new Redis(redis.url), new Redis(redis.url)];
  // One that subscribes before it is ready never is: nothing would come.
  await Promise.all([publisher.ping(), subscriber.ping()]);
  const context = createResumableStreamContext({ waitUntil: null, publisher, subscriber });
  const stream = await context.resumeExistingStream(id);
  if (!stream) throw new Error("There is no such stream.");
  const reader = stream.getReader();
  const reading = (async () => {
    let rest = "";
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
      const texts = (rest + chunk.value).split("\n");
      rest = texts.pop() ?? "";
      for (const text of texts) onMessage(messageOf(text));
    }
  })();
  return {
    async stop() {
      await reading;
      publisher.disconnect();
      subscriber.disconnect();
    },
  };
};

/** BullMQ's `QueueEvents`, progress. */
const queueEvents: Watch = async (redis, id, onMessage) => {
  // From the first event on: it is ready before it has asked for what is new, and what comes in between would be lost.
  const events = new QueueEvents("latency", {
    connection: { host: "127.0.0.1", port: redis.port },
    lastEventId: "0",
  });
  events.on("progress", ({ jobId, data }) => {
    if (jobId === id) onMessage((data as { message: string }).message);
  });
  await events.waitUntilReady();
  return { stop: () => events.close() };
};

/** Asks a list for what is new, every 200 ms. */
const pollList: Watch = async (redis, id, onMessage) => {
  const client = new Redis(redis.url);
  let over = false;
  const polling = (async () => {
    for (let next = 0; !over; await delay(POLL_EVERY_MS)) {
      const texts = await client.lrange(id, next, -1);
      next += texts.length;
      for (const text of texts) onMessage(messageOf(text));
    }
  })();
  return {
    async stop() {
      over = true;
      await polling;
      client.disconnect();
    },
  };
};

/** Each of them by its name. */
export const WAYS_TO_WATCH = { subscribe, followRun, streamRun, resumeStream, queueEvents, pollList };

export type WayToWatch = keyof typeof WAYS_TO_WATCH;
