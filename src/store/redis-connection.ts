/**
 * One connection of our own to Redis: duplicated from what the user gave, never the user's. It fails fast, tells
 * an outage from a refusal, and does not keep a process alive while nothing waits for it.
 */
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { backOffMs } from "../back-off.js";
import { LivetailError } from "../errors.js";

/** What livetail asks of an ioredis client or Cluster (`^5.4 || ^6`). Structural, so that ioredis stays optional. */
export interface RedisClient {
  readonly status: string;
  readonly options: { keyPrefix?: string | undefined };
  readonly isCluster?: boolean;
  duplicate(...overrides: never[]): unknown;
}

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

interface Connection extends RedisClient {
  stream?: Socket;
  reconnectTimeout?: { unref?(): void };
  nodes?(role: string): Connection[];
  /** Of a Cluster: what keeps the one connection that subscribes, which is none of the nodes. */
  subscriber?: { getInstance?(): Connection | null };
  call(command: string, args: readonly (string | number)[]): Promise<unknown>;
  subscribe(channel: string): Promise<unknown>;
  unsubscribe(channel: string): Promise<unknown>;
  disconnect(): void;
  on(event: string, listener: (...args: never[]) => void): unknown;
  once(event: string, listener: () => void): unknown;
  off(event: string, listener: () => void): unknown;
}

/** An outage passes; a batch that met one is sent again. Anything else that Redis answers is a refusal. */
const OUTAGES = new Set(
  "LOADING READONLY OOM MISCONF MASTERDOWN CLUSTERDOWN TRYAGAIN BUSY NOREPLICAS UNBLOCKED".split(" "),
);

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

function connect(input: RedisInput, overrides: Record<string, unknown>): Connection {
  const common = { ...overrides, keyPrefix: "", lazyConnect: false, enableReadyCheck: true };
  if (isClient(input)) {
    const duplicate = input.duplicate.bind(input) as (...args: unknown[]) => Connection;
    if (input.isCluster !== true) return duplicate(common);
    const { enableOfflineQueue, retryStrategy, ...redisOptions } = common as Record<string, unknown>;
    const own = (input.options as { redisOptions?: object }).redisOptions;
    return duplicate([], {
      enableOfflineQueue,
      keyPrefix: "",
      lazyConnect: false,
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

/** Names an error of ioredis or Redis: `STORE_UNAVAILABLE` for an outage, else `STORE_REFUSED`. */
function toLivetailError(cause: unknown): LivetailError {
  if (cause instanceof LivetailError) return cause;
  const { name, message } = cause instanceof Error ? cause : { name: "", message: String(cause) };
  if (name === "ReplyError" && !meansOutage(message)) {
    return new LivetailError("STORE_REFUSED", `Redis refused: ${message}`, { cause });
  }
  const broke = name === "MaxRetriesPerRequestError";
  const why = broke ? "The connection broke before the answer." : message;
  return new LivetailError("STORE_UNAVAILABLE", `Redis cannot be reached: ${why}`, { cause });
}

/** A script and its SHA-1. */
export interface Script {
  text: string;
  sha1: string;
}

/** Makes a script of a text. */
export function script(text: string): Script {
  return { text, sha1: createHash("sha1").update(text).digest("hex") };
}

/** The connection for commands. */
export interface CommandConnection {
  /** Rejects with `STORE_UNAVAILABLE` within the time-out, `STORE_REFUSED`, or `CLOSED`. */
  call(command: string, args: readonly (string | number)[]): Promise<unknown>;
  /** EVALSHA, then EVAL where the server does not know the script or the user may not call EVALSHA. */
  run(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown>;
  close(): void;
}

/** Opens the connection for commands. A command that has no answer after `timeoutMs` has failed. */
export function openCommands(input: RedisInput, timeoutMs: number): CommandConnection {
  const client = connect(input, {
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    // What is in flight when the connection breaks has failed then; ioredis would keep it until it times out.
    maxRetriesPerRequest: 0,
    commandTimeout: timeoutMs,
    retryStrategy: backOffMs,
    reconnectOnError: (error: Error) => meansReplica(error.message),
  });
  let closed = false;
  let pending = 0;
  let answers = 0;
  let evalOnly = false;
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
  client.on("error", () => {});
  client.on("ready", hold);
  client.on("connect", hold);
  client.on("reconnecting", () => client.reconnectTimeout?.unref?.());

  const whenReady = (): Promise<void> => {
    ready ??= new Promise<void>((resolve, reject) => {
      const settle = (failure?: LivetailError): void => {
        clearTimeout(timer);
        client.off("ready", onReady);
        ready = null;
        giveUpWaiting = null;
        failure === undefined ? resolve() : reject(failure);
      };
      const onReady = (): void => settle();
      const timer = setTimeout(() => settle(new LivetailError("STORE_UNAVAILABLE")), timeoutMs);
      giveUpWaiting = () => settle(new LivetailError("CLOSED"));
      client.once("ready", onReady);
    });
    return ready;
  };

  const call = async (command: string, args: readonly (string | number)[]): Promise<unknown> => {
    if (closed) throw new LivetailError("CLOSED");
    pending += 1;
    if (pending === 1) hold();
    const before = answers;
    try {
      // A connection that is going down still calls itself ready.
      if (client.status !== "ready" || client.stream?.writable === false) await whenReady();
      const answer = await client.call(command, args);
      answers += 1;
      return answer;
    } catch (error) {
      const failure = toLivetailError(error);
      // Not a word in all that time: the connection may be half open, and TCP takes minutes to notice.
      if (!closed && /timed out/.test(failure.message) && answers === before && client.status === "ready") {
        // Not disconnect(): that waits for the other side to say goodbye.
        client.stream?.destroy?.();
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

/** The connection for hints. */
export interface HintConnection {
  /** Calls `listener` with each message, and with null whenever messages may have been missed. */
  subscribe(channel: string, listener: (message: string | null) => void): () => void;
  close(): void;
}

/**
 * Opens the connection for hints. Hints are only hints: while it is down, readers find what is new by their safety
 * poll. `onRefused` hears once when the user may not subscribe.
 */
export function openHints(input: RedisInput, onRefused: (error: LivetailError) => void): HintConnection {
  const client = connect(input, {
    enableOfflineQueue: true,
    autoResubscribe: true,
    maxRetriesPerRequest: null,
    commandTimeout: undefined,
    retryStrategy: backOffMs,
  });
  const listeners = new Map<string, Set<(message: string | null) => void>>();
  let refused = false;
  let closed = false;

  const known = new WeakSet<Connection>();
  const letGo = (): void => {
    const connections = client.nodes === undefined ? [client] : client.nodes("all");
    for (const { stream } of connections) stream?.unref?.();
    const subscriber = client.subscriber?.getInstance?.();
    if (!subscriber || known.has(subscriber)) return;
    // It connects when it first subscribes, and a Cluster puts another one in its place when it ends.
    known.add(subscriber);
    subscriber.stream?.unref?.();
    subscriber.on("connect", () => subscriber.stream?.unref?.());
    subscriber.on("end", letGo);
  };
  client.on("error", () => {});
  client.on("connect", letGo);
  client.on("reconnecting", () => client.reconnectTimeout?.unref?.());
  client.on("ready", () => {
    letGo();
    for (const channel of listeners.keys()) missed(channel);
  });
  client.on("message", (channel: string, message: string) => {
    for (const listener of listeners.get(channel) ?? []) listener(message);
  });

  /** Before the subscription stood, something may have come. */
  const missed = (channel: string): void => {
    for (const listener of listeners.get(channel) ?? []) listener(null);
  };
  const tell = (error: unknown): void => {
    const failure = toLivetailError(error);
    if (closed || refused || failure.code !== "STORE_REFUSED") return;
    refused = true;
    onRefused(failure);
  };

  return {
    subscribe(channel, listener) {
      let set = listeners.get(channel);
      if (set === undefined) {
        set = new Set();
        listeners.set(channel, set);
        client.subscribe(channel).then(() => missed(channel), tell);
      }
      set.add(listener);
      return () => {
        if (!set.delete(listener) || set.size > 0 || listeners.get(channel) !== set) return;
        listeners.delete(channel);
        if (!closed) client.unsubscribe(channel).catch(tell);
      };
    },
    close() {
      closed = true;
      listeners.clear();
      client.disconnect();
    },
  };
}
