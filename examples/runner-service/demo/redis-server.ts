/** A Redis of the demo's own: on a free port, in memory, gone with the demo. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { setTimeout as delay } from "node:timers/promises";

/** Starts `redis-server` (or `valkey-server`) from PATH. Rejects with what to do where there is none. */
export async function startRedisServer(): Promise<{ url: string; close(): Promise<void> }> {
  const port = await freePort();
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", tmpdir()];
  for (const program of ["redis-server", "valkey-server"]) {
    // Ctrl-C reaches every process of a terminal's group: this one is still needed by those who end their runs.
    const server = spawn(program, args, { stdio: "ignore", detached: true });
    const started = await once(server, "spawn").catch(() => null);
    if (started === null) continue;
    const end = (): void => void server.kill("SIGKILL");
    process.once("exit", end);
    while (!(await listens(port))) {
      if (server.exitCode !== null) throw new Error(`${program} ended with ${server.exitCode}.`);
      await delay(20);
    }
    return {
      url: `redis://127.0.0.1:${port}`,
      async close() {
        process.off("exit", end);
        const exited = once(server, "exit");
        end();
        await exited;
      },
    };
  }
  throw new Error("There is no redis-server on PATH. Install one, or name one by REDIS_URL.");
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function listens(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  const connected = await once(socket, "connect").then(
    () => true,
    () => false,
  );
  socket.destroy();
  return connected;
}
