/**
 * What pino logs → lines of the run that it was logged in.
 *
 * In the process: `pino({ mixin }, pino.multistream([process.stdout, { stream: livetailStream() }]))`. From pino's
 * worker thread, where no run is current, the record itself has to name it: `runMixin` writes it there, and
 * `pino.transport({ target: "livetail/pino", options: { redis } })` joins the run by it.
 */
import { Writable } from "node:stream";
import { currentRun, type OutputSink } from "../context.js";
import { LivetailError } from "../errors.js";
import { createLivetail, type LogCallback } from "../livetail.js";
import { timeOf } from "../text-line.js";
import { createLineSplitter } from "./line-splitter.js";

/** The field by which a record names its run. */
const RUN_FIELD = "livetail_run";

/** What `livetailStream` takes. */
export interface PinoStreamOptions {
  /** Where lines go. Default: the run that is current at each call; what is logged outside of one goes nowhere. */
  run?: OutputSink;
}

/** A destination of pino, as `pino.multistream` and Fastify's `logger.stream` take one. It never throws. */
export function livetailStream(options: PinoStreamOptions = {}): { write(record: string): void } {
  return {
    write(record) {
      const run = options.run ?? currentRun();
      // A record comes with its newline.
      run?.logOutput(record.endsWith("\n") ? record.slice(0, -1) : record);
    },
  };
}

/** A `mixin` of pino: writes the id of the current run into each record as `livetail_run`, and nothing outside of one. */
export function runMixin(): { [RUN_FIELD]?: string } {
  const run = currentRun();
  return run === undefined ? {} : { [RUN_FIELD]: run.id };
}

/** What the transport takes; pino hands it over to its worker thread, so that it is plain data. */
export interface PinoTransportOptions {
  /** The URL of the Redis that the runs are in. Required: a worker thread does not see the runs of another one's memory. */
  redis: string;
  /** As in `createLivetail`. */
  keyPrefix?: string;
  /** As in `createLivetail`. */
  hashTags?: boolean;
}

/**
 * A transport of pino, for its worker thread. A record goes to the run that its `livetail_run` names; one that names
 * none goes nowhere. It resolves at once and never makes the logger wait for Redis; ending it stores what waits.
 * Throws `INVALID_OPTION`.
 */
export default function livetailTransport(options: PinoTransportOptions): Writable {
  if (typeof options.redis !== "string") {
    throw new LivetailError("INVALID_OPTION", "The transport for pino needs the URL of a Redis in `redis`.");
  }
  const livetail = createLivetail(options);
  const splitter = createLineSplitter();
  const callbacks = new Map<string, LogCallback>();

  const log = (line: string): void => {
    const found = readRecord(line);
    if (found === undefined) return;
    let callback = callbacks.get(found.runId);
    if (callback === undefined) {
      if (callbacks.size >= MOST_RUNS) callbacks.clear();
      callback = livetail.createLogCallback(found.runId);
      callbacks.set(found.runId, callback);
    }
    callback(found.record);
  };

  return new Writable({
    autoDestroy: true,
    write(chunk: Uint8Array, _encoding, done) {
      for (const line of splitter.push(chunk)) log(line);
      done();
    },
    final(done) {
      for (const line of splitter.end()) log(line);
      void livetail.close().then(() => done());
    },
  });
}

/** Runs whose callbacks are kept at hand; joining one again does no harm. */
const MOST_RUNS = 1000;

/** A record and the run that it names, without that name in it; undefined for what names none. */
function readRecord(line: string): { runId: string; record: Record<string, unknown> } | undefined {
  if (!line.includes(`"${RUN_FIELD}"`)) return undefined;
  try {
    const { [RUN_FIELD]: runId, time, ...record } = JSON.parse(line) as Record<string, unknown>;
    // The line's time is when it was logged, not when it came here.
    return typeof runId === "string" ? { runId, record: { timestamp: timeOf(time), ...record } } : undefined;
  } catch {
    return undefined;
  }
}
