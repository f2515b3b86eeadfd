/** A run with one or more producers and viewers of every kind, and the oracle that judges what they saw. */
import type { Redis } from "ioredis";
import { createLivetail, type Livetail } from "../../src/livetail.js";
import type { LivetailOptions } from "../../src/livetail-options.js";
import type { Gap } from "../../src/protocol.js";
import type { Run } from "../../src/run.js";
import type { LogStore } from "../../src/store.js";
import { openAudience, type Witness } from "./audience.js";
import { clockAhead, Oracle, type Verdict } from "./oracle.js";
import { request } from "./plain-request.js";
import { until } from "./until.js";

/** The keys of a run that hold something of it. */
export const keysOf = (runId: string): string[] =>
  ["meta", "buffer", "layers", "producers", "result"].map((name) => `logs:${runId}:${name}`);

export interface WatchedRun {
  readonly run: Run;
  /** Through which the owner writes. */
  readonly store: LogStore;
  readonly viewers: readonly Witness[];
  /** What the owner's `onError` was told, and that of the others. */
  readonly heard: readonly string[];
  /** Lines logged by all producers. */
  readonly logged: number;
  /** Each producer logs so many lines. */
  log(lines: number): void;
  /** Resolves when no line of any producer waits. */
  stored(): Promise<void>;
  /** Resolves when every viewer has seen the newest line. */
  seen(): Promise<void>;
  /** The verdict on what the viewers saw, of which the last epoch must be that of the store. */
  judge(): Promise<Verdict>;
  /** What a viewer is told that begins at the first line now. Rejects with the code of a refusal. */
  readFromStart(): Promise<{ gap: Gap | null; lines: number; next: number; status: string }>;
  close(): Promise<void>;
}

/** Opens a run whose lines go to `redis`, an URL, by `producers` livetails; `raw` is a client of the test's own. */
export async function openWatchedRun(
  redis: string,
  raw: Redis,
  producers: number,
  options: LivetailOptions = {},
): Promise<WatchedRun> {
  const heard: string[] = [];
  const open = (hour: number): Livetail =>
    createLivetail({ redis, clock: clockAhead(hour), onError: ({ code }) => heard.push(code), ...options });
  const livetails = Array.from({ length: producers }, (_, i) => open(i + 1));
  const [owning, ...joining] = livetails as [Livetail, ...Livetail[]];
  const viewing = createLivetail({ redis, onError: () => {}, ...options });
  const audience = openAudience(viewing);
  const oracle = new Oracle();
  const run = owning.createOperationRun("job", "watched");
  await run.ready;
  const logs = [
    (line: string): void => run.log(line),
    ...joining.map((livetail) => livetail.createLogCallback(run.id)),
  ].map((log, i) => ({ log, known: oracle.add(`p${i}`, i + 1) }));
  const viewers = await audience.watchAll(run.id);
  const metaOf = async (): Promise<{ epoch: string; next: number }> => {
    const [epoch, next] = await raw.hmget(`logs:${run.id}:meta`, "epoch", "next");
    return { epoch: epoch ?? "", next: Number(next) };
  };
  const waitingOf = async ({ handler }: Livetail): Promise<number> => {
    const { body } = await handler.handle(request("/-/health"));
    return JSON.parse(String(body)).waiting_lines;
  };

  return {
    run,
    store: owning.store,
    viewers,
    heard,
    get logged() {
      return oracle.logged;
    },
    log(lines) {
      for (const { log, known } of logs) {
        for (let i = 0; i < lines; i++) log(`${known.name} ${known.logged++}`);
      }
    },
    stored: () =>
      until(
        async () => (await Promise.all(livetails.map(waitingOf))).every((lines) => lines === 0),
        "lines to be stored",
        60_000,
      ),
    seen: () =>
      until(
        async () => {
          const { next } = await metaOf();
          return viewers.every(({ sights }) => {
            const last = sights.at(-1)?.seen.at(-1);
            return last !== undefined && "index" in last && last.index === next - 1;
          });
        },
        "the viewers to see the newest line",
        60_000,
      ),
    async judge() {
      const { epoch, next } = await metaOf();
      return oracle.judge(
        viewers.flatMap(({ sights }) => sights),
        epoch,
        next,
      );
    },
    async readFromStart() {
      // By a process that knows nothing yet, and has all the time that a busy machine takes to connect.
      const fresh = createLivetail({ redis, onError: () => {}, ...options, commandTimeoutMs: 30_000 });
      const { body } = await fresh.handler.handle(request(`/${run.id}?since=0&limit=1000`));
      await fresh.close();
      const { code, gap, logs: lines, next_index, status } = JSON.parse(String(body));
      if (code !== undefined) throw new Error(code);
      return { gap, lines: lines.length, next: next_index, status };
    },
    async close() {
      await audience.close();
      for (const livetail of [...livetails, viewing]) await livetail.close();
    },
  };
}
