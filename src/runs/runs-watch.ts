/** What the list knows of its runs, and how it asks for them: one request at a time, at a pace of its own. */
import { type ClientError, type ClientOptions, request } from "../client/request.js";
import type { ListAnswer, RunSummary } from "../protocol.js";

/** How the list asks: as any client does. */
export type RunsOptions = Omit<ClientOptions, "endpointBase">;

/** The runs as far as they are known. */
export interface RunsView {
  /** Newest first, open ones that are older at the end; undefined before the first answer. */
  runs?: readonly RunSummary[];
  /** Whether there are more than were asked for. */
  full: boolean;
  /** Why there is no newer answer; null while there is. A fatal one is not tried again. */
  error: ClientError | null;
  /** When this was the list, in milliseconds since 1970. */
  answeredAt: number;
  /** How far the server's clock is ahead of this one, in milliseconds. */
  skewMs: number;
}

/** Runs, watched. */
export interface RunsWatch {
  readonly view: RunsView;
  /** Begins, or goes on; does nothing while it runs. */
  start(): void;
  /** Ends requests and timers. */
  stop(): void;
  /** Asks at once, also after it gave up. */
  ask(): void;
}

/** Between two answers: this after one with news, more and more after those without, in milliseconds. */
const FASTEST_MS = 2000;
const SLOWEST_MS = 10_000;
/** After failures it is up to this. */
const RETRY_MS = 30_000;
const TIMEOUT_MS = 15_000;

/** One list on the server, and the answer that this viewer has. */
interface Source {
  url: string;
  tag: string;
  text: string;
  runs: readonly RunSummary[];
}

/**
 * Makes the watch of the runs that `query` asks for (as `GET /` takes it); nothing is asked for before `start()`.
 * `onChange` is called when the view has changed. It waits while the page is hidden.
 */
export function watchRuns(client: RunsOptions & ClientOptions, query: string, onChange: () => void): RunsWatch {
  const { fetch: send = globalThis.fetch } = client;
  const params = new URLSearchParams(query);
  if (!params.has("limit")) params.set("limit", "50");
  const limit = Number(params.get("limit"));
  const source = (): Source => ({ url: `${client.endpointBase}/?${params}`, tag: "", text: "", runs: [] });
  const recent = source();
  // A run may be open for longer than the newest so many reach back.
  const all = !["status", "subject_id", "parent_id"].some((name) => params.has(name));
  params.set("status", "open");
  const older = source();

  const view: RunsView = { full: false, error: null, answeredAt: 0, skewMs: 0 };
  let session: AbortController | undefined;
  let asking = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let paceMs = FASTEST_MS;

  /** Reads a list; resolves to whether it is another one than before. */
  const read = async (from: Source, signal: AbortSignal): Promise<boolean> => {
    const ask: ClientOptions = {
      ...client,
      async fetch(url, init) {
        const headers = new Headers(init.headers);
        if (from.tag) headers.set("If-None-Match", from.tag);
        const response = await send(url, { ...init, headers });
        const skewMs = Date.parse(response.headers.get("date") ?? "") - Date.now();
        // The header has whole seconds, and an answer takes a while.
        view.skewMs = Math.abs(skewMs) > 3000 ? skewMs : 0;
        return response;
      },
    };
    try {
      return await request(from.url, ask, { signal }, async (response) => {
        const text = await response.text();
        if (text === from.text) return false;
        const { runs }: ListAnswer = JSON.parse(text);
        Object.assign(from, { text, runs, tag: response.headers.get("etag") ?? "" });
        return true;
      });
    } catch (error) {
      if ((error as ClientError).status === 304) return false;
      throw error;
    }
  };

  const look = async (signal: AbortSignal): Promise<boolean> => {
    let news = await read(recent, signal);
    view.full = recent.runs.length >= limit;
    if (all && view.full) news = (await read(older, signal)) || news;
    else older.runs = [];
    return news;
  };

  const turn = async () => {
    if (!session || asking) return;
    asking = true;
    clearTimeout(timer);
    const { signal } = session;
    try {
      const news = await look(AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]));
      if (signal.aborted) return;
      view.answeredAt = Date.now();
      paceMs = news || view.error ? FASTEST_MS : Math.min(SLOWEST_MS, paceMs * 1.5);
      if (news || view.error) {
        const known = new Set(recent.runs.map(({ run_id }) => run_id));
        view.runs = [...recent.runs, ...older.runs.filter(({ run_id }) => !known.has(run_id))];
        view.error = null;
        onChange();
      }
    } catch (cause) {
      if (signal.aborted) return;
      const error = cause as ClientError;
      error.fatal = /^4(?!08|25|29)/.test(`${error.status}`); // not 408, 425, 429
      paceMs = Math.max(error.retryAfterMs, Math.min(RETRY_MS, paceMs * 2));
      view.error = error;
      onChange();
    } finally {
      if (!signal.aborted) {
        asking = false;
        rest();
      }
    }
  };
  /** Waits for the next turn, if there is to be one. */
  const rest = () => {
    clearTimeout(timer);
    if (!view.error?.fatal && !document.hidden) timer = setTimeout(turn, paceMs * (1 + Math.random() / 5));
  };
  const wake = () => {
    clearTimeout(timer);
    if (document.hidden || view.error?.fatal) return;
    paceMs = FASTEST_MS;
    turn();
  };

  return {
    view,
    start() {
      if (session) return;
      session = new AbortController();
      const { signal } = session;
      document.addEventListener("visibilitychange", wake, { signal });
      addEventListener("online", wake, { signal });
      wake();
    },
    stop() {
      session?.abort();
      session = undefined;
      asking = false;
      clearTimeout(timer);
    },
    ask: () => void turn(),
  };
}
