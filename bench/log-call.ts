/** What a log call costs whoever makes it: the time until it returns, beside what the process spends in all. */
import { deepStrictEqual, strictEqual } from "node:assert";
import { Writable } from "node:stream";
import { createLivetail, type LogStore, memoryStore } from "livetail";
import { pino } from "pino";
import { createLogger, format, transports } from "winston";
import { benchLines } from "./inputs.js";
import { type Contender, type Measurement, measureInRounds } from "./rounds.js";
import type { Scenario } from "./scenario.js";

/** Calls in one turn of the event loop. */
const BURST = 500;
/** A call that does nothing is made more often, else the clock would be all that is measured. */
const MORE_WHEN_OFF = 200;
const BINDINGS = { job_id: "job-42" };
const MORE_BINDINGS = { tenant: "acme", step_name: "grader", attempt: 2 };

/** One call, as each of the loggers takes it. */
interface Call {
  event: string;
  message: string;
  /** What goes along with the event. */
  metadata: Record<string, unknown>;
  /** What goes along with the message. */
  fields: Record<string, unknown>;
  /** All of it in one object. */
  whole: Record<string, unknown>;
}

/** Where what was logged ends up: counted, and the newest of it kept. */
interface Sink {
  count: number;
  newest: string;
}

/** Makes the calls from `from` up to `to`. */
type Burst = (from: number, to: number) => void;

export const logCall: Scenario = {
  name: "log-call",
  about: `Log calls with lines of 80 B to 4 kB, ${BURST} a turn. The rate is of the calls alone; the CPU is all that the process spent, sending too.`,
  unit: "calls/s",
  each: "ns",
  goals: [
    // At most 1.4 times what stringify takes.
    { row: "livetail logger.info(event, metadata)", atLeast: 1 / 1.4 },
    {
      row: "livetail logger.info(event, metadata)",
      figure: "perSecond",
      of: "pino child.info(), null stream",
      atLeast: 1,
    },
    // At most 10 ns.
    { row: "livetail, level off", figure: "perSecond", atLeast: 1e8 },
  ],
  async run({ quick }) {
    const count = quick ? 50_000 : 200_000;
    const calls = benchLines(5000).map(asCall);
    const call = (i: number): Call => calls[i % calls.length] as Call;
    const { event, metadata } = call(0);
    const loggedBy = (sink: Sink, burst: Burst, drained?: () => boolean) => () =>
      measureCalls(count, sink, burst, call(count - 1).message, drained);

    const accepted: Sink = { count: 0, newest: "" };
    const livetail = createLivetail({ store: acceptingStore(accepted), level: "info" });
    const run = livetail.createOperationRun("job-42", "log-call");
    await run.ready;
    run.log("a secret", { nested: { authorization: "Bearer 1" } });
    await run.flush();
    deepStrictEqual(JSON.parse(accepted.newest).metadata, { nested: { authorization: "[redacted]" } });
    const stored = () => run.waitingLines < BURST;
    const { logger } = run;
    const asItIs = createLivetail({ store: acceptingStore(accepted), level: "info", redactPatterns: false });
    const plainRun = asItIs.createOperationRun("job-42", "log-call");
    await plainRun.ready;
    const child = logger.child(MORE_BINDINGS);

    const toPino: Sink = { count: 0, newest: "" };
    const pinoChild = pino({}, nullDestination(toPino)).child(BINDINGS);
    const pinoGrandchild = pinoChild.child(MORE_BINDINGS);

    const toWinston: Sink = { count: 0, newest: "" };
    const winston = createLogger({
      format: format.combine(format.timestamp(), format.json()),
      transports: [new transports.Stream({ stream: nullStream(toWinston) })],
    }).child(BINDINGS);

    const texts: Sink = { count: 0, newest: "" };
    const contenders: Contender[] = [
      {
        name: "JSON.stringify of the same object",
        measure: loggedBy(texts, (from, to) => {
          for (let i = from; i < to; i += 1) {
            texts.newest = JSON.stringify(call(i).whole);
            texts.count += 1;
          }
        }),
      },
      {
        name: "livetail logger.info(event, metadata)",
        measure: loggedBy(
          accepted,
          (from, to) => {
            for (let i = from; i < to; i += 1) logger.info(call(i).event, call(i).metadata);
          },
          stored,
        ),
      },
      {
        name: "livetail logger.info(event, metadata), redactPatterns: false",
        measure: loggedBy(
          accepted,
          (from, to) => {
            for (let i = from; i < to; i += 1) plainRun.logger.info(call(i).event, call(i).metadata);
          },
          () => plainRun.waitingLines < BURST,
        ),
      },
      {
        name: "livetail logger.child() with 3 more bindings",
        measure: loggedBy(
          accepted,
          (from, to) => {
            for (let i = from; i < to; i += 1) child.info(call(i).event, call(i).metadata);
          },
          stored,
        ),
      },
      {
        name: "livetail run.log(message, metadata)",
        measure: loggedBy(
          accepted,
          (from, to) => {
            for (let i = from; i < to; i += 1) run.log(call(i).message, call(i).fields);
          },
          stored,
        ),
      },
      {
        name: "pino child.info(), null stream",
        measure: loggedBy(toPino, (from, to) => {
          for (let i = from; i < to; i += 1) pinoChild.info(call(i).fields, call(i).message);
        }),
      },
      {
        name: "pino child.info() with 3 more bindings, null stream",
        measure: loggedBy(toPino, (from, to) => {
          for (let i = from; i < to; i += 1) pinoGrandchild.info(call(i).fields, call(i).message);
        }),
      },
      {
        name: "winston child.info(), null stream",
        measure: loggedBy(
          toWinston,
          (from, to) => {
            for (let i = from; i < to; i += 1) winston.info(call(i).message, call(i).fields);
          },
          () => toWinston.count % BURST === 0,
        ),
      },
      {
        name: "livetail, level off",
        yardstick: "pino, level off",
        measure: () =>
          measureOff(count, accepted, (from, to) => {
            for (let i = from; i < to; i += 1) logger.debug(event, metadata);
          }),
      },
      {
        name: "pino, level off",
        yardstick: "pino, level off",
        measure: () =>
          measureOff(count, toPino, (from, to) => {
            for (let i = from; i < to; i += 1) pinoChild.debug(metadata, event);
          }),
      },
    ];
    try {
      return await measureInRounds(contenders, quick ? 3 : 7);
    } finally {
      await livetail.close();
      await asItIs.close();
    }
  },
};

/** Times the bursts of `count` calls, without the turns between them in which what was logged is taken away. */
async function measureCalls(
  count: number,
  sink: Sink,
  burst: Burst,
  lastMessage: string,
  drained: () => boolean = () => true,
): Promise<Measurement> {
  const had = sink.count;
  const cpuBefore = process.cpuUsage();
  let ms = 0;
  for (let from = 0; from < count; from += BURST) {
    const before = performance.now();
    burst(from, from + BURST);
    ms += performance.now() - before;
    do await turn();
    while (!drained());
  }
  for (let turns = 0; sink.count < had + count && turns < 1000; turns += 1) await turn();
  const { user, system } = process.cpuUsage(cpuBefore);
  strictEqual(sink.count, had + count, "each call was logged once");
  const newest = JSON.parse(sink.newest);
  strictEqual(newest.msg ?? newest.message, lastMessage);
  return { perSecond: (count * 1000) / ms, cpuMicros: (user + system) / count };
}

/** Times calls of which nothing must come. */
async function measureOff(count: number, sink: Sink, burst: Burst): Promise<Measurement> {
  const had = sink.count;
  const cpuBefore = process.cpuUsage();
  const before = performance.now();
  burst(0, count * MORE_WHEN_OFF);
  const ms = performance.now() - before;
  const { user, system } = process.cpuUsage(cpuBefore);
  await turn();
  strictEqual(sink.count, had, "nothing was logged");
  return {
    perSecond: (count * MORE_WHEN_OFF * 1000) / ms,
    cpuMicros: (user + system) / (count * MORE_WHEN_OFF),
  };
}

function asCall(line: Record<string, unknown> & { message: string }): Call {
  const { level: _, event = "progress", message, ...rest } = line;
  const name = String(event);
  return {
    event: name,
    message,
    metadata: { message, ...rest },
    fields: { event: name, ...rest },
    whole: { event: name, message, ...rest },
  };
}

/** A store that takes every line at once and keeps the newest only. */
function acceptingStore(sink: Sink): LogStore {
  const store = memoryStore();
  let told = { epoch: "", next: 0, version: 0 };
  return {
    ...store,
    async claim(request) {
      const answer = await store.claim(request);
      if (answer.code === "OK") told = { epoch: answer.epoch, next: answer.next, version: 1 };
      return answer;
    },
    async append({ lines }) {
      sink.count += lines.length;
      sink.newest = lines.at(-1) ?? sink.newest;
      told.next += lines.length;
      return { code: "OK", ...told, cancelRequested: false, layers: null };
    },
    end: async () => ({ code: "OK", ...told }),
  };
}

function nullDestination(sink: Sink): { write(text: string): void } {
  return {
    write(text) {
      sink.count += 1;
      sink.newest = text;
    },
  };
}

function nullStream(sink: Sink): Writable {
  return new Writable({
    decodeStrings: false,
    write(text: string, _encoding, done) {
      sink.count += 1;
      sink.newest = text;
      done();
    },
  });
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
