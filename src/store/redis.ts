/**
 * The Redis store: protocol §3 on a single server, Sentinel or Cluster. Every write to a run is one script; the
 * sorted sets that list runs live in other slots and are kept beside it.
 */
import { LivetailError } from "../errors.js";
import { isTerminal, type RunSummary } from "../protocol.js";
import {
  type AppendAnswer,
  type CancelAnswer,
  type ClaimAnswer,
  type EndAnswer,
  type Hint,
  type LogStore,
  MAX_PRODUCERS,
  type OwnerLease,
  type RecreateAnswer,
  type RunRecord,
  STORE_LIMITS,
  type StoreLimits,
  type SweepReport,
  type WriteRequest,
} from "../store.js";
import { foreignRun, runStatus } from "./foreign-run.js";
import { isCluster, keyPrefixOf, openCommands, openHints, type RedisInput, script } from "./redis-connection.js";
import * as lua from "./redis-scripts.js";
import { runSummary } from "./run-summary.js";

export type { RedisClient, RedisInput } from "./redis-connection.js";

/** What `redisStore` takes. */
export interface RedisStoreOptions extends Partial<StoreLimits> {
  /** An ioredis client or Cluster, a URL, or ioredis options. What is handed in is duplicated, never changed or closed. */
  client: RedisInput;
  /** Stands before every key and channel. Default: the client's own. */
  keyPrefix?: string;
  /** Writes the run id inside braces, so that all keys of a run share a slot. Default: true on a Cluster. */
  hashTags?: boolean;
  /** How long a command may take, in milliseconds. Default 2,000. */
  commandTimeoutMs?: number;
  /** Hears of what does not stop a write but somebody should know: a forbidden channel, an index that could not be kept. */
  onWarning?: (error: LivetailError) => void;
}

const CLAIM = script(lua.CLAIM);
const APPEND = script(lua.APPEND);
const END = script(lua.END);
const RELEASE = script(lua.RELEASE);
const RECREATE = script(lua.RECREATE);
const CANCEL = script(lua.CANCEL);
const READ = script(lua.READ);
const REMOVE = script(lua.REMOVE);
const SWEEP = script(lua.SWEEP);

/** The runs that the index remembers, and how many of each subject. */
const INDEX_RUNS = 10_000;
const INDEX_SUBJECT_RUNS = 20;
const DAY_SECONDS = 86_400;
/** Ids that one look at the index reads at a time. */
const INDEX_PAGE = 100;

type Reply = (string | number | null)[];

const text = (value: unknown): string => (typeof value === "string" ? value : "");
const integer = (value: unknown): number => Math.floor(Number(value)) || 0;

type Fields = Record<(typeof lua.META_FIELDS)[number], string | null>;

function toFields(values: readonly (string | null)[]): Fields {
  const fields = {} as Fields;
  lua.META_FIELDS.forEach((name, i) => {
    fields[name] = values[i] ?? null;
  });
  return fields;
}

function toRecord(runId: string, fields: Fields, next: number, first: number): RunRecord {
  const status = runStatus(text(fields.status));
  return {
    runId,
    status,
    epoch: text(fields.epoch),
    base: integer(fields.base),
    first,
    next,
    version: integer(fields.version),
    expectedLogCount: isTerminal(status) ? integer(fields.expected_log_count) : null,
    lateLines: integer(fields.late_lines),
    owner: text(fields.owner),
    ownerUrl: text(fields.owner_url),
    leaseUntil: integer(fields.lease_until),
    stalledSweeps: integer(fields.stalled_sweeps),
    attempt: integer(fields.attempt),
    cancelRequested: fields.cancel_requested === "1",
    subjectId: text(fields.subject_id),
    operation: text(fields.operation),
    parentId: text(fields.parent_id),
    metadata: text(fields.metadata),
    error: text(fields.error),
    errorCode: text(fields.error_code),
    createdAt: integer(fields.created_at),
    startedAt: integer(fields.started_at),
    finishedAt: integer(fields.finished_at),
  };
}

/** The refusals that every write may meet; null when the write was done. */
function toRefusal(reply: Reply): Exclude<EndAnswer, { code: "OK" }> | null {
  switch (reply[0]) {
    case "OK":
      return null;
    case "RUN_ENDED": {
      const status = text(reply[1]);
      return { code: "RUN_ENDED", status: isTerminal(status) ? status : "failed" };
    }
    case "EPOCH":
      return { code: "EPOCH", epoch: text(reply[1]), have: integer(reply[2]), next: integer(reply[3]) };
    case "ORDER":
      return { code: "ORDER", have: integer(reply[1]) };
    case "GONE":
    case "FENCED":
    case "TOO_MANY_PRODUCERS":
      return { code: reply[0] };
    default:
      throw new LivetailError("STORE_REFUSED", `Redis gave an answer that no script gives: ${String(reply[0])}`);
  }
}

/**
 * Keeps runs in Redis 6.2 or later, or Valkey. Opens two connections of its own and closes them in `close()`.
 * Methods reject with `STORE_UNAVAILABLE` within `commandTimeoutMs`, with `STORE_REFUSED` for what no retry can
 * mend, and with `CLOSED`. Throws `INVALID_OPTION` when a URL is given and ioredis is not installed.
 */
export function redisStore(options: RedisStoreOptions): LogStore {
  const limits = { ...STORE_LIMITS, ...options };
  const prefix = options.keyPrefix ?? keyPrefixOf(options.client);
  const tagged = options.hashTags ?? isCluster(options.client);
  const warn = options.onWarning ?? (() => {});
  const commands = openCommands(options.client, options.commandTimeoutMs ?? 2000);
  const hints = openHints(options.client, warn);
  /** How far the server's clock is ahead of ours. The scores of `livetail:open` are the server's time. */
  let clockAheadMs = 0;

  const RUNS = `${prefix}livetail:runs`;
  const OPEN = `${prefix}livetail:open`;
  const SWEEPING = `${prefix}livetail:sweep`;
  const TO_OWNER = `${prefix}livetail:to:`;
  const subjectKey = (subject: string): string => `${prefix}livetail:subject:${subject}`;
  const tag = (runId: string): string => (tagged ? `{${runId}}` : runId);
  const wakeOf = (runId: string): string => `${prefix}logs:${tag(runId)}:wake`;
  const summaryKey = (runId: string): string => `${prefix}run:${tag(runId)}`;
  const childrenKey = (runId: string): string => `${prefix}logs:${tag(runId)}:children`;
  const keysOf = (runId: string): string[] => {
    const logs = `${prefix}logs:${tag(runId)}`;
    return [
      `${logs}:meta`,
      `${logs}:buffer`,
      `${logs}:layers`,
      `${logs}:producers`,
      `${logs}:result`,
      `${logs}:children`,
      `${prefix}logs:owner:${tag(runId)}`,
      summaryKey(runId),
    ];
  };
  const ownerText = (owner: OwnerLease): string => JSON.stringify({ id: owner.id, url: owner.url || null });
  const storeNow = (): number => Date.now() + clockAheadMs;
  const heardClock = (now: unknown): void => {
    clockAheadMs = integer(now) - Date.now();
  };

  /** What is kept beside a run must not fail the write that it follows. */
  const beside = async (work: Promise<unknown>): Promise<void> => {
    try {
      await work;
    } catch (error) {
      if (error instanceof LivetailError && error.code === "STORE_REFUSED") warn(error);
    }
  };

  const writeArgs = (request: WriteRequest): (string | number)[] => {
    const { owner } = request;
    return [
      request.producer,
      request.fence,
      request.epoch,
      request.newEpoch,
      request.acked,
      request.told,
      request.first,
      request.upto,
      request.logged,
      request.totals,
      request.start ? "1" : "",
      limits.maxLines,
      limits.maxBufferBytes,
      limits.openTtlSeconds,
      owner?.id ?? "",
      owner?.url ?? "",
      owner?.leaseMs ?? 0,
      owner === null ? "" : ownerText(owner),
      wakeOf(request.runId),
      MAX_PRODUCERS,
      request.lines.length,
      ...request.lines,
    ];
  };

  const readRun = async (runId: string): Promise<RunRecord | null> => {
    const answer = await read({ runId, from: { kind: "none" }, limit: 0, known: null });
    return answer?.run ?? null;
  };

  /** Writes `run:{id}` and the parent's view of it from what meta says now. */
  const summarise = async (runId: string): Promise<void> => {
    const run = await readRun(runId);
    if (run === null) return;
    const work: Promise<unknown>[] = [
      commands.call("SET", [summaryKey(runId), JSON.stringify(runSummary(run)), "EX", DAY_SECONDS]),
    ];
    if (run.parentId !== "") {
      const children = childrenKey(run.parentId);
      work.push(
        commands.call("HSET", [children, runId, run.status]),
        commands.call("EXPIRE", [children, limits.openTtlSeconds]),
      );
    }
    await Promise.all(work);
  };

  const leaveOpen = (runId: string): Promise<unknown> => commands.call("ZREM", [OPEN, runId]);

  const read: LogStore["read"] = async ({ runId, from, limit, known }) => {
    const index = from.kind === "at" ? from.index : from.kind === "tail" ? from.count : 0;
    const reply = (await commands.run(READ, keysOf(runId), [
      from.kind,
      from.kind === "at" ? from.epoch : "",
      index,
      limit,
      known?.epoch ?? "",
      known?.version ?? "",
      ...lua.META_FIELDS,
    ])) as [number, (string | null)[], number, number, number, string[], string?, string[]?, string[]?] | null;
    if (reply === null) return null;
    const [now, values, next, first, linesFrom, lines, layers, totals, foreignMeta] = reply;
    const run =
      foreignMeta === undefined
        ? toRecord(runId, toFields(values), next, first)
        : foreignRun(runId, fromPairs(foreignMeta), layers ?? "", next - first);
    if (foreignMeta !== undefined && known?.epoch === run.epoch && known.version === run.version) {
      return { now, run, linesFrom, lines, state: null };
    }
    return { now, run, linesFrom, lines, state: layers === undefined ? null : { layers, totals: totals ?? [] } };
  };

  /** Summaries of ids in their order: from meta, or from `run:{id}` where only that is left. */
  const summaries = async (ids: readonly string[]): Promise<(RunSummary | null)[]> =>
    Promise.all(
      ids.map(async (id) => {
        const run = await readRun(id);
        return run === null ? readSummary(id) : runSummary(run);
      }),
    );

  const readSummary = async (runId: string): Promise<RunSummary | null> => {
    const stored = await commands.call("GET", [summaryKey(runId)]);
    if (typeof stored !== "string") return null;
    try {
      const found: unknown = JSON.parse(stored);
      // Something else may keep its own shape there; only what names the run as we do is ours.
      return typeof found === "object" && found !== null && (found as RunSummary).run_id === runId
        ? (found as RunSummary)
        : null;
    } catch {
      return null;
    }
  };

  return {
    kind: "redis",

    async claim(request): Promise<ClaimAnswer> {
      const { runId, owner, birth } = request;
      const leaseMs = owner?.leaseMs ?? limits.queuedTtlSeconds * 1000;
      await beside(commands.call("ZADD", [OPEN, storeNow() + leaseMs, runId]));
      const reply = (await commands.run(CLAIM, keysOf(runId), [
        request.producer,
        request.newEpoch,
        owner?.id ?? "",
        owner?.url ?? "",
        owner?.leaseMs ?? 0,
        owner === null ? "" : ownerText(owner),
        request.takeOver ? "1" : "",
        birth.subjectId,
        birth.operation,
        birth.parentId,
        birth.metadata,
        request.ownerChangedLine,
        limits.openTtlSeconds,
        limits.maxLines,
        limits.maxBufferBytes,
        wakeOf(runId),
      ])) as Reply;
      if (reply[0] === "OWNED") return { code: "OWNED", owner: text(reply[1]) };
      if (reply[0] === "RUN_ENDED") {
        await beside(leaveOpen(runId));
        const status = text(reply[1]);
        return { code: "RUN_ENDED", status: isTerminal(status) ? status : "failed" };
      }
      heardClock(reply[5]);
      const createdAt = integer(reply[12]);
      const subject = subjectKey(birth.subjectId);
      await beside(
        Promise.all([
          commands.call("ZADD", [RUNS, createdAt, runId]),
          commands.call("ZREMRANGEBYRANK", [RUNS, 0, -INDEX_RUNS - 1]),
          commands.call("EXPIRE", [RUNS, DAY_SECONDS]),
          commands.call("ZADD", [subject, createdAt, runId]),
          commands.call("ZREMRANGEBYRANK", [subject, 0, -INDEX_SUBJECT_RUNS - 1]),
          commands.call("EXPIRE", [subject, DAY_SECONDS]),
          commands.call("EXPIRE", [OPEN, DAY_SECONDS]),
          summarise(runId),
        ]),
      );
      return {
        code: "OK",
        epoch: text(reply[1]),
        next: integer(reply[2]),
        version: integer(reply[3]),
        cancelRequested: integer(reply[4]) === 1,
        created: reply[6] === 1,
        fence: integer(reply[7]),
        attempt: integer(reply[8]),
        status: runStatus(text(reply[9])),
        layers: text(reply[10]),
      };
    },

    async append(request): Promise<AppendAnswer> {
      const { runId, owner, layers } = request;
      const reply = (await commands.run(APPEND, keysOf(runId), [
        ...writeArgs(request),
        layers?.text ?? "",
        layers?.replacesSha1 ?? "",
      ])) as Reply;
      const refusal = toRefusal(reply);
      if (refusal !== null) return refusal;
      if (owner !== null && (request.lines.length === 0 || request.start)) {
        heardClock(reply[5]);
        const leaseEnd = storeNow() + owner.leaseMs;
        await beside(
          Promise.all([
            commands.call("ZADD", [OPEN, leaseEnd, runId]),
            commands.call("EXPIRE", [OPEN, DAY_SECONDS]),
            summarise(runId),
          ]),
        );
      }
      return {
        code: "OK",
        epoch: text(reply[1]),
        next: integer(reply[2]),
        version: integer(reply[3]),
        cancelRequested: integer(reply[4]) === 1,
        layers: reply.length > 6 ? text(reply[6]) : null,
      };
    },

    async end(request): Promise<EndAnswer> {
      const { runId } = request;
      const reply = (await commands.run(END, keysOf(runId), [
        ...writeArgs(request),
        request.status,
        request.error,
        request.errorCode,
        request.result === null ? "" : "1",
        request.result ?? "",
        limits.endedTtlSeconds,
      ])) as Reply;
      const refusal = toRefusal(reply);
      if (refusal !== null && refusal.code !== "RUN_ENDED") return refusal;
      await beside(Promise.all([leaveOpen(runId), summarise(runId)]));
      return refusal ?? { code: "OK", epoch: text(reply[1]), next: integer(reply[2]), version: integer(reply[3]) };
    },

    async release(request): Promise<EndAnswer> {
      const { runId } = request;
      const reply = (await commands.run(RELEASE, keysOf(runId), writeArgs(request))) as Reply;
      const refusal = toRefusal(reply);
      if (refusal !== null) return refusal;
      await beside(
        Promise.all([
          commands.call("ZADD", [OPEN, storeNow() + limits.queuedTtlSeconds * 1000, runId]),
          summarise(runId),
        ]),
      );
      return { code: "OK", epoch: text(reply[1]), next: integer(reply[2]), version: integer(reply[3]) };
    },

    async recreate(request): Promise<RecreateAnswer> {
      const { runId, owner, birth } = request;
      await beside(commands.call("ZADD", [OPEN, storeNow() + owner.leaseMs, runId]));
      const reply = (await commands.run(RECREATE, keysOf(runId), [
        request.producer,
        request.newEpoch,
        owner.id,
        owner.url,
        owner.leaseMs,
        ownerText(owner),
        request.fence,
        request.base,
        request.have,
        request.status,
        request.attempt,
        request.totals,
        request.layers,
        request.cancelRequested ? "1" : "0",
        request.createdAt,
        request.startedAt,
        birth.subjectId,
        birth.operation,
        birth.parentId,
        birth.metadata,
        limits.openTtlSeconds,
        wakeOf(runId),
      ])) as Reply;
      if (reply[0] !== "OK") return { code: "EXISTS" };
      await beside(
        Promise.all([
          commands.call("ZADD", [RUNS, request.createdAt, runId]),
          commands.call("ZADD", [subjectKey(birth.subjectId), request.createdAt, runId]),
          summarise(runId),
        ]),
      );
      return { code: "OK", epoch: text(reply[1]), next: integer(reply[2]), version: integer(reply[3]) };
    },

    async cancel({ runId }): Promise<CancelAnswer> {
      const reply = (await commands.run(CANCEL, keysOf(runId), [
        limits.endedTtlSeconds,
        wakeOf(runId),
        TO_OWNER,
        runId,
      ])) as Reply;
      if (reply[0] !== "OK") return { code: "GONE" };
      const status = runStatus(text(reply[1]));
      if (isTerminal(status)) await beside(Promise.all([leaveOpen(runId), summarise(runId)]));
      return { code: "OK", status, cancelRequested: integer(reply[2]) === 1 };
    },

    read,
    readSummary,

    async readResult(runId) {
      const stored = await commands.call("GET", [keysOf(runId)[4] as string]);
      return typeof stored === "string" ? stored : null;
    },

    async readChildren(runId) {
      const stored = fromPairs((await commands.call("HGETALL", [childrenKey(runId)])) as string[]);
      return Object.fromEntries(Object.entries(stored).map(([id, status]) => [id, runStatus(status)]));
    },

    async remove(runId) {
      const answer = (await commands.run(REMOVE, keysOf(runId), [])) as "OK" | "GONE" | "OPEN";
      if (answer === "OK") await beside(Promise.all([leaveOpen(runId), commands.call("ZREM", [RUNS, runId])]));
      return answer;
    },

    async list({ status, operation, subjectId, parentId, limit }) {
      const fits = (run: RunSummary | null): run is RunSummary =>
        run !== null &&
        (status === undefined || run.status === status) &&
        (operation === undefined || run.operation === operation) &&
        (subjectId === undefined || run.subject_id === subjectId) &&
        (parentId === undefined || run.parent_id === parentId);
      if (parentId !== undefined) {
        const children = await summaries(Object.keys(await this.readChildren(parentId)));
        return children
          .filter(fits)
          .sort((a, b) => (b.created_at ?? "").localeCompare(a.created_at ?? ""))
          .slice(0, limit);
      }
      const index = subjectId === undefined ? RUNS : subjectKey(subjectId);
      const found: RunSummary[] = [];
      for (let from = 0; found.length < limit; from += INDEX_PAGE) {
        const ids = (await commands.call("ZREVRANGE", [index, from, from + INDEX_PAGE - 1])) as string[];
        found.push(...(await summaries(ids)).filter(fits));
        if (ids.length < INDEX_PAGE) break;
      }
      return found.slice(0, limit);
    },

    async latest(subjectId, operation) {
      const ids = (await commands.call("ZREVRANGE", [subjectKey(subjectId), 0, -1])) as string[];
      for (const id of ids) {
        const [run] = await summaries([id]);
        if (run && (operation === null || run.operation === operation)) return id;
      }
      return null;
    },

    async sweep(request): Promise<SweepReport> {
      const report: SweepReport = { swept: false, ended: [], stalled: [] };
      const won = await commands.call("SET", [SWEEPING, "1", "NX", "PX", request.periodMs]);
      if (won !== "OK") return report;
      report.swept = true;
      const time = (await commands.call("TIME", [])) as [string, string];
      heardClock(integer(time[0]) * 1000 + Math.floor(integer(time[1]) / 1000));
      const due = (await commands.call("ZRANGE", [
        OPEN,
        "-inf",
        Math.floor(storeNow()),
        "BYSCORE",
        "LIMIT",
        0,
        1000,
      ])) as string[];
      for (const runId of due) {
        const reply = (await commands.run(SWEEP, keysOf(runId), [
          request.lostAfterSweeps,
          request.newEpoch(),
          request.ownerLostLine(),
          request.neverStartedLine(),
          limits.queuedTtlSeconds * 1000,
          limits.maxLines,
          limits.maxBufferBytes,
          limits.endedTtlSeconds,
          wakeOf(runId),
        ])) as Reply;
        if (reply[0] === "STALLED") report.stalled.push(runId);
        else if (reply[0] === "OPEN") await beside(commands.call("ZADD", [OPEN, "XX", integer(reply[1]), runId]));
        else {
          await beside(leaveOpen(runId));
          if (reply[0] === "ENDED" && reply[1] !== "") {
            report.ended.push({ runId, errorCode: text(reply[1]) });
            await beside(summarise(runId));
          }
        }
      }
      return report;
    },

    watch(runId, onHint) {
      return hints.subscribe(wakeOf(runId), (message) => onHint(toHint(message)));
    },

    watchOwner(ownerId, onCancel) {
      return hints.subscribe(TO_OWNER + ownerId, (message) => {
        if (message !== null) onCancel(message);
      });
    },

    async ping() {
      try {
        return (await commands.call("PING", [])) === "PONG";
      } catch {
        return false;
      }
    },

    async countOpen() {
      return integer(await commands.call("ZCARD", [OPEN]));
    },

    async close() {
      hints.close();
      commands.close();
    },
  };
}

/** What HGETALL answers, as an object. */
function fromPairs(pairs: readonly string[]): Record<string, string> {
  const record: Record<string, string> = Object.create(null);
  for (let i = 0; i + 1 < pairs.length; i += 2) record[pairs[i] as string] = pairs[i + 1] as string;
  return record;
}

/** A hint without numbers (after a lost connection) says that anything may have come. */
function toHint(message: string | null): Hint {
  const [next, version] = (message ?? "").split(" ");
  return { next: Number(next) || 0, version: Number(version) || 0 };
}
