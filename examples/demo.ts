/**
 * The demo: a service on the embedded store that runs a real operation at once, shown in this terminal and in a browser.
 *
 *     npm run demo              stays up until Ctrl-C
 *     npm run demo -- --once    ends by itself when the operation has ended and its viewers have seen it
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createLivetail, memoryStore } from "livetail";
import { createNodeHandler } from "livetail/node";
import { indexRepository } from "./demo/index-repository.js";

const REPOSITORY = fileURLToPath(new URL("..", import.meta.url));
const COMMAND = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
const PORT = 3000;
/** A viewer that has not asked for so long has seen the end, in milliseconds. */
const QUIET_MS = 2000;
/** But nobody is waited for longer than this. */
const PATIENCE_MS = 15_000;

/** A running demo. */
export interface Demo {
  /** The page of the run; polls go to the same URL without `/view`. */
  viewUrl: string;
  /** Resolves when nobody asks any more, after 15 s at most. */
  quiet(): Promise<void>;
  close(): Promise<void>;
}

/** Starts the service on `port` of 127.0.0.1, or on a free one if that is taken, and the operation. */
export async function start(port: number): Promise<Demo> {
  const livetail = createLivetail({ store: memoryStore({ maxLines: 10_000, maxBufferBytes: 8_388_608 }) });
  const handle = createNodeHandler(livetail, { mount: "/livetail" });
  let viewPath = "/";
  let askedAt = 0;
  const server = createServer((req, res) => {
    askedAt = performance.now();
    handle(req, res, () => res.writeHead(302, { Location: viewPath }).end());
  });
  await once(server.listen(port, "127.0.0.1"), "listening").catch(() =>
    once(server.listen(0, "127.0.0.1"), "listening"),
  );

  const run = livetail.startOperation("livetail", "index-repository", (run) => indexRepository(run, REPOSITORY));
  viewPath = `/livetail/${run.id}/view`;
  return {
    viewUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}${viewPath}`,
    async quiet() {
      const until = performance.now() + PATIENCE_MS;
      const isWatched = (): boolean => livetail.handler.viewers() > 0 || performance.now() - askedAt < QUIET_MS;
      while (isWatched() && performance.now() < until) await delay(100);
    },
    async close() {
      livetail.handler.closeViewers();
      server.close();
      await once(server, "close");
      await livetail.close();
    },
  };
}

/** Shows a run in this terminal; resolves to the exit code of `livetail tail`. */
async function showHere(viewUrl: string): Promise<number> {
  const tail: ChildProcess = spawn(process.execPath, [COMMAND, "tail", viewUrl], { stdio: "inherit" });
  const [code] = (await once(tail, "exit")) as [number | null];
  return code ?? 1;
}

async function main(staysUp: boolean): Promise<number> {
  const demo = await start(PORT);
  console.log(`Watch it here, or in a browser: ${demo.viewUrl}`);
  const stop = staysUp ? once(process, "SIGINT") : null;
  const code = await showHere(demo.viewUrl);
  if (stop === null) {
    await demo.quiet();
  } else {
    console.error(`The page stays up: ${demo.viewUrl} (Ctrl-C ends it)`);
    await stop;
  }
  await demo.close();
  return stop === null ? code : 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.exitCode = await main(!process.argv.includes("--once"));
}
