/**
 * A run: one execution of one operation on one subject, and the handle that writes it. Everything here returns at
 * once or resolves; nothing throws or rejects into the operation because of the store.
 */
import { Budget } from "./budget.js";
import { LivetailError } from "./errors.js";
import { Handle, type LayerMetadata, MAX_MESSAGE_LENGTH, MAX_NAME_LENGTH, type RunHost } from "./handle.js";
import { errorMessage, isError, readMember } from "./json.js";
import type { OpenEvents } from "./logger.js";
import type { LeaseHolder } from "./owner.js";
import { plainText } from "./plain-text.js";
import { isTerminal, type LayerStatus, type LogLevel, type RunStatus, type TerminalStatus } from "./protocol.js";
import type { ClaimAnswer, RunBirth } from "./store.js";
import type { Closing, WriterEvents } from "./writer-host.js";

/** Results are stored up to this size. */
const MAX_RESULT_BYTES = 1_048_576;
/** An ended run stays in the heartbeat for a lease and the grace, so that a failover that lost the end gets it again. */
const AFTER_END_LEASES = 2;
/** What a claim costs, in the measure of the turn queue. */
const CLAIM_WEIGHT = 8192;

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
  /** Give the run back, if it is open when its livetail closes, instead of failing it. Default: the livetail's option. */
  releaseOnClose?: boolean;
  /**
   * What calls of models may cost, in dollars, 0 to a million. When the cost that the owner knows reaches it, `signal`
   * aborts and the run fails, both with `BUDGET_EXCEEDED`. Calls whose cost nobody knows do not count. It is not
   * stored: whoever adopts the run sets it again. Default: the livetail's option.
   */
  budgetUsd?: number;
  /** Lines of the logger below this level are not made. Default `debug`. */
  level?: LogLevel;
}

/** The handle that owns a run. */
export class Run<Events extends object = OpenEvents> extends Handle<Events> implements LeaseHolder {
  /** What the operation works on. */
  readonly subjectId: string;
  /** What is done. */
  readonly operation: string;
  /**
   * Resolves when the store has the run. Rejects, already handled, with `OWNED` or `RUN_ENDED` when the id belongs
   * to another, or `CLOSED`. Need not be awaited.
   */
  readonly ready: Promise<void>;
  readonly #parentId: string;
  /** JSON text, "" for none. */
  readonly #metadata: string;
  readonly #handOver: boolean;
  readonly #releaseOnClose: boolean;
  readonly #budget: Budget | null;
  #attempt = 1;
  /** False for a run that was handed over, or whose claim was refused. */
  #writes: boolean;
  #started = false;
  readonly #createdAt: number;
  #startedAt = 0;
  #status: RunStatus = "queued";
  #endedAt = 0;
  /** Nothing is written any more. */
  #over = false;
  /** Resolves then; made when somebody waits for it. */
  #whenOver: Promise<void> | null = null;
  #resolveOver: (() => void) | null = null;

  constructor(host: RunHost, subjectId: string, operation: string, id: string, options: RunOptions) {
    super(host, {
      id,
      jobId: subjectId,
      owned: options.handOver !== true,
      ...(options.level === undefined ? {} : { level: options.level }),
    });
    this.subjectId = subjectId;
    this.operation = operation;
    this.#handOver = options.handOver === true;
    this.#releaseOnClose = options.releaseOnClose === true;
    this.#writes = !this.#handOver;
    this.#createdAt = host.now();
    this.#budget = options.budgetUsd === undefined ? null : this.#limitTo(options.budgetUsd);
    this.#parentId = options.parentId ?? "";
    this.#metadata = options.metadata === undefined ? "" : JSON.stringify(host.encoder.plain(options.metadata));
    this.ready = this.#claim(options.takeOver === true);
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

  override logOutput(line: string, stream?: "stdout" | "stderr"): void {
    this.#markStarted();
    super.logOutput(line, stream);
  }

  override layer(name: string, status: LayerStatus, message?: string, metadata?: LayerMetadata): void {
    this.#markStarted();
    super.layer(name, status, message, metadata);
  }

  /**
   * Ends the run as completed; as failed with `BUDGET_EXCEEDED` if the budget is spent. `result` (JSON, at most 1 MiB)
   * can be fetched by viewers. Resolves when the store has it, at most after `endTimeoutMs`; never rejects. A second
   * end changes nothing.
   */
  complete(result?: unknown): Promise<EndOutcome> {
    if (this.#overBudget !== null) return this.#end(this.#overBudget);
    return this.#end({ kind: "end", status: "completed", error: "", errorCode: "", result: this.#resultText(result) });
  }

  /**
   * Ends the run as failed, or as cancelled when a cancel was asked for. `error` becomes the run's `error`; an Error
   * is also its last line, with the traceback, and its `code` the run's `error_code`. Once the budget is spent both are
   * those of `BUDGET_EXCEEDED`. Resolves like `complete`.
   */
  fail(error: unknown): Promise<EndOutcome> {
    const fault = isError(error) ? error : null;
    const { encoder } = this.host;
    const message = encoder.words(fault === null ? error : errorMessage(fault), MAX_MESSAGE_LENGTH);
    const code = fault === null ? undefined : readMember(fault, "code");
    const status = this.cancelled ? "cancelled" : "failed";
    if (this.#endedAt === 0) {
      if (fault !== null && fault !== this.#budget?.exceeded) this.log(fault);
      this.#closeLayers(status === "failed" ? "failed" : "skipped");
    }
    if (status === "failed" && this.#overBudget !== null) return this.#end(this.#overBudget);
    const errorCode = typeof code === "string" || typeof code === "number" ? encoder.words(code, MAX_NAME_LENGTH) : "";
    return this.#end({ kind: "end", status, error: message, errorCode, result: null });
  }

  /**
   * Gives the run back: queued, without an owner, its lines kept, for another to adopt. After a cancel request it
   * ends as cancelled instead, and with a spent budget as failed. Resolves like `complete`.
   */
  release(): Promise<EndOutcome> {
    return this.cancelled
      ? this.#end({ kind: "end", status: "cancelled", error: "", errorCode: "", result: null })
      : this.#end(this.#overBudget ?? { kind: "release" });
  }

  /**
   * Ends the run, if it is open, because its process closes; or gives it back, with `releaseOnClose`. Its work may stop:
   * `signal` aborts.
   */
  abandon(): Promise<EndOutcome> {
    if (this.#endedAt > 0) return this.release();
    const over = this.#releaseOnClose ? this.release() : this.#endAtClose();
    this.abort(new LivetailError("CLOSED"));
    return over;
  }

  #endAtClose(): Promise<EndOutcome> {
    const error = "The process that executed the run closed livetail.";
    const status = this.cancelled ? "cancelled" : "failed";
    this.#closeLayers(status === "failed" ? "failed" : "skipped");
    if (status === "failed" && this.#overBudget !== null) return this.#end(this.#overBudget);
    return this.#end({ kind: "end", status, error, errorCode: "OWNER_CLOSED", result: null });
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
      if (this.#handOver) this.host.report(new LivetailError("OWNED", why), this.id);
      return;
    }
    this.#startedAt = this.host.now();
    if (this.#status === "queued") this.#status = "running";
  }

  async #claim(takeOver: boolean): Promise<void> {
    const { store, encoder, owner, outage, turns } = this.host;
    const request = {
      runId: this.id,
      producer: this.writer.producer,
      newEpoch: this.host.newEpoch(),
      owner: this.writer.owner,
      takeOver,
      birth: this.#birth,
      ownerChangedLine: encoder.event("warn", "owner_changed", { owner: owner.lease.id }),
    };
    for (let failures = 0; ; failures++) {
      let answer: ClaimAnswer;
      const { mark } = outage;
      try {
        answer = await store.claim(request);
        outage.answered(mark, true);
      } catch (error) {
        if (!(error instanceof LivetailError) || error.code !== "STORE_UNAVAILABLE") throw this.#refuse(error);
        outage.failed(mark, error);
        await new Promise<void>((resolve) =>
          outage.tryLater(failures, () =>
            turns.add(() => {
              resolve();
              return CLAIM_WEIGHT;
            }),
          ),
        );
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
    const settled = this.#over || (await this.within(this.#untilOver()));
    return { status: this.#status, stored: settled && (this.writer.closed || this.writer.stopped === "RUN_ENDED") };
  }

  #limitTo(budgetUsd: number): Budget {
    return new Budget(budgetUsd, {
      runId: this.id,
      own: this.totals,
      store: this.host.store,
      now: this.host.now,
      onExceeded: (error, spentUsd) => {
        if (this.#endedAt > 0) return;
        const { code, message } = error;
        this.log({ level: "error", event: code.toLowerCase(), message, budget_usd: budgetUsd, spent_usd: spentUsd });
        this.abort(error);
      },
    });
  }

  /** How a run ends whose budget is spent; null while it is not. */
  get #overBudget(): Closing | null {
    const exceeded = this.#budget?.exceeded;
    if (!exceeded) return null;
    return { kind: "end", status: "failed", error: exceeded.message, errorCode: exceeded.code, result: null };
  }

  override onStored(version: number): void {
    if (this.#endedAt === 0) this.#budget?.look(version);
  }

  #untilOver(): Promise<void> {
    this.#whenOver ??= new Promise((resolve) => {
      this.#resolveOver = resolve;
    });
    return this.#whenOver;
  }

  override onEnded(status: TerminalStatus): void {
    this.#status = status;
    super.onEnded(status);
  }

  override onClosed(): void {
    this.#over = true;
    this.#resolveOver?.();
    this.host.forget(this);
  }

  get #birth(): RunBirth {
    return {
      subjectId: this.subjectId,
      operation: this.operation,
      parentId: this.#parentId,
      metadata: this.#metadata,
    };
  }

  override describe(): ReturnType<WriterEvents["describe"]> {
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
