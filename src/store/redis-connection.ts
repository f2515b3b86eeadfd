/**
 * One connection of our own to Redis: duplicated from what the user gave, never the user's. It fails fast, tells
 * an outage from a refusal, and does not keep a process alive while nothing waits for it.
 */
import { createRequire } from "node:module";
import { backOffMs } from "../back-off.js";
import { Deadlines } from "../deadlines.js";
import { LivetailError } from "../errors.js";
import type { Script } from "./scripts/script.js";

/** What livetail asks of an ioredis client or Cluster (`^5.4 || ^6`). Structural, so that ioredis stays optional. */
export interface RedisClient {
  /** Whether it is connected, in ioredis' words. */
  readonly status: string;
  /** What it was made with. */
  readonly options: { keyPrefix?: string | undefined };
  /** True of a Cluster. */
  readonly isCluster?: boolean;
  /** Makes another one with the same options. */
  duplicate(...overrides: never[]): unknown;
}

/** What a command takes. */
export type Argument = string | number | Buffer;

/** A client or Cluster (duplicated, never changed, never closed), a URL, or ioredis options. */
export type RedisInput = RedisClient | string | Readonly<Record<string, unknown>>;

interface Socket {
  readonly connecting?: boolean;
  readonly destroyed?: boolean;
  readonly writable?: boolean;
  ref?(): void;
  unref?(): void;
  destroy?(): void;
}

/** A connection of our own: what we use of ioredis. */
export interface Connection extends RedisClient {
  stream?: Socket;
  reconnectTimeout?: { unref?(): void };
  nodes?(role: string): Connection[];
  /** Of a Cluster: what keeps the one connection that subscribes, which is none of the nodes. */
  subscriber?: { getInstance?(): Connection | null };
  call(command: string, args: readonly Argument[]): Promise<unknown>;
  subscribe(channel: string): Promise<unknown>;
  unsubscribe(channel: string): Promise<unknown>;
  ping(): Promise<unknown>;
  connect(): Promise<unknown>;
  disconnect(): void;
  on(event: string, listener: (...args: never[]) => void): unknown;
  once(event: string, listener: () => void): unknown;
  off(event: string, listener: () => void): unknown;
}

/**
 * An outage passes; a batch that met one is sent again. Anything else that Redis answers is a refusal. A password that
 * is not the right one yet, or not any more, passes too.
 */
const OUTAGES = new Set([
  ..."LOADING READONLY OOM MISCONF MASTERDOWN CLUSTERDOWN TRYAGAIN BUSY NOREPLICAS UNBLOCKED".split(" "),
  ...["NOAUTH", "WRONGPASS"],
]);

/**
 * The code of an error that Redis answered: its first word. Redis 6.2 puts what a command in a script met behind the
 * script's own error: `ERR Error running script (call to f_…): @user_script:9: -OOM …`.
 */
const CODE = /^(?:ERR Error running script \(call to f_\w+\): @?user_script: ?\d+: )?-?([A-Z]+)\b/;

function errorCode(message: string): string {
  return CODE.exec(message)?.[1] ?? "";
}

/** Whether what Redis answered is an outage, in a script or outside. */
export function meansOutage(message: string): boolean {
  return OUTAGES.has(errorCode(message));
}

/** Whether it is the answer of a replica: after a failover we are at the wrong server. */
export function meansReplica(message: string): boolean {
  return errorCode(message) === "READONLY";
}

function isClient(input: RedisInput): input is RedisClient {
  return typeof input === "object" && typeof (input as RedisClient).duplicate === "function";
}

/** Whether `input` is a Cluster client. */
export function isCluster(input: RedisInput): boolean {
  return isClient(input) && input.isCluster === true;
}

/** The key prefix that the user's own client writes under, "" for none. */
export function keyPrefixOf(input: RedisInput): string {
  if (typeof input === "string") return "";
  const prefix = isClient(input) ? input.options.keyPrefix : input.keyPrefix;
  return typeof prefix === "string" ? prefix : "";
}

/** What a user's client may have set otherwise. Ours writes, so it needs the master; and it knows answers of one shape. */
const OURS = {
  ...{ keyPrefix: "", lazyConnect: false, enableReadyCheck: true },
  ...{ role: "master", replyMapping: "legacy", stringNumbers: false },
  // On a Cluster that fails over it throws where nobody can catch it (ioredis 5.11.1).
  enableAutoPipelining: false,
  // A sentinel that says nothing is passed over.
  sentinelCommandTimeout: 2000,
  // When none knows the master, ioredis would ask again and again; `keepTrying` does, and lets the process go.
  sentinelRetryStrategy: null,
};

/** Opens a connection of our own, duplicated from `input`. */
export function connect(input: RedisInput, overrides: Record<string, unknown>): Connection {
  const common = { ...overrides, ...OURS };
  if (isClient(input)) {
    const duplicate = input.duplicate.bind(input) as (...args: unknown[]) => Connection;
    if (input.isCluster !== true) return duplicate(common);
    const { enableOfflineQueue, retryStrategy, ...redisOptions } = common as Record<string, unknown>;
    const own = (input.options as { redisOptions?: object }).redisOptions;
    return duplicate([], {
      ...{ enableOfflineQueue, keyPrefix: "", lazyConnect: false, enableAutoPipelining: false },
      clusterRetryStrategy: retryStrategy,
      redisOptions: { ...own, ...redisOptions },
    });
  }
  let Redis: new (...args: unknown[]) => Connection;
  try {
    Redis = (createRequire(import.meta.url)("ioredis") as { Redis: typeof Redis }).Redis;
  } catch (cause) {
    throw new LivetailError("INVALID_OPTION", "A Redis URL needs the package ioredis to be installed.", { cause });
  }
  return typeof input === "string" ? new Redis(input, common) : new Redis({ ...input, ...common });
}

/** How long no sentinel is asked when none knew the master. ioredis keeps the process alive for 2 s each time. */
const SENTINELS_AGAIN_MS = 5000;

/** Connects again when ioredis has given up, as it does when no sentinel knows the master. */
export function keepTrying(client: Connection, closed: () => boolean): void {
  const again = (): void => void (closed() || client.connect().catch(() => {}));
  client.on("end", () => {
    if (!closed()) setTimeout(again, SENTINELS_AGAIN_MS).unref();
  });
}

const TIMED_OUT = "The command timed out.";
const timedOut = (): Error => new Error(TIMED_OUT);

/**
 * Cuts a connection that says nothing for `timeoutMs`, or does not get past its greeting: it may be half open, or its
 * other side stopped, and TCP takes minutes to notice. Resolves when it has answered, or is cut.
 */
export async function cutIfSilent(connection: Connection, timeoutMs: number): Promise<void> {
  const { stream, status } = connection;
  const deadlines = new Deadlines(timeoutMs);
  let silent = false;
  if (status === "ready") {
    // Whatever it answers, it answers.
    await deadlines.within(connection.ping(), timedOut).catch((error: Error) => {
      silent = error.message === TIMED_OUT;
    });
  } else if (status === "connect") {
    await new Promise<void>((resolve) => void deadlines.add(resolve));
    silent = connection.status === "connect";
  }
  // Not disconnect(): that waits for the other side to say goodbye.
  if (silent && connection.stream === stream) stream?.destroy?.();
}

/** Why a connection cannot be made, in a word and without an address: viewers are told, too. "" when nobody knows. */
function reasonOf(error: Error & { code?: unknown; lastNodeError?: Error }): string {
  const cause = error.lastNodeError ?? error;
  if (cause.message.startsWith("All sentinels are unreachable")) return "No sentinel knows the master.";
  const code = "code" in cause ? cause.code : errorCode(cause.message.replace("Ready check failed: ", ""));
  return typeof code === "string" && code !== "" ? `${code}.` : "";
}

/** Names an error of ioredis or Redis: `STORE_UNAVAILABLE` for an outage, else `STORE_REFUSED`. */
export function toLivetailError(cause: unknown): LivetailError {
  if (cause instanceof LivetailError) return cause;
  const { name, message } = cause instanceof Error ? cause : { name: "", message: String(cause) };
  if (name === "ReplyError" && !meansOutage(message)) {
    return new LivetailError("STORE_REFUSED", `Redis refused: ${message}`, { cause });
  }
  const broke = name === "MaxRetriesPerRequestError";
  // Viewers are told, too: no addresses.
  const why = broke ? "The connection broke before the answer." : message.replace(/ Last error: .*/s, "");
  return new LivetailError("STORE_UNAVAILABLE", `Redis cannot be reached: ${why}`, { cause });
}

/** The connection for commands. */
export interface CommandConnection {
  /** Rejects with `STORE_UNAVAILABLE` within the time-out, `STORE_REFUSED`, or `CLOSED`. */
  call(command: string, args: readonly Argument[]): Promise<unknown>;
  /** EVALSHA, then EVAL where the server does not know the script or the user may not call EVALSHA. */
  run(script: Script, keys: readonly string[], args: readonly Argument[]): Promise<unknown>;
  close(): void;
}

/**
 * Opens the connection for commands. A command that has no answer after `timeoutMs` has failed. `onDoubt` hears when
 * that was so, and when there is another connection: other connections to the same place may be dead as well.
 */
export function openCommands(input: RedisInput, timeoutMs: number, onDoubt = (): void => {}): CommandConnection {
  const client = connect(input, {
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    // What is in flight when the connection breaks has failed then; ioredis would keep it until it times out.
    maxRetriesPerRequest: 0,
    // Ours has one timer for all commands, and does not call an answer late that only was not read yet.
    commandTimeout: undefined,
    retryStrategy: backOffMs,
    reconnectOnError: (error: Error) => meansReplica(error.message),
  });
  const deadlines = new Deadlines(timeoutMs);
  let closed = false;
  let pending = 0;
  let answers = 0;
  let evalOnly = false;
  let reason = "";
  let looking = false;
  let ready: Promise<void> | null = null;
  let giveUpWaiting: (() => void) | null = null;

  const sockets = (): (Socket | undefined)[] =>
    client.nodes === undefined ? [client.stream] : client.nodes("all").map((node) => node.stream);
  const hold = (): void => {
    for (const socket of sockets()) {
      // One that is not connected would take note of it, again each time, and is asked again when it is.
      if (socket === undefined || socket.connecting === true || socket.destroyed === true) continue;
      if (pending > 0) socket.ref?.();
      else socket.unref?.();
    }
  };
  // An emitter without a listener for errors throws them; what matters of them reaches the caller of a command.
  client.on("error", (error: Error) => {
    reason = reasonOf(error) || reason;
  });
  client.on("ready", () => {
    reason = "";
    hold();
    onDoubt();
  });
  keepTrying(client, () => closed);
  client.on("connect", hold);
  client.on("reconnecting", () => client.reconnectTimeout?.unref?.());

  /** Something was not answered: cuts what is dead, so that ioredis looks for what lives. */
  const doubt = async (): Promise<void> => {
    onDoubt();
    if (looking || closed) return;
    looking = true;
    await Promise.all((client.nodes?.("all") ?? [client]).map((node) => cutIfSilent(node, timeoutMs)));
    looking = false;
  };

  const whenReady = (): Promise<void> => {
    ready ??= new Promise<void>((resolve, reject) => {
      const settle = (failure?: LivetailError): void => {
        cancel();
        client.off("ready", onReady);
        ready = null;
        giveUpWaiting = null;
        failure === undefined ? resolve() : reject(failure);
      };
      const onReady = (): void => settle();
      const cancel = deadlines.add(() => {
        settle(new LivetailError("STORE_UNAVAILABLE", `Redis cannot be reached${reason === "" ? "." : `: ${reason}`}`));
        void doubt();
      });
      giveUpWaiting = () => settle(new LivetailError("CLOSED"));
      client.once("ready", onReady);
    });
    return ready;
  };

  const call = async (command: string, args: readonly Argument[]): Promise<unknown> => {
    if (closed) throw new LivetailError("CLOSED");
    pending += 1;
    if (pending === 1) hold();
    const before = answers;
    try {
      // A connection that is going down still calls itself ready.
      if (client.status !== "ready" || client.stream?.writable === false) await whenReady();
      const answer = await deadlines.within(client.call(command, args), timedOut);
      answers += 1;
      return answer;
    } catch (error) {
      const failure = toLivetailError(error);
      if (!closed && failure.message.includes(TIMED_OUT)) {
        // Not a word in all that time. Which node of a Cluster was meant, and which has answered, nobody knows.
        if (answers === before && client.status === "ready") client.stream?.destroy?.();
        void doubt();
      }
      if (failure.code === "STORE_REFUSED") answers += 1;
      throw closed ? new LivetailError("CLOSED") : failure;
    } finally {
      pending -= 1;
      if (pending === 0 && !closed) hold();
    }
  };

  return {
    call,
    async run({ text, sha1 }, keys, args) {
      if (!evalOnly) {
        try {
          return await call("EVALSHA", [sha1, keys.length, ...keys, ...args]);
        } catch (error) {
          const why = error instanceof LivetailError ? error.message : "";
          if (!/NOSCRIPT|NOPERM.*evalsha/i.test(why)) throw error;
          evalOnly = why.includes("NOPERM");
        }
      }
      return call("EVAL", [text, keys.length, ...keys, ...args]);
    },
    close() {
      closed = true;
      giveUpWaiting?.();
      client.disconnect();
    },
  };
}
