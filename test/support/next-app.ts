/** The application of test/fixtures/next-app: built as its user would build it, served by Next in this process. */
import { AsyncLocalStorage } from "node:async_hooks";
import { execFile } from "node:child_process";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createRequire } from "node:module";
import { promisify } from "node:util";
import type { NextRoute } from "../../src/adapters/next.js";
import { ensureBuilt } from "./built.js";
import { type CliProcess, fixture, startProgram } from "./cli.js";
import { served } from "./served.js";

const require = createRequire(import.meta.url);

/** The command `next`, to be run by Node. */
const NEXT = require.resolve("next/dist/bin/next");

/** Its folder. */
const NEXT_APP = fixture("next-app");

/** What keeps Next from asking anybody elsewhere. */
const NEXT_ENV = { NEXT_TELEMETRY_DISABLED: "1", NEXT_IGNORE_INCORRECT_LOCKFILE: "1" };

/** The names of the routes that a test says. */
const names = ["root", "operations", "logs", "fronted", "tenants", "jobs", "work", "plain"] as const;

/** What the routes of one server do. */
export type NextRoutes = Partial<Record<(typeof names)[number], NextRoute>>;

/** What of Next is used. Its own types would change those of `process.env` for everybody. */
type CreateNext = (options: { dev: boolean; dir: string }) => {
  prepare(): Promise<void>;
  getRequestHandler(): (req: IncomingMessage, res: ServerResponse) => Promise<void>;
  close(): Promise<void>;
};

type Front = (req: IncomingMessage, res: ServerResponse, next: () => void) => void;

/** Builds the application and loads it; what `serve` starts are servers of it with routes of their own. */
export async function openNextApp() {
  await ensureBuilt();
  const env = { ...process.env, ...NEXT_ENV, NODE_ENV: "production" };
  await promisify(execFile)(process.execPath, [NEXT, "build", "--experimental-app-only", NEXT_APP], { env });
  const routes = new AsyncLocalStorage<NextRoutes>();
  const nothing: NextRoute = async () => new Response("nothing here", { status: 404 });
  const tell =
    (name: (typeof names)[number]): NextRoute =>
    (request, context) =>
      (routes.getStore()?.[name] ?? nothing)(request, context);
  const told = Object.fromEntries(names.map((name) => [name, tell(name)]));
  Object.assign(globalThis, { nextRoutes: told });
  const createNext = require("next") as CreateNext;
  const app = createNext({ dev: false, dir: NEXT_APP });
  await app.prepare();
  const handle = app.getRequestHandler();
  return {
    /** As `next start --keepAliveTimeout 1000`, which waits for idle connections when it ends. */
    serve: (of: NextRoutes, front?: Front) =>
      served((req, res) => routes.run(of, () => void handle(req, res)), front, { keepAliveTimeout: 1000 }),
    close: () => app.close(),
  };
}

/** Starts the built application as its user would, with the shutdown left to livetail. */
export function startNextApp(port: number): CliProcess {
  const env = { ...NEXT_ENV, NEXT_MANUAL_SIG_HANDLE: "true" };
  return startProgram([process.execPath, NEXT, "start", NEXT_APP, "-p", String(port)], env);
}
