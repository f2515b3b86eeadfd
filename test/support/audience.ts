/** Viewers of every kind on real servers, and what they were told of the owner of a run. */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createNodeHandler } from "../../src/adapters/node.js";
import type { LogPollerOptions } from "../../src/client/log-poller.js";
import { sseTransport } from "../../src/client/sse.js";
import type { Livetail } from "../../src/livetail.js";
import type { LogEntry, OwnerState } from "../../src/protocol.js";
import { startViewer, type Viewer } from "./viewer.js";

/** How a viewer is told. */
export type ViewerKind = "poll" | "long poll" | "stream";

export const VIEWER_KINDS: readonly ViewerKind[] = ["poll", "long poll", "stream"];

export interface Witness extends Viewer {
  /** The states of the owner that it was told, each time that another one came. */
  readonly owners: OwnerState[];
  /** What it could not do: codes of errors. */
  readonly errors: string[];
  /** The messages of the lines of its only epoch, or their events where they have one. */
  lines(): string[];
}

export interface Audience {
  /** Starts to watch a run. */
  watch(kind: ViewerKind, runId: string): Promise<Witness>;
  /** Starts one viewer of each kind. */
  watchAll(runId: string): Promise<Witness[]>;
  close(): Promise<void>;
}

/** Opens an audience that is served by a livetail. */
export function openAudience(livetail: Livetail): Audience {
  const servers: Server[] = [];
  const viewers: Viewer[] = [];
  const audience: Audience = {
    async watch(kind, runId) {
      // Two held requests are all that a viewer's process has for an origin: each viewer gets one of its own.
      const server = createServer(createNodeHandler(livetail, { mount: "/operations" })).listen(0, "127.0.0.1");
      servers.push(server);
      await once(server, "listening");
      const owners: OwnerState[] = [];
      const errors: string[] = [];
      const how: Record<ViewerKind, LogPollerOptions> = {
        poll: { waitSeconds: 0 },
        "long poll": {},
        stream: { transport: sseTransport() },
      };
      const viewer = startViewer(kind, runId, {
        endpointBase: `http://127.0.0.1:${(server.address() as AddressInfo).port}/operations`,
        ...how[kind],
        onOwner({ state }) {
          if (owners.at(-1) !== state) owners.push(state);
        },
        onError: ({ code }) => errors.push(code),
      });
      viewers.push(viewer);
      return Object.assign(viewer, {
        owners,
        errors,
        lines: () => viewer.sights.flatMap(({ seen }) => seen.map((line) => nameOf(line as LogEntry))),
      });
    },
    watchAll: (runId) => Promise.all(VIEWER_KINDS.map((kind) => audience.watch(kind, runId))),
    async close() {
      for (const viewer of viewers) viewer.stop();
      livetail.handler.closeViewers();
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    },
  };
  return audience;
}

/** A gap has neither, and is none that a test expects. */
function nameOf({ event, message }: LogEntry): string {
  return event ?? message ?? "a gap";
}
