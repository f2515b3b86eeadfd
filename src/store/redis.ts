/**
 * The Redis store: protocol §3 on a single server, Sentinel or Cluster. Every write to a run is one script; the
 * sorted sets that list runs live in other slots and are kept beside it.
 */
import { isLivetailError, LivetailError } from "../errors.js";
import { isTerminal } from "../protocol.js";
import {
  type AppendAnswer,
  type CancelAnswer,
  type ClaimAnswer,
  type EndAnswer,
  type LogStore,
  MAX_PRODUCERS,
  type OwnerLease,
  type RecreateAnswer,
  type StoreLimits,
  type SweepReport,
  type SweepRequest,
  type WriteRequest,
} from "../store.js";
import { foreignRun, runStatus } from "./foreign-run.js";
import { storeLimits } from "./limits.js";
import { fromPairs, integer, type Reply, text, toHint, toRecord, toRefusal } from "./redis-answers.js";
import { type Argument, isCluster, keyPrefixOf, openCommands, type RedisInput } from "./redis-connection.js";
import { openHints } from "./redis-hints.js";
import { createRedisIndex } from "./redis-index.js";
import { redisKeys } from "./redis-keys.js";
import { packTexts } from "./redis-pack.js";
import { CANCEL } from "./scripts/cancel.js";
import { CLAIM, RECREATE } from "./scripts/claim.js";
import { META_FIELDS, READ } from "./scripts/read.js";
import { REMOVE } from "./scripts/remove.js";
import { SWEEP } from "./scripts/sweep.js";
import { APPEND, END, RELEASE } from "./scripts/write.js";

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
  /** Hears of what does not stop a write but somebody should know: a forbidden channel or INFO, eviction, an index that could not be kept. */
  onWarning?: (error: LivetailError) => void;
}

/**
 * Keeps runs in Redis 6.2 or later, or Valkey. Opens two connections of its own and closes them in `close()`.
 * Methods reject with `STORE_UNAVAILABLE` within `commandTimeoutMs`, with `STORE_REFUSED` for what no retry can
 * mend, and with `CLOSED`. Throws `INVALID_OPTION` when a URL is given and ioredis is not installed,
 * and for limits that are no whole numbers of 1 or more.
 */
export function redisStore(options: RedisStoreOptions): LogStore {
  const limits = storeLimits(options);
  const keys = redisKeys(
    options.keyPrefix ?? keyPrefixOf(options.client),
    options.hashTags ?? isCluster(options.client),
  );
  const warn = options.onWarning ?? (() => {});
  const timeoutMs = options.commandTimeoutMs ?? 2000;
  const hints = openHints(options.client, timeoutMs, warn);
  const commands = openCommands(options.client, timeoutMs, hints.look);
  const ownerText = (owner: OwnerLease): string => JSON.stringify({ id: owner.id, url: owner.url || null });
  const writeArgs = (request: WriteRequest): Argument[] => {
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
      keys.wake(request.runId),
      MAX_PRODUCERS,
      request.lines.length,
      packTexts(request.lines),
    ];
  };

  const readByScript: LogStore["read"] = async ({ runId, from, limit, known }) => {
    const position = from.kind === "at" ? from.index : from.kind === "tail" ? from.count : 0;
    const reply = (await commands.run(READ, keys.run(runId), [
      from.kind,
      from.kind === "at" ? from.epoch : "",
      position,
      limit,
      known?.epoch ?? "",
      known?.version ?? "",
      ...META_FIELDS,
    ])) as [number, (string | null)[], number, number, number, string[], string?, string[]?, string[]?] | null;
    if (reply === null) return null;
    const [now, values, next, first, linesFrom, lines, layers, totals, foreignMeta] = reply;
    const run =
      foreignMeta === undefined
        ? toRecord(runId, values, next, first)
        : foreignRun(runId, fromPairs(foreignMeta), { layers: layers ?? "", totals: totals ?? [] }, next - first);
    if (foreignMeta !== undefined && known?.epoch === run.epoch && known.version === run.version) {
      return { now, run, linesFrom, lines, state: null };
    }
    return { now, run, linesFrom, lines, state: layers === undefined ? null : { layers, totals: totals ?? [] } };
  };

  /**
   * Whoever comes late wants all lines, which a script would copy twice more: they are read before it. If the script
   * sees what was seen before them, nothing was added or trimmed in between; else it reads them, too
   * (`npm run bench -- catch-up`).
   */
  const read: LogStore["read"] = async (request) => {
    const { runId, from, limit } = request;
    const whole = from.kind === "at" && from.epoch === "" && from.index === 0 && limit > 1;
    // A client of a Cluster may send reads to replicas, each to another one.
    if (!whole || isCluster(options.client)) return readByScript(request);
    const [meta = "", buffer = ""] = keys.run(runId);
    // On one connection, so in this order; a script that the server does not know yet comes even later.
    const [before, lines, answer] = await Promise.all([
      commands.call("HMGET", [meta, "epoch", "next", "len"]) as Promise<(string | null)[]>,
      commands.call("LRANGE", [buffer, 0, limit - 1]) as Promise<string[]>,
      readByScript({ ...request, limit: 0 }),
    ]);
    if (answer === null) return null;
    const { epoch, next, first } = answer.run;
    const isSame = before[0] === epoch && Number(before[1]) === next && Number(before[2]) === next - first;
    return isSame && lines.length === Math.min(limit, next - first) ? { ...answer, lines } : readByScript(request);
  };

  const index = createRedisIndex({ commands, keys, limits, warn, read });

  let serverSeen = false;
  /** Says once what about this server, or this user of it, weakens a promise. Never rejects. */
  const lookAtServer = async (): Promise<void> => {
    if (serverSeen) return;
    serverSeen = true;
    try {
      const memory = text(await commands.call("INFO", ["memory"]));
      const [policy, limit] = ["maxmemory_policy", "maxmemory"].map(
        (name) => new RegExp(`^${name}:(\\S+)`, "m").exec(memory)?.[1] ?? "",
      );
      // A volatile one takes what has a TTL, and so has every key of a run.
      if (!/^(allkeys|volatile)-/.test(policy ?? "") || limit === "0") return;
      const advice = `Redis may evict open runs: its maxmemory-policy is ${policy}; noeviction would be right.`;
      warn(new LivetailError("INVALID_OPTION", advice));
    } catch (cause) {
      serverSeen = isLivetailError(cause, "STORE_REFUSED");
      if (!serverSeen) return;
      const lack = "Redis refuses INFO to this user, so a restart that loses lines may go unnoticed.";
      warn(new LivetailError("STORE_REFUSED", lack, { cause }));
    }
  };

  const sweepRun = async (runId: string, request: SweepRequest, report: SweepReport): Promise<void> => {
    const reply = (await commands.run(SWEEP, keys.run(runId), [
      request.lostAfterSweeps,
      request.newEpoch(),
      request.ownerLostLine(),
      request.neverStartedLine(),
      limits.queuedTtlSeconds * 1000,
      limits.maxLines,
      limits.maxBufferBytes,
      limits.endedTtlSeconds,
      keys.wake(runId),
    ])) as Reply;
    if (reply[0] === "STALLED") report.stalled.push(runId);
    else if (reply[0] === "OPEN") await index.lookAgain(runId, integer(reply[1]));
    else {
      await index.leaveOpen(runId);
      if (reply[0] === "ENDED" && reply[1] !== "") {
        report.ended.push({ runId, errorCode: text(reply[1]) });
        await index.summarise(runId);
      }
    }
  };

  return {
    kind: "redis",

    async claim(request): Promise<ClaimAnswer> {
      const { runId, owner, birth } = request;
      const leaseMs = owner?.leaseMs ?? limits.queuedTtlSeconds * 1000;
      await index.keepOpen(runId, leaseMs);
      const reply = (await commands.run(CLAIM, keys.run(runId), [
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
        keys.wake(runId),
      ])) as Reply;
      if (reply[0] === "OWNED") return { code: "OWNED", owner: text(reply[1]) };
      const refusal = toRefusal(reply);
      if (refusal?.code === "RUN_ENDED") {
        await index.leaveOpen(runId);
        return refusal;
      }
      index.heardClock(integer(reply[5]));
      const entered = index.enter(runId, birth.subjectId, integer(reply[10]));
      await Promise.all([entered, index.summarise(runId), lookAtServer()]);
      return {
        code: "OK",
        epoch: text(reply[1]),
        next: integer(reply[2]),
        version: integer(reply[3]),
        cancelRequested: integer(reply[4]) === 1,
        fence: integer(reply[6]),
        attempt: integer(reply[7]),
        status: runStatus(text(reply[8])),
        layers: text(reply[9]),
      };
    },

    async append(request): Promise<AppendAnswer> {
      const { runId, owner, layers } = request;
      const reply = (await commands.run(APPEND, keys.run(runId), [
        ...writeArgs(request),
        layers?.text ?? "",
        layers?.replacesSha1 ?? "",
      ])) as Reply;
      const refusal = toRefusal(reply);
      if (refusal !== null) return refusal;
      if (owner !== null && (request.lines.length === 0 || request.start)) {
        index.heardClock(integer(reply[5]));
        await Promise.all([index.keepOpen(runId, owner.leaseMs), index.summarise(runId)]);
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
      const reply = (await commands.run(END, keys.run(runId), [
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
      await Promise.all([index.leaveOpen(runId), index.summarise(runId)]);
      return refusal ?? { code: "OK", epoch: text(reply[1]), next: integer(reply[2]), version: integer(reply[3]) };
    },

    async release(request): Promise<EndAnswer> {
      const { runId } = request;
      const reply = (await commands.run(RELEASE, keys.run(runId), writeArgs(request))) as Reply;
      const refusal = toRefusal(reply);
      if (refusal !== null) return refusal;
      await Promise.all([index.keepOpen(runId, limits.queuedTtlSeconds * 1000), index.summarise(runId)]);
      return { code: "OK", epoch: text(reply[1]), next: integer(reply[2]), version: integer(reply[3]) };
    },

    async recreate(request): Promise<RecreateAnswer> {
      const { runId, owner, birth } = request;
      await index.keepOpen(runId, owner.leaseMs);
      const reply = (await commands.run(RECREATE, keys.run(runId), [
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
        keys.wake(runId),
        limits.maxLines,
        limits.maxBufferBytes,
      ])) as Reply;
      if (reply[0] !== "OK") return { code: "EXISTS" };
      await Promise.all([index.enter(runId, birth.subjectId, request.createdAt), index.summarise(runId)]);
      return { code: "OK", epoch: text(reply[1]), next: integer(reply[2]), version: integer(reply[3]) };
    },

    async cancel(runId): Promise<CancelAnswer> {
      const reply = (await commands.run(CANCEL, keys.run(runId), [
        limits.endedTtlSeconds,
        keys.wake(runId),
        keys.toOwner,
        runId,
      ])) as Reply;
      if (reply[0] !== "OK") return { code: "GONE" };
      const status = runStatus(text(reply[1]));
      if (isTerminal(status)) await Promise.all([index.leaveOpen(runId), index.summarise(runId)]);
      return { code: "OK", status, cancelRequested: integer(reply[2]) === 1 };
    },

    read,
    readSummary: index.readSummary,
    readChildren: index.readChildren,
    list: index.list,
    latest: index.latest,
    countOpen: index.countOpen,

    async readResult(runId) {
      const stored = await commands.call("GET", [keys.result(runId)]);
      return typeof stored === "string" ? stored : null;
    },

    async remove(runId) {
      const reply = (await commands.run(REMOVE, keys.run(runId), [])) as ["GONE" | "OPEN"] | ["OK", string, string];
      if (reply[0] === "OK") await index.forget(runId, reply[1], reply[2]);
      return reply[0];
    },

    async sweep(request): Promise<SweepReport> {
      const report: SweepReport = { swept: false, ended: [], stalled: [] };
      if (!(await index.winSweep(request.periodMs))) return report;
      report.swept = true;
      for (const runId of await index.due()) {
        try {
          await sweepRun(runId, request, report);
        } catch (cause) {
          // One run that is in disorder is no reason to leave the others.
          if (!isLivetailError(cause, "STORE_REFUSED")) throw cause;
          warn(new LivetailError("STORE_REFUSED", `The run ${runId} cannot be swept. ${cause.message}`, { cause }));
        }
      }
      return report;
    },

    watch(runId, onHint) {
      return hints.subscribe(keys.wake(runId), (message) => onHint(toHint(message)));
    },

    watchOwner(ownerId, onCancel) {
      return hints.subscribe(keys.toOwner + ownerId, (message) => {
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

    async close() {
      hints.close();
      commands.close();
    },
  };
}
