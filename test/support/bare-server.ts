/** A bare node server with a hand-made handler, for the tests of the bridge. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach } from "vitest";
import type { LiveBody, ViewerSink } from "../../src/exchange.js";
import type { Handle, Handler, HandlerResponse } from "../../src/handler.js";
import { deferred } from "../contract/http-client.js";

const servers: Server[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  }
});

type Listener = (req: IncomingMessage, res: ServerResponse) => void;

/** Starts a server that is cut off after the test. */
export async function startServer(listener: Listener): Promise<{ url: string; server: Server }> {
  const server = createServer(listener);
  servers.push(server);
  await once(server.listen(0, "127.0.0.1"), "listening");
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

/** Starts a server that is cut off after the test, and resolves to its URL. */
export const listen = async (listener: Listener): Promise<string> => (await startServer(listener)).url;

/** What a face is given. */
export function handlerOf(handle: Handle): { handler: Handler } {
  return { handler: { handle, closeViewers() {}, close() {}, viewers: () => 0 } };
}

/** An answer of text. */
export function text(body: HandlerResponse["body"], status = 200): HandlerResponse {
  return { status, headers: { "Content-Type": "text/plain; charset=utf-8" }, body };
}

/** A frame of 100 kB. */
export const FRAME = `data: ${JSON.stringify({ pad: "x".repeat(100_000) })}\n\n`;

/** A live body whose sink and calls the test holds. */
export function liveBody() {
  const attached = deferred<ViewerSink>();
  const calls = { drain: 0, close: 0 };
  const body: LiveBody = {
    attach(sink) {
      attached.resolve(sink);
      return {
        onDrain: () => {
          calls.drain += 1;
        },
        onClose: () => {
          calls.close += 1;
        },
      };
    },
  };
  const answer: HandlerResponse = { status: 200, headers: { "Content-Type": "text/event-stream" }, body };
  return { answer, sink: attached.promise, calls };
}
