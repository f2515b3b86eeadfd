/**
 * The embedded store: all of protocol §3 to §6 in the memory of one process. It answers as the Redis scripts do and
 * has no timers: what has expired is dropped when somebody meets it, and counts bound the rest.
 */
import { createHash, randomUUID } from "node:crypto";
import { LivetailError } from "../errors.js";
import { isTerminal, type RunStatus } from "../protocol.js";
import type {
  ClaimAnswer,
  ClaimRequest,
  EndAnswer,
  Hint,
  LayersWrite,
  LogStore,
  ReadAnswer,
  ReadRequest,
  RecreateAnswer,
  RecreateRequest,
  Refusal,
  StoreLimits,
  SweepReport,
  SweepRequest,
  WriteRequest,
} from "../store.js";
import { storeLimits } from "./limits.js";
import { Listeners } from "./listeners.js";
import { MemoryRun, type RunMark, type WriteScene } from "./memory-run.js";
import { MemoryShelf } from "./memory-shelf.js";

/** What `memoryStore` takes, besides the limits of every store. */
export interface MemoryStoreOptions extends Partial<StoreLimits> {
  /**
   * Runs kept. Beyond that the oldest ended run goes first and, when all are open, the one that was idle longest: a
   * new run is never refused. Default 10,000.
   */
  maxRuns?: number;
  /** Bytes kept of all runs together: lines, layers, totals, results. Beyond that runs go as above. Default 256 MiB. */
  maxTotalBytes?: number;
  /** Milliseconds since 1970. Default `Date.now`. */
  now?: () => number;
  /** What names the server process on which an epoch begins. Default: one random id for the life of the store. */
  server?: () => string;
  /** Where runs are kept, for whoever wants to look at them or break them. Default: a map of its own. */
  runs?: Map<string, MemoryRun>;
}

/** Of this copy of the package. */
const made = new WeakSet<LogStore>();

/** Whether a store keeps its runs in this process, where no other one can reach them. */
export function isMemoryStore(store: LogStore): boolean {
  return made.has(store);
}

const LOSS = {
  OWNER_LOST: "The process that executed the run is gone.",
  NEVER_STARTED: "Nobody started the run in time.",
} as const;

/**
 * Keeps runs in this process and nowhere else. A method takes effect before it returns its promise, so calls take
 * effect in their order; they reject with `CLOSED` after `close()` and with nothing else. Throws `INVALID_OPTION` for
 * limits that are no whole numbers of 1 or more.
 */
export function memoryStore(options: MemoryStoreOptions = {}): LogStore {
  const limits = storeLimits(options);
  const { now = Date.now, maxRuns = 10_000, maxTotalBytes = 268_435_456 } = options;
  const shelf = new MemoryShelf(options.runs ?? new Map(), maxRuns, maxTotalBytes);
  const ownServer = randomUUID();
  const server = options.server ?? (() => ownServer);
  const watchers = new Listeners<Hint>();
  const ownerWatchers = new Listeners<string>();
  const hinted = new Map<MemoryRun, RunMark | null>();
  let sweepAgainAt = 0;
  let closed = false;

  const enter = (): WriteScene => {
    if (closed) throw new LivetailError("CLOSED");
    return { server: server(), now: now(), limits };
  };

  // Told later, and once however much was written: a listener never runs inside a write. `before` is how the run was,
  // null where that is unknown.
  const hint = (run: MemoryRun, before: RunMark | null = null): void => {
    if (!watchers.has(run.runId)) return;
    if (hinted.size === 0) queueMicrotask(tellHints);
    if (before === null || !hinted.has(run)) hinted.set(run, before);
  };
  const tellHints = (): void => {
    const told = [...hinted];
    hinted.clear();
    for (const [run, before] of told) {
      const appended = before === null ? null : run.appendedSince(before);
      const news = { next: run.end, version: run.version };
      watchers.tell(run.runId, appended === null ? news : { ...news, appended });
    }
  };

  /** What every change of a run but its lines and lease is followed by. */
  const publish = (run: MemoryRun, scene: WriteScene): void => {
    shelf.put(run, scene.now);
    shelf.summarise(run, scene.now);
    hint(run);
  };

  /** What append, end and release share; `then` does what is theirs. */
  const write = <Rest extends object>(
    request: WriteRequest,
    then: (run: MemoryRun, scene: WriteScene) => Rest,
    releasing = false,
  ): Refusal | ({ code: "OK"; epoch: string; next: number; version: number } & Rest) => {
    const scene = enter();
    const run = shelf.find(request.runId, scene.now);
    if (run === undefined) return { code: "GONE" };
    const { epoch, end, version } = run;
    const hintIfNew = () => {
      if (run.version !== version || run.end !== end || run.epoch !== epoch) hint(run, { epoch, end, version });
    };
    const refusal = run.refusal(request, scene, releasing);
    if (refusal !== null) {
      hintIfNew();
      return refusal;
    }
    run.write(request, scene);
    const rest = then(run, scene);
    shelf.put(run, scene.now);
    hintIfNew();
    return { code: "OK", epoch: run.epoch, next: run.next, version: run.version, ...rest };
  };

  /** Writes layers if the stored ones are still those that were merged into; else answers the stored ones. */
  const writeLayers = (run: MemoryRun, layers: LayersWrite | null): string | null => {
    if (layers === null || layers.text === run.layers) return null;
    if (sha1(run.layers) !== layers.replacesSha1) return run.layers;
    run.layers = layers.text;
    run.version += 1;
    return null;
  };

  const claimed = (run: MemoryRun): ClaimAnswer => {
    const { epoch, next, version, attempt, status, cancelRequested } = run.record();
    return {
      code: "OK",
      epoch,
      fence: run.fence,
      next,
      version,
      attempt,
      status,
      cancelRequested,
      layers: run.layers,
    };
  };

  const claim = ({
    runId,
    producer,
    newEpoch,
    owner,
    takeOver,
    birth,
    ownerChangedLine,
  }: ClaimRequest): ClaimAnswer => {
    const scene = enter();
    const found = shelf.find(runId, scene.now);
    if (found !== undefined) {
      const { status } = found.record();
      if (isTerminal(status)) return { code: "RUN_ENDED", status };
      if (found.claim === producer) return claimed(found);
      const live = found.leaseUntil > scene.now;
      if (found.owner !== "" && (owner === null || (live && !takeOver))) return { code: "OWNED", owner: found.owner };
      if (owner === null) return claimed(found);
    }
    const run = found ?? MemoryRun.born(runId, producer, birth, newEpoch, scene);
    run.adopt(newEpoch, scene, birth);
    run.moveTo(scene.server, newEpoch);
    run.claim = producer;
    run.expiresAt = scene.now + limits.openTtlSeconds * 1000;
    if (owner !== null) {
      if (run.owner !== "" && run.owner !== owner.id) run.push([ownerChangedLine], limits);
      run.own(owner, Math.max(run.fence + 1, scene.now), scene);
      run.attempt += 1;
    }
    publish(run, scene);
    return claimed(run);
  };

  const recreate = (request: RecreateRequest): RecreateAnswer => {
    const { runId, producer, newEpoch } = request;
    const scene = enter();
    const found = shelf.find(runId, scene.now);
    if (found !== undefined && (found.epoch !== newEpoch || found.claim !== producer)) return { code: "EXISTS" };
    const run = found ?? MemoryRun.born(runId, producer, request.birth, newEpoch, scene);
    if (found === undefined) {
      run.restore(request, scene);
      publish(run, scene);
    }
    return { code: "OK", epoch: run.epoch, next: run.next, version: run.version };
  };

  const read = ({ runId, from, limit, known }: ReadRequest): ReadAnswer | null => {
    const { now } = enter();
    const kept = shelf.find(runId, now);
    if (kept === undefined) return null;
    const run = kept.record();
    let linesFrom = run.first;
    if (from.kind === "none") linesFrom = run.next;
    else if (from.kind === "tail") linesFrom = Math.max(run.first, run.next - from.count);
    else if ((from.epoch === "" || from.epoch === run.epoch) && from.index <= run.next) {
      linesFrom = Math.max(run.first, from.index);
    }
    const lines = kept.lines.slice(linesFrom - run.first, linesFrom - run.first + limit);
    if (known?.epoch === run.epoch && known.version === run.version) return { now, run, linesFrom, lines, state: null };
    return { now, run, linesFrom, lines, state: { layers: kept.layers, totals: kept.totals } };
  };

  const sweep = (request: SweepRequest): SweepReport => {
    const scene = enter();
    const report: SweepReport = { swept: scene.now >= sweepAgainAt, ended: [], stalled: [] };
    if (!report.swept) return report;
    sweepAgainAt = scene.now + request.periodMs;
    const giveUp = (run: MemoryRun, errorCode: keyof typeof LOSS, line: string) => {
      run.moveTo(scene.server, request.newEpoch());
      run.push([line], limits);
      run.finish("failed", LOSS[errorCode], errorCode, scene);
      publish(run, scene);
      report.ended.push({ runId: run.runId, errorCode });
    };
    for (const run of shelf.open(scene.now)) {
      if (run.owner === "") {
        const due = run.queuedAt + limits.queuedTtlSeconds * 1000;
        if (due <= scene.now) giveUp(run, "NEVER_STARTED", request.neverStartedLine());
      } else if (run.leaseUntil <= scene.now) {
        run.stalledSweeps += 1;
        if (run.stalledSweeps >= request.lostAfterSweeps) {
          giveUp(run, "OWNER_LOST", request.ownerLostLine());
          continue;
        }
        report.stalled.push(run.runId);
        if (run.stalledSweeps === 1) {
          run.version += 1;
          hint(run);
        }
      }
    }
    return report;
  };

  const store: LogStore = {
    kind: "memory",

    async claim(request) {
      return claim(request);
    },

    async append(request) {
      return write(request, (run, scene) => {
        const layers = writeLayers(run, request.layers);
        if (request.lines.length === 0) shelf.summarise(run, scene.now);
        return { layers, cancelRequested: run.cancelRequested };
      });
    },

    async end(request): Promise<EndAnswer> {
      return write(request, (run, scene) => {
        run.finish(request.status, request.error, request.errorCode, scene);
        run.result = request.result;
        shelf.summarise(run, scene.now);
        return {};
      });
    },

    async release(request): Promise<EndAnswer> {
      const giveBack = (run: MemoryRun, scene: WriteScene) => {
        run.disown(scene.now);
        shelf.summarise(run, scene.now);
        return {};
      };
      return write(request, giveBack, true);
    },

    async recreate(request) {
      return recreate(request);
    },

    async cancel(runId) {
      const scene = enter();
      const run = shelf.find(runId, scene.now);
      if (run === undefined) return { code: "GONE" };
      const { status, cancelRequested } = run.record();
      if (isTerminal(status)) return { code: "OK", status, cancelRequested };
      if (run.requestCancel()) hint(run);
      // What writes a foreign run reads the flag; whether it ends is its own matter.
      if (run.foreign !== null) return { code: "OK", status, cancelRequested: true };
      if (run.owner === "") {
        run.finish("cancelled", "", "", scene);
        publish(run, scene);
      } else {
        const { owner } = run;
        queueMicrotask(() => ownerWatchers.tell(owner, runId));
      }
      return { code: "OK", status: run.status, cancelRequested: true };
    },

    async read(request) {
      return read(request);
    },

    async readSummary(runId) {
      return shelf.summary(runId, enter().now);
    },

    async readResult(runId) {
      return shelf.find(runId, enter().now)?.result ?? null;
    },

    async readChildren(runId) {
      const children = shelf.list({ parentId: runId, limit: Number.POSITIVE_INFINITY }, enter().now);
      return Object.fromEntries(children.map((child): [string, RunStatus] => [child.run_id, child.status]));
    },

    async remove(runId) {
      const run = shelf.find(runId, enter().now);
      if (run === undefined) return "GONE";
      if (!isTerminal(run.record().status)) return "OPEN";
      shelf.remove(runId);
      return "OK";
    },

    async list(request) {
      return shelf.list(request, enter().now);
    },

    async latest(subjectId, operation) {
      const request = { subjectId, limit: 1, ...(operation === null ? {} : { operation }) };
      return shelf.list(request, enter().now)[0]?.run_id ?? null;
    },

    async sweep(request) {
      return sweep(request);
    },

    watch(runId, onHint) {
      return closed ? () => {} : watchers.add(runId, onHint);
    },

    watchOwner(ownerId, onCancel) {
      return closed ? () => {} : ownerWatchers.add(ownerId, onCancel);
    },

    async ping() {
      return !closed;
    },

    async countOpen() {
      return shelf.open(enter().now).length;
    },

    async close() {
      closed = true;
      watchers.clear();
      ownerWatchers.clear();
      shelf.clear();
    },
  };
  made.add(store);
  return store;
}

function sha1(text: string): string {
  return text === "" ? "" : createHash("sha1").update(text).digest("hex");
}
