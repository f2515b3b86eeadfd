/**
 * An HTTP proxy in front of a server of the test's own that ends answers too early, and properly: by their HTTP they
 * are complete, with a shorter length, or with the last chunk of a body without one.
 */
import { once } from "node:events";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";

const HOST = "127.0.0.1";

/** A running proxy. */
export interface CuttingProxy {
  /** `http://127.0.0.1:PORT`. */
  readonly origin: string;
  /** How many answers were cut. */
  readonly cuts: number;
  /** After how many bytes of its body the answer to the next request is ended; undefined: not at all. */
  limit: () => number | undefined;
  close(): Promise<void>;
}

/** Starts a proxy on a free port of 127.0.0.1. */
export async function startCuttingProxy(targetPort: number): Promise<CuttingProxy> {
  let cuts = 0;
  const server = createServer((incoming, outgoing) => {
    const { method, url, headers } = incoming;
    const limit = proxy.limit();
    const forwarded = request({ host: HOST, port: targetPort, method, path: url, headers, agent: false }, (answer) => {
      const head = { ...answer.headers };
      const length = Number(head["content-length"] ?? Number.NaN);
      delete head["transfer-encoding"];
      if (limit !== undefined && length > limit) head["content-length"] = String(limit);
      outgoing.writeHead(answer.statusCode ?? 0, head);
      let left = limit ?? Number.POSITIVE_INFINITY;
      const cut = (): void => {
        cuts += 1;
        outgoing.end();
        answer.destroy();
      };
      if (left === 0) {
        cut();
        return;
      }
      answer.on("data", (chunk: Buffer) => {
        if (chunk.length < left) {
          left -= chunk.length;
          outgoing.write(chunk);
        } else if (left > 0) {
          outgoing.write(chunk.subarray(0, left));
          left = 0;
          cut();
        }
      });
      answer.on("end", () => outgoing.end());
      answer.on("error", () => outgoing.end());
    });
    forwarded.on("error", () => outgoing.destroy());
    outgoing.on("close", () => forwarded.destroy());
    incoming.pipe(forwarded);
  }).listen(0, HOST);
  await once(server, "listening");
  const proxy: CuttingProxy = {
    origin: `http://${HOST}:${(server.address() as AddressInfo).port}`,
    get cuts() {
      return cuts;
    },
    limit: () => undefined,
    async close() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
  return proxy;
}
