/** A process that holds many idle things of one kind, and tells how much memory it has; see `growth.ts`. */
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { createLivetail, type Livetail, type Run } from "livetail";
import { createNodeHandler } from "livetail/node";
import { heldMegabytes } from "../test/support/held-memory.js";
import { benchLines } from "./inputs.js";

/** What the process does next. */
export type HolderOrder =
  | { kind: "open"; redisUrl: string }
  /** Opens this many more runs. */
  | { kind: "runs"; count: number }
  /** Logs this many lines to each open run. */
  | { kind: "log"; lines: number }
  /** Listens, and answers every request with an event stream. */
  | { kind: "serve"; bare: boolean };

/** What is held after an order was carried out, or when `state` is asked for. */
export interface HolderState {
  /** Bytes of heap and buffers, garbage collected. */
  heldBytes: number;
  port: number;
  /** Event streams that are open. */
  viewers: number;
}

/** Runs that are created, or flushed, at a time. */
const AT_A_TIME = 500;

let livetail: Livetail | null = null;
let port = 0;
let bareViewers = 0;
const runs: Run[] = [];

process.on("disconnect", () => process.exit(0));
process.on("message", (order: HolderOrder | "state") => {
  void (order === "state" ? Promise.resolve() : carryOut(order))
    .then(async () => ({
      heldBytes: (await heldMegabytes()) * 1_048_576,
      port,
      viewers: (livetail?.handler.viewers() ?? 0) + bareViewers,
    }))
    .then((state: HolderState) => process.send?.(state));
});

async function carryOut(order: HolderOrder): Promise<void> {
  switch (order.kind) {
    case "open":
      livetail = createLivetail({ redis: order.redisUrl });
      return;
    case "runs":
      for (let begun = 0; begun < order.count; begun += AT_A_TIME) {
        const some = Array.from({ length: Math.min(AT_A_TIME, order.count - begun) }, () => openRun());
        await Promise.all(some.map((run) => run.ready));
        await Promise.all(some.map((run) => run.flush()));
        for (const run of some) runs.push(run);
      }
      return;
    case "log": {
      const lines = benchLines(order.lines);
      for (let from = 0; from < runs.length; from += AT_A_TIME) {
        const some = runs.slice(from, from + AT_A_TIME);
        for (const run of some) for (const line of lines) run.log(line);
        await Promise.all(some.map((run) => run.flush()));
      }
      return;
    }
    case "serve":
      port = await listen(order.bare ? serveBareStream : createNodeHandler(opened(), { mount: "/operations" }));
  }
}

function opened(): Livetail {
  if (livetail === null) throw new Error("Not opened yet.");
  return livetail;
}

function openRun(): Run {
  const run = opened().createOperationRun("bench", "growth");
  run.start();
  return run;
}

/** The least that an event stream is. */
const serveBareStream: RequestListener = (_request, response) => {
  bareViewers += 1;
  response.on("close", () => {
    bareViewers -= 1;
  });
  response.writeHead(200, {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache, no-transform",
  });
  response.write("event: hello\ndata: {}\n\n");
};

async function listen(listener: RequestListener): Promise<number> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen({ port: 0, host: "127.0.0.1", backlog: 1024 }, resolve));
  return (server.address() as AddressInfo).port;
}
