/**
 * The writer of one handle of one run: lines that wait, batches in flight, what the store answered, and what is
 * kept for the day when the store loses something (protocol §4). It never throws and never makes a log call wait.
 *
 *   push → unsent → (a batch: numbered) → in flight → acknowledged, kept for sending again → forgotten
 */
import { backOffMs } from "./back-off.js";
import type { Backlog, BacklogMember } from "./backlog.js";
import type { Totals } from "./cost.js";
import { LivetailError } from "./errors.js";
import { LayerOutbox } from "./layer-outbox.js";
import type { LayerChange } from "./layers.js";
import { LineQueue, sizeOf } from "./line-queue.js";
import { type Batch, NumberedLines } from "./numbered-lines.js";
import type { LayerMap, TerminalStatus } from "./protocol.js";
import type { LineEncoder } from "./serialize.js";
import type {
  AppendAnswer,
  EndAnswer,
  LayersWrite,
  LogStore,
  OwnerLease,
  RecreateRequest,
  WriteRequest,
} from "./store.js";

/** Batches of one writer that may be on their way at once. */
const MAX_IN_FLIGHT = 4;
/** A writer that joined gives a run up that is gone for so long while the store answers: lease + grace. */
const GONE_PATIENCE_MS = 60_000;

/** What the writers of a process share. */
export interface WriterHost {
  readonly store: LogStore;
  readonly encoder: LineEncoder;
  readonly backlog: Backlog;
  /** What a run keeps for sending again: as much as the store keeps. */
  readonly maxLines: number;
  readonly maxBufferBytes: number;
  now(): number;
  newEpoch(): string;
  /** Calls `work` at the end of this turn of the event loop. */
  atTurnEnd(work: () => void): void;
  /** Calls `work` after a time; does not keep the process alive. */
  later(delayMs: number, work: () => void): void;
  /** The store answered, or could not be reached. An outage is reported once, and so is its end. */
  storeAnswered(): void;
  storeFailed(error: LivetailError): void;
  readonly storeIsAway: boolean;
  /** Something that somebody should know. */
  report(error: LivetailError, runId: string): void;
}

/** What the writer tells its run. */
export interface WriterEvents {
  onFenced(): void;
  onCancelRequested(): void;
  /** Another end stands, or this one. */
  onEnded(status: TerminalStatus): void;
  /** The end or the release is stored, or nothing will ever be. */
  onClosed(): void;
  /** What is needed to create the run again; null for a writer that joined. */
  describe(): Pick<
    RecreateRequest,
    "birth" | "attempt" | "createdAt" | "startedAt" | "status" | "cancelRequested"
  > | null;
}

/** How a run is closed. */
export type Closing =
  | { kind: "end"; status: TerminalStatus; error: string; errorCode: string; result: string | null }
  | { kind: "release" };

export class Writer implements BacklogMember {
  readonly runId: string;
  readonly producer: string;
  readonly #host: WriterHost;
  readonly #events: WriterEvents;
  readonly #totals: Totals;
  /** null: joined. */
  owner: OwnerLease | null;
  fence: number;
  #epoch = "";
  #told = 0;

  readonly #unsent = new LineQueue();
  readonly #lines = new NumberedLines();
  #droppedUnsent = 0;
  /** Lines that came after the end: late, whatever becomes of them. */
  #afterEnd = 0;
  #lateTold = 0;

  #open = false;
  #scheduled = false;
  #inFlight = 0;
  /** After any answer but OK nothing is sent until all that is in flight is answered. */
  #recovering = false;
  #gone = false;
  #goneSince = 0;
  #unreachable = false;
  #failures = 0;
  /** A refused batch waits for something new before it is tried as a gap. */
  #refused = false;
  #stopped: "RUN_ENDED" | "FENCED" | "GAVE_UP" | null = null;

  #started = false;
  #startWanted = false;
  #totalsSent = "";
  readonly #layers = new LayerOutbox();

  #closing: Closing | null = null;
  #closeSent = false;
  #closed = false;
  #endReported = false;
  #flushes: { upto: number; resolve: () => void }[] = [];

  constructor(
    host: WriterHost,
    events: WriterEvents,
    totals: Totals,
    identity: { runId: string; producer: string; owner: OwnerLease | null; fence: number },
  ) {
    this.#host = host;
    this.#events = events;
    this.#totals = totals;
    this.runId = identity.runId;
    this.producer = identity.producer;
    this.owner = identity.owner;
    this.fence = identity.fence;
  }

  get unsent(): number {
    return this.#unsent.size;
  }

  /** Lines that the store has not acknowledged and may still get. */
  get waiting(): number {
    return this.#stopped !== null ? 0 : this.#unnumbered + this.#lines.top - this.#lines.acked;
  }

  /** Why nothing is written any more; null while it is. */
  get stopped(): "RUN_ENDED" | "FENCED" | "GAVE_UP" | null {
    return this.#stopped;
  }

  /** True once the end or the release is in the store. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Lines that have no number yet; what was dropped will be one of them. */
  get #unnumbered(): number {
    return this.#unsent.size + (this.#droppedUnsent > 0 ? 1 : 0);
  }

  /** The claim succeeded (or none is needed): what waits may leave. */
  open(known: { epoch: string; next: number; fence: number; layers: string; started: boolean }): void {
    this.#epoch = known.epoch;
    this.#told = known.next;
    this.fence = known.fence;
    this.#layers.begin(known.layers);
    this.#started = known.started;
    this.#open = true;
    this.#wake();
  }

  /** Nothing will ever be written: the claim was refused. */
  giveUp(): void {
    this.#stop("GAVE_UP");
  }

  /** Queues a stored text. */
  push(text: string): void {
    if (this.#stopped === "FENCED" || this.#stopped === "GAVE_UP") {
      this.#host.backlog.dropped += 1;
      return;
    }
    if (this.#closing !== null || this.#stopped !== null) {
      this.#afterEnd += 1;
      if (this.#stopped === "RUN_ENDED" || this.#closed) this.#wake();
      return;
    }
    this.#unsent.push(text);
    this.#refused = false;
    this.#host.backlog.add(this, sizeOf(text));
    this.#wake();
  }

  /** Notes a change of a layer, to be merged and stored after the lines that are logged by now. */
  changeLayer(name: string, change: LayerChange): void {
    if (this.#closing !== null || this.#stopped !== null) return;
    this.#layers.note(name, change, this.#logged);
    this.#wake();
  }

  /** Layers as they will be when all is stored. */
  get layers(): LayerMap {
    return this.#layers.layers;
  }

  /** queued → running, with or without lines. */
  start(): void {
    if (this.#started || this.#startWanted) return;
    this.#startWanted = true;
    this.#wake();
  }

  /** Resolves when all that was logged before is in the store, or never will be. Never rejects. */
  flush(): Promise<void> {
    if (this.#settled) return Promise.resolve();
    return new Promise((resolve) => {
      this.#flushes.push({ upto: this.#logged, resolve });
      this.#wake();
    });
  }

  /** Ends or gives back the run after all that waits. A second call changes nothing. */
  close(closing: Closing): void {
    this.#closing ??= closing;
    this.#refused = false;
    this.#wake();
  }

  /** Renews the lease and the TTLs, and learns what became of the run. */
  async heartbeat(): Promise<void> {
    if (!this.#open || this.#recovering || this.#stopped === "FENCED" || this.#stopped === "GAVE_UP") return;
    if (this.#closeSent && !this.#closed) return;
    this.#refused = false;
    await this.#append(this.#noLines());
  }

  /** Frees what the process holds for this run. */
  dispose(): void {
    this.#stop("GAVE_UP");
    this.#host.backlog.leave(this);
  }

  dropOldest(): void {
    const text = this.#unsent.shift();
    if (text === undefined) return;
    this.#droppedUnsent += 1;
    this.#host.backlog.remove(this, 1, sizeOf(text));
  }

  forgetKept(): number {
    return this.#lines.keepAtMost(0, 0);
  }

  /** How many lines were ever logged here, those that were dropped counted as the one that stands for them. */
  get #logged(): number {
    return this.#lines.top + this.#unnumbered + this.#afterEnd;
  }

  /** Whether there is nothing to wait for. */
  get #settled(): boolean {
    return this.#stopped !== null || this.#closed || (this.waiting === 0 && !this.#layers.pending);
  }

  /** A call that only shows that somebody is here, and learns how the run is. */
  #noLines(): Batch {
    return { first: this.#lines.acked, upto: this.#lines.acked, lines: [] };
  }

  #wake(): void {
    if (this.#scheduled || !this.#open) return;
    this.#scheduled = true;
    this.#host.atTurnEnd(() => {
      this.#scheduled = false;
      this.#pump();
    });
  }

  #pump(): void {
    if (!this.#open || this.#recovering || this.#unreachable) return;
    if (this.#stopped === "RUN_ENDED" || this.#closed) {
      // Only their number is told: the store counts what it lacks as late.
      if (this.#afterEnd > 0 && this.#inFlight === 0) this.#tellLate();
      return;
    }
    if (this.#stopped !== null || this.#closeSent || this.#refused) return;
    while (this.#inFlight < MAX_IN_FLIGHT) {
      if (this.#closing !== null && !this.#layers.pending && this.#restFitsOneBatch) {
        if (this.#inFlight === 0) void this.#sendClose(this.#closing);
        return;
      }
      const batch = this.#nextBatch();
      if (batch === null) return;
      void this.#append(batch);
    }
  }

  #tellLate(): void {
    if (this.#lateTold === this.#afterEnd) return;
    this.#lateTold = this.#afterEnd;
    void this.#append(this.#noLines());
  }

  get #restFitsOneBatch(): boolean {
    return this.#lines.fitOneBatch(this.#unnumbered, this.#unsent.bytes);
  }

  /** The next batch, which may be empty when only a status or layers wait; null when nothing does. */
  #nextBatch(): Batch | null {
    if (this.#lines.next === this.#lines.top) this.#numberUnsent();
    const batch = this.#lines.nextBatch((missing) => this.#host.encoder.gap(missing, "store_lost"));
    if (batch !== null) return batch;
    const startMayGo = this.#startWanted && !this.#started && this.#inFlight === 0;
    return this.#layers.mayLeave || startMayGo ? { first: this.#lines.top, upto: this.#lines.top, lines: [] } : null;
  }

  /** Lines get their numbers when they are first put into a batch; from then on they are never dropped. */
  #numberUnsent(): void {
    if (this.#droppedUnsent > 0) {
      const reason = this.#host.storeIsAway ? "store_unavailable" : "burst";
      const gap = this.#host.encoder.gap(this.#droppedUnsent, reason);
      this.#lines.addGap(gap, this.#droppedUnsent);
      this.#droppedUnsent = 0;
      this.#host.backlog.lines += 1;
      this.#host.backlog.bytes += sizeOf(gap);
    }
    this.#lines.take(this.#unsent);
  }

  #request(batch: Batch): WriteRequest {
    const totals = this.#totals.changed ? this.#totals.text() : "";
    return {
      runId: this.runId,
      producer: this.producer,
      fence: this.fence,
      owner: this.owner,
      epoch: this.#epoch,
      newEpoch: this.#host.newEpoch(),
      acked: this.#lines.acked,
      told: this.#told,
      first: batch.first,
      upto: batch.upto,
      lines: batch.lines,
      logged: this.#logged,
      totals: totals === this.#totalsSent ? "" : totals,
      start:
        this.owner !== null && !this.#started && (this.#startWanted || batch.lines.length > 0 || this.#layers.pending),
    };
  }

  /** Layers leave with the batch that carries the last line logged before them. */
  #takeLayers(batch: Batch): LayersWrite | null {
    const more = batch.upto < this.#lines.top || this.#unsent.size > 0;
    return batch.upto < this.#layers.afterLine && more ? null : this.#layers.take();
  }

  async #append(batch: Batch): Promise<void> {
    const request = this.#request(batch);
    const layers = this.#takeLayers(batch);
    await this.#exchange(batch, request, layers !== null, () => this.#host.store.append({ ...request, layers }));
  }

  async #sendClose(closing: Closing): Promise<void> {
    this.#numberUnsent();
    const batch = this.#nextBatch() ?? this.#noLines();
    // The line that stands for dropped ones may have left no room for the last one.
    if (batch.upto < this.#lines.top || this.#unnumbered > 0) return this.#append(batch);
    this.#closeSent = true;
    // Nothing comes after the end to mend what a call that was thought lost may still set.
    this.#totalsSent = "";
    const request = this.#request(batch);
    const { store } = this.#host;
    await this.#exchange(batch, request, false, async () =>
      closing.kind === "release" ? store.release(request) : store.end({ ...request, ...closing }),
    );
  }

  async #exchange(
    batch: Batch,
    request: WriteRequest,
    withLayers: boolean,
    ask: () => Promise<AppendAnswer | EndAnswer>,
  ): Promise<void> {
    const closes = this.#closeSent && !this.#closed;
    this.#inFlight += 1;
    let answer: AppendAnswer | EndAnswer | LivetailError;
    try {
      answer = await ask();
      this.#host.storeAnswered();
    } catch (error) {
      answer = toLivetailError(error);
    }
    this.#inFlight -= 1;
    if (answer.code === "OK") {
      this.#acknowledge(batch, request, answer, withLayers);
      if (closes) this.#finish();
    } else {
      if (closes) this.#closeSent = false;
      if (withLayers) this.#layers.putBack();
      this.#react(answer, batch);
    }
    if (this.#recovering && this.#inFlight === 0) this.#resume();
    else this.#pump();
  }

  #acknowledge(
    batch: Batch,
    request: WriteRequest,
    answer: Extract<AppendAnswer | EndAnswer, { code: "OK" }>,
    withLayers: boolean,
  ): void {
    this.#failures = 0;
    this.#goneSince = 0;
    // A heartbeat that is accepted after the end: the store is an older copy.
    if (this.#closed) this.#reopen();
    this.#epoch = answer.epoch;
    this.#told = Math.max(this.#told, answer.next);
    if (request.start) this.#started = true;
    if (request.totals !== "") this.#totalsSent = request.totals;
    if (withLayers) this.#layers.answered("layers" in answer ? answer.layers : null);
    this.#keep(this.#lines.acknowledge(batch.upto));
    this.#settleFlushes();
    if ("cancelRequested" in answer && answer.cancelRequested) this.#events.onCancelRequested();
  }

  /** Acknowledged lines are kept for sending again, as many as the store itself keeps. */
  #keep(stored: { lines: number; bytes: number }): void {
    if (stored.lines === 0) return;
    const { backlog, maxLines, maxBufferBytes } = this.#host;
    backlog.remove(this, stored.lines, stored.bytes);
    backlog.keep(this, stored.bytes - this.#lines.keepAtMost(maxLines, maxBufferBytes));
  }

  #react(answer: Exclude<AppendAnswer | EndAnswer, { code: "OK" }> | LivetailError, batch: Batch): void {
    if (answer instanceof LivetailError) {
      if (answer.code === "STORE_REFUSED") this.#setAside(answer, batch);
      else if (answer.code === "CLOSED") this.#stop("GAVE_UP");
      else {
        this.#host.storeFailed(answer);
        this.#recovering = true;
        this.#unreachable = true;
        this.#goneSince = 0;
        this.#lateTold = 0;
      }
      return;
    }
    switch (answer.code) {
      case "RUN_ENDED": {
        const closing = this.#closing;
        // A retry of our own end whose answer was lost, or a heartbeat after it.
        const ours = closing?.kind === "end" && (this.#closed || answer.status === closing.status);
        if ((!ours || this.#afterEnd > 0) && !this.#endReported) {
          this.#endReported = true;
          this.#host.report(new LivetailError("RUN_ENDED", `The run has ended as ${answer.status}.`), this.runId);
        }
        if (!ours) this.#stop("RUN_ENDED");
        else if (!this.#closed) this.#finish();
        if (!ours) this.#events.onEnded(answer.status);
        return;
      }
      case "FENCED":
        if (this.#stopped !== "FENCED") {
          this.#host.report(new LivetailError("FENCED"), this.runId);
          this.#stop("FENCED");
          this.#events.onFenced();
        }
        return;
      case "TOO_MANY_PRODUCERS":
        if (this.#stopped === null) this.#host.report(new LivetailError("TOO_MANY_PRODUCERS"), this.runId);
        this.#stop("GAVE_UP");
        return;
      case "GONE":
        if (this.#closed) return;
        this.#recovering = true;
        this.#gone = true;
        return;
      case "EPOCH":
        this.#reopen();
        this.#recovering = true;
        this.#epoch = answer.epoch;
        this.#told = answer.next;
        this.#lines.rewind(answer.have);
        // The store may be an older copy: what it is to know is told again.
        this.#totalsSent = "";
        this.#layers.sayAgain();
        if (this.owner !== null && this.#started) {
          this.#started = false;
          this.#startWanted = true;
        }
        return;
      case "ORDER":
        this.#reopen();
        this.#recovering = true;
        this.#lines.rewind(answer.have);
    }
  }

  /** A failover to an older copy lost the end that stood: it is sent again. */
  #reopen(): void {
    if (!this.#closed) return;
    this.#closed = false;
    this.#closeSent = false;
  }

  /** A batch that no retry can mend becomes a hole; it is counted, and tried no more than as a gap. */
  #setAside(error: LivetailError, batch: Batch): void {
    this.#host.report(error, this.runId);
    this.#recovering = true;
    const gone = this.#lines.setAside(batch);
    this.#host.backlog.dropped += gone.lines;
    this.#host.backlog.bytes -= gone.bytes;
    if (this.#closing === null) this.#refused = true;
    // Nothing new will come: the gap and the end are tried at once, and when they are refused too, that is the end.
    else if (gone.lines === 0) this.#stop("GAVE_UP");
  }

  /** Nothing is in flight: go on from what the store has, once. */
  #resume(): void {
    if (this.#unreachable && this.#stopped !== "FENCED" && this.#stopped !== "GAVE_UP") {
      this.#tryLater(() => {
        this.#unreachable = false;
        // With nothing to send, somebody has to find out that the store is back.
        if (this.waiting === 0 && !this.#layers.pending && this.#closing === null) void this.heartbeat();
      });
    } else if (this.#gone && this.#stopped === null) {
      void this.#recover();
    } else {
      this.#goOn();
    }
  }

  #goOn(): void {
    this.#lines.resend();
    this.#recovering = false;
    // An answer that was no OK may have said that all is stored.
    this.#keep(this.#lines.acknowledge(this.#lines.acked));
    this.#settleFlushes();
    this.#pump();
  }

  #tryLater(then: () => void): void {
    this.#failures += 1;
    this.#host.later(backOffMs(this.#failures), () => {
      this.#lines.resend();
      this.#recovering = false;
      then();
      this.#pump();
    });
  }

  /** The run is gone: its owner creates it again with what it still has, a joined writer waits for that. */
  async #recover(): Promise<void> {
    const { store, report } = this.#host;
    const described = this.#events.describe();
    if (described === null || this.owner === null) {
      this.#goneSince ||= this.#host.now();
      if (this.#host.now() - this.#goneSince > GONE_PATIENCE_MS) {
        report(new LivetailError("RUN_NOT_FOUND"), this.runId);
        this.#recovering = false;
        this.#stop("GAVE_UP");
        return;
      }
      this.#tryLater(() => {
        this.#gone = false;
      });
      return;
    }
    const layers = this.#layers.text;
    try {
      const answer = await store.recreate({
        ...described,
        runId: this.runId,
        producer: this.producer,
        newEpoch: this.#host.newEpoch(),
        fence: this.fence,
        owner: this.owner,
        base: Math.max(0, this.#told - this.#lines.kept),
        have: this.#lines.keptFrom,
        totals: this.#totals.text(),
        layers,
      });
      if (answer.code === "OK") {
        this.#epoch = answer.epoch;
        this.#told = answer.next;
        this.#lines.rewind(this.#lines.keptFrom);
        this.#layers.begin(layers);
      }
    } catch (error) {
      this.#react(toLivetailError(error), { first: 0, upto: 0, lines: [] });
    }
    this.#gone = false;
    this.#resume();
  }

  #finish(): void {
    this.#closed = true;
    this.#settleFlushes();
    if (this.#closing?.kind === "end") this.#events.onEnded(this.#closing.status);
    this.#events.onClosed();
  }

  #stop(why: "RUN_ENDED" | "FENCED" | "GAVE_UP"): void {
    if (this.#stopped === null && !this.#closed) {
      const { backlog } = this.#host;
      const { lines, bytes, logged } = this.#lines.waiting;
      const given = this.#unsent.size + lines;
      if (why === "RUN_ENDED") this.#afterEnd += this.#unnumbered;
      else backlog.dropped += this.#unsent.size + logged + this.#afterEnd;
      const unsentBytes = this.#unsent.bytes;
      this.#unsent.clear();
      this.#droppedUnsent = 0;
      this.#lines.giveUpWaiting();
      backlog.remove(this, given, bytes + unsentBytes);
    }
    this.#stopped = why;
    this.#settleFlushes();
    this.#events.onClosed();
  }

  #settleFlushes(): void {
    if (this.#flushes.length === 0) return;
    const settled = this.#settled;
    this.#flushes = this.#flushes.filter(({ upto, resolve }) => {
      if (!settled && (this.#lines.acked < upto || this.#layers.pending)) return true;
      resolve();
      return false;
    });
  }
}

function toLivetailError(error: unknown): LivetailError {
  return error instanceof LivetailError ? error : new LivetailError("STORE_REFUSED", undefined, { cause: error });
}
