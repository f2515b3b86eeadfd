/** What winston logs → lines of the run that it was logged in. */
import { types } from "node:util";
import Transport from "winston-transport";
import { type CurrentRun, currentRun, type OutputSink } from "../context.js";

/** What a `LivetailTransport` takes. */
export interface WinstonTransportOptions extends Omit<Transport.TransportStreamOptions, "log" | "logv" | "close"> {
  /** Where lines go. Default: the run that is current at each call; what is logged outside of one goes nowhere. */
  run?: OutputSink;
}

/** Where winston keeps the level as it was before a format coloured it. */
const LEVEL = Symbol.for("level");
/** Where a record keeps the run that it was logged in; formats leave it alone. */
const RUN = Symbol("livetail.run");
/** The mark of a logger whose records remember their run. */
const REMEMBERS = Symbol("livetail.remembers");

/** A record of winston. */
type Info = Record<string | symbol, unknown> & { [RUN]?: CurrentRun };

/** What this file needs of a logger. */
interface WinstonLogger {
  write(info: Info, ...rest: unknown[]): boolean;
  [REMEMBERS]?: true;
}

/**
 * A transport of winston 3: `logger.add(new LivetailTransport())`. A record's fields become the line's, as the formats
 * of the logger and the transport left them. It never throws and never makes the logger wait.
 */
export class LivetailTransport extends Transport {
  readonly #run: OutputSink | undefined;

  constructor({ run, ...options }: WinstonTransportOptions = {}) {
    super(options);
    this.#run = run;
    this.on("pipe", rememberRuns);
  }

  /** Called by winston with each record that the level lets through. */
  override log(info: Info, next: () => void): void {
    const run = this.#run ?? info[RUN] ?? currentRun();
    const level = info[LEVEL] ?? info.level;
    // A logged Error is itself the record, with a message that a copy of its fields does not have.
    run?.log(types.isNativeError(info) ? { ...info, message: info.message, error: info, level } : { ...info, level });
    next();
  }
}

/**
 * A slow transport beside this one makes the logger hold records back and hand them on when no run, or another one, is
 * current: they are marked when they are logged.
 */
function rememberRuns(logger: unknown): void {
  const { [REMEMBERS]: known, write } = logger as WinstonLogger;
  if (known) return;
  Object.assign(logger as WinstonLogger, {
    [REMEMBERS]: true,
    write(this: WinstonLogger, info: Info, ...rest: unknown[]): boolean {
      const run = currentRun();
      if (run !== undefined && typeof info === "object" && info !== null) info[RUN] = run;
      return write.call(this, info, ...rest);
    },
  });
}
