/** The little server that shows one run on this machine. */
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createNodeHandler } from "../adapters/node.js";
import type { Clock } from "../clock.js";
import type { Handler } from "../handler.js";
import { countAudience } from "./audience.js";

/** Where the handler is mounted. */
const MOUNT = "/livetail";
/** How often it is looked whether the viewers have seen the end, in milliseconds. */
const LOOK_MS = 50;
/** Connections that are still open so long after the server closed are cut. */
const CUT_MS = 2000;

/** How long a server stays after the end of its run. */
export interface Linger {
  seconds: number;
  /** Stay although nobody is attached, for somebody who comes yet. */
  untilSeen: boolean;
}

/** A server that is listening. */
export interface RunServer {
  /** The page of the run. */
  readonly viewUrl: string;
  /** Resolves when the viewers that are attached have seen the end, the time is over, or `signal` aborts. */
  linger(linger: Linger, signal: AbortSignal): Promise<void>;
  /** Ends streams and connections. */
  close(): Promise<void>;
}

/** Listens on 127.0.0.1 and serves one run of a livetail; rejects with the error of `listen`. Port 0: a free one. */
export async function startRunServer(
  livetail: { handler: Handler },
  runId: string,
  port: number,
  clock: Clock,
): Promise<RunServer> {
  const audience = countAudience(livetail.handler, runId, clock.now);
  const serve = createNodeHandler(audience, { mount: MOUNT });
  const answering = new Set<ServerResponse>();
  const server = createServer((request, response) => {
    answering.add(response);
    response.once("close", () => answering.delete(response));
    serve(request, response);
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const { port: listening } = server.address() as AddressInfo;

  return {
    viewUrl: `http://127.0.0.1:${listening}${MOUNT}/${encodeURIComponent(runId)}/view`,
    async linger({ seconds, untilSeen }, signal) {
      const until = clock.now() + seconds * 1000;
      const staying = (): boolean => audience.waiting() > 0 || (untilSeen && audience.served === 0);
      while (!signal.aborted && clock.now() < until && staying()) {
        await new Promise<void>((resolve) => clock.after(LOOK_MS, resolve));
      }
    },
    async close() {
      audience.handler.closeViewers();
      const closed = once(server, "close");
      const cancel = clock.after(CUT_MS, () => {
        server.close();
        server.closeAllConnections();
      });
      // `server.close()` would cut an answer whose last bytes still wait for their reader.
      await Promise.race([closed, Promise.all([...answering].map((response) => once(response, "close")))]);
      server.close();
      await closed;
      cancel();
    },
  };
}
