/** A TCP proxy in front of a server of the test's own: it can swallow answers, delay, hold, refuse, cut and end them. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

const HOST = "127.0.0.1";
/** How a chunk ends that ends with a server-sent event. */
const END_OF_EVENT = "\n\n\r\n";
/** How a chunked body ends. */
const END_OF_BODY = "0\r\n\r\n";

export interface TcpProxy {
  readonly port: number;
  /** Bytes of answers that never arrived. */
  readonly swallowed: number;
  /** From now on requests arrive and their answers do not, until `heal`. */
  swallowAnswers(): void;
  /** From now on every chunk takes this much longer, in both directions, until `heal`. */
  delay(ms: number): void;
  /** From now on answers are neither read nor lost, so that whoever sends them feels it, until `heal`. */
  hold(): void;
  /** Streams of events that were ended by `endStreams`. */
  readonly endedStreams: number;
  /**
   * Ends each stream of server-sent events at the end of its next one, cleanly: the server said nothing of the kind.
   * `wellFormed` ends the body as HTTP has it; else the connection ends after a whole chunk. Until `heal`.
   */
  endStreams(wellFormed: boolean): void;
  /** Cuts what is open and refuses what comes, until `heal`. */
  refuse(): void;
  /** Cuts what is open; a new connection is fine. */
  cut(): void;
  /** All is well again. Connections whose answers were swallowed are cut: nobody could go on reading them. */
  heal(): void;
  close(): Promise<void>;
}

/** Starts a proxy on a free port in front of `targetPort`, asked anew for each connection; both on 127.0.0.1. */
export async function startTcpProxy(targetPort: number | (() => number)): Promise<TcpProxy> {
  const pairs = new Map<Socket, Socket>();
  const robbed = new Set<Socket>();
  let mode: "well" | "swallow" | "refuse" = "well";
  let delayMs = 0;
  let swallowed = 0;
  let held = false;
  let endingAs: string | null = null;
  let endedStreams = 0;

  const forward = (from: Socket, to: Socket, answers: boolean): void => {
    let late: Buffer[] = [];
    const release = (): void => {
      const chunks = late;
      late = [];
      if (to.writable) to.write(Buffer.concat(chunks));
    };
    from.on("data", (chunk: Buffer) => {
      if (to.writableEnded) return;
      if (answers && mode === "swallow") {
        swallowed += chunk.length;
        robbed.add(to);
      } else if (delayMs > 0 || late.length > 0) {
        if (late.push(chunk) === 1) setTimeout(release, delayMs);
      } else if (answers && endingAs !== null && chunk.toString("latin1").endsWith(END_OF_EVENT)) {
        endedStreams += 1;
        to.end(Buffer.concat([chunk, Buffer.from(endingAs)]));
      } else if (to.writable && !to.write(chunk)) {
        from.pause();
        to.once("drain", () => !(answers && held) && from.resume());
      }
    });
  };

  const server = createServer((client) => {
    if (mode === "refuse") {
      client.destroy();
      return;
    }
    const target = connect(typeof targetPort === "number" ? targetPort : targetPort(), HOST);
    const end = (): void => {
      client.destroy();
      target.destroy();
      pairs.delete(client);
      robbed.delete(client);
    };
    pairs.set(client, target);
    if (held) target.pause();
    for (const socket of [client, target]) {
      socket.setNoDelay(true);
      socket.on("error", end);
      socket.on("close", end);
    }
    forward(client, target, false);
    forward(target, client, true);
  }).listen(0, HOST);
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("There is no port.");

  const cut = (): void => {
    for (const client of pairs.keys()) client.destroy();
  };
  return {
    port: address.port,
    get swallowed() {
      return swallowed;
    },
    swallowAnswers() {
      mode = "swallow";
    },
    delay(ms) {
      delayMs = ms;
    },
    hold() {
      held = true;
      for (const target of pairs.values()) target.pause();
    },
    get endedStreams() {
      return endedStreams;
    },
    endStreams(wellFormed) {
      endingAs = wellFormed ? END_OF_BODY : "";
    },
    refuse() {
      mode = "refuse";
      cut();
    },
    cut,
    heal() {
      mode = "well";
      delayMs = 0;
      endingAs = null;
      if (held) for (const target of pairs.values()) target.resume();
      held = false;
      for (const client of robbed) client.destroy();
    },
    async close() {
      cut();
      server.close();
      await once(server, "close");
    },
  };
}
