/** Serves a request listener as a user's server would. */
import { once } from "node:events";
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type ServerOptions,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";

/** Starts a server on a free port of 127.0.0.1; `front` stands before the listener. `close` waits for its connections. */
export async function served(
  listener: RequestListener,
  front?: (req: IncomingMessage, res: ServerResponse, next: () => void) => void,
  options: ServerOptions = {},
): Promise<{ url: string; close(): Promise<void> }> {
  const fronted: RequestListener = (req, res) =>
    front ? front(req, res, () => listener(req, res)) : listener(req, res);
  const server = createServer(options, fronted);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      const closed = once(server, "close");
      server.close();
      await closed;
    },
  };
}
