/** What the HTTP suite stands on: real servers of one framework, each with a livetail of its own. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { afterEach } from "vitest";
import { LivetailError } from "../../src/errors.js";
import { createLivetail, type Livetail } from "../../src/livetail.js";
import type { LivetailOptions } from "../../src/livetail-options.js";
import type { PollAnswer } from "../../src/protocol.js";
import { memoryStore } from "../../src/store/memory.js";
import type { LogStore } from "../../src/store.js";
import { type Answer, type AskOptions, ask, type EventStream, openStream } from "./http-client.js";

/** A connect-style middleware that stands in front of livetail. */
export type Front = (req: IncomingMessage, res: ServerResponse, next: () => void) => void;

export interface ServeOptions {
  /** Without a trailing slash, "" for the root. */
  mount: string;
  front?: Front;
}

/** Starts a server of the framework under test that listens on a free port of 127.0.0.1. */
export type Serve = (
  livetail: Livetail,
  options: ServeOptions,
) => Promise<{
  /** The base of the routes, mount included, without a trailing slash. */
  url: string;
  /** Closes the server as its user would: in order, waiting for its connections. */
  close(): Promise<void>;
}>;

/** What a framework decides for everything that it serves. */
export interface FrameworkFacts {
  /** It answers through WHATWG objects: its bridge tidies up paths, and writes to the connection in its own way. */
  speaksFetch?: boolean;
  /** It sends every answer in chunks, without its length. */
  hidesLengths?: boolean;
  /** It names types in lists, which no compressing middleware reads. */
  evadesCompression?: boolean;
  /** It answers 500 to a request whose body somebody in front has read. */
  needsBodies?: boolean;
  /** It waits for a viewer that takes nothing until that leaves, whatever becomes of the body. */
  waitsForViewers?: boolean;
}

export interface OpenOptions extends LivetailOptions, Partial<ServeOptions> {}

export interface Opened {
  readonly livetail: Livetail;
  readonly url: string;
  /** What `onError` heard. */
  readonly errors: LivetailError[];
  /** While true, the store answers nobody. */
  away: boolean;
  close(): Promise<void>;
  ask(path: string, options?: AskOptions): Promise<Answer>;
  /** Polls a run; `query` begins with `?`. */
  poll(runId: string, query?: string, options?: AskOptions): Promise<PollAnswer>;
  stream(path: string, options?: AskOptions): Promise<EventStream>;
}

export interface Scene {
  /** Starts a server with a livetail on a memory store; both are closed after the test. */
  open(options?: OpenOptions): Promise<Opened>;
  /** Whether `raw` is what a request is in the framework. */
  isOwnRequest(raw: unknown): boolean;
}

/** Sets the scene for the tests of the enclosing `describe`. */
export function setScene(serve: Serve, isOwnRequest: Scene["isOwnRequest"]): Scene {
  const cleanups: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0)) await cleanup();
  });
  return {
    isOwnRequest,
    async open({ mount = "/operations", front, ...options } = {}) {
      const errors: LivetailError[] = [];
      const inner = options.store ?? memoryStore(options);
      const livetail = createLivetail({
        ...options,
        store: leavable(inner, () => opened.away),
        onError: (error) => errors.push(error),
      });
      const served = await serve(livetail, { mount, ...(front && { front }) });
      let closed: Promise<void> | null = null;
      const opened: Opened = {
        livetail,
        url: served.url,
        errors,
        away: false,
        close() {
          closed ??= served.close();
          return closed;
        },
        ask: (path, options) => ask(served.url, path, options),
        async poll(runId, query = "", options = {}) {
          const answer = await ask(served.url, `/${runId}${query}`, options);
          if (answer.status !== 200) throw new Error(`${answer.status}: ${answer.text}`);
          return answer.json<PollAnswer>();
        },
        stream: (path, options) => openStream(served.url, path, options),
      };
      cleanups.push(async () => {
        opened.away = false;
        await opened.close();
        await livetail.close();
        await inner.close();
      });
      return opened;
    },
  };
}

/** A run's id of livetail's own form, before there is such a run. */
export function unbornId(): string {
  return `op_test_${Array.from({ length: 24 }, () => Math.floor(Math.random() * 16).toString(16)).join("")}`;
}

/** The whole numbers from `from` up to `to`, without `to`. */
export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

/** A store that answers nobody while `isAway`. */
function leavable(inner: LogStore, isAway: () => boolean): LogStore {
  const unreachable = () => Promise.reject(new LivetailError("STORE_UNAVAILABLE"));
  return new Proxy(inner, {
    get(store, name: keyof LogStore) {
      if (!isAway() || name === "kind" || name === "watch" || name === "watchOwner") return store[name];
      return name === "ping" ? () => Promise.resolve(false) : unreachable;
    },
  });
}
