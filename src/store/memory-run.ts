/** One run in memory, and what the scripts of protocol §4 do to it. */
import { isTerminal, type RunStatus, type TerminalStatus } from "../protocol.js";
import {
  type AppendedLines,
  MAX_PRODUCERS,
  type OwnerLease,
  type RecreateRequest,
  type Refusal,
  type RunBirth,
  type RunRecord,
  type StoreLimits,
  type WriteRequest,
} from "../store.js";
import { foreignRun } from "./foreign-run.js";

/** What is kept of one producer. */
export interface MemoryProducer {
  /** How many of its lines are stored. */
  have: number;
  /** How many of its lines came after the end. */
  late: number;
  /** Its running totals as JSON text, "" for none. */
  totals: string;
}

/** Where a write happens: on which server process, when, within which limits. */
export interface WriteScene {
  server: string;
  /** Milliseconds since 1970. */
  now: number;
  limits: StoreLimits;
}

/** The kept lines of a run. Both ends take amortised constant time. */
export class KeptLines {
  #lines: string[] = [];
  #head = 0;

  get length(): number {
    return this.#lines.length - this.#head;
  }

  push(line: string): void {
    this.#lines.push(line);
  }

  /** Removes the oldest line; there must be one. */
  shift(): string {
    const line = this.#lines[this.#head] as string;
    this.#lines[this.#head] = "";
    this.#head += 1;
    if (this.#head >= 64 && this.#head * 2 >= this.#lines.length) {
      this.#lines = this.#lines.slice(this.#head);
      this.#head = 0;
    }
    return line;
  }

  /** The lines at positions `from` to `to`, without the latter, counted from the oldest kept one. */
  slice(from: number, to: number): string[] {
    return this.#lines.slice(this.#head + from, this.#head + to);
  }
}

/** How a run was, for whoever wants to know what came after. */
export type RunMark = Pick<MemoryRun, "epoch" | "end" | "version">;

/** A run as `logs:{id}:*` holds it. The fields are those of meta; times are milliseconds since 1970, 0 when not yet. */
export class MemoryRun {
  readonly lines = new KeptLines();
  readonly producers = new Map<string, MemoryProducer>();
  /** JSON text, "" for none. */
  layers = "";
  /** JSON text, null for none. */
  result: string | null = null;
  status: RunStatus = "queued";
  epoch = "";
  server = "";
  base = 0;
  next = 0;
  /** How many lines, and bytes of lines, the last write left in `lines`. */
  len = 0;
  bytes = 0;
  version = 1;
  expectedLogCount: number | null = null;
  lateLines = 0;
  fence = 0;
  /** The producer whose claim is in force. */
  claim = "";
  owner = "";
  ownerUrl = "";
  leaseUntil = 0;
  stalledSweeps = 0;
  attempt = 0;
  cancelRequested = false;
  birth: RunBirth = { subjectId: "", operation: "", parentId: "", metadata: "" };
  error = "";
  errorCode = "";
  createdAt = 0;
  /** Since when it waits for an owner. */
  queuedAt = 0;
  startedAt = 0;
  finishedAt = 0;
  expiresAt = Number.POSITIVE_INFINITY;
  /** Of the store of its first owner; null while no owner has claimed it. */
  caps: Pick<StoreLimits, "maxLines" | "maxBufferBytes"> | null = null;
  /** Meta as something else wrote it: then `lines` and `layers` are all that counts of the above. */
  foreign: Record<string, string> | null = null;
  /** Length of all producers' totals. */
  totalsLength = 0;
  /** What the store has counted of this run towards its bytes. */
  weighed = 0;

  constructor(readonly runId: string) {}

  /** A new run that nobody owns yet. */
  static born(runId: string, producer: string, birth: RunBirth, epoch: string, { server, now, limits }: WriteScene) {
    const run = new MemoryRun(runId);
    run.claim = producer;
    run.birth = birth;
    run.epoch = epoch;
    run.server = server;
    run.createdAt = now;
    run.queuedAt = now;
    run.expiresAt = now + limits.openTtlSeconds * 1000;
    return run;
  }

  /** Makes a new run what its owner knows of one that the store lost. */
  restore(request: RecreateRequest, scene: WriteScene): void {
    this.status = request.status;
    this.base = request.base;
    this.next = request.base;
    this.attempt = request.attempt;
    this.layers = request.layers;
    this.cancelRequested = request.cancelRequested;
    this.createdAt = request.createdAt;
    this.startedAt = request.startedAt;
    this.own(request.owner, request.fence, scene);
    this.producers.set(request.producer, { have: request.have, late: 0, totals: request.totals });
    this.totalsLength = request.totals.length;
  }

  /** The index after the newest line; lines that something else pushed count. */
  get end(): number {
    return this.next + Math.max(0, this.lines.length - this.len);
  }

  /** The lines that were added since, if they are all that is new and all of them are kept; else null. */
  appendedSince({ epoch, end, version }: RunMark): AppendedLines | null {
    const first = this.end - this.lines.length;
    const alone = this.foreign === null && this.epoch === epoch && this.version === version;
    if (!alone || end >= this.end || end < first) return null;
    return { epoch, first, from: end, lines: this.lines.slice(end - first, this.lines.length) };
  }

  /** The totals of its producers, each as JSON text. */
  get totals(): string[] {
    return [...this.producers.values()].flatMap((producer) => producer.totals || []);
  }

  /** The run as read at this moment. */
  record(): RunRecord {
    if (this.foreign !== null) return foreignRun(this.runId, this.foreign, this, this.lines.length);
    const { runId, status, epoch, base, version, expectedLogCount, lateLines, owner, ownerUrl, leaseUntil } = this;
    const { stalledSweeps, attempt, cancelRequested, error, errorCode, createdAt, startedAt, finishedAt } = this;
    return {
      runId,
      status,
      epoch,
      base,
      first: this.end - this.lines.length,
      next: this.end,
      version,
      expectedLogCount,
      lateLines,
      owner,
      ownerUrl,
      leaseUntil,
      stalledSweeps,
      attempt,
      cancelRequested,
      ...this.birth,
      error,
      errorCode,
      createdAt,
      startedAt,
      finishedAt,
    };
  }

  /** A run that something else wrote becomes one of ours, with its lines; `birth` says what its writer left unsaid. */
  adopt(epoch: string, { server, now }: WriteScene, birth?: RunBirth): void {
    if (this.foreign === null) return;
    const { status, cancelRequested, subjectId, operation, parentId, metadata, createdAt, startedAt } = this.record();
    Object.assign(this, { status, cancelRequested, createdAt, startedAt, epoch, server });
    this.birth = { subjectId, operation, parentId, metadata };
    if (birth !== undefined) {
      this.birth.subjectId ||= birth.subjectId;
      this.birth.operation ||= birth.operation;
      this.createdAt ||= now;
    }
    this.foreign = null;
    this.measure();
  }

  /** Takes note of lines that something else pushed, or that are gone. */
  measure(): void {
    if (this.lines.length === this.len) return;
    this.next = this.end;
    this.len = this.lines.length;
    this.bytes = this.lines.slice(0, this.len).reduce((sum, line) => sum + Buffer.byteLength(line), 0);
  }

  /** Begins an epoch if the server is another one than that on which the present one began. */
  moveTo(server: string, newEpoch: string): boolean {
    if (this.server === server) return false;
    this.server = server;
    this.epoch = newEpoch;
    return true;
  }

  /** Adds lines at the end and trims at the front, to the caps of the owner's store, never the newest line. */
  push(lines: readonly string[], limits: StoreLimits): void {
    const { maxLines, maxBufferBytes } = this.caps ?? limits;
    this.measure();
    for (const line of lines) {
      this.lines.push(line);
      this.bytes += Buffer.byteLength(line);
    }
    this.next += lines.length;
    while (this.lines.length > 1 && (this.lines.length > maxLines || this.bytes > maxBufferBytes)) {
      this.bytes -= Buffer.byteLength(this.lines.shift());
    }
    this.len = this.lines.length;
  }

  /** Gives the run to an owner under `fence`; the first one's store says how much is kept. */
  own(owner: OwnerLease, fence: number, { now, limits }: WriteScene): void {
    this.caps ??= limits;
    this.fence = fence;
    this.owner = owner.id;
    this.ownerUrl = owner.url;
    this.leaseUntil = now + owner.leaseMs;
    this.stalledSweeps = 0;
    this.version += 1;
  }

  /**
   * The checks that every write makes, in the order of protocol §4.3; null: nothing stands against it. A refusal
   * changes nothing but what it is itself about: the epoch, late lines, a newer fence.
   */
  refusal(request: WriteRequest, scene: WriteScene, releasing = false): Refusal | null {
    const { producer, fence, owner, epoch, newEpoch, first, upto, lines } = request;
    const have = this.producers.get(producer)?.have ?? 0;
    const status = this.foreign === null ? this.status : this.record().status;
    if (isTerminal(status)) {
      if (this.foreign === null) this.countLate(producer, request.logged - have);
      return { code: "RUN_ENDED", status };
    }
    this.adopt(newEpoch, scene);

    if (fence !== 0 && fence < this.fence) return { code: "FENCED" };
    // Who gave the run back is no owner any more, though the fence is still the stored one.
    if (owner !== null && fence === this.fence && owner.id !== this.owner && !releasing) return { code: "FENCED" };
    // The stored copy is older than this owner's claim.
    if (owner !== null && fence > this.fence) this.own(owner, fence, scene);

    const lost = epoch === this.epoch && (have < request.acked || this.end < request.told);
    const moved = this.moveTo(scene.server, newEpoch);
    if (lost && !moved) this.epoch = newEpoch;
    if (moved || (epoch !== "" && epoch !== this.epoch)) {
      return { code: "EPOCH", epoch: this.epoch, have, next: this.end };
    }

    const hole = upto - first > lines.length;
    if (first > have || (hole && first < have && have < upto)) return { code: "ORDER", have };
    const unknown = lines.length > 0 && !this.producers.has(producer);
    if (unknown && this.producers.size >= MAX_PRODUCERS) return { code: "TOO_MANY_PRODUCERS" };
    return null;
  }

  /** What every write does once nothing stands against it: lines, totals, start, lease, time to live. */
  write(request: WriteRequest, { now, limits }: WriteScene): void {
    const { producer: id, first, upto, lines, totals, owner } = request;
    this.measure();
    if (lines.length > 0 || totals !== "") {
      const producer = this.producer(id);
      if (upto > producer.have) {
        this.push(lines.slice(producer.have - first), limits);
        producer.have = upto;
      }
      if (totals !== "" && totals !== producer.totals) {
        this.totalsLength += totals.length - producer.totals.length;
        producer.totals = totals;
        this.version += 1;
      }
    }
    if (request.start && this.status === "queued") {
      this.status = "running";
      this.startedAt ||= now;
      this.version += 1;
    }
    if (owner !== null && owner.id === this.owner) {
      this.leaseUntil = now + owner.leaseMs;
      this.ownerUrl = owner.url;
      if (this.stalledSweeps > 0) {
        this.stalledSweeps = 0;
        this.version += 1;
      }
    }
    this.expiresAt = now + limits.openTtlSeconds * 1000;
  }

  /** Takes the run from its owner and lets it wait for another. */
  disown(now: number): void {
    if (this.owner === "") return;
    this.status = "queued";
    this.owner = "";
    this.ownerUrl = "";
    this.leaseUntil = 0;
    this.stalledSweeps = 0;
    this.queuedAt = now;
    this.version += 1;
  }

  /** Sets the flag that the owner looks at; whether it was not set before. */
  requestCancel(): boolean {
    if (this.record().cancelRequested) return false;
    this.cancelRequested = true;
    this.version += 1;
    if (this.foreign !== null) this.foreign = { ...this.foreign, cancel_requested: "1" };
    return true;
  }

  /** Sets what every end sets; the last lines are stored already. */
  finish(status: TerminalStatus, error: string, errorCode: string, { now, limits }: WriteScene): void {
    this.measure();
    this.status = status;
    this.error = error;
    this.errorCode = errorCode;
    this.expectedLogCount = this.next;
    this.finishedAt = now;
    this.leaseUntil = 0;
    this.version += 1;
    this.expiresAt = now + limits.endedTtlSeconds * 1000;
  }

  /** What is kept of a producer, from now on if nothing was. */
  producer(id: string): MemoryProducer {
    let producer = this.producers.get(id);
    if (producer === undefined) {
      producer = { have: 0, late: 0, totals: "" };
      this.producers.set(id, producer);
    }
    return producer;
  }

  /** Bytes of the lines and, near enough, of all else that is kept. */
  weigh(): number {
    return this.bytes + this.layers.length + (this.result?.length ?? 0) + this.totalsLength;
  }

  /** A total that is set, not added: a request that comes again changes nothing. */
  private countLate(id: string, late: number): void {
    const before = this.producers.get(id)?.late ?? 0;
    if (late <= before || (!this.producers.has(id) && this.producers.size >= MAX_PRODUCERS)) return;
    this.producer(id).late = late;
    this.lateLines += late - before;
    this.version += 1;
  }
}
