/** `createLivetail` wires store, runs, reader and handler of a process. */
import { hostname } from "node:os";
import { workerData } from "node:worker_threads";
import { readAsset } from "./assets.js";
import { Backlog } from "./backlog.js";
import { checkBudget } from "./budget.js";
import { systemClock } from "./clock.js";
import { closeOnSignals } from "./close-on-signals.js";
import { joinedRun, withRun } from "./context.js";
import { type Coverage, createCoverage } from "./coverage.js";
import { Deadlines } from "./deadlines.js";
import { LivetailError } from "./errors.js";
import { type Handle, JoinedRun, joinKey, type LayerMetadata, MAX_NAME_LENGTH, type RunHost } from "./handle.js";
import { createHandler, type Handler } from "./handler.js";
import { createLineRules } from "./line-rules.js";
import { checkOptions, type LivetailOptions, pick } from "./livetail-options.js";
import type { OpenEvents } from "./logger.js";
import { tellRequest } from "./measured-request.js";
import { Outage } from "./outage.js";
import { Owner } from "./owner.js";
import { plainText } from "./plain-text.js";
import { createPricing } from "./price.js";
import { isRunId, type LayerStatus, type OwnerInfo } from "./protocol.js";
import { randomId } from "./random-id.js";
import { createReader, type Reader } from "./reader.js";
import { Run, type RunOptions } from "./run.js";
import { newRunId } from "./run-id.js";
import { parseRunRef, RUN_VARIABLE, type RunRef } from "./run-ref.js";
import { ownerState } from "./run-state.js";
import { createLineEncoder } from "./serialize.js";
import { isMemoryStore, memoryStore } from "./store/memory.js";
import { redisStore } from "./store/redis.js";
import { type CancelAnswer, type LogStore, STORE_LIMITS } from "./store.js";
import { TurnQueue } from "./turn-queue.js";

/** A log callback: a message (or an object, or an Error) with metadata. Never throws. */
export type LogCallback = (message: unknown, metadata?: Record<string, unknown>) => void;

/** A layer callback; `metadata.current` and `metadata.total` are the layer's progress. Never throws. */
export type LayerCallback = (layer: string, status: LayerStatus, message?: string, metadata?: LayerMetadata) => void;

/** Everything of one process. `Events` is what the loggers of its runs take; see `createLivetail`. */
export interface Livetail<Events extends object = OpenEvents> {
  /** Where runs are kept. */
  readonly store: LogStore;
  /** Reads runs for viewers: pages, and runs that are followed. */
  readonly reader: Reader;
  /** The routes of protocol §7, for the adapters. */
  readonly handler: Handler;
  /** What the coverage middlewares measured: which routes are slow, and which of them can be watched. */
  readonly coverage: Coverage;
  /**
   * Creates a run, or adopts the one of `options.id`, and returns at once. Throws `INVALID_RUN_ID` for an id that
   * is none, `INVALID_OPTION` for a budget that is none and `CLOSED` after `close()`; whatever the store says comes by
   * `run.ready` and `onError`.
   */
  createOperationRun(subjectId: string, operation: string, options?: RunOptions): Run<Events>;
  /** A function that logs to a run, or to the run of an id or of `run.env`, which it joins if it lives elsewhere. */
  createLogCallback(runOrId: Handle | string): LogCallback;
  /** A function that sets layers of a run, or of the run of an id. */
  createLayerCallback(runOrId: Handle | string): LayerCallback;
  /** Runs `fn` as an operation and returns what it returns, throws what it throws; the run ends by itself. */
  runOperation<T>(
    subjectId: string,
    operation: string,
    fn: (run: Run<Events>) => T | Promise<T>,
    options?: RunOptions,
  ): Promise<T>;
  /** Like `runOperation`, in the background; returns the run at once. What `fn` throws fails the run. */
  startOperation(
    subjectId: string,
    operation: string,
    fn: (run: Run<Events>) => unknown,
    options?: RunOptions,
  ): Run<Events>;
  /**
   * Joins the run that this child process or worker thread was started for, and makes it the current one of all code
   * here that runs in no other: `currentRun()`, loggers and captures find it. `ref` is what `run.env` says (default: of
   * `workerData` or the environment); under its fence lines are refused once another owner took the run over
   * (`FENCED`). The handle writes, and neither claims nor ends. Returns undefined where no run is named or where it
   * cannot be reached, because it or this livetail is kept in memory: print, and let the parent capture that. Throws
   * `INVALID_RUN_ID` and `CLOSED`.
   */
  joinRun(ref?: string): Handle<Events> | undefined;
  /** The id of the newest run of a subject (of `operation`, if given); null for none. Rejects with `STORE_UNAVAILABLE`. */
  latestRun(subjectId: string, operation?: string): Promise<string | null>;
  /** Who executes a run, and whether that process lives; null for an unknown run. Rejects with `STORE_UNAVAILABLE`. */
  ownerOf(runId: string): Promise<OwnerInfo | null>;
  /** Asks the owner of a run, wherever it is, to stop. Rejects with `STORE_UNAVAILABLE`. */
  cancelRun(runId: string): Promise<CancelAnswer>;
  /**
   * Ends streams, fails runs that are still open (`OWNER_CLOSED`) or gives them back (`releaseOnClose`), stores what
   * waits, and frees what was made. Resolves when the store has it, at most after `endTimeoutMs`; never rejects.
   */
  close(): Promise<void>;
}

function refOf(text: string): RunRef {
  const ref = parseRunRef(text);
  if (ref === undefined) throw new LivetailError("INVALID_RUN_ID", `This is not a run id: ${JSON.stringify(text)}`);
  return ref;
}

/** The run that this process or thread was started for, as the one who started it wrote it down. */
function givenRef(): string | undefined {
  const data: unknown = workerData;
  const given = typeof data === "object" && data !== null ? Reflect.get(data, RUN_VARIABLE) : undefined;
  return typeof given === "string" ? given : process.env[RUN_VARIABLE];
}

function reportToStderr(error: LivetailError, runId: string | null): void {
  console.error(`livetail: ${error.code}: ${error.message}${runId === null ? "" : ` (run ${runId})`}`);
}

let saidThatMemoryIsForOneProcess = false;

function sayThatMemoryIsForOneProcess(): void {
  if (saidThatMemoryIsForOneProcess) return;
  saidThatMemoryIsForOneProcess = true;
  process.emitWarning(
    "livetail keeps runs in the memory of this process only; other processes need Redis (REDIS_URL).",
    {
      code: "LIVETAIL_MEMORY_STORE",
    },
  );
}

function openStore(options: LivetailOptions, onWarning: (error: LivetailError) => void): LogStore {
  const redis = options.redis ?? process.env.REDIS_URL;
  if (redis === undefined || redis === "") {
    sayThatMemoryIsForOneProcess();
    return memoryStore({ ...pick(options, Object.keys(STORE_LIMITS)), now: (options.clock ?? systemClock).now });
  }
  return redisStore({
    client: redis,
    onWarning,
    ...pick(options, [...Object.keys(STORE_LIMITS), "keyPrefix", "hashTags", "commandTimeoutMs"]),
  });
}

/**
 * Creates a livetail. Throws `INVALID_OPTION`; never because a server cannot be reached. Close it with `close()`.
 *
 * The loggers of its runs take any event; the fields of those that have a schema in `options.events` are checked by the
 * compiler. `createLivetail<Events>()`, with a map of events to their fields, makes them take these and no others.
 */
export function createLivetail<Events extends object = OpenEvents, Rules extends object = Events>(
  options: LivetailOptions<Rules> = {},
): Livetail<Events & Rules> {
  // What the loggers take is the compiler's business alone.
  return wire(options as LivetailOptions) as unknown as Livetail<Events & Rules>;
}

function wire(options: LivetailOptions): Livetail {
  checkOptions(options);
  const clock = options.clock ?? systemClock;
  const onError = options.onError ?? reportToStderr;
  const report = (error: LivetailError, runId?: string): void => {
    try {
      onError(error, runId ?? null);
    } catch {
      // A listener's fault must not reach the operation; it was told, that is all we owe it.
    }
  };
  const store = options.store ?? openStore(options, report);
  const encoder = createLineEncoder({
    now: clock.now,
    ...pick(options, ["maxLineBytes", "redactKeys", "redactPatterns"]),
  });
  const backlog = new Backlog(pick(options, ["maxWaitingLines", "maxWaitingBytes", "maxKeptBytes"]));
  const owner = new Owner({
    store,
    clock,
    encoder,
    id: options.ownerId ?? `${hostname()}_${process.pid}_${randomId(6)}`,
    url: options.ownerUrl ?? "",
    leaseMs: options.leaseMs ?? 30_000,
    newEpoch: () => randomId(12),
    report,
  });
  const runs = new Map<string, Run>();
  const joined = new Map<string, JoinedRun>();
  let closed = false;
  let disposed = false;

  const ruled = options.events !== undefined || options.parsers !== undefined;
  const host: RunHost = {
    store,
    encoder,
    backlog,
    clock,
    owner,
    rules: ruled ? createLineRules(options.events ?? {}, options.parsers ?? [], report) : null,
    local: isMemoryStore(store),
    maxLines: options.maxLines ?? STORE_LIMITS.maxLines,
    maxBufferBytes: options.maxBufferBytes ?? STORE_LIMITS.maxBufferBytes,
    endDeadlines: new Deadlines(options.endTimeoutMs ?? 60_000),
    now: clock.now,
    newEpoch: () => randomId(12),
    outage: new Outage(clock.after, (error) => {
      // While it closes, too: what cannot be stored now is lost.
      if (!disposed) report(error);
    }),
    turns: new TurnQueue(),
    price: createPricing(options.price, report),
    report,
    claimed(handle) {
      if (handle instanceof Run) runs.set(handle.id, handle);
    },
    forget(handle) {
      if (runs.get(handle.id) === handle) runs.delete(handle.id);
      if (handle instanceof JoinedRun && joined.get(handle.key) === handle) joined.delete(handle.key);
    },
  };

  const reader = createReader({ store, clock, report });
  const cancelRun = async (runId: string): Promise<CancelAnswer> => {
    const answer = await store.cancel(runId);
    if (answer.code === "OK" && answer.cancelRequested) runs.get(runId)?.onCancelRequested();
    return answer;
  };
  const coverage = createCoverage(store, clock);
  const handler = createHandler({
    reader,
    store,
    coverage,
    requestCancel: cancelRun,
    onError: report,
    clock,
    health: () => ({ openRuns: runs.size, waitingLines: backlog.lines, droppedLines: backlog.dropped }),
    assets: {
      clientJs: () => readAsset("livetail.global.js"),
      panelJs: () => readAsset("panel.global.js"),
      runsJs: () => readAsset("runs.global.js"),
    },
    ...pick(options, ["authorize", "cors", "maxViewers", "maxViewersPerRun"]),
  });

  const create = (subjectId: string, operation: string, runOptions: RunOptions = {}): Run => {
    if (closed) throw new LivetailError("CLOSED");
    const id = runOptions.id ?? newRunId(plainText(operation, MAX_NAME_LENGTH));
    if (!isRunId(id)) throw new LivetailError("INVALID_RUN_ID", `This is not a run id: ${JSON.stringify(id)}`);
    if (runOptions.parentId !== undefined && !isRunId(runOptions.parentId)) {
      throw new LivetailError("INVALID_RUN_ID", "The parent's id is not a run id.");
    }
    const budgetUsd = runOptions.budgetUsd ?? options.budgetUsd;
    checkBudget(budgetUsd);
    const level = runOptions.level ?? options.level;
    const [subject, name] = [plainText(subjectId, MAX_NAME_LENGTH), plainText(operation, MAX_NAME_LENGTH)];
    const run = new Run(host, subject, name, id, {
      ...pick(options, ["releaseOnClose"]),
      ...runOptions,
      ...(budgetUsd === undefined ? {} : { budgetUsd }),
      ...(level === undefined ? {} : { level }),
    });
    tellRequest(id);
    // One that is live here is replaced by none whose claim may yet be refused.
    if (runOptions.handOver !== true && !runs.has(id)) runs.set(id, run);
    return run;
  };

  /** The handle that writes a run here: its owner if that is in this process, else one that joins. */
  const handleOf = (ref: RunRef): Handle => {
    const known = runs.get(ref.id) ?? joined.get(joinKey(ref));
    if (known !== undefined) return known;
    if (closed) throw new LivetailError("CLOSED");
    const joining = new JoinedRun(host, ref);
    joined.set(joining.key, joining);
    return joining;
  };
  const finder = (runOrId: Handle | string): (() => Handle) => {
    if (typeof runOrId !== "string") return () => runOrId;
    const ref = refOf(runOrId);
    return () => handleOf(ref);
  };

  let closing: Promise<void> | null = null;
  const shutDown = async (): Promise<void> => {
    closed = true;
    handler.close();
    const handles = [...joined.values(), ...runs.values()];
    await Promise.all(handles.map((handle) => (handle instanceof Run ? handle.abandon() : handle.flush())));
    disposed = true;
    if (handles.some((handle) => handle === joinedRun.run)) joinedRun.run = undefined;
    owner.close();
    reader.close();
    // Some may have come while the last lines were stored.
    handler.closeViewers();
    for (const handle of handles) handle.dispose();
    if (options.store === undefined) await store.close();
    // Last: a signal that comes meanwhile waits for all this.
    stopListening();
  };
  const close = (): Promise<void> => {
    closing ??= shutDown();
    return closing;
  };
  const stopListening = closeOnSignals(options.closeOnSignals ?? [], close);

  const runOperation: Livetail["runOperation"] = async (subjectId, operation, fn, runOptions) => {
    const run = create(subjectId, operation, runOptions);
    run.start();
    try {
      const result = await withRun(run, () => fn(run));
      // Not awaited: the operation is done, and must not wait for the store.
      void run.complete(result);
      return result;
    } catch (error) {
      void run.fail(error);
      throw error;
    }
  };

  return {
    store,
    reader,
    handler,
    coverage,
    createOperationRun: create,
    createLogCallback(runOrId) {
      const find = finder(runOrId);
      return (message, metadata) => {
        if (!closed) find().log(message, metadata);
      };
    },
    createLayerCallback(runOrId) {
      const find = finder(runOrId);
      return (layer, status, message, metadata) => {
        if (!closed) find().layer(layer, status, message, metadata);
      };
    },
    runOperation,
    startOperation(subjectId, operation, fn, runOptions) {
      const run = create(subjectId, operation, runOptions);
      run.start();
      const work = async (): Promise<void> => {
        try {
          void run.complete(await withRun(run, () => fn(run)));
        } catch (error) {
          void run.fail(error);
        }
      };
      // In a turn of its own: an operation that computes first must not hold back the answer that names it.
      setImmediate(() => void work());
      return run;
    },
    joinRun(text = givenRef()) {
      if (text === undefined || text === "") return undefined;
      if (closed) throw new LivetailError("CLOSED");
      const ref = refOf(text);
      const handle = ref.local || host.local ? runs.get(ref.id) : handleOf(ref);
      if (handle === undefined) return undefined;
      if (handle instanceof JoinedRun) handle.stay();
      joinedRun.run = handle;
      return handle;
    },
    latestRun: (subjectId, operation) => store.latest(subjectId, operation ?? null),
    async ownerOf(runId) {
      const answer = await store.read({ runId, from: { kind: "none" }, limit: 0, known: null });
      if (answer === null) return null;
      const { run, now } = answer;
      return { id: run.owner || null, url: run.ownerUrl || null, state: ownerState(run, now), attempt: run.attempt };
    },
    cancelRun,
    close,
  };
}
