/**
 * An nginx of the tests' own in front of a server of the test's own: `proxy_pass` and otherwise its defaults (answers
 * are buffered, the upstream is spoken to by HTTP/1.0, time-outs are 60 s), with gzip on for whatever we send.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { guardOf, hasEnded } from "./guard.js";
import { requireProgram } from "./program.js";
import { freePort } from "./redis.js";

const HOST = "127.0.0.1";
const START_DEADLINE_MS = 15_000;

/** A running nginx. */
export interface Nginx {
  readonly port: number;
  /** What it wrote into its error log so far. */
  errors(): string;
  stop(): Promise<void>;
}

/** The path of nginx. Throws with the command that installs it. */
export function findNginx(): string {
  return requireProgram(["nginx"], "nginx");
}

/**
 * Starts an nginx in front of a port; resolves when it takes connections. `directives` are added to its only
 * `location`, each with its semicolon. In place of the port a function may make all that stands in its `http`, from the
 * port that it is to listen at.
 */
export async function startNginx(target: number | ((port: number) => string), directives = ""): Promise<Nginx> {
  const httpText = typeof target === "function" ? target : (port: number) => serverText(port, target, directives);
  // Another process can take a free port before nginx does.
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startAt(await freePort(), httpText);
    } catch (error) {
      if (!(error instanceof Error && error.message.includes("in use")) || attempt === 3) throw error;
    }
  }
}

async function startAt(port: number, httpText: (port: number) => string): Promise<Nginx> {
  const folder = mkdtempSync(join(tmpdir(), "livetail-nginx-"));
  const config = join(folder, "nginx.conf");
  const log = join(folder, "error.log");
  writeFileSync(config, configText(folder, httpText(port)));
  const server: ChildProcess = spawn(findNginx(), ["-p", folder, "-e", log, "-c", config], { stdio: "ignore" });
  await once(server, "spawn");
  server.unref();
  const guard = guardOf(server, folder);
  const errors = (): string => readFileSync(log, "utf8");
  const endAtExit = (): void => {
    server.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  };
  process.on("exit", endAtExit);
  const stop = async (): Promise<void> => {
    if (!hasEnded(server)) {
      server.ref();
      server.kill("SIGKILL");
      await once(server, "exit");
    }
    guard.kill("SIGKILL");
    process.off("exit", endAtExit);
    rmSync(folder, { recursive: true, force: true });
  };
  const deadline = performance.now() + START_DEADLINE_MS;
  while (!(await takesConnections(port))) {
    if (hasEnded(server) || performance.now() > deadline) {
      const why = errors();
      await stop();
      throw new Error(`nginx did not start:\n${why}`);
    }
    await delay(5);
  }
  return { port, errors, stop };
}

/** One process in the foreground, so that nothing of it is left when it is killed, and all its files in `folder`. */
function configText(folder: string, httpText: string): string {
  return `
daemon off;
master_process off;
pid ${folder}/nginx.pid;
events {}
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  gzip on;
  gzip_types text/event-stream application/json application/problem+json application/x-ndjson;
  ${httpText}
}
`;
}

function serverText(port: number, targetPort: number, directives: string): string {
  return `
  server {
    listen ${HOST}:${port};
    location / {
      proxy_pass http://${HOST}:${targetPort};
      ${directives}
    }
  }`;
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, HOST, () => {
      resolve(true);
      socket.destroy();
    });
    socket.on("error", () => resolve(false));
  });
}
