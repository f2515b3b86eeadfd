/** A TCP proxy in front of a server of the test's own: it can swallow answers, delay, refuse and cut. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

const HOST = "127.0.0.1";

export interface TcpProxy {
  readonly port: number;
  /** Bytes of answers that never arrived. */
  readonly swallowed: number;
  /** From now on requests arrive and their answers do not, until `heal`. */
  swallowAnswers(): void;
  /** From now on every chunk takes this much longer, in both directions, until `heal`. */
  delay(ms: number): void;
  /** Cuts what is open and refuses what comes, until `heal`. */
  refuse(): void;
  /** Cuts what is open; a new connection is fine. */
  cut(): void;
  /** All is well again. Connections whose answers were swallowed are cut: nobody could go on reading them. */
  heal(): void;
  close(): Promise<void>;
}

/** Starts a proxy on a free port in front of `targetPort`, both on 127.0.0.1. */
export async function startTcpProxy(targetPort: number): Promise<TcpProxy> {
  const pairs = new Set<Socket>();
  const robbed = new Set<Socket>();
  let mode: "well" | "swallow" | "refuse" = "well";
  let delayMs = 0;
  let swallowed = 0;

  const forward = (from: Socket, to: Socket, answers: boolean): void => {
    let held: Buffer[] = [];
    const release = (): void => {
      const chunks = held;
      held = [];
      if (to.writable) to.write(Buffer.concat(chunks));
    };
    from.on("data", (chunk: Buffer) => {
      if (answers && mode === "swallow") {
        swallowed += chunk.length;
        robbed.add(to);
      } else if (delayMs > 0 || held.length > 0) {
        if (held.push(chunk) === 1) setTimeout(release, delayMs);
      } else if (to.writable) to.write(chunk);
    });
  };

  const server = createServer((client) => {
    if (mode === "refuse") {
      client.destroy();
      return;
    }
    const target = connect(targetPort, HOST);
    const end = (): void => {
      client.destroy();
      target.destroy();
      pairs.delete(client);
      robbed.delete(client);
    };
    pairs.add(client);
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
    for (const client of pairs) client.destroy();
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
    refuse() {
      mode = "refuse";
      cut();
    },
    cut,
    heal() {
      mode = "well";
      delayMs = 0;
      for (const client of robbed) client.destroy();
    },
    async close() {
      cut();
      server.close();
      await once(server, "close");
    },
  };
}
