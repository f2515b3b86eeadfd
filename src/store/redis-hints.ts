/**
 * The connection for hints: subscriptions that outlive the server that they were made on. Hints are only hints: while
 * it is down, readers find what is new by their safety poll.
 */
import { backOffMs } from "../back-off.js";
import type { LivetailError } from "../errors.js";
import {
  type Connection,
  connect,
  cutIfSilent,
  keepTrying,
  type RedisInput,
  toLivetailError,
} from "./redis-connection.js";

/** How often the connection is looked at though nothing gave a reason. */
const LOOK_MS = 15_000;

/** The connection for hints. */
export interface HintConnection {
  /** Calls `listener` with each message, and with null whenever messages may have been missed. */
  subscribe(channel: string, listener: (message: string | null) => void): () => void;
  /** Looks whether the connection lives, and mends it: nothing else would tell, since nothing is sent on it. */
  look(): void;
  close(): void;
}

/**
 * Opens the connection for hints. `onRefused` hears once when the user may not subscribe. A connection that is looked
 * at and says nothing for `timeoutMs` is cut.
 */
export function openHints(
  input: RedisInput,
  timeoutMs: number,
  onRefused: (error: LivetailError) => void,
): HintConnection {
  const client = connect(input, {
    enableOfflineQueue: true,
    // Nobody would catch its failure.
    autoResubscribe: false,
    maxRetriesPerRequest: null,
    commandTimeout: undefined,
    retryStrategy: backOffMs,
  });
  const listeners = new Map<string, Set<(message: string | null) => void>>();
  let refused = false;
  let closed = false;
  let looking = false;
  let failures = 0;

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
    for (const channel of listeners.keys()) void ask(channel);
  });
  client.on("message", (channel: string, message: string) => {
    for (const listener of listeners.get(channel) ?? []) listener(message);
  });

  keepTrying(client, () => closed);

  const tell = (failure: LivetailError): void => {
    if (closed || refused) return;
    refused = true;
    onRefused(failure);
  };
  const ask = async (channel: string): Promise<void> => {
    try {
      await client.subscribe(channel);
      failures = 0;
      // Before the subscription stood, something may have come.
      for (const listener of listeners.get(channel) ?? []) listener(null);
    } catch (error) {
      const failure = toLivetailError(error);
      if (failure.code === "STORE_REFUSED") return tell(failure);
      failures += 1;
      setTimeout(() => wanted(channel) && ask(channel), backOffMs(failures)).unref();
    }
  };
  /** Whether to ask for it now; else it is asked for when the connection is ready. */
  const wanted = (channel: string): boolean => !closed && listeners.has(channel) && client.status === "ready";

  const look = (): void => {
    if (looking || closed) return;
    looking = true;
    const connection = client.subscriber === undefined ? client : client.subscriber.getInstance?.();
    const done = (): void => {
      looking = false;
    };
    if (connection) void cutIfSilent(connection, timeoutMs).finally(done);
    else done();
  };
  const timer = setInterval(look, LOOK_MS);
  timer.unref();

  return {
    subscribe(channel, listener) {
      let set = listeners.get(channel);
      if (set === undefined) {
        set = new Set();
        listeners.set(channel, set);
        if (wanted(channel)) void ask(channel);
      }
      set.add(listener);
      return () => {
        if (!set.delete(listener) || set.size > 0 || listeners.get(channel) !== set) return;
        listeners.delete(channel);
        // What is not ready subscribes anew.
        if (!closed && client.status === "ready") client.unsubscribe(channel).catch(() => {});
      };
    },
    look,
    close() {
      closed = true;
      clearInterval(timer);
      listeners.clear();
      client.disconnect();
    },
  };
}
