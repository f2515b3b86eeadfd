/**
 * One address for several runners: a reverse proxy that takes turns. Any runner can serve any run, because they keep
 * what they know in one Redis; the proxy only has to hand on what comes as it comes, or a stream would stand still.
 */
import { once } from "node:events";
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

/** A front that listens. */
export interface Front {
  url: string;
  /** Cuts what is under way. */
  close(): Promise<void>;
}

/** Whom a front stands before. */
export interface FrontOptions {
  /** Where runners are now, or were: one that refuses is passed over. Asked at each request. */
  runners(): readonly string[];
  /** Answers what is for the front itself; false for what is not. */
  own?(req: IncomingMessage, res: ServerResponse): boolean;
}

/** What is between two neighbours only (RFC 9110, 7.6.1). */
const HOP_BY_HOP = [
  ...["connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"],
  ...["te", "trailer", "transfer-encoding", "upgrade"],
];

// A kept connection may end in the moment in which it is used again; a POST cannot be repeated then.
const agent = new Agent({ keepAlive: false });

/** Starts a front on `port` of 127.0.0.1 (0: a free one). */
export async function startFront(port: number, { runners, own = () => false }: FrontOptions): Promise<Front> {
  let turn = 0;
  const server = createServer(async (req, res) => {
    if (own(req, res)) return;
    const known = runners();
    const first = turn++;
    try {
      // Kept, because a runner that refuses has not taken it.
      const body = await buffer(req);
      for (let i = 0; i < known.length; i++) {
        const answer = await ask(known[(first + i) % known.length] as string, req, res, body);
        if (answer !== null) return handOn(answer, res);
      }
      res.writeHead(502, { "Content-Type": "text/plain" }).end("No runner answers.");
    } catch {
      // The runner broke off, or the viewer: what was said cannot be taken back.
      res.destroy();
    }
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** The answer of a runner; null when it refused, or died before it said anything to a request that may be repeated. */
async function ask(
  runner: string,
  req: IncomingMessage,
  res: ServerResponse,
  body: Buffer,
): Promise<IncomingMessage | null> {
  const { method = "GET", url, headers } = req;
  const asked = request(runner + url, { agent, method, headers: withoutHops(headers) });
  // Whoever has left waits for nothing: the runner ends a held poll, or a stream.
  const leave = () => asked.destroy();
  res.once("close", leave);
  try {
    asked.end(body);
    const [answer] = (await once(asked, "response")) as [IncomingMessage];
    return answer;
  } catch (error) {
    res.off("close", leave);
    const refused = (error as NodeJS.ErrnoException).code === "ECONNREFUSED";
    if (res.destroyed || !(refused || method === "GET" || method === "HEAD")) throw error;
    return null;
  }
}

/** Sends an answer as it comes, no faster than it is taken. */
function handOn(answer: IncomingMessage, res: ServerResponse): void {
  res.writeHead(answer.statusCode ?? 502, withoutHops(answer.headers));
  res.flushHeaders();
  answer.once("error", () => res.destroy());
  answer.pipe(res);
}

function withoutHops(headers: IncomingMessage["headers"]): IncomingMessage["headers"] {
  const named = headers.connection?.toLowerCase().split(/[\s,]+/) ?? [];
  const left = Object.entries(headers).filter(([name]) => !HOP_BY_HOP.includes(name) && !named.includes(name));
  return Object.fromEntries(left);
}
