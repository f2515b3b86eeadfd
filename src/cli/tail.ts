/** `livetail tail`: a run in this terminal, history and live. */
import { once } from "node:events";
import { parseArgs } from "node:util";
import { isLivetailError, LivetailError } from "../errors.js";
import { isRunId, type LayerMap } from "../protocol.js";
import { wholeNumber } from "./arguments.js";
import { harmlessJson } from "./harmless.js";
import { aborted, type CliIo, processIo, write } from "./io.js";
import type { TailBegin, TailEvent } from "./tail-event.js";
import { followRedis } from "./tail-redis.js";
import { followUrl } from "./tail-url.js";
import {
  changedLayers,
  renderEntry,
  renderGap,
  renderLayer,
  renderReset,
  renderSummary,
  wantsColor,
} from "./terminal.js";

/** What `livetail tail --help` prints. */
export const TAIL_HELP = `Usage: livetail tail RUN_ID [options]
       livetail tail URL [options]

Prints the lines of a run, first those that are kept, then live, to its end; its
layers, gaps and cost go to stderr.

  --url BASE        where livetail is served, like http://127.0.0.1:4000/livetail;
                    the URL of a run's page stands for BASE and RUN_ID
                    (default: LIVETAIL_URL)
  --redis URL       read from Redis (default: REDIS_URL, if there is no LIVETAIL_URL)
  --since N         begin with the line of index N
  -n, --lines K     begin with the newest K lines
  --json            one line of JSON for each entry
  -h, --help

Exits with 0 when the run completed, 1 when it failed or was cancelled, 2 when it
is unknown or cannot be reached.
`;

/** How `livetail tail` was called. */
export interface TailCall {
  runId: string;
  source: { kind: "url" | "redis"; url: string };
  begin: TailBegin;
  json: boolean;
}

/** Reads the arguments after `tail`; throws `INVALID_OPTION` or what `parseArgs` throws. null: help is wanted. */
export function readTailCall(argv: readonly string[], env: NodeJS.ProcessEnv): TailCall | null {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      url: { type: "string" },
      redis: { type: "string" },
      since: { type: "string" },
      lines: { type: "string", short: "n" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return null;
  if (positionals.length > 1)
    throw new LivetailError("INVALID_OPTION", `One run at a time, not ${positionals.length}.`);
  if (values.url !== undefined && values.redis !== undefined) {
    throw new LivetailError("INVALID_OPTION", "Only one of --url and --redis can be given.");
  }
  if (values.since !== undefined && values.lines !== undefined) {
    throw new LivetailError("INVALID_OPTION", "Only one of --since and -n can be given.");
  }
  const begin: TailBegin =
    values.lines !== undefined
      ? { kind: "tail", count: wholeNumber("-n", values.lines, 1, 1_000_000) }
      : { kind: "since", index: wholeNumber("--since", values.since ?? "0", 0, Number.MAX_SAFE_INTEGER) };
  return { ...placeOf(positionals[0], values, env), begin, json: values.json };
}

function placeOf(
  wanted: string | undefined,
  { url, redis }: { url?: string; redis?: string },
  env: NodeJS.ProcessEnv,
): Pick<TailCall, "runId" | "source"> {
  if (wanted !== undefined && isUrl(wanted)) return urlPlace(wanted, undefined);
  if (redis !== undefined) return redisPlace(redis, wanted);
  if (url !== undefined) return urlPlace(url, wanted);
  if (env.LIVETAIL_URL) return urlPlace(env.LIVETAIL_URL, wanted);
  if (env.REDIS_URL) return redisPlace(env.REDIS_URL, wanted);
  throw new LivetailError(
    "INVALID_OPTION",
    "Where is the run? Say --url or --redis, or set LIVETAIL_URL or REDIS_URL.",
  );
}

function redisPlace(url: string, runId: string | undefined): Pick<TailCall, "runId" | "source"> {
  return { runId: checkedId(runId), source: { kind: "redis", url } };
}

/** What may follow a run's id in a URL. */
const BELOW_RUN = new Set(["view", "stream", "status", "progress", "result", "download"]);

/** A base and an id, or the URL of a run, whose base is what stands before the id. */
function urlPlace(text: string, runId: string | undefined): Pick<TailCall, "runId" | "source"> {
  if (!isUrl(text)) throw new LivetailError("INVALID_OPTION", `This is not a URL: ${text}`);
  const url = new URL(text);
  const parts = url.pathname.split("/").filter((part) => part !== "");
  const below = BELOW_RUN.has(parts.at(-1) ?? "") ? parts.slice(0, -1) : parts;
  const named = decoded(below.at(-1) ?? "");
  const id = checkedId(runId ?? named);
  const base = named === id ? below.slice(0, -1) : parts;
  return { runId: id, source: { kind: "url", url: [url.origin, ...base].join("/") } };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    // No id then, which is what is said of it.
    return part;
  }
}

function isUrl(text: string): boolean {
  return /^https?:\/\//i.test(text) && URL.canParse(text);
}

function checkedId(runId: string | undefined): string {
  if (runId === undefined) throw new LivetailError("INVALID_OPTION", "Which run? Its id is missing.");
  if (!isRunId(runId)) throw new LivetailError("INVALID_OPTION", `This is not a run id: ${runId}`);
  return runId;
}

const FAILED = 1;
const UNREACHABLE = 2;
const INTERRUPTED: Record<"SIGINT" | "SIGTERM", number> = { SIGINT: 130, SIGTERM: 143 };
/** The reader of our output has gone, as if by SIGPIPE. */
const NOBODY_READS = 141;

/** Prints a run to its end; resolves to the exit code. */
export async function tail(call: TailCall, io: CliIo = processIo): Promise<number> {
  const leaving = new AbortController();
  let left = 0;
  const leave = (code: number) => (): void => {
    left ||= code;
    leaving.abort();
  };
  io.signals.once("SIGINT", leave(INTERRUPTED.SIGINT));
  io.signals.once("SIGTERM", leave(INTERRUPTED.SIGTERM));
  io.stdout.on("error", leave(NOBODY_READS));
  const follow = call.source.kind === "url" ? followUrl : followRedis;
  const events = follow({ ...call, url: call.source.url, signal: leaving.signal, clock: io.clock, fetch: io.fetch });
  try {
    const code = await show(events, call, io, leaving.signal);
    return left || code;
  } catch (error) {
    if (left > 0) return left;
    if (!(error instanceof Error) || error.name !== "LivetailError" || isLivetailError(error, "INVALID_OPTION"))
      throw error;
    io.stderr.write(`livetail: ${harmlessJson(error.message)} (${call.runId})\n`);
    return UNREACHABLE;
  }
}

async function show(
  events: AsyncIterable<TailEvent>,
  { runId, json }: TailCall,
  { stdout, stderr, env }: CliIo,
  signal: AbortSignal,
): Promise<number> {
  const color = wantsColor(stdout, env);
  const rowColor = wantsColor(stderr, env);
  // A line may have left a colour on.
  const row = (text: string): void => void stderr.write(`${rowColor ? "\u001b[0m" : ""}${text}\n`);
  let layers: LayerMap = {};

  for await (const event of events) {
    switch (event.type) {
      case "log": {
        const text = json ? harmlessJson(JSON.stringify(event.entry)) : renderEntry(event.entry, color);
        if (!stdout.write(`${text}\n`)) await once(stdout, "drain", { signal });
        break;
      }
      case "layers":
        for (const [name, layer] of changedLayers(layers, event.layers)) row(renderLayer(name, layer, rowColor));
        layers = event.layers;
        break;
      case "gap":
        row(renderGap(event.gap, rowColor));
        break;
      case "reset":
        row(renderReset(event.reset, rowColor));
        break;
      case "news":
        row(`livetail: ${harmlessJson(event.text)}`);
        break;
      case "end":
        row(renderSummary(runId, event.state, rowColor));
        // What a pipe has not taken yet would be lost with the process.
        await Promise.race([Promise.all([write(stdout, ""), write(stderr, "")]), aborted(signal)]);
        return event.state.status === "completed" ? 0 : FAILED;
    }
  }
  return UNREACHABLE;
}
