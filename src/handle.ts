/**
 * A handle of a run: the producer of its lines, whoever executes it. Everything here returns at once; nothing throws
 * because of the store or of what it is handed.
 */
import type { Clock } from "./clock.js";
import { type Bindable, bindRun, type CallSink, type CurrentRun, type LogSink } from "./context.js";
import { createTotals, type Totals } from "./cost.js";
import type { Deadlines } from "./deadlines.js";
import { LivetailError } from "./errors.js";
import { type LayerChange, layerEvent, toLayerStatus } from "./layers.js";
import type { LineRules } from "./line-rules.js";
import { type LlmReport, llm } from "./llm.js";
import type { LlmCallInfo } from "./llm-call.js";
import { type OpenEvents, StructuredLogger } from "./logger.js";
import type { LeaseHolder, Owner } from "./owner.js";
import { plainText } from "./plain-text.js";
import type { Pricing } from "./price.js";
import type { LayerStatus, LogLevel, TerminalStatus } from "./protocol.js";
import { randomId } from "./random-id.js";
import { HIDDEN } from "./redact.js";
import { formatRunRef, RUN_VARIABLE, type RunRef } from "./run-ref.js";
import { Writer } from "./writer.js";
import type { WriterEvents, WriterHost } from "./writer-host.js";

/** What comes along with every answer is bounded, in UTF-16 units: subjects, operations and layers' names; messages. */
export const MAX_NAME_LENGTH = 256;
export const MAX_MESSAGE_LENGTH = 4096;
/** A handle that joined is let go when nothing was logged by it for so many leases (5 minutes). */
const IDLE_LEASES = 10;

/** What a layer change may say besides its status. `current` and `total` show as progress. */
export type LayerMetadata = Record<string, unknown> & {
  /** How many of `total` are done. */
  current?: number;
  /** How many there are to do. */
  total?: number;
};

/** What the runs of a process share. */
export interface RunHost extends WriterHost {
  readonly clock: Clock;
  readonly owner: Owner;
  /** What a user wants done with lines; null for nothing. */
  readonly rules: LineRules | null;
  /** No other process can reach the store. */
  readonly local: boolean;
  /** How long `complete()`, `fail()` and `release()` wait for the store. */
  readonly endDeadlines: Deadlines;
  /** What calls cost that nobody named the cost of. */
  readonly price: Pricing;
  /** The claim of a run succeeded: it is the one of its id here. */
  claimed(handle: Handle): void;
  /** A handle writes no more lines. */
  forget(handle: Handle): void;
}

/** One handle of one run: the producer of its lines. */
export class Handle<Events extends object = OpenEvents> implements CurrentRun, LogSink, WriterEvents {
  /** The id of the run. */
  readonly id: string;
  protected readonly host: RunHost;
  protected readonly totals: Totals = createTotals();
  protected readonly writer: Writer;
  protected readonly level: LogLevel;
  protected readonly jobId: string;
  #logger: StructuredLogger<Events> | null = null;
  #calls: CallSink | null = null;
  #controller: AbortController | null = null;
  /** A private key is printed in lines. */
  readonly #keyWatches: Partial<Record<"stdout" | "stderr" | "unknown", (line: string) => boolean>> = {};
  protected cancelled = false;

  constructor(host: RunHost, identity: { id: string; jobId: string; owned: boolean; level?: LogLevel }) {
    this.host = host;
    this.id = identity.id;
    this.jobId = identity.jobId;
    this.level = identity.level ?? "debug";
    this.writer = new Writer(host, this, this.totals, {
      runId: identity.id,
      producer: randomId(24),
      owner: identity.owned ? host.owner.lease : null,
      fence: 0,
    });
  }

  /** Where loggers put what they make. */
  get sink(): LogSink {
    return this;
  }

  /** Events as methods, bound to this run. */
  get logger(): StructuredLogger<Events> {
    this.#logger ??= new StructuredLogger<Events>({
      sink: this,
      encoder: this.host.encoder,
      level: this.level,
      ...(this.host.rules === null ? {} : { rules: this.host.rules }),
      ...(this.jobId === "" ? {} : { jobId: this.jobId }),
    });
    return this.#logger;
  }

  /** Where `openLlmCall` tells of calls. */
  get calls(): CallSink {
    const { host, id } = this;
    this.#calls ??= {
      log: (event, fields) => {
        if (event === "start") this.logger.llmCallStart(fields);
        else if (event === "complete") this.logger.llmCallComplete(fields);
        else if (event === "error") this.logger.llmCallError(fields);
        else this.logger.llmCallFallback(fields);
      },
      price: (call) => host.price(call, id),
      now: host.now,
    };
    return this.#calls;
  }

  /**
   * Runs `fn` as one call of a model, told in this run: its start, and its end or error with duration, tokens and cost.
   * Returns what `fn` returns, throws what it throws; see `llm`.
   */
  llm<T>(info: LlmCallInfo, fn: (call: LlmReport) => T | Promise<T>): Promise<T> {
    return llm(info, fn, this);
  }

  /**
   * Aborts when a cancel was asked for (`CANCELLED`), another owner took over (`FENCED`), the budget is spent
   * (`BUDGET_EXCEEDED`), or the run's livetail is closed while it is open (`CLOSED`). Not when the run counted as lost:
   * the work may be whole, and its result still be wanted.
   */
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
    const { encoder, rules } = this.host;
    const line = rules === null ? value : rules.value(value);
    const text = encoder.message(line, metadata);
    const { toldOfCall } = encoder;
    this.writer.push(text);
    // After the line: what is logged because of its cost stands behind it.
    if (toldOfCall) this.#countLine(line, metadata);
  }

  /** Counts the cost that an entry of the line will show: the value's own, else the metadata's. */
  #countLine(value: unknown, metadata: unknown): void {
    const more = typeof metadata === "object" && metadata !== null ? metadata : null;
    try {
      const fields = typeof value === "object" && value !== null && !(value instanceof Error) ? value : null;
      if (fields === null) this.totals.count((more ?? {}) as Record<string, unknown>);
      else this.totals.count(more === null ? (fields as Record<string, unknown>) : { ...fields, metadata: more });
    } catch {
      // A getter or a proxy threw: the line says so itself, and there is no cost to be read from it.
    }
  }

  /**
   * Logs a line that somebody printed (`stream`: where to): a JSON object is kept as a structured line, and its
   * `layer_start`, `layer_complete`, `layer_error` or `layer_skip` sets the layer, too.
   */
  logOutput(line: string, stream?: "stdout" | "stderr"): void {
    const { encoder, rules } = this.host;
    const printed = typeof line === "string" ? line : encoder.words(line, MAX_MESSAGE_LENGTH);
    const from = stream ?? "unknown";
    this.#keyWatches[from] ??= encoder.keyWatch();
    const text = this.#keyWatches[from](printed) ? HIDDEN : printed;
    const read: { fields?: Record<string, unknown> } = {};
    let made = encoder.text(text, stream, (fields) => {
      rules?.amend(fields);
      read.fields = fields;
    });
    const parsed = rules === null || read.fields !== undefined ? undefined : rules.parse(text);
    if (parsed !== undefined) {
      made = encoder.message(stream === undefined ? parsed : { ...parsed, stream });
      read.fields = parsed;
    }
    this.writer.push(made);
    if (read.fields === undefined) return;
    // After its line, as a logger does it.
    this.totals.count(read.fields);
    const told = layerEvent(read.fields);
    if (told !== undefined) this.layer(told.name, told.status, told.message, told.metadata);
  }

  /** Sets the status of a layer; `metadata.current` and `metadata.total` are its progress. Never throws. */
  layer(name: string, status: LayerStatus, message?: string, metadata?: LayerMetadata): void {
    const change: LayerChange = { status: toLayerStatus(status), at: new Date(this.host.now()).toISOString() };
    if (message !== undefined) change.message = this.host.encoder.words(message, MAX_MESSAGE_LENGTH);
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

  count(fields: Record<string, unknown>, event?: unknown, bindings?: Record<string, unknown>): void {
    this.totals.count(fields, event, bindings);
  }

  /**
   * What a child process (`env: { ...process.env, ...run.env }`) or a worker thread (the same, or `workerData`) needs
   * for `joinRun()` to find this run: its id and its fence. The fence is known when `run.ready` has resolved; a child
   * that gets the id alone writes unfenced.
   */
  get env(): Record<typeof RUN_VARIABLE, string> {
    const { fence } = this.writer;
    return { [RUN_VARIABLE]: formatRunRef({ id: this.id, fence, local: this.host.local }) };
  }

  /**
   * Makes this the current run of what is called or emitted elsewhere: returns a function that calls `target` in this
   * run; or, of an EventEmitter, lets all its listeners run in it from now on, and returns the emitter.
   */
  bind<T extends Bindable>(target: T): T {
    return bindRun(this, target);
  }

  /** Resolves when all that was logged before is stored, or after `endTimeoutMs`. Never rejects. */
  async flush(): Promise<void> {
    await this.within(this.writer.flush());
  }

  /** Waits for `work` at most `endTimeoutMs`, and keeps the process alive as long; false when it took longer. */
  protected within(work: Promise<unknown>): Promise<boolean> {
    return new Promise((resolve) => {
      const cancel = this.host.endDeadlines.add(() => resolve(false));
      void work.then(() => {
        cancel();
        resolve(true);
      });
    });
  }

  /** Called when somebody asked for a cancel: aborts `signal`. */
  onCancelRequested(): void {
    if (this.cancelled) return;
    this.cancelled = true;
    this.abort(new LivetailError("CANCELLED"));
  }

  onStored(_version: number): void {}

  /** Called when another owner took over: aborts `signal`. */
  onFenced(): void {
    this.abort(new LivetailError("FENCED"));
  }

  onEnded(_status: TerminalStatus): void {
    this.host.forget(this);
  }

  onClosed(): void {}

  describe(): ReturnType<WriterEvents["describe"]> {
    return null;
  }

  protected abort(reason: LivetailError): void {
    this.#controller ??= new AbortController();
    if (!this.#controller.signal.aborted) this.#controller.abort(reason);
  }

  /** Gives up what waits and frees it. */
  dispose(): void {
    this.writer.dispose();
  }
}

/** One handle is shared by all who join a run under the same fence. */
export function joinKey({ id, fence }: Pick<RunRef, "id" | "fence">): string {
  return `${id}@${fence}`;
}

/** A handle that joined a run: it writes lines and layers, under a fence if it was given one, and neither claims nor ends. */
export class JoinedRun extends Handle implements LeaseHolder {
  /** What tells it from others here. */
  readonly key: string;
  #lastUsed: number;
  #stays = false;

  constructor(host: RunHost, { id, fence }: RunRef) {
    super(host, { id, jobId: "", owned: false });
    this.key = joinKey({ id, fence });
    this.#lastUsed = host.now();
    this.writer.open({ epoch: "", next: 0, fence, layers: "", started: true });
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

  /** The run is this process's: the handle is kept, however long it is idle. */
  stay(): void {
    this.#stays = true;
  }

  /** It has no lease; but what the store lost of its lines, only it can send again. */
  async heartbeat(): Promise<void> {
    if (this.writer.stopped === null) await this.writer.heartbeat();
  }

  /** Whoever goes on after the end is told of it once: only what was idle is forgotten. */
  override onEnded(): void {}

  /** Whoever joined is not told of the end: a handle that was idle for long is let go, and joins again if need be. */
  settled(now: number): boolean {
    const idleMs = now - this.#lastUsed;
    const idle = !this.#stays && idleMs > this.host.owner.lease.leaseMs * IDLE_LEASES && this.waitingLines === 0;
    if (!idle && this.writer.stopped !== "GAVE_UP") return false;
    this.dispose();
    this.host.forget(this);
    return true;
  }
}
