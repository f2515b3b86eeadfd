/**
 * The writer of one handle of one run: lines that wait, batches in flight, what the store answered, and what is
 * kept for the day when the store loses something (protocol §4). It never throws and never makes a log call wait.
 *
 *   push → unsent → (a batch: numbered) → in flight → acknowledged, kept for sending again → forgotten
 */
import type { BacklogMember } from "./backlog.js";
import type { Totals } from "./cost.js";
import { LivetailError } from "./errors.js";
import { LayerOutbox } from "./layer-outbox.js";
import type { LayerChange } from "./layers.js";
import { LineQueue, sizeOf } from "./line-queue.js";
import { type Batch, NumberedLines } from "./numbered-lines.js";
import { GONE_RUN_MS, type LayerMap } from "./protocol.js";
import type { AppendAnswer, EndAnswer, LayersWrite, OwnerLease, WriteRequest } from "./store.js";
import type { Closing, WriterEvents, WriterHost } from "./writer-host.js";

/** Batches of one writer that may be on their way at once. */
const MAX_IN_FLIGHT = 4;
/** What a line weighs on its way into the socket beside its text, and what a call does: their cost in bytes of text. */
const LINE_WEIGHT = 256;
const CALL_WEIGHT = 4096;

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
  /** Whether this writer has its turn to come. */
  #awake = false;
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
  /** An end was sent that the store may have though it did not say so. */
  #endInDoubt = false;
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
  heartbeat(): Promise<void> {
    return new Promise((resolve) => {
      // In a turn of its own: a process may have to renew the leases of many runs.
      this.#host.turns.add(() => {
        void this.#beat().then(resolve);
        return CALL_WEIGHT;
      });
    });
  }

  async #beat(): Promise<void> {
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

  /** Whether it joined and has nothing to say: what becomes of the run is no news to anybody here. */
  get #onlyWatches(): boolean {
    return this.owner === null && this.waiting === 0 && this.#afterEnd === 0 && !this.#layers.pending;
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
    if (!this.#open || this.#awake) return;
    this.#awake = true;
    this.#host.turns.add(this.#pump);
  }

  /** Sends one batch, or the end; what else may leave then has its turn after other writers. Returns what it weighs. */
  readonly #pump = (): number => {
    this.#awake = false;
    if (!this.#open || this.#recovering || this.#unreachable) return 0;
    if (this.#stopped === "RUN_ENDED" || this.#closed) {
      // Only their number is told: the store counts what it lacks as late.
      if (this.#afterEnd > 0 && this.#inFlight === 0) this.#tellLate();
      return CALL_WEIGHT;
    }
    if (this.#stopped !== null || this.#closeSent || this.#refused || this.#inFlight >= MAX_IN_FLIGHT) return 0;
    if (this.#closing !== null && !this.#layers.pending && this.#restFitsOneBatch) {
      if (this.#inFlight > 0) return 0;
      return this.#sendClose(this.#closing);
    }
    const batch = this.#nextBatch();
    return batch === null ? 0 : this.#send(batch);
  };

  #send(batch: Batch): number {
    void this.#append(batch);
    this.#wake();
    return weightOf(batch);
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
      const reason = this.#host.outage.away ? "store_unavailable" : "burst";
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

  #sendClose(closing: Closing): number {
    this.#numberUnsent();
    const batch = this.#nextBatch() ?? this.#noLines();
    // The line that stands for dropped ones may have left no room for the last one.
    if (batch.upto < this.#lines.top || this.#unnumbered > 0) return this.#send(batch);
    this.#closeSent = true;
    // Nothing comes after the end to mend what a call that was thought lost may still set.
    this.#totalsSent = "";
    const request = this.#request(batch);
    const { store } = this.#host;
    void this.#exchange(batch, request, false, async () =>
      closing.kind === "release" ? store.release(request) : store.end({ ...request, ...closing }),
    );
    return weightOf(batch);
  }

  async #exchange(
    batch: Batch,
    request: WriteRequest,
    withLayers: boolean,
    ask: () => Promise<AppendAnswer | EndAnswer>,
  ): Promise<void> {
    const closes = this.#closeSent && !this.#closed;
    const { outage } = this.#host;
    const { mark } = outage;
    this.#inFlight += 1;
    let answer: AppendAnswer | EndAnswer | LivetailError;
    try {
      answer = await ask();
      outage.answered(mark, batch.lines.length > 0);
    } catch (error) {
      answer = toLivetailError(error);
      if (answer.code !== "STORE_REFUSED" && answer.code !== "CLOSED") outage.failed(mark, answer);
    }
    this.#inFlight -= 1;
    if (answer.code === "OK") {
      this.#acknowledge(batch, request, answer, withLayers);
      if (closes) this.#finish();
    } else {
      if (closes) {
        this.#closeSent = false;
        if (answer instanceof LivetailError) this.#endInDoubt = true;
      }
      if (withLayers) this.#layers.putBack();
      this.#react(answer, batch);
    }
    if (this.#recovering && this.#inFlight === 0) this.#resume();
    else this.#wake();
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
    this.#events.onStored(answer.version);
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
        const ours =
          closing?.kind === "end" && (this.#closed || (this.#endInDoubt && answer.status === closing.status));
        if ((!ours || this.#afterEnd > 0) && !this.#endReported && !this.#onlyWatches) {
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
    this.#endInDoubt = true;
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
    this.#wake();
  }

  #tryLater(then: () => void): void {
    this.#failures += 1;
    this.#host.outage.tryLater(this.#failures, () => {
      this.#lines.resend();
      this.#recovering = false;
      then();
      this.#wake();
    });
  }

  /** The run is gone: its owner creates it again with what it still has, a joined writer waits for that. */
  async #recover(): Promise<void> {
    const { store, report } = this.#host;
    const described = this.#events.describe();
    if (described === null || this.owner === null) {
      this.#goneSince ||= this.#host.now();
      if (this.#host.now() - this.#goneSince > GONE_RUN_MS) {
        if (!this.#onlyWatches) report(new LivetailError("RUN_NOT_FOUND"), this.runId);
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
    const { outage } = this.#host;
    const { mark } = outage;
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
      const failure = toLivetailError(error);
      if (failure.code !== "STORE_REFUSED" && failure.code !== "CLOSED") outage.failed(mark, failure);
      this.#react(failure, { first: 0, upto: 0, lines: [] });
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
    } else if (this.#stopped === null && this.#closing?.kind === "release" && why !== "RUN_ENDED") {
      // What came after a release: no end counts it as late.
      this.#host.backlog.dropped += this.#afterEnd;
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

function weightOf({ lines }: Batch): number {
  return lines.reduce((sum, line) => sum + LINE_WEIGHT + line.length, CALL_WEIGHT);
}

function toLivetailError(error: unknown): LivetailError {
  return error instanceof LivetailError ? error : new LivetailError("STORE_REFUSED", undefined, { cause: error });
}
