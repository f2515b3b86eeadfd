/**
 * One run through failovers: its owner and a producer that joined log without ever awaiting, viewers watch it on all
 * transports over real HTTP, and the oracle judges what they saw.
 */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { expect } from "vitest";
import { createNodeHandler } from "../../src/adapters/node.js";
import { sseTransport } from "../../src/client/sse.js";
import { createLivetail, type Livetail } from "../../src/livetail.js";
import type { RedisInput } from "../../src/store/redis.js";
import { clockAhead, type KnownProducer, Oracle } from "../support/oracle.js";
import { request } from "../support/plain-request.js";
import { until } from "../support/until.js";
import { startViewer, type Viewer } from "../support/viewer.js";

const HOST = "127.0.0.1";
const LEASE_MS = 6000;
const COMMAND_TIMEOUT_MS = 1000;
const END_DEADLINE_MS = 40_000;
/** All that a drill logs is kept, so that nothing may be missing in the end. */
const LIMITS = { maxLines: 100_000, maxBufferBytes: 64 * 1_048_576, maxWaitingLines: 100_000 };

export interface Drill {
  readonly runId: string;
  /** What livetails said to `onError`: `owner: STORE_UNAVAILABLE`, … */
  readonly heard: readonly string[];
  /** Lines that the owner logged, and those of them that the store acknowledged. */
  readonly logged: number;
  readonly acknowledged: number;
  /** Logs so many lines of the owner at once, and waits until they are acknowledged. */
  burst(lines: number): Promise<void>;
  /** Resolves when lines that are logged from now on are stored, hinted at, and seen by all viewers. */
  flowsAgain(): Promise<void>;
  /** Resolves when so many lines more were logged, whatever became of them. */
  loadOf(lines: number): Promise<void>;
  /** Nobody logs any more; resolves when all that was logged is stored. */
  quiet(): Promise<void>;
  /** Ends the run, waits for all viewers, and expects that every promise was kept. Resolves to what there was. */
  end(): Promise<DrillReport>;
  /** Whoever comes now sees every line of the run, and its end. */
  watchAgain(): Promise<void>;
  close(): Promise<void>;
}

/** What a drill came to. */
export interface DrillReport {
  logged: number;
  /** Epochs that viewers saw. */
  epochs: number;
  /** Lines that they saw, each counted once for an epoch. */
  seen: number;
}

/** Starts the writers and the viewers; `redis` makes what each livetail is given. */
export async function startDrill(runId: string, redis: () => RedisInput): Promise<Drill> {
  const heard: string[] = [];
  const livetails: Livetail[] = [];
  const servers: Server[] = [];
  const viewers: Viewer[] = [];
  const open = (name: string, hour: number): Livetail => {
    const livetail = createLivetail({
      redis: redis(),
      clock: clockAhead(hour),
      authorize: () => true,
      leaseMs: LEASE_MS,
      commandTimeoutMs: COMMAND_TIMEOUT_MS,
      endTimeoutMs: END_DEADLINE_MS,
      onError: ({ code, message }) => heard.push(`${name}: ${code}: ${message}`),
      ...LIMITS,
    });
    livetails.push(livetail);
    return livetail;
  };
  const serve = async (): Promise<string> => {
    const server = createServer(createNodeHandler(viewing, { mount: "/operations" })).listen(0, HOST);
    servers.push(server);
    await once(server, "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("There is no port.");
    return `http://${HOST}:${address.port}/operations`;
  };
  /** Two held requests are all that a viewer's process has for an origin: each transport gets one of its own. */
  const watch = async (when: string): Promise<Viewer[]> => [
    startViewer(`poll ${when}`, runId, { endpointBase: await serve(), waitSeconds: 0, limit: 200 }),
    startViewer(`long poll ${when}`, runId, { endpointBase: await serve() }),
    startViewer(`stream ${when}`, runId, { endpointBase: await serve(), transport: sseTransport() }),
  ];

  const [owning, joining, viewing] = [open("owner", 1), open("beside", 2), open("viewing", 0)];
  const oracle = new Oracle();
  const run = owning.createOperationRun("subject", "failover", { id: runId });
  const logBeside = joining.createLogCallback(runId);
  const owner = oracle.add("owner", 1);
  const beside = oracle.add("beside", 2);
  const write = (producer: KnownProducer, log: (line: string) => void, lines: number): void => {
    for (let i = 0; i < lines; i++) {
      log(`${producer.name} ${producer.logged} of a line as others write them`);
      producer.logged += 1;
    }
  };
  let writing = true;
  const load = async (producer: KnownProducer, log: (line: string) => void): Promise<void> => {
    while (writing) {
      write(producer, log, 1 + (producer.logged % 7));
      await delay(10);
    }
  };
  const logOwn = (line: string): void => run.log(line);
  const loads = [load(owner, logOwn), load(beside, logBeside)];
  let hints = 0;
  viewing.store.watch(runId, ({ next }) => {
    if (next > 0) hints += 1;
  });
  viewers.push(...(await watch("from the beginning")));
  await until(() => viewers.every((viewer) => viewer.seen() > 0), "the first lines");

  const quiet = async (): Promise<void> => {
    writing = false;
    await Promise.all(loads);
    await run.flush();
    await until(async () => (await waitingLines(joining)) === 0, "the last lines to be stored", END_DEADLINE_MS);
  };

  const judge = async (watching: readonly Viewer[]): Promise<DrillReport> => {
    for (const viewer of watching) {
      const given = setTimeout(() => viewer.stop(), END_DEADLINE_MS);
      const finished = await Promise.race([viewer.finished, delay(END_DEADLINE_MS, null, { ref: false })]);
      clearTimeout(given);
      expect(finished, `${viewer.name} at ${viewer.seen()} lines`).toMatchObject({ status: "completed" });
    }
    const answer = await viewing.store.read({ runId, from: { kind: "none" }, limit: 0, known: null });
    if (answer === null) throw new Error("There is no such run.");
    const { status, epoch, next, expectedLogCount, lateLines } = answer.run;
    expect({ status, expectedLogCount, lateLines }).toEqual({
      status: "completed",
      expectedLogCount: next,
      lateLines: 0,
    });
    const sights = watching.flatMap((viewer) => viewer.sights);
    const { faults, rest, announced, epochs, lines } = oracle.judge(sights, epoch, next);
    expect({ faults, rest, announced }).toEqual({ faults: [], rest: 0, announced: 0 });
    return { logged: oracle.logged, epochs, seen: lines };
  };

  return {
    runId,
    heard,
    get logged() {
      return owner.logged;
    },
    get acknowledged() {
      return owner.logged - run.waitingLines;
    },
    async burst(lines) {
      const upto = owner.logged + lines;
      write(owner, logOwn, lines);
      await until(() => owner.logged - run.waitingLines >= upto, "the lines to be acknowledged", END_DEADLINE_MS);
    },
    async flowsAgain() {
      const upto = owner.logged;
      await until(() => owner.logged - run.waitingLines > upto, "lines to be stored again", END_DEADLINE_MS);
      const seen = viewers.map((viewer) => viewer.seen());
      const hinted = hints;
      await until(
        () => viewers.every((viewer, at) => viewer.seen() > (seen[at] ?? 0)) && hints > hinted,
        "hints, and viewers to see lines again",
        END_DEADLINE_MS,
      );
    },
    async loadOf(lines) {
      const upto = oracle.logged + lines;
      await until(() => oracle.logged >= upto, "lines to be logged");
    },
    quiet,
    async end() {
      await quiet();
      expect(await run.complete({ lines: oracle.logged })).toEqual({ status: "completed", stored: true });
      return judge(viewers);
    },
    async watchAgain() {
      // Whoever asks before the viewers' process has read the new master is told the end as it was on the old one.
      const from = { kind: "tail", count: 0 } as const;
      await until(async () => {
        const [answer, page] = await Promise.all([
          viewing.store.read({ runId, from, limit: 0, known: null }),
          viewing.reader.poll(runId, { from, limit: 1, waitMs: 0 }),
        ]).catch((): [null, null] => [null, null]);
        return answer !== null && JSON.parse(String(page)).cursor.startsWith(`${answer.run.epoch}.`);
      }, "the viewers' process to know the new master");
      const late = await watch("after the end");
      viewers.push(...late);
      await judge(late);
    },
    async close() {
      writing = false;
      await Promise.all(loads);
      for (const viewer of viewers) viewer.stop();
      viewing.handler.closeViewers();
      for (const server of servers) {
        server.closeAllConnections();
        server.close();
      }
      await Promise.all(livetails.map((livetail) => livetail.close()));
    },
  };
}

/** Lines that the process of a livetail has not stored yet, as its health says. */
async function waitingLines({ handler }: Livetail): Promise<number> {
  const { body } = await handler.handle(request("/-/health"));
  return JSON.parse(String(body)).waiting_lines;
}

/** Of what livetails said, that which no failover explains: an outage and its end do. */
export function unexplained(heard: readonly string[]): string[] {
  return heard.filter((each) => !/^\w+: STORE_(UNAVAILABLE|RECOVERED): /.test(each));
}
