/** A process that sends lines, each with the moment at which it was sent, in one of several ways; see `latency.ts`. */
import { setTimeout as delay } from "node:timers/promises";
import { Queue } from "bullmq";
import { Redis } from "ioredis";
import { createLivetail } from "livetail";
import { createResumableStreamContext } from "resumable-stream/ioredis";
import { ownCpu } from "./cpu-time.js";
import { type StampedLine, stampedLine } from "./stamped-line.js";

/** How lines get from one process to the other. */
export type LatencyWay = "publish" | "livetail" | "resumable-stream" | "bullmq" | "list";

/** What the parent says: be ready to send to `id`; send; end. */
export type WriterOrder =
  | { kind: "prepare"; way: LatencyWay; id: string; redisUrl: string }
  | { kind: "send"; from: number; count: number; perSecond: number }
  | { kind: "end" };

/** What the child says: the id under which the lines come. */
export type WriterAnswer = string;

interface Sender {
  id: string;
  send(line: StampedLine): void;
  end(): Promise<unknown>;
}

/** More than are ever sent: whoever is late is to be late, not to miss something. */
const KEPT = 1_000_000;

const PREPARE: Record<LatencyWay, (id: string, redisUrl: string) => Promise<Sender>> = {
  async publish(id, redisUrl) {
    const client = new Redis(redisUrl);
    return {
      id,
      send: (line) => void client.publish(id, JSON.stringify(line)),
      end: () => client.quit(),
    };
  },

  async livetail(id, redisUrl) {
    const livetail = createLivetail({ redis: redisUrl, maxLines: KEPT, maxBufferBytes: 1e9 });
    const run = livetail.createOperationRun("bench", "latency", { id });
    await run.ready;
    return {
      id,
      send: (line) => run.log(line),
      async end() {
        await run.complete();
        await livetail.close();
      },
    };
  },

  async "resumable-stream"(id, redisUrl) {
    const [publisher, subscriber] = [new Redis(redisUrl), new Redis(redisUrl)];
    const context = createResumableStreamContext({ waitUntil: null, publisher, subscriber });
    let controller: ReadableStreamDefaultController<string> | null = null;
    const stream = await context.createNewResumableStream(
      id,
      () =>
        new ReadableStream<string>({
          start(ready) {
            controller = ready;
          },
        }),
    );
    const drained = stream?.pipeTo(new WritableStream());
    return {
      id,
      send: (line) => controller?.enqueue(`${JSON.stringify(line)}\n`),
      async end() {
        controller?.close();
        await drained;
        publisher.disconnect();
        subscriber.disconnect();
      },
    };
  },

  async bullmq(_id, redisUrl) {
    const { hostname, port } = new URL(redisUrl);
    const queue = new Queue("latency", {
      connection: { host: hostname, port: Number(port) },
      streams: { events: { maxLen: KEPT } },
    });
    const job = await queue.add("latency", {});
    const inFlight = new Set<Promise<unknown>>();
    return {
      id: job.id ?? "",
      send(line) {
        const sent = job.updateProgress(line);
        inFlight.add(sent);
        void sent.then(() => inFlight.delete(sent));
      },
      async end() {
        await Promise.all(inFlight);
        await queue.obliterate({ force: true });
        await queue.close();
      },
    };
  },

  async list(id, redisUrl) {
    const client = new Redis(redisUrl);
    return {
      id,
      send: (line) => void client.rpush(id, JSON.stringify(line)),
      async end() {
        await client.unlink(id);
        client.disconnect();
      },
    };
  },
};

let sender: Sender | null = null;

process.on("disconnect", () => process.exit(0));
process.on("message", async (order: WriterOrder | "cpu") => {
  if (order === "cpu") {
    process.send?.(ownCpu());
    return;
  }
  if (order.kind === "prepare") sender = await PREPARE[order.way](order.id, order.redisUrl);
  else if (order.kind === "send") await send(order);
  else await sender?.end();
  process.send?.(sender?.id ?? "");
});

/** Sends at a pace: in each millisecond what is due. */
async function send({ from, count, perSecond }: { from: number; count: number; perSecond: number }): Promise<void> {
  const begun = performance.now();
  for (let sent = 0; sent < count; ) {
    const due = Math.min(count, 1 + Math.floor(((performance.now() - begun) * perSecond) / 1000));
    for (; sent < due; sent += 1) sender?.send(stampedLine(from + sent));
    await delay(Math.max(1, (sent * 1000) / perSecond - (performance.now() - begun)));
  }
}
