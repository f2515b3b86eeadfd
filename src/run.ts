/**
 * A run: one execution of one operation on one subject, and the handle that writes it. Everything here returns at
 * once or resolves; nothing throws or rejects into the operation because of the store.
 */
import { backOffMs } from "./back-off.js";
import type { Clock } from "./clock.js";
import type { CurrentRun, LogSink } from "./context.js";
import { createTotals, type Totals } from "./cost.js";
import { LivetailError } from "./errors.js";
import { errorMessage, readMember } from "./json.js";
import type { LayerChange } from "./layers.js";
import { toLayerStatus } from "./layers.js";
import { StructuredLogger } from "./logger.js";
import type { LeaseHolder, Owner } from "./owner.js";
import { plainText } from "./plain-text.js";
import { isTerminal, type LayerStatus, type LogLevel, type RunStatus, type TerminalStatus } from "./protocol.js";
import type { ClaimAnswer, RunBirth } from "./store.js";
import { type Closing, Writer, type WriterEvents, type WriterHost } from "./writer.js";

/** Results are stored up to this size. */
const MAX_RESULT_BYTES = 1_048_576;
/** An ended run stays in the heartbeat for a lease and the grace, so that a failover that lost the end gets it again. */
const AFTER_END_LEASES = 2;
/** What comes along with every answer is bounded, in UTF-16 units: subjects, operations and layers' names; messages. */
export const MAX_NAME_LENGTH = 256;
const MAX_MESSAGE_LENGTH = 4096;
/** A handle that joined is let go when nothing was logged by it for so many leases (5 minutes). */
const IDLE_LEASES = 10;

/** What a layer change may say besides its status. `current` and `total` show as progress. */
export type LayerMetadata = Record<string, unknown> & { current?: number; total?: number };

/** What became of the end of a run. */
export interface EndOutcome {
  /** The status that stands, as far as this process knows. */
  status: RunStatus;
  /** False when the store has not confirmed it in time; the end is tried for as long as the process lives. */
  stored: boolean;
}

/** How a run is created. */
export interface RunOptions {
  /** An id of your own, or of a run to adopt. Default: `op_{operation}_{random}`. */
  id?: string;
  /** The run that this one is a part of. */
  parentId?: string;
  /** Kept with the run and shown in its status; secrets are redacted. */
  metadata?: Record<string, unknown>;
  /** Create without an owner, for a worker that adopts it. Default false. */
  handOver?: boolean;
  /** Claim in spite of another owner's live lease. Default false. */
  takeOver?: boolean;
  /** Lines of the logger below this level are not made. Default `debug`. */
  level?: LogLevel;
}

/** What the runs of a process share. */
export interface RunHost extends WriterHost {
  readonly clock: Clock;
  readonly owner: Owner;
  /** How long `complete()`, `fail()` and `release()` wait for the store. */
  readonly endTimeoutMs: number;
  /** The claim of a run succeeded: it is the one of its id here. */
  claimed(run: Run): void;
  /** A handle writes no more lines. */
  forget(handle: Handle): void;
}

/** One handle of one run: the producer of its lines. */
export class Handle implements CurrentRun, LogSink {
  readonly id: string;
  protected readonly host: RunHost;
  protected readonly totals: Totals = createTotals();
  protected readonly writer: Writer;
  protected readonly level: LogLevel;
  protected readonly jobId: string;
  #logger: StructuredLogger | null = null;
  #controller: AbortController | null = null;
  protected cancelled = false;

  constructor(host: RunHost, identity: { id: string; jobId: string; owned: boolean; level?: LogLevel }) {
    this.host = host;
    this.id = identity.id;
    this.jobId = identity.jobId;
    this.level = identity.level ?? "debug";
    this.writer = new Writer(
      host,
      {
        onFenced: () => this.#abort(new LivetailError("FENCED")),
        onCancelRequested: () => this.onCancelRequested(),
        onEnded: (status) => this.onEnded(status),
        onClosed: () => this.onClosed(),
        describe: () => this.describe(),
      },
      this.totals,
      {
        runId: identity.id,
        producer: host.newEpoch() + host.newEpoch(),
        owner: identity.owned ? host.owner.lease : null,
        fence: 0,
      },
    );
  }

  /** Where loggers put what they make. */
  get sink(): LogSink {
    return this;
  }

  /** Events as methods, bound to this run. */
  get logger(): StructuredLogger {
    this.#logger ??= new StructuredLogger({
      sink: this,
      encoder: this.host.encoder,
      level: this.level,
      ...(this.jobId === "" ? {} : { jobId: this.jobId }),
    });
    return this.#logger;
  }

  /** Aborts when a cancel was asked for (`CANCELLED`) or another owner took over (`FENCED`). */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.cancelled && !this.#controller.signal.aborted) this.#controller.abort(new LivetailError("CANCELLED"));
    return this.#controller.signal;
  }

  /** Whether somebody asked for a cancel. */
  get cancelRequested(): boolean {
    return this.cancelled;
  }

  /** Lines that the store has not confirmed. A source that can wait may pause while there are many. */
  get waitingLines(): number {
    return this.writer.waiting;
  }

  /** Logs a line: text, an object with the fields of a structured line, or an Error. Never throws, never waits. */
  log(value: unknown, metadata?: Record<string, unknown>): void {
    this.#countLine(value, metadata);
    this.writer.push(this.host.encoder.message(value, metadata));
  }

  /** Counts the cost that an entry of the line will show: the value's own, else the metadata's. */
  #countLine(value: unknown, metadata: unknown): void {
    const fields = typeof value === "object" && value !== null && !(value instanceof Error) ? value : null;
    const more = typeof metadata === "object" && metadata !== null ? metadata : null;
    try {
      if (fields === null) this.totals.count((more ?? {}) as Record<string, unknown>);
      else this.totals.count(more === null ? (fields as Record<string, unknown>) : { ...fields, metadata: more });
    } catch {
      // A getter or a proxy threw: the line says so itself, and there is no cost to be read from it.
    }
  }

  /** Logs a line that a child process printed: a JSON object is kept as a structured line. */
  logOutput(line: string, stream: "stdout" | "stderr"): void {
    const text = typeof line === "string" ? line : plainText(line, MAX_MESSAGE_LENGTH);
    this.writer.push(this.host.encoder.text(text, stream, (fields) => this.totals.count(fields)));
  }

  /** Sets the status of a layer; `metadata.current` and `metadata.total` are its progress. Never throws. */
  layer(name: string, status: LayerStatus, message?: string, metadata?: LayerMetadata): void {
    const change: LayerChange = { status: toLayerStatus(status), at: new Date(this.host.now()).toISOString() };
    if (message !== undefined) change.message = plainText(message, MAX_MESSAGE_LENGTH);
    if (typeof metadata === "object" && metadata !== null) {
      const { current, total, ...rest } = this.host.encoder.plain(metadata);
      if (Number.isFinite(current)) change.current = current as number;
      if (Number.isFinite(total)) change.total = total as number;
      if (Object.keys(rest).length > 0) change.metadata = rest;
    }
    this.writer.changeLayer(plainText(name, MAX_NAME_LENGTH), change);
  }

  /** A stored line as a logger made it. */
  write(text: string): void {
    this.writer.push(text);
  }

  count(fields: Record<string, unknown>): void {
    this.totals.count(fields);
  }

  /** Resolves when all that was logged before is stored, or after `endTimeoutMs`. Never rejects. */
  async flush(): Promise<void> {
    await this.within(this.writer.flush());
  }

  /** Waits for `work` at most `endTimeoutMs`, and keeps the process alive as long; false when it took longer. */
  protected within(work: Promise<unknown>): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), this.host.endTimeoutMs);
      void work.then(() => {
        clearTimeout(timer);
        resolve(true);
      });
    });
  }

  onCancelRequested(): void {
    if (this.cancelled) return;
    this.cancelled = true;
    this.#abort(new LivetailError("CANCELLED"));
  }

  protected onEnded(_status: TerminalStatus): void {
    this.host.forget(this);
  }

  protected onClosed(): void {}

  protected describe(): ReturnType<WriterEvents["describe"]> {
    return null;
  }

  #abort(reason: LivetailError): void {
    this.#controller ??= new AbortController();
    if (!this.#controller.signal.aborted) this.#controller.abort(reason);
  }

  /** Gives up what waits and frees it. */
  dispose(): void {
    this.writer.dispose();
  }
}

/** A handle that joined a run by its id: it writes lines and layers, and neither claims nor ends. */
export class JoinedRun extends Handle implements LeaseHolder {
  #lastUsed: number;

  constructor(host: RunHost, id: string) {
    super(host, { id, jobId: "", owned: false });
    this.#lastUsed = host.now();
    this.writer.open({ epoch: "", next: 0, fence: 0, layers: "", started: true });
    host.owner.enter(this);
  }

  override log(value: unknown, metadata?: Record<string, unknown>): void {
    this.#lastUsed = this.host.now();
    super.log(value, metadata);
  }

  override layer(name: string, status: LayerStatus, message?: string, metadata?: LayerMetadata): void {
    this.#lastUsed = this.host.now();
    super.layer(name, status, message, metadata);
  }

  /** It has no lease. */
  async heartbeat(): Promise<void> {}

  /** Whoever goes on after the end is told of it once: only what was idle is forgotten. */
  protected override onEnded(): void {}

  /** Whoever joined is not told of the end: a handle that was idle for long is let go, and joins again if need be. */
  settled(now: number): boolean {
    const idle = now - this.#lastUsed > this.host.owner.lease.leaseMs * IDLE_LEASES && this.waitingLines === 0;
    if (!idle && this.writer.stopped !== "GAVE_UP") return false;
    this.dispose();
    this.host.forget(this);
    return true;
  }
}

/** The handle that owns a run. */
export class Run extends Handle implements LeaseHolder {
  readonly subjectId: string;
  readonly operation: string;
  /**
   * Resolves when the store has the run. Rejects, already handled, with `OWNED` or `RUN_ENDED` when the id belongs
   * to another, or `CLOSED`. Need not be awaited.
   */
  readonly ready: Promise<void>;
  readonly #birth: RunBirth;
  readonly #options: RunOptions;
  #attempt = 1;
  /** False for a run that was handed over, or whose claim was refused. */
  #writes: boolean;
  #started = false;
  readonly #createdAt: number;
  #startedAt = 0;
  #status: RunStatus = "queued";
  #endedAt = 0;
  #ended: Promise<void>;
  #resolveEnded: () => void = () => {};

  constructor(host: RunHost, subjectId: string, operation: string, id: string, options: RunOptions) {
    super(host, {
      id,
      jobId: subjectId,
      owned: options.handOver !== true,
      ...(options.level === undefined ? {} : { level: options.level }),
    });
    this.subjectId = subjectId;
    this.operation = operation;
    this.#options = options;
    this.#writes = options.handOver !== true;
    this.#createdAt = host.now();
    this.#ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    this.#birth = {
      subjectId,
      operation,
      parentId: options.parentId ?? "",
      metadata: options.metadata === undefined ? "" : JSON.stringify(host.encoder.plain(options.metadata)),
    };
    this.ready = this.#claim();
    this.ready.catch(() => {});
  }

  /** Where the run stands, as far as this process knows. */
  get status(): RunStatus {
    return this.#status;
  }

  /** queued → running; the first line or layer does it too. */
  start(): void {
    this.#markStarted();
    this.writer.start();
  }

  override write(text: string): void {
    this.#markStarted();
    super.write(text);
  }

  override log(value: unknown, metadata?: Record<string, unknown>): void {
    this.#markStarted();
    super.log(value, metadata);
  }

  override layer(name: string, status: LayerStatus, message?: string, metadata?: LayerMetadata): void {
    this.#markStarted();
    super.layer(name, status, message, metadata);
  }

  /**
   * Ends the run as completed. `result` (JSON, at most 1 MiB) can be fetched by viewers. Resolves when the store
   * has it, at most after `endTimeoutMs`; never rejects. A second end changes nothing.
   */
  complete(result?: unknown): Promise<EndOutcome> {
    return this.#end({ kind: "end", status: "completed", error: "", errorCode: "", result: this.#resultText(result) });
  }

  /**
   * Ends the run as failed, or as cancelled when a cancel was asked for. `error` becomes the run's `error`; an Error
   * is also its last line, with the traceback, and its `code` the run's `error_code`. Resolves like `complete`.
   */
  fail(error: unknown): Promise<EndOutcome> {
    const fault = error instanceof Error ? error : null;
    const message = plainText(fault === null ? error : errorMessage(fault), MAX_MESSAGE_LENGTH);
    const code = fault === null ? undefined : readMember(fault, "code");
    const status = this.cancelled ? "cancelled" : "failed";
    if (this.#endedAt === 0) {
      if (fault !== null) this.log(fault);
      this.#closeLayers(status === "failed" ? "failed" : "skipped");
    }
    const errorCode = typeof code === "string" || typeof code === "number" ? plainText(code, MAX_NAME_LENGTH) : "";
    return this.#end({ kind: "end", status, error: message, errorCode, result: null });
  }

  /**
   * Gives the run back: queued, without an owner, its lines kept, for another to adopt. After a cancel request it
   * ends as cancelled instead. Resolves like `complete`.
   */
  release(): Promise<EndOutcome> {
    return this.cancelled
      ? this.#end({ kind: "end", status: "cancelled", error: "", errorCode: "", result: null })
      : this.#end({ kind: "release" });
  }

  /** Ends the run, if it is open, because its process closes. */
  abandon(): Promise<EndOutcome> {
    if (this.#endedAt > 0) return this.#end({ kind: "release" });
    const error = "The process that executed the run closed livetail.";
    this.#closeLayers("failed");
    return this.#end({ kind: "end", status: "failed", error, errorCode: "OWNER_CLOSED", result: null });
  }

  heartbeat(): Promise<void> {
    return this.writer.heartbeat();
  }

  settled(now: number): boolean {
    const { closed, stopped } = this.writer;
    const patienceMs = this.host.owner.lease.leaseMs * AFTER_END_LEASES;
    const lost = stopped === "FENCED" || stopped === "GAVE_UP" || (stopped === "RUN_ENDED" && this.#endedAt === 0);
    const done = lost || (closed && (this.#status === "queued" || now - this.#endedAt > patienceMs));
    if (done) this.dispose();
    return done;
  }

  #markStarted(): void {
    if (this.#started) return;
    this.#started = true;
    if (!this.#writes) {
      const why = "The run is another's to write: it was handed over, or the claim was refused.";
      if (this.#options.handOver === true) this.host.report(new LivetailError("OWNED", why), this.id);
      return;
    }
    this.#startedAt = this.host.now();
    if (this.#status === "queued") this.#status = "running";
  }

  async #claim(): Promise<void> {
    const { store, encoder, owner } = this.host;
    const request = {
      runId: this.id,
      producer: this.writer.producer,
      newEpoch: this.host.newEpoch(),
      owner: this.writer.owner,
      takeOver: this.#options.takeOver === true,
      birth: this.#birth,
      ownerChangedLine: encoder.event("warn", "owner_changed", { owner: owner.lease.id }),
    };
    for (let failures = 0; ; failures++) {
      let answer: ClaimAnswer;
      try {
        answer = await store.claim(request);
        this.host.storeAnswered();
      } catch (error) {
        if (!(error instanceof LivetailError) || error.code !== "STORE_UNAVAILABLE") throw this.#refuse(error);
        this.host.storeFailed(error);
        await new Promise<void>((resolve) => this.host.later(backOffMs(failures), resolve));
        if (this.writer.stopped !== null) throw new LivetailError("CLOSED");
        continue;
      }
      if (answer.code !== "OK") {
        const { code } = answer;
        if (answer.code === "RUN_ENDED") this.#status = answer.status;
        throw this.#refuse(
          new LivetailError(code, code === "OWNED" ? `The run has a live owner: ${answer.owner}.` : undefined),
        );
      }
      this.#attempt = answer.attempt;
      if (answer.cancelRequested) this.onCancelRequested();
      if (this.writer.owner === null) {
        // Handed over: whoever adopts it writes it.
        this.writer.giveUp();
        return;
      }
      if (answer.status !== "queued") this.#status = answer.status;
      owner.enter(this);
      this.host.claimed(this);
      this.writer.open({ ...answer, started: answer.status === "running" });
      return;
    }
  }

  #refuse(error: unknown): LivetailError {
    const refusal =
      error instanceof LivetailError ? error : new LivetailError("STORE_REFUSED", undefined, { cause: error });
    this.#writes = false;
    if (!isTerminal(this.#status)) this.#status = "queued";
    this.host.report(refusal, this.id);
    this.writer.giveUp();
    return refusal;
  }

  async #end(closing: Closing): Promise<EndOutcome> {
    if (this.#endedAt === 0) {
      this.#endedAt = this.host.now();
      // Somebody else's end stands already: a lost owner learns here that it was given up.
      if (this.#writes && !isTerminal(this.#status)) this.#status = closing.kind === "end" ? closing.status : "queued";
      this.writer.close(closing);
    }
    const settled = await this.within(this.#ended);
    return { status: this.#status, stored: settled && (this.writer.closed || this.writer.stopped === "RUN_ENDED") };
  }

  protected override onEnded(status: TerminalStatus): void {
    this.#status = status;
    super.onEnded(status);
  }

  protected override onClosed(): void {
    this.#resolveEnded();
    this.host.forget(this);
  }

  protected override describe(): ReturnType<WriterEvents["describe"]> {
    return {
      birth: this.#birth,
      attempt: this.#attempt,
      createdAt: this.#createdAt,
      startedAt: this.#startedAt,
      status: this.#started ? "running" : "queued",
      cancelRequested: this.cancelled,
    };
  }

  /** No layer of an ended run is left running. */
  #closeLayers(status: "failed" | "skipped"): void {
    for (const [name, layer] of Object.entries(this.writer.layers)) {
      if (layer.status === "running") this.layer(name, status);
    }
  }

  #resultText(result: unknown): string | null {
    if (result === undefined) return null;
    try {
      const text = JSON.stringify(result);
      if (text === undefined) return null;
      if (text.length * 3 <= MAX_RESULT_BYTES || Buffer.byteLength(text) <= MAX_RESULT_BYTES) return text;
      this.log({ level: "warn", message: "The result is larger than 1 MiB and was not stored." });
    } catch (error) {
      this.log({
        level: "warn",
        message: `The result cannot be written as JSON and was not stored: ${plainText(error, MAX_NAME_LENGTH)}`,
      });
    }
    return null;
  }
}
