/** Stands between a process and its Redis and counts what goes by. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

const HOST = "127.0.0.1";
/** How a command begins. */
const COMMAND = /\*\d+\r\n\$/g;

/** What went by so far, on all connections. */
export interface Traffic {
  commands: number;
  /** In both directions. */
  bytes: number;
}

export interface CountingProxy {
  readonly url: string;
  readonly traffic: Readonly<Traffic>;
  close(): void;
}

/** Starts a proxy on a free port in front of a Redis on `targetPort`. */
export async function startCountingProxy(targetPort: number): Promise<CountingProxy> {
  const traffic: Traffic = { commands: 0, bytes: 0 };
  const sockets = new Set<Socket>();
  const forward = (from: Socket, to: Socket, isAsking: boolean): void => {
    sockets.add(from);
    from.setNoDelay(true);
    from.on("data", (chunk: Buffer) => {
      traffic.bytes += chunk.length;
      if (isAsking) traffic.commands += chunk.toString("latin1").match(COMMAND)?.length ?? 0;
      to.write(chunk);
    });
    from.on("error", () => to.destroy());
    from.on("close", () => {
      sockets.delete(from);
      to.destroy();
    });
  };
  const server = createServer((client) => {
    const target = connect(targetPort, HOST);
    forward(client, target, true);
    forward(target, client, false);
  }).listen(0, HOST);
  await once(server, "listening");
  return {
    url: `redis://${HOST}:${(server.address() as AddressInfo).port}`,
    traffic,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
