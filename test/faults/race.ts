/**
 * One race of a run's lines and its end against a viewer: who is first is decided by turns of the event loop that a
 * seed picks. What the viewer saw is judged line by line.
 */
import { setTimeout as delay } from "node:timers/promises";
import { LogPoller } from "../../src/client/log-poller.js";
import { sseTransport } from "../../src/client/sse.js";
import { isLivetailError } from "../../src/errors.js";
import { isLiveBody } from "../../src/exchange.js";
import type { Livetail } from "../../src/livetail.js";
import { isTerminal, type LogEntry, type PollAnswer, parseCursor, type RunState } from "../../src/protocol.js";
import type { From } from "../../src/run-view.js";
import { request, TestViewer } from "../support/plain-request.js";
import type { SeededRandom } from "../support/seeded-random.js";

/** The processes of a race, all on one store. */
export interface RaceTrack {
  /** Where the run is executed. */
  readonly writing: Livetail;
  /** Where viewers are: the writer's own process, another one, and another one that no hint reaches. */
  readonly viewing: { readonly near: Livetail; readonly far: Livetail; readonly deaf: Livetail };
  /** Where `far` is served over HTTP; one for polls that are not held, one for held ones, one for streams. */
  readonly bases: readonly string[];
}

/** How a viewer watches. */
export type ViewerKind = "poll" | "held poll" | "follow" | "stream" | "http poll" | "http held poll" | "http stream";

/** What a viewer saw. */
export interface Sighting {
  lines: LogEntry[];
  /** Gaps and resets: nothing here gives a reason for one. */
  others: string[];
  /** The state with which the viewer finished. */
  end: RunState | null;
  /** Where it goes on. */
  cursor: string | null;
}

/** What was found wrong with a race; empty when nothing was. */
export interface RaceReport {
  faults: string[];
  hung: boolean;
  lines: number;
  resumed: boolean;
}

/** A viewer that has not finished by then hangs; a busy machine is slow, and a lost hint costs a second. */
const HANGS_MS = 60_000;

/** Runs one race. */
export async function race(
  track: RaceTrack,
  random: SeededRandom,
  kind: ViewerKind,
  where: keyof RaceTrack["viewing"],
  runId: string,
): Promise<RaceReport> {
  // Some runs take a reader more than one page.
  const lines = random.next() < 0.01 ? random.between(1000, 2500) : random.between(0, 8);
  const atOnce = Math.ceil((lines + 1) / 9);
  const fails = random.next() < 0.1;
  // Drawn before anything runs, so that a seed says all of a race whatever the scheduler does.
  const beforeLines = Array.from({ length: 9 }, () => aPause(random));
  const beforeViewer = aPause(random);
  const leavesAfter = random.next() < 0.3 ? random.between(0, lines) : null;
  const whileAway = aPause(random);
  // Whoever comes back may come to another process: one that looked at the run before and knows less than the viewer.
  const comesBackTo = where === "near" ? random.pick(["far", "deaf"] as const) : where;
  const limit = lines > 8 ? 500 : random.pick([1, 2, 3, 500]);

  const write = async (): Promise<string[]> => {
    const run = track.writing.createOperationRun("job", "race", { id: runId });
    for (let line = 0; line < lines; line++) {
      if (line % atOnce === 0) await beforeLines[line / atOnce]?.();
      run.log(`line ${line}`);
    }
    await beforeLines[8]?.();
    const status = fails ? "failed" : "completed";
    const outcome = await (fails ? run.fail("as it was to be") : run.complete());
    return outcome.stored && outcome.status === status ? [] : [`The end was ${JSON.stringify(outcome)}.`];
  };

  const sighting: Sighting = { lines: [], others: [], end: null, cursor: null };
  const hangs = new AbortController();
  const view = async (): Promise<void> => {
    await beforeViewer();
    const watch = (livetail: Livetail, upTo: number): Promise<void> =>
      watchAs(kind, { livetail, bases: track.bases, runId, limit, upTo, sighting, signal: hangs.signal });
    if (leavesAfter !== null) {
      const bystander = { from: fromOf(null), limit: 1, waitMs: 0 };
      const glance = (async () => track.viewing[comesBackTo].reader.poll(runId, bystander))();
      // The run may not be stored yet.
      glance.catch(() => {});
      await watch(track.viewing[where], leavesAfter);
      await whileAway();
    }
    const again = leavesAfter === null ? where : comesBackTo;
    if (sighting.end === null) await watch(track.viewing[again], Number.POSITIVE_INFINITY);
  };
  const viewed = async (): Promise<void> => {
    try {
      await view();
    } catch (error) {
      sighting.others.push(`Its viewer failed: ${String(error)}`);
    }
  };

  const deadline = delay(HANGS_MS, "hung" as const, { signal: hangs.signal, ref: false }).catch(() => "done" as const);
  const both = Promise.all([write(), viewed()]);
  const outcome = await Promise.race([both, deadline]).finally(() => hangs.abort());
  const hung = outcome === "hung";
  const faults = typeof outcome === "string" ? [] : [...outcome[0]];
  if (hung) faults.push(`It hung with ${sighting.lines.length} of ${lines} lines.`);
  else faults.push(...judge(sighting, lines, fails ? "failed" : "completed"));
  return { faults, hung, lines, resumed: leavesAfter !== null };
}

/** What is wrong with what a viewer of `lines` lines saw. */
export function judge(sighting: Sighting, lines: number, status: RunState["status"]): string[] {
  const faults = [...sighting.others];
  const seen = sighting.lines.map(({ index, message }) => `${index}:${message}`).join(", ");
  const expected = Array.from({ length: lines }, (_, i) => `${i}:line ${i}`).join(", ");
  if (seen !== expected) faults.push(`It saw [${seen.slice(0, 200)}] of ${lines} lines.`);
  if (sighting.end?.status !== status) faults.push(`It was told ${sighting.end?.status} in place of ${status}.`);
  if (sighting.end?.expected_log_count !== lines) faults.push(`It expected ${sighting.end?.expected_log_count}.`);
  return faults;
}

/** Nothing, some microtasks, some turns of the event loop, or some milliseconds. */
function aPause(random: SeededRandom): () => Promise<void> {
  const kind = random.between(0, 3);
  const count = random.between(1, 6);
  return async () => {
    if (kind === 1) for (let i = 0; i < count; i++) await null;
    if (kind === 2) for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
    if (kind === 3) await delay(count);
  };
}

interface Watch {
  livetail: Livetail;
  bases: readonly string[];
  runId: string;
  /** Lines in an answer, at most. */
  limit: number;
  /** The viewer leaves when it has so many lines. */
  upTo: number;
  sighting: Sighting;
  signal: AbortSignal;
}

/** Watches until the end of the run or until it has as many lines as it wants. */
function watchAs(kind: ViewerKind, watch: Watch): Promise<void> {
  switch (kind) {
    case "poll":
      return watchByPolls(watch, 0);
    case "held poll":
      return watchByPolls(watch, 30_000);
    case "follow":
      return watchByFollowing(watch);
    case "stream":
      return watchByStream(watch);
    default:
      return watchOverHttp(kind, watch);
  }
}

function isEnough({ upTo, sighting, signal }: Watch): boolean {
  return signal.aborted || sighting.end !== null || sighting.lines.length >= upTo;
}

/** Takes what an answer or a frame says; an end counts only where the viewer is finished by §6. */
function take({ sighting }: Watch, part: Partial<PollAnswer>, next: number | undefined): void {
  for (const other of [part.gap, part.reset]) if (other) sighting.others.push(`It was told ${JSON.stringify(other)}.`);
  sighting.lines.push(...(part.logs ?? []));
  sighting.cursor = part.cursor ?? sighting.cursor;
  if (part.status !== undefined && isTerminal(part.status) && (next ?? -1) >= (part.expected_log_count ?? Infinity)) {
    sighting.end = part as RunState;
  }
}

function fromOf(cursor: string | null): From {
  const parsed = cursor === null ? null : parseCursor(cursor);
  if (cursor === null || parsed === null) return { kind: "since", index: 0 };
  return { kind: "cursor", text: cursor, cursor: parsed };
}

async function watchByPolls(watch: Watch, waitMs: number): Promise<void> {
  const { livetail, runId, limit, sighting, signal } = watch;
  while (!isEnough(watch)) {
    try {
      const ask = { from: fromOf(sighting.cursor), limit, waitMs };
      const answer: PollAnswer = JSON.parse(String(await livetail.reader.poll(runId, ask, { signal })));
      take(watch, answer, answer.next_index);
      if (waitMs === 0 && answer.logs.length === 0) await delay(2);
    } catch (error) {
      // Not stored yet.
      if (!isLivetailError(error, "RUN_NOT_FOUND")) throw error;
      await delay(2);
    }
  }
}

async function watchByFollowing(watch: Watch): Promise<void> {
  const { livetail, runId, sighting, signal } = watch;
  if (isEnough(watch)) return;
  for await (const event of livetail.reader.follow(runId, { from: fromOf(sighting.cursor), signal })) {
    if (event.type === "log") sighting.lines.push(event.entry);
    else if (event.type === "end") sighting.end = event.state;
    else if (event.type !== "state") sighting.others.push(`It was told ${JSON.stringify(event)}.`);
    if ("cursor" in event) sighting.cursor = event.cursor;
    if (isEnough(watch)) return;
  }
}

/** A connection that tells when it got something. */
class Connection extends TestViewer {
  /** Unset while the base class attaches it: what is written then is found by the first look. */
  news?: () => void;

  override write(chunk: string | Uint8Array): boolean {
    const taken = super.write(chunk);
    this.news?.();
    return taken;
  }

  override end(): void {
    super.end();
    this.news?.();
  }
}

async function watchByStream(watch: Watch): Promise<void> {
  const { livetail, runId, sighting, signal } = watch;
  while (!isEnough(watch)) {
    const headers = sighting.cursor === null ? {} : { "Last-Event-ID": sighting.cursor };
    const { status, body } = await livetail.handler.handle(request(`/${runId}/stream`, { headers, signal }));
    if (!isLiveBody(body)) throw new Error(`A stream was answered ${status}.`);
    const connection = new Connection(body);
    const wake = (): void => connection.news?.();
    signal.addEventListener("abort", wake);
    let taken = 0;
    while (!isEnough(watch)) {
      const { frames } = connection;
      for (; taken < frames.length && !isEnough(watch); taken++) {
        const { event, id, data } = frames[taken] as (typeof frames)[number];
        const cursor = id === null ? {} : { cursor: id };
        if (event === "log") take(watch, { logs: [data as never], ...cursor }, undefined);
        else if (event === "end") take(watch, { ...data, ...cursor }, parseCursor(id ?? "")?.next);
        else if (event === "gap" || event === "reset") take(watch, { [event]: data, ...cursor }, undefined);
      }
      if (isEnough(watch) || connection.ended) break;
      await new Promise<void>((resolve) => {
        connection.news = resolve;
      });
    }
    signal.removeEventListener("abort", wake);
    if (!connection.ended) connection.vanish();
  }
}

const HTTP_KINDS = ["http poll", "http held poll", "http stream"] as const;

/** Through real HTTP with the real client. */
async function watchOverHttp(kind: (typeof HTTP_KINDS)[number], watch: Watch): Promise<void> {
  const { bases, runId, limit, sighting, signal } = watch;
  if (isEnough(watch)) return;
  const poller = new LogPoller(runId, {
    endpointBase: bases[HTTP_KINDS.indexOf(kind)] ?? "",
    pollInterval: 20,
    limit,
    ...(sighting.cursor === null ? {} : { cursor: sighting.cursor }),
    ...(kind === "http poll" ? { waitSeconds: 0 } : {}),
    ...(kind === "http stream" ? { transport: sseTransport() } : {}),
  });
  poller.onGap((gap) => sighting.others.push(`It was told ${JSON.stringify(gap)}.`));
  poller.onReset((reset) => sighting.others.push(`It was told ${JSON.stringify(reset)}.`));
  await new Promise<void>((resolve, reject) => {
    const leaveIfEnough = (): void => {
      if (isEnough(watch)) resolve();
    };
    signal.addEventListener("abort", leaveIfEnough, { once: true });
    poller.onLog((entry) => {
      sighting.lines.push(entry);
      leaveIfEnough();
    });
    poller.onComplete((state) => {
      sighting.end = state;
      resolve();
    });
    poller.onError((error) => {
      if (error.fatal) reject(error);
    });
    poller.start();
  });
  sighting.cursor = poller.cursor ?? null;
  poller.stop();
}
