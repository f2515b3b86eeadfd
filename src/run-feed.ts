/**
 * What all viewers of a run in one process share: one subscription, one pull, the newest lines, and the state, each
 * parsed once and encoded once.
 */
import { sumTotals } from "./backend-stats.js";
import { Bell } from "./bell.js";
import type { Clock } from "./clock.js";
import { entryText } from "./entry-text.js";
import { isLivetailError, LivetailError } from "./errors.js";
import { asOpen, isHeldBack } from "./held-end.js";
import { parseLayers } from "./layers.js";
import { LineWindow } from "./line-window.js";
import { type BackendStats, formatCursor, isTerminal, type LayerMap, LIMITS } from "./protocol.js";
import { expectedCount, orNull, ownerState, runState } from "./run-state.js";
import type { From, RunView } from "./run-view.js";
import { SharedAnswers } from "./shared-answers.js";
import { type Lines, SharedFrames } from "./shared-frames.js";
import { SharedPages } from "./shared-pages.js";
import type { Hint, LogStore, ReadAnswer, ReadRequest } from "./store.js";

/** What a feed is made with. */
export interface FeedOptions {
  runId: string;
  /** Where the first viewer wants to begin: the first read is its read. */
  from: From;
  store: LogStore;
  clock: Clock;
  /**
   * How much of the newest lines is kept, in bytes of JSON; as much again of older pages, for a moment, and of answers
   * made from the view.
   */
  windowBytes: number;
  /** Numbers the reads of the process, so that a viewer can tell which began after it asked. */
  numberRead: () => number;
  /** Told by how many bytes the kept lines grew or shrank. */
  onKept: (bytes: number) => void;
  /** Told once of a failure that is no outage. */
  report: (error: LivetailError, runId: string) => void;
}

/** Lines in one read. */
const READ_LINES = LIMITS.pageMax;
/** For how long after something new lines are said to flow. */
const FLOW_MS = 2000;
/** Hints that are kept while a read is under way. */
const MOST_HINTS = 32;

const NO_STATS: BackendStats = sumTotals([]);

/** The shared side of one run; see `Reader`, which makes feeds and ends them. */
export class RunFeed {
  readonly runId: string;
  /** Rings when `view`, `absent` or `unavailable` has changed. */
  readonly changes: Bell;
  /** What is due to viewers of streams. */
  readonly frames = new SharedFrames(this);
  /** What is known; null before the first read and when there is no such run. */
  view: RunView | null = null;
  /** The newest read found no such run. */
  absent = false;
  /** Why the newest read failed; null when it did not. */
  unavailable: LivetailError | null = null;
  /** Grows with every change of what a `state` frame says. */
  revision = 0;
  /** The number of the newest read that was answered. */
  lastRead = 0;
  /** When somebody polled last. */
  lastUsed: number;
  /** How many ask it now and have no answer yet: it must not be closed under them. */
  askers = 0;

  readonly #options: FeedOptions;
  readonly #unwatch: () => void;
  #window = new LineWindow(0);
  readonly #pages: SharedPages;
  /** The number of the newest read that was begun. */
  #begun = 0;
  #running: Promise<void> | null = null;
  #queued: Promise<void> | null = null;
  /** What was told and not looked at yet, oldest first. */
  #hints: Hint[] = [];
  #closed = false;
  #reported = false;
  #lastNews = 0;
  /** What the store is told that we have. */
  #known: { epoch: string; version: number } | null = null;
  #layers: LayerMap = {};
  #stats = NO_STATS;
  #owner = "";
  #holding = false;
  /** When the run was first seen as ended. */
  #endSeen: number | null = null;

  constructor(options: FeedOptions) {
    this.runId = options.runId;
    this.lastUsed = options.clock.now();
    this.changes = new Bell(options.clock);
    this.#options = options;
    this.#pages = new SharedPages(options.windowBytes, options.onKept);
    this.#unwatch = options.store.watch(options.runId, (hint) => {
      this.#hints.push(hint);
      if (this.#hints.length > MOST_HINTS) this.#hints.shift();
      // Hints that arrive together are told viewers together.
      if (this.#running === null && this.#hints.length === 1) queueMicrotask(() => this.#follow());
    });
  }

  /** When a viewer had better ask again, in milliseconds. */
  get paceMs(): number {
    const flowing = this.view?.terminal === false && this.#options.clock.now() - this.#lastNews < FLOW_MS;
    return flowing ? LIMITS.pollBusyMs : LIMITS.pollIdleMs;
  }

  /** Resolves when the run was read at least once, or could not be. Never rejects. */
  ready(): Promise<void> {
    if (this.view !== null) return Promise.resolve();
    return this.#running ?? this.fresh();
  }

  /**
   * Resolves when a read was answered, or failed, that began after the read number `asked` (default: after this
   * call). All who ask meanwhile share it.
   */
  fresh(asked = Number.POSITIVE_INFINITY): Promise<void> {
    if (this.#running === null) return this.#start();
    if (this.#begun > asked) return this.#running;
    this.#queued ??= this.#running.then(() => {
      this.#queued = null;
      return this.#running ?? this.#start();
    });
    return this.#queued;
  }

  /** The safety poll: reads unless a read is under way. */
  refresh(): void {
    this.frames.clear();
    this.#pages.age();
    if (this.#running === null) void this.#start();
  }

  /**
   * The entries from `from` on (`view.first` or more, less than `view.next`), at once if they are kept here, else read
   * from the store. null: the view has changed, look again. Rejects with `STORE_UNAVAILABLE`.
   */
  lines(from: number, limit: number, maxBytes = Number.POSITIVE_INFINITY): Lines | Promise<Lines | null> {
    if (this.keeps(from)) return this.kept(from, limit, maxBytes);
    const key = `${this.view?.epoch}.${from}.${limit}.${maxBytes}`;
    return this.#pages.get(key, () =>
      this.#older(from, limit, maxBytes).catch((error) => {
        this.#failed(error);
        throw asUnavailable(error);
      }),
    );
  }

  /** Whether the entries from `from` on are kept here. */
  keeps(from: number): boolean {
    return from >= this.#window.first;
  }

  /** The entries from `from` on, which must be kept here. */
  kept(from: number, limit: number, maxBytes = Number.POSITIVE_INFINITY): Lines {
    const entries = this.#window.slice(from, limit, maxBytes);
    return { to: from + entries.length, entries };
  }

  /** Gives up the kept lines; viewers that still want them read them from the store. */
  forget(): void {
    this.#restart(this.#window.next);
  }

  /** Whether `close` was called. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Ends the subscription and forgets everything. Who still waits is answered. */
  close(): void {
    this.#closed = true;
    this.unavailable ??= new LivetailError("STORE_UNAVAILABLE", "Runs are not read any more.");
    this.#unwatch();
    this.view?.answers.close();
    this.#restart(0);
    this.changes.sendAway();
  }

  #start(): Promise<void> {
    this.#running = this.#pull().finally(() => {
      this.#running = null;
      if (this.#queued === null) this.#follow();
    });
    return this.#running;
  }

  /** Takes in the lines that hints brought, and reads if the newest one tells of something that is not here yet. */
  #follow(): void {
    if (this.#running !== null || this.#closed) return;
    const hints = this.#hints;
    const newest = hints.at(-1);
    if (newest === undefined) return;
    this.#hints = [];
    const took = this.#take(hints);
    const { view } = this;
    if (view === null || newest.next !== view.total || newest.version !== view.version) void this.#start();
    if (took) this.changes.ring();
  }

  /**
   * Takes in what goes on exactly where this ends, as a read would have answered it: the same epoch, the same version,
   * nothing in between. Says whether there was any. A lease that was seen to be over may have been renewed, which only
   * a read tells.
   */
  #take(hints: readonly Hint[]): boolean {
    const view = this.view;
    if (view === null || view.next !== view.total || this.unavailable !== null || this.#holding) return false;
    if (this.#owner === "stalled") return false;
    const window = this.#window;
    const { bytes } = window;
    let { first } = view;
    for (const { version, appended } of hints) {
      if (appended?.epoch !== view.epoch || appended.from !== window.next || version !== view.version) continue;
      for (const line of appended.lines) window.push(entryText(line, window.next));
      first = appended.first;
    }
    if (window.next === view.next) return false;
    window.trim(this.#options.windowBytes);
    this.#options.onKept(window.bytes - bytes);
    this.#lastNews = this.#options.clock.now();
    this.view = {
      ...view,
      // They may just have been given up for want of room.
      first: Math.min(first, this.#window.first),
      next: window.next,
      total: window.next,
      cursor: formatCursor(view.epoch, window.next, view.version),
      answers: this.#newAnswers(),
    };
    view.answers.close();
    return true;
  }

  async #pull(): Promise<void> {
    try {
      for (let more = true; more && !this.#closed; ) {
        const number = this.#options.numberRead();
        this.#begun = number;
        const answer = await this.#options.store.read(this.#request());
        if (this.#closed) return;
        const recovered = this.unavailable !== null;
        this.unavailable = null;
        this.lastRead = number;
        const had = this.#window.next;
        const changed = answer === null ? this.#vanish() : this.#absorb(answer);
        if (recovered) this.revision += 1;
        const has = this.#window.next;
        more = this.view !== null && has !== had && has < this.view.total;
        if (changed || recovered) this.changes.ring();
      }
    } catch (error) {
      this.#failed(error);
    }
  }

  #request(): ReadRequest {
    const { runId, from } = this.#options;
    const known = this.#known;
    const next = this.#window.next;
    if (this.view !== null && known !== null) {
      // What is held back is numbered otherwise in the store.
      if (this.#holding) return { runId, from: AT_FIRST, limit: next + READ_LINES, known };
      return { runId, from: { kind: "at", epoch: known.epoch, index: next }, limit: READ_LINES, known };
    }
    if (from.kind === "tail") return { runId, from, limit: READ_LINES, known: null };
    const [epoch, index] = from.kind === "since" ? ["", from.index] : [from.cursor.epoch, from.cursor.next];
    return { runId, from: { kind: "at", epoch, index }, limit: READ_LINES, known: null };
  }

  /** Takes in what a read answered; says whether a viewer would see a difference. */
  #absorb(answer: ReadAnswer): boolean {
    const before = this.view;
    this.absent = false;
    const ours = this.#options.clock.now();
    if (isTerminal(answer.run.status)) this.#endSeen ??= ours;
    const holding = isHeldBack(answer, ours - (this.#endSeen ?? ours));
    // What was held back is numbered otherwise from now on.
    if (holding !== this.#holding) this.#pages.clear();
    this.#holding = holding;
    const { run, linesFrom, lines } = this.#holding ? asOpen(answer) : answer;
    if (answer.state !== null) {
      this.#layers = parseLayers(answer.state.layers);
      this.#stats = sumTotals(answer.state.totals);
    }
    this.#known = { epoch: answer.run.epoch, version: answer.run.version };

    const goesOn = before?.epoch === run.epoch && linesFrom <= this.#window.next && run.next >= this.#window.next;
    if (!goesOn) this.#restart(linesFrom);
    const window = this.#window;
    const { next, bytes } = window;
    lines.forEach((line, i) => {
      const index = linesFrom + i;
      if (index >= window.next) window.push(entryText(line, index));
    });
    window.trim(this.#options.windowBytes);
    this.#options.onKept(window.bytes - bytes);

    const owner = ownerState(run, answer.now);
    const sameState =
      before !== null &&
      before.epoch === run.epoch &&
      before.version === run.version &&
      before.terminal === isTerminal(run.status) &&
      this.#owner === owner;
    const first = Math.min(run.first, this.#window.first);
    if (sameState && before.first === first && before.next === this.#window.next && before.total === run.next) {
      return false;
    }
    if (!sameState) this.revision += 1;
    if (!sameState || window.next > next) this.#lastNews = ours;
    this.#owner = owner;
    this.view = {
      runId: run.runId,
      operation: orNull(run.operation),
      subjectId: orNull(run.subjectId),
      epoch: run.epoch,
      base: run.base,
      first,
      next: this.#window.next,
      total: run.next,
      version: run.version,
      terminal: isTerminal(run.status),
      expected: expectedCount(run) ?? Number.POSITIVE_INFINITY,
      state: sameState ? before.state : JSON.stringify(runState(run, owner, this.#layers, this.#stats)),
      cursor: formatCursor(run.epoch, this.#window.next, run.version),
      answers: this.#newAnswers(),
    };
    before?.answers.close();
    return true;
  }

  #vanish(): boolean {
    const changed = !this.absent;
    this.absent = true;
    if (this.view !== null) {
      this.view.answers.close();
      this.view = null;
      this.#known = null;
      this.#holding = false;
      this.#restart(0);
    }
    if (changed) this.revision += 1;
    return changed;
  }

  #failed(error: unknown): void {
    if (this.#closed) return;
    const first = this.unavailable === null;
    this.unavailable = asUnavailable(error);
    if (!this.#reported && !isLivetailError(error, "STORE_UNAVAILABLE")) {
      this.#reported = true;
      this.#options.report(isLivetailError(error) ? error : this.unavailable, this.runId);
    }
    if (!first) return;
    this.revision += 1;
    this.changes.ring();
  }

  #newAnswers(): SharedAnswers {
    return new SharedAnswers(this.#options.windowBytes, this.#options.onKept);
  }

  /** An empty window that begins at `at`. */
  #restart(at: number): void {
    this.#options.onKept(-this.#window.bytes);
    this.#window = new LineWindow(at);
    this.#pages.clear();
    this.view?.answers.clear();
    this.frames.clear();
  }

  async #older(from: number, limit: number, maxBytes: number): Promise<Lines | null> {
    const view = this.view;
    const holding = this.#holding;
    if (view === null) return null;
    const count = Math.min(limit, this.#window.first - from);
    const known = this.#known;
    const answer = await this.#options.store.read({
      runId: this.runId,
      from: holding ? AT_FIRST : { kind: "at", epoch: view.epoch, index: from },
      limit: holding ? from + count : count,
      known,
    });
    if (answer === null || answer.run.epoch !== known?.epoch || holding !== this.#holding) {
      await this.fresh();
      return null;
    }
    const { run, linesFrom, lines } = holding ? asOpen(answer) : answer;
    const wanted = lines.slice(Math.max(0, from - linesFrom));
    if (linesFrom > from || wanted.length === 0) {
      // They were trimmed in the meantime, up to what is kept here.
      const now = this.view;
      const first = Math.min(Math.max(run.first, from + 1), this.#window.first);
      if (now?.epoch === view.epoch && first > now.first) {
        // The answers so far say that the run begins elsewhere.
        now.answers.close();
        this.view = { ...now, first, answers: this.#newAnswers() };
      }
      return null;
    }
    const entries: string[] = [];
    let bytes = 0;
    for (const line of wanted) {
      const entry = entryText(line, from + entries.length);
      bytes += entry.length;
      if (bytes > maxBytes && entries.length > 0) break;
      entries.push(entry);
    }
    const to = from + entries.length;
    // A page goes on with what is kept here.
    if (to !== this.#window.first || limit === entries.length || bytes > maxBytes) return { to, entries };
    const rest = this.#window.slice(to, limit - entries.length, maxBytes - bytes);
    return { to: to + rest.length, entries: [...entries, ...rest] };
  }
}

/** No epoch is called this, so lines come from the first that is kept. */
const AT_FIRST: ReadRequest["from"] = { kind: "at", epoch: "0", index: 0 };

/** The error that a viewer is told when a read failed. */
function asUnavailable(error: unknown): LivetailError {
  if (isLivetailError(error, "STORE_UNAVAILABLE")) return error;
  return new LivetailError("STORE_UNAVAILABLE", "Reading the run failed, and not for an outage.", { cause: error });
}
