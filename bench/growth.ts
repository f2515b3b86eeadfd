/** What grows and what does not: the cost of a poll with the lines written, and memory with idle runs and viewers. */
import { deepStrictEqual, strictEqual } from "node:assert";
import { connect, type Socket } from "node:net";
import { createLivetail, type PollAnswer, type Run } from "livetail";
import type { TestRedis } from "../test/support/redis.js";
import { until } from "../test/support/until.js";
import { type CountingProxy, startCountingProxy } from "./counting-proxy.js";
import type { HolderOrder, HolderState } from "./growth-holder.js";
import type { PollOrder, PollReport, ReaderRole } from "./growth-reader.js";
import { type HelperProcess, startHelper } from "./helper-process.js";
import { benchLines } from "./inputs.js";
import { figuresOverRounds, type Row } from "./rounds.js";
import type { Scenario } from "./scenario.js";

const WRITTEN = [0, 100, 1000, 10_000, 100_000];
/** Lines that are logged in one turn of the event loop. */
const BURST = 500;
/** New lines in an answer that has some. */
const FRESH = 5;
const IDLE_POLLS = 5000;
const BUSY_POLLS = 60;
/** What a process does before it is looked at, so that nothing is made for the first time. */
const WARM_UP = 200;
const LINES_A_RUN = 10;
const VIEWERS_A_RUN = 1000;
/** No garbage is collected while a poll is measured. */
const ROOMY = ["--min-semi-space-size=64", "--max-semi-space-size=64"];

const idlePollAfter = (lines: number): string => `idle poll, ${lines.toLocaleString("en-US")} lines written`;
const busyPollAfter = (lines: number): string =>
  `poll of ${FRESH} new lines, ${lines.toLocaleString("en-US")} lines written`;
const IDLE_RUN = "an open idle run";
const KEPT_LINE = "a line that a run keeps to send it again";
const IDLE_VIEWER = "an idle SSE viewer";
const BARE_STREAM = "a bare node:http stream";

export const growth: Scenario = {
  name: "growth",
  about: "What a poll costs with the lines written before it, and what idle runs and idle streams hold.",
  goals: [
    { row: idlePollAfter(100_000), figure: "commands", atMost: 0 },
    { row: idlePollAfter(100_000), figure: "allocated bytes", of: idlePollAfter(0), atMost: 1.1 },
    { row: busyPollAfter(100_000), figure: "commands", atMost: 1 },
    { row: busyPollAfter(100_000), figure: "Redis bytes", of: busyPollAfter(0), atMost: 1.1 },
    // After a thousand lines, all models and layers of these lines are in the state that every answer has.
    { row: busyPollAfter(100_000), figure: "answer bytes", of: busyPollAfter(1000), atMost: 1.1 },
    { row: IDLE_RUN, figure: "held bytes", atMost: 2000 },
    { row: IDLE_VIEWER, figure: "held bytes", of: BARE_STREAM, atMost: 1.4 },
  ],
  async run({ redis, quick }) {
    const rounds: Row[][] = [];
    while (rounds.length < (quick ? 1 : 3)) {
      const polls = await measurePolls(redis);
      const runs = await measureRuns(redis, quick ? 2000 : 10_000);
      const viewers = await measureViewers(redis, quick ? 2000 : 10_000);
      rounds.push([...polls, ...runs, ...viewers]);
      // Owners that are gone without a word: nobody else is to end their runs.
      await redis.cli("FLUSHALL");
    }
    return figuresOverRounds(rounds);
  },
};

async function measurePolls(redis: TestRedis): Promise<Row[]> {
  const proxy = await startCountingProxy(redis.port);
  const reader = startHelper("./growth-reader.ts", ROOMY);
  const livetail = createLivetail({ redis: redis.url });
  try {
    await reader.ask({ redisUrl: proxy.url } satisfies ReaderRole);
    const idle: Row[] = [];
    const busy: Row[] = [];
    // The first time does not count: its code is not compiled yet.
    for (const lines of [100, ...WRITTEN]) {
      const run = livetail.createOperationRun("bench", "growth");
      run.start();
      await write(run, lines);
      await until(async () => (await livetail.reader.status(run.id)).status === "running", "the run to be started");
      const cursor = await pollToTheEnd(reader, run.id, lines);
      // The hint of the last line may come after the line was read.
      await pollIdle(proxy, reader, run.id, cursor);
      idle.push({ name: idlePollAfter(lines), figures: await pollIdle(proxy, reader, run.id, cursor) });
      busy.push({ name: busyPollAfter(lines), figures: await pollBusy(proxy, reader, run, cursor) });
      await run.complete();
    }
    return [...idle.slice(1), ...busy.slice(1)];
  } finally {
    reader.stop();
    await livetail.close();
    proxy.close();
  }
}

async function write(run: Run, count: number): Promise<void> {
  const lines = benchLines(BURST);
  for (let written = 0; written < count; written += BURST) {
    for (const line of lines.slice(0, count - written)) run.log(line);
    await run.flush();
  }
  await run.ready;
}

/** Reads a run up to `total` lines; the cursor at which there is nothing new. */
async function pollToTheEnd(reader: HelperProcess, runId: string, total: number): Promise<string> {
  let query = "tail=1000";
  for (;;) {
    const { body } = await reader.ask<PollReport>({ runId, query, count: 1 } satisfies PollOrder);
    const { cursor, next_index } = JSON.parse(body) as PollAnswer;
    if (next_index === total && query === `cursor=${cursor}`) return cursor;
    query = `cursor=${cursor}`;
  }
}

async function pollIdle(
  { traffic }: CountingProxy,
  reader: HelperProcess,
  runId: string,
  cursor: string,
): Promise<Row["figures"]> {
  const before = { ...traffic };
  const order: PollOrder = { runId, query: `cursor=${cursor}`, count: IDLE_POLLS };
  const { body, allocated } = await reader.ask<PollReport>(order);
  strictEqual((JSON.parse(body) as PollAnswer).cursor, cursor);
  return {
    commands: (traffic.commands - before.commands) / IDLE_POLLS,
    "Redis bytes": (traffic.bytes - before.bytes) / IDLE_POLLS,
    "answer bytes": Buffer.byteLength(body),
    "allocated bytes": allocated,
  };
}

/** Each poll is held until the lines come. */
async function pollBusy(
  { traffic }: CountingProxy,
  reader: HelperProcess,
  run: Run,
  cursor: string,
): Promise<Row["figures"]> {
  const lines = Array.from({ length: FRESH }, (_, i) => ({ level: "info", message: `one of five: ${i}` }));
  const before = { ...traffic };
  const allocated: number[] = [];
  let answerBytes = 0;
  for (let polls = 0; polls < BUSY_POLLS; polls += 1) {
    const order: PollOrder = { runId: run.id, query: `cursor=${cursor}&wait=20`, count: 1 };
    const answering = reader.ask<PollReport>(order);
    for (const line of lines) run.log(line);
    const report = await answering;
    const answer = JSON.parse(report.body) as PollAnswer;
    deepStrictEqual(
      answer.logs.map(({ message }) => message),
      lines.map(({ message }) => message),
    );
    cursor = answer.cursor;
    answerBytes += Buffer.byteLength(report.body);
    allocated.push(report.allocated);
  }
  return {
    commands: (traffic.commands - before.commands) / BUSY_POLLS,
    "Redis bytes": (traffic.bytes - before.bytes) / BUSY_POLLS,
    "answer bytes": answerBytes / BUSY_POLLS,
    "allocated bytes": allocated.sort((a, b) => a - b)[BUSY_POLLS >> 1] ?? Number.NaN,
  };
}

async function measureRuns(redis: TestRedis, count: number): Promise<Row[]> {
  const holder = startHelper("./growth-holder.ts");
  const store = createLivetail({ redis: redis.url }).store;
  const order = (what: HolderOrder): Promise<HolderState> => holder.ask<HolderState>(what);
  try {
    await order({ kind: "open", redisUrl: redis.url });
    const before = await order({ kind: "runs", count: WARM_UP });
    const open = await store.countOpen();
    const idle = await order({ kind: "runs", count });
    strictEqual((await store.countOpen()) - open, count, "every run is open");
    const kept = await order({ kind: "log", lines: LINES_A_RUN });
    const lineBytes = Buffer.byteLength(JSON.stringify(benchLines(LINES_A_RUN))) / LINES_A_RUN;
    return [
      {
        name: IDLE_RUN,
        figures: { "held bytes": (idle.heldBytes - before.heldBytes) / count },
      },
      {
        name: KEPT_LINE,
        figures: {
          "held bytes": (kept.heldBytes - idle.heldBytes) / (count + WARM_UP) / LINES_A_RUN,
          "line bytes": lineBytes,
        },
      },
    ];
  } finally {
    holder.stop();
    await store.close();
  }
}

async function measureViewers(redis: TestRedis, count: number): Promise<Row[]> {
  const livetail = createLivetail({ redis: redis.url });
  try {
    const runs = Array.from({ length: Math.ceil(count / VIEWERS_A_RUN) }, () =>
      livetail.createOperationRun("bench", "growth"),
    );
    for (const run of runs) {
      run.log("The only line.");
      await run.flush();
    }
    const paths = runs.map((run) => `/operations/${run.id}/stream`);
    const bare = await heldByViewer(redis, ["/"], "event: hello", count, true);
    const whole = await heldByViewer(redis, paths, "event: log", count, false);
    return [
      { name: BARE_STREAM, figures: { "held bytes": bare } },
      { name: IDLE_VIEWER, figures: { "held bytes": whole } },
      { name: "  beyond the bare stream", figures: { "held bytes": whole - bare } },
    ];
  } finally {
    await livetail.close();
  }
}

/** `count` streams of `paths` in turn, each of which has received `sign`. */
async function heldByViewer(
  redis: TestRedis,
  paths: readonly string[],
  sign: string,
  count: number,
  bare: boolean,
): Promise<number> {
  const holder = startHelper("./growth-holder.ts");
  const sockets: Socket[] = [];
  const leave = (): void => {
    for (const socket of sockets.splice(0)) socket.destroy();
  };
  try {
    await holder.ask({ kind: "open", redisUrl: redis.url } satisfies HolderOrder);
    const { port } = await holder.ask<HolderState>({ kind: "serve", bare } satisfies HolderOrder);
    const come = async (viewers: number): Promise<HolderState> => {
      for (let opened = 0; opened < viewers; opened += WARM_UP) {
        const some = Array.from({ length: Math.min(WARM_UP, viewers - opened) }, (_, i) =>
          openStream(port, paths[(opened + i) % paths.length] ?? "/", sign, sockets),
        );
        await Promise.all(some);
      }
      return stateWith(holder, viewers);
    };
    await come(WARM_UP);
    leave();
    const before = await stateWith(holder, 0);
    const after = await come(count);
    return (after.heldBytes - before.heldBytes) / count;
  } finally {
    leave();
    holder.stop();
  }
}

async function stateWith(holder: HelperProcess, viewers: number): Promise<HolderState> {
  let state = await holder.ask<HolderState>("state");
  await until(
    async () => {
      state = await holder.ask<HolderState>("state");
      return state.viewers === viewers;
    },
    `${viewers} viewers`,
    60_000,
  );
  return state;
}

/** Resolves when `sign` was received. */
function openStream(port: number, path: string, sign: string, sockets: Socket[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n`);
    });
    sockets.push(socket);
    let received = "";
    socket.setEncoding("latin1");
    socket.on("error", reject);
    const look = (chunk: string): void => {
      received += chunk;
      if (!received.includes(sign)) return;
      socket.off("data", look);
      socket.resume();
      resolve();
    };
    socket.on("data", look);
  });
}
