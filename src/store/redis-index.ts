/**
 * What finds runs: sorted sets and summaries beside the runs themselves. They live in other slots than the runs, so
 * no script touches both, and a failure here never fails the write that it follows.
 */
import { isLivetailError, LivetailError } from "../errors.js";
import type { BackendStat, RunStatus, RunSummary } from "../protocol.js";
import type { ListRequest, LogStore, ReadAnswer, StoreLimits } from "../store.js";
import { runStatus } from "./foreign-run.js";
import { fromPairs, integer } from "./redis-answers.js";
import type { CommandConnection } from "./redis-connection.js";
import type { RedisKeys } from "./redis-keys.js";
import { hasStatus, runSummary } from "./run-summary.js";

/** The runs that are remembered, and how many of each subject. */
const MOST_RUNS = 10_000;
const MOST_RUNS_OF_SUBJECT = 20;
const DAY_SECONDS = 86_400;
/** Ids that one look reads at a time. */
const PAGE = 100;
/** Open runs that one sweep, or one list of them, looks at. */
const MOST_OPEN = 1000;

/** What a summary says that was stored without a cost. */
const NO_COST: BackendStat = { calls: 0, errors: 0, cost_usd: 0, unpriced_calls: 0 };

export interface RedisIndexOptions {
  commands: CommandConnection;
  keys: RedisKeys;
  limits: StoreLimits;
  warn: (error: LivetailError) => void;
  read: LogStore["read"];
}

/** The index of a store. Writers resolve in any case; readers reject with `STORE_UNAVAILABLE`. */
export interface RedisIndex {
  /** Takes note of the server's clock; the scores of open runs are its time. */
  heardClock(nowMs: number): void;
  /** A run is open and need not be looked at for `forMs`. Asks for the server's clock if nobody has heard it yet. */
  keepOpen(runId: string, forMs: number): Promise<void>;
  /** An open run is to be looked at again at `atMs` of the server's clock. */
  lookAgain(runId: string, atMs: number): Promise<void>;
  leaveOpen(runId: string): Promise<void>;
  /** A run was created; lists show it from now on. */
  enter(runId: string, subjectId: string, createdAt: number): Promise<void>;
  /** A run was deleted; no list shows it any more, nor its parent ("" for none). */
  forget(runId: string, subjectId: string, parentId: string): Promise<void>;
  /** Writes `run:{id}`, and the parent's view of it, from what meta says now. */
  summarise(runId: string): Promise<void>;
  /** Wins the sweep of this period, or not. */
  winSweep(periodMs: number): Promise<boolean>;
  /** Open runs that are to be looked at. */
  due(): Promise<string[]>;
  countOpen(): Promise<number>;
  readSummary(runId: string): Promise<RunSummary | null>;
  readChildren(runId: string): Promise<Record<string, RunStatus>>;
  list(request: ListRequest): Promise<RunSummary[]>;
  latest(subjectId: string, operation: string | null): Promise<string | null>;
}

/** Creates the index of a store. */
export function createRedisIndex({ commands, keys, limits, warn, read }: RedisIndexOptions): RedisIndex {
  const { call } = commands;
  let clockAheadMs: number | null = null;
  const storeNow = (): number => Math.floor(Date.now() + (clockAheadMs ?? 0));

  const askClock = async (): Promise<void> => {
    const [seconds, micros] = (await call("TIME", [])) as [string, string];
    index.heardClock(integer(seconds) * 1000 + Math.floor(integer(micros) / 1000));
  };

  const beside = async (...work: Promise<unknown>[]): Promise<void> => {
    try {
      await Promise.all(work);
    } catch (error) {
      // An outage is told by the write itself, or by the next one.
      if (error instanceof LivetailError && error.code === "STORE_REFUSED") warn(error);
    }
  };

  const readRun = (runId: string): Promise<ReadAnswer | null> =>
    read({ runId, from: { kind: "none" }, limit: 0, known: null });

  const summaryOf = ({ run, state }: ReadAnswer): RunSummary => runSummary(run, state?.totals ?? []);

  const writeSummary = async (runId: string): Promise<void> => {
    const answer = await readRun(runId);
    if (answer === null) return;
    const { run } = answer;
    const work = [call("SET", [keys.summary(runId), JSON.stringify(summaryOf(answer)), "EX", DAY_SECONDS])];
    if (run.parentId !== "") {
      const children = keys.children(run.parentId);
      work.push(call("HSET", [children, runId, run.status]), call("EXPIRE", [children, limits.openTtlSeconds]));
    }
    await Promise.all(work);
  };

  /** What a read resolves to; null, with a warning, where something else stands under the run's keys. */
  const orRefused = async <T>(reading: Promise<T>): Promise<T | null> => {
    try {
      return await reading;
    } catch (error) {
      if (!isLivetailError(error, "STORE_REFUSED")) throw error;
      warn(error);
      return null;
    }
  };

  /** Summaries of ids in their order: from meta, or from `run:{id}` where only that is left. */
  const summaries = (ids: readonly string[]): Promise<(RunSummary | null)[]> =>
    Promise.all(
      ids.map(async (id) => {
        const answer = await orRefused(readRun(id));
        return answer === null ? orRefused(index.readSummary(id)) : summaryOf(answer);
      }),
    );

  const enterSorted = (key: string, most: number, runId: string, createdAt: number): Promise<unknown>[] => [
    call("ZADD", [key, createdAt, runId]),
    call("ZREMRANGEBYRANK", [key, 0, -most - 1]),
    call("EXPIRE", [key, DAY_SECONDS]),
  ];

  /** Whoever finds members without a run removes them. */
  const drop = async (sorted: string, gone: readonly string[]): Promise<void> => {
    if (gone.length > 0) await beside(call("ZREM", [sorted, ...gone]));
  };

  const index: RedisIndex = {
    heardClock(nowMs) {
      clockAheadMs = nowMs - Date.now();
    },

    keepOpen(runId, forMs) {
      const enterOpen = async (): Promise<void> => {
        // A process whose clock is ahead would enter its first run for hours to come, and nobody would look at it.
        if (clockAheadMs === null) await askClock();
        await Promise.all([
          call("ZADD", [keys.open, storeNow() + forMs, runId]),
          call("EXPIRE", [keys.open, DAY_SECONDS]),
        ]);
      };
      return beside(enterOpen());
    },

    lookAgain: (runId, atMs) => beside(call("ZADD", [keys.open, "XX", atMs, runId])),

    leaveOpen: (runId) => beside(call("ZREM", [keys.open, runId])),

    enter: (runId, subjectId, createdAt) =>
      beside(
        ...enterSorted(keys.runs, MOST_RUNS, runId, createdAt),
        ...enterSorted(keys.subject(subjectId), MOST_RUNS_OF_SUBJECT, runId, createdAt),
      ),

    forget: (runId, subjectId, parentId) =>
      beside(
        ...[keys.open, keys.runs, keys.subject(subjectId)].map((key) => call("ZREM", [key, runId])),
        ...(parentId === "" ? [] : [call("HDEL", [keys.children(parentId), runId])]),
      ),

    summarise: (runId) => beside(writeSummary(runId)),

    async winSweep(periodMs) {
      return (await call("SET", [keys.sweeping, "1", "NX", "PX", periodMs])) === "OK";
    },

    async due() {
      await askClock();
      return (await call("ZRANGE", [keys.open, "-inf", storeNow(), "BYSCORE", "LIMIT", 0, MOST_OPEN])) as string[];
    },

    async countOpen() {
      return integer(await call("ZCARD", [keys.open]));
    },

    async readSummary(runId) {
      const stored = await call("GET", [keys.summary(runId)]);
      if (typeof stored !== "string") return null;
      try {
        const found = JSON.parse(stored) as RunSummary | null;
        // Something else may keep its own shape there; only what names the run as we do is ours.
        return found?.run_id === runId ? { ...found, cost: found.cost ?? NO_COST } : null;
      } catch {
        return null;
      }
    },

    async readChildren(runId) {
      const stored = fromPairs((await call("HGETALL", [keys.children(runId)])) as string[]);
      return Object.fromEntries(Object.entries(stored).map(([id, status]) => [id, runStatus(status)]));
    },

    async list({ status, operation, subjectId, parentId, limit }) {
      const fits = (run: RunSummary | null): run is RunSummary =>
        run !== null &&
        hasStatus(run, status) &&
        (operation === undefined || run.operation === operation) &&
        (subjectId === undefined || run.subject_id === subjectId) &&
        (parentId === undefined || run.parent_id === parentId);
      const newestOf = async (ids: readonly string[]): Promise<RunSummary[]> => {
        const newestFirst = (a: RunSummary, b: RunSummary) => (b.created_at ?? "").localeCompare(a.created_at ?? "");
        return (await summaries(ids)).filter(fits).sort(newestFirst).slice(0, limit);
      };
      if (parentId !== undefined) return newestOf(Object.keys(await index.readChildren(parentId)));
      // They may be older than all that `livetail:runs` remembers.
      if (status === "open") return newestOf((await call("ZRANGE", [keys.open, 0, MOST_OPEN - 1])) as string[]);
      const sorted = subjectId === undefined ? keys.runs : keys.subject(subjectId);
      const page = (status ?? operation) === undefined ? Math.min(PAGE, limit) : PAGE;
      const found: RunSummary[] = [];
      const gone: string[] = [];
      for (let from = 0; found.length < limit; from += page) {
        const ids = (await call("ZREVRANGE", [sorted, from, from + page - 1])) as string[];
        const runs = await summaries(ids);
        gone.push(...ids.filter((_, i) => runs[i] === null));
        found.push(...runs.filter(fits));
        if (ids.length < page) break;
      }
      await drop(sorted, gone);
      return found.slice(0, limit);
    },

    async latest(subjectId, operation) {
      const sorted = keys.subject(subjectId);
      const gone: string[] = [];
      let newest: string | null = null;
      for (const id of (await call("ZREVRANGE", [sorted, 0, -1])) as string[]) {
        const [run] = await summaries([id]);
        if (!run) gone.push(id);
        else if (operation === null || run.operation === operation) {
          newest = id;
          break;
        }
      }
      await drop(sorted, gone);
      return newest;
    },
  };
  return index;
}
