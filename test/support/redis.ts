/**
 * Redis servers of the tests' own: each on a free port of 127.0.0.1 and a unix socket, in a temporary folder.
 * They end with the process that started them, however it ends.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { guardOf, hasEnded } from "./guard.js";
import { requireProgram } from "./program.js";
import { until } from "./until.js";

const HOST = "127.0.0.1";

export interface RedisOptions {
  /** Keep every write on disk (`appendfsync always`), so that a restart loses nothing. Default false. */
  aof?: boolean;
  /** More arguments of the server, as on its command line. */
  args?: string[];
  /** What the server's configuration file says besides; a sentinel needs one that it can write to. */
  config?: string;
  /** Default: a free one. */
  port?: number;
  /** Start a server even when LIVETAIL_TEST_REDIS_URL names one; for tests that stop it. Implied by the others. */
  own?: boolean;
}

export interface TestRedis {
  readonly url: string;
  readonly port: number;
  /** The server's unix socket; "" when the server was named by LIVETAIL_TEST_REDIS_URL. */
  readonly socketPath: string;
  /** Sends a signal, SIGKILL by default; resolves when the server is gone, at once for SIGSTOP and SIGCONT. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Starts the server again on the same port and folder, killing it first if it runs; resolves when it answers. */
  restart(): Promise<void>;
  /** Ends the server and deletes its folder. */
  stop(): Promise<void>;
  /** Runs one command with redis-cli and resolves to what it printed, without the last newline. */
  cli(...command: string[]): Promise<string>;
}

/** Arguments of a master and its replicas: who comes back gets what it lacks at once, without a file. */
export const PROMPT_REPLICATION = ["--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0"];

/**
 * Starts a Redis or Valkey server and resolves when it answers PING. With LIVETAIL_TEST_REDIS_URL set and no
 * option given, it resolves to that server, which cannot be killed and is not stopped.
 */
export async function startRedis(options: RedisOptions = {}): Promise<TestRedis> {
  const named = process.env.LIVETAIL_TEST_REDIS_URL;
  if (named !== undefined && named !== "" && Object.keys(options).length === 0) return namedRedis(named);

  const program = findRedisServer();
  // Another process can take a free port before the server does; a server that dies at once is tried again elsewhere.
  for (let attempt = 1; ; attempt += 1) {
    const port = options.port ?? (await freePort());
    try {
      return await ownRedis(program, port, options);
    } catch (error) {
      const taken = error instanceof Error && error.message.includes("Address already in use");
      if (options.port !== undefined || !taken || attempt === 3) throw error;
    }
  }
}

/** The path of a server. Throws with the command that installs one. */
export function findRedisServer(): string {
  return requireProgram(["redis-server", "valkey-server"], "redis-server");
}

/** The path of the servers' command line client. Throws with the command that installs one. */
export function findRedisCli(): string {
  return requireProgram(["redis-cli", "valkey-cli"], "redis-tools");
}

async function ownRedis(program: string, port: number, options: RedisOptions): Promise<TestRedis> {
  const folder = mkdtempSync(join(tmpdir(), "livetail-redis-"));
  const socketPath = join(folder, "redis.sock");
  const logFile = join(folder, "redis.log");
  const configFile = join(folder, "redis.conf");
  if (options.config !== undefined) writeFileSync(configFile, options.config);
  const args = [
    ...(options.config === undefined ? [] : [configFile]),
    ...["--port", String(port), "--bind", HOST, "--unixsocket", socketPath, "--dir", folder],
    ...["--save", "", "--daemonize", "no"],
    ...(options.aof === true ? ["--appendonly", "yes", "--appendfsync", "always"] : ["--appendonly", "no"]),
    ...(options.args ?? []),
  ];
  let running: { server: ChildProcess; guard: ChildProcess } | null = null;

  const endAtExit = () => {
    running?.server.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  };
  process.on("exit", endAtExit);

  const start = async () => {
    const log = openSync(logFile, "a");
    const server = spawn(program, args, { stdio: ["ignore", log, log] });
    closeSync(log);
    await once(server, "spawn");
    server.unref();
    running = { server, guard: guardOf(server, folder) };
    await until(() => {
      if (hasEnded(server)) throw new Error(`The server ended before it answered:\n${readFileSync(logFile, "utf8")}`);
      return answersPing(socketPath);
    }, "the server to answer");
  };

  const kill = async (signal: NodeJS.Signals = "SIGKILL") => {
    if (running === null) return;
    const { server, guard } = running;
    if (signal === "SIGSTOP" || signal === "SIGCONT") {
      server.kill(signal);
      return;
    }
    running = null;
    if (!hasEnded(server)) {
      server.ref();
      server.kill(signal);
      await once(server, "exit");
    }
    guard.kill("SIGKILL");
  };

  const stop = async () => {
    await kill();
    process.off("exit", endAtExit);
    rmSync(folder, { recursive: true, force: true });
  };

  try {
    await start();
  } catch (error) {
    await stop();
    throw error;
  }

  return {
    url: `redis://${HOST}:${port}`,
    port,
    socketPath,
    kill,
    restart: async () => {
      await kill();
      await start();
    },
    stop,
    cli: (...command) => runCli(["-p", String(port), ...command]),
  };
}

function namedRedis(url: string): TestRedis {
  const refuse = () => Promise.reject(new Error("The server that LIVETAIL_TEST_REDIS_URL names is not to be stopped."));
  return {
    url,
    port: Number(new URL(url).port || 6379),
    socketPath: "",
    kill: refuse,
    restart: refuse,
    stop: () => Promise.resolve(),
    cli: (...command) => runCli(["-u", url, ...command]),
  };
}

async function runCli(args: string[]): Promise<string> {
  const program = findRedisCli();
  const { stdout } = await promisify(execFile)(program, args, { maxBuffer: 64 * 1024 * 1024 });
  return stdout.trimEnd();
}

/** Asked on the unix socket, which only this server can have; its port may have been taken by another one. */
function answersPing(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath, () => socket.write("PING\r\n"));
    socket.setTimeout(1000, () => socket.destroy());
    socket.on("data", (data) => {
      resolve(data.toString().startsWith("+PONG"));
      socket.destroy();
    });
    socket.on("error", () => resolve(false));
    socket.on("close", () => resolve(false));
  });
}

/** A port of 127.0.0.1 that was free a moment ago. */
export async function freePort(port = 0): Promise<number> {
  const server = createServer().listen(port, HOST);
  await once(server, "listening");
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("There is no port.");
  return address.port;
}
