/** What the panel knows of its run, and how it hears of it: the poller, and beside it the run's status. */
import { fetchStatus } from "../client/fetch-status.js";
import { LogPoller } from "../client/log-poller.js";
import type { Completion } from "../client/poll-state.js";
import type { ClientError, ClientOptions } from "../client/request.js";
import type { Transport } from "../client/transport.js";
import type { BackendStats, Gap, LayerMap, LogEntry, OwnerInfo, Reset, RunStatus, StatusAnswer } from "../protocol.js";

/**
 * How the panel reaches its run: `connecting` until the first answer, `live`, `reconnecting` after a failed request,
 * `offline` when the browser says so, `ended` when there is nothing left to ask for, `refused` when it has given up.
 */
export type Connection = "connecting" | "live" | "reconnecting" | "offline" | "ended" | "refused";

/** How the panel asks: as any client does, by streams if it is given their transport. */
export interface PanelOptions extends Omit<ClientOptions, "endpointBase"> {
  /** `sseTransport()` of `livetail/client/sse`. Default: held polls. */
  transport?: Transport;
}

/** A run as far as it is known. */
export interface RunView {
  /** Undefined before the first answer. */
  status?: RunStatus;
  /** Operation, subject and times; as old as the last change of the status. */
  details?: StatusAnswer;
  layers: LayerMap;
  stats?: BackendStats;
  owner?: OwnerInfo;
  /** Lines that existed and can no longer be had. */
  missing: number;
  /** The final state, once there is one. */
  completion?: Completion;
  connection: Connection;
  /** Why the connection is `refused`. */
  refusal?: ClientError;
  /** How far the server's clock is ahead of this one, in milliseconds. */
  skewMs: number;
}

/** What the panel reports to its page, in the order in which it came: name → value. */
export interface PanelEvents {
  /** Lines that came together, at least one. */
  log: LogEntry[];
  status: RunStatus;
  /** Lines that can no longer be had. */
  gap: Gap;
  /** The numbering began anew. */
  reset: Reset;
  /** The run has ended and every line was shown. */
  complete: Completion;
  /** The first failure of a series, and one after which it has given up (`fatal`). */
  error: ClientError;
}

/** Hears of an event. */
export type Hear = (
  ...event: { [Name in keyof PanelEvents]: [name: Name, value: PanelEvents[Name]] }[keyof PanelEvents]
) => void;

/** One run, watched. */
export interface RunWatch {
  readonly view: RunView;
  /** Begins, or goes on where it stopped. */
  start(): void;
  /** Ends requests and timers. */
  stop(): void;
  /** Reads operation, subject and times anew. */
  refresh(): Promise<void>;
}

/** Makes the watch of a run; nothing is asked for before `start()`. `onChange` is called when the view has changed. */
export function watchRun(
  runId: string,
  { transport, ...options }: PanelOptions & ClientOptions,
  onChange: () => void,
  hear: Hear,
): RunWatch {
  const { fetch: send = globalThis.fetch } = options;
  const view: RunView = { layers: {}, missing: 0, connection: "connecting", skewMs: 0 };
  let lines: LogEntry[] = [];
  let session: AbortController | undefined;

  const change = (part: Partial<RunView>) => {
    Object.assign(view, part);
    onChange();
  };
  const connect = (connection: Connection) => {
    if (connection === view.connection || view.completion || view.refusal) return;
    change({ connection });
    if (connection === "live" && view.status) refresh();
  };
  const lose = () => connect(navigator.onLine ? "reconnecting" : "offline");

  // Each request says how the connection is, so the client need not. A server that is back may hold a poll for as long
  // as nothing happens: it is asked not to until it has answered.
  const watched: ClientOptions = {
    ...options,
    async fetch(url, init) {
      try {
        const response = await send(view.connection === "live" ? url : url.replace(/&wait=\d+/, "&wait=0"), init);
        const skewMs = Date.parse(response.headers.get("date") ?? "") - Date.now();
        // The header has whole seconds, and an answer takes a while.
        view.skewMs = Math.abs(skewMs) > 3000 ? skewMs : 0;
        if (response.ok || response.status === 404) connect("live");
        else lose();
        return response;
      } catch (error) {
        if (!init.signal?.aborted) lose();
        throw error;
      }
    },
  };

  const flush = () => {
    const entries = lines;
    lines = [];
    if (entries.length > 0) hear("log", entries);
  };
  /** What came before is told of first. */
  const tell = (part: Partial<RunView>, ...event: Parameters<Hear>) => {
    flush();
    change(part);
    hear(...event);
  };
  // The poller reports what is wrong, and it is tried again when the connection is back.
  const refresh = () =>
    fetchStatus(runId, watched).then(
      (details) => change({ details }),
      () => {},
    );

  const poller = new LogPoller(runId, {
    ...watched,
    ...(transport && { transport }),
    limit: 1000,
    onLog(entry) {
      if (lines.push(entry) === 1) queueMicrotask(flush);
    },
    onGap: (gap) => tell({ missing: view.missing + gap.lost }, "gap", gap),
    onReset: (reset) => tell({ missing: 0 }, "reset", reset),
    onStatus(status) {
      tell({ status }, "status", status);
      refresh();
    },
    onLayerStatus: (layers) => change({ layers }),
    onBackendStats: (stats) => change({ stats }),
    onOwner: (owner) => change({ owner }),
    onComplete: (completion) => tell({ completion, connection: "ended" }, "complete", completion),
    onError(error) {
      if (!error.fatal) lose();
      tell(error.fatal ? { refusal: error, connection: "refused" } : {}, "error", error);
    },
  });

  return {
    view,
    start() {
      if (session || view.completion || view.refusal) return;
      session = new AbortController();
      for (const type of ["offline", "online"]) addEventListener(type, lose, { signal: session.signal });
      poller.start();
    },
    stop() {
      session?.abort();
      session = undefined;
      poller.stop();
    },
    refresh,
  };
}
