/** A livetail with runs of every kind, behind a real server and behind fetch, for fuzzed requests. */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { createNodeHandler } from "../../src/adapters/node.js";
import type { Authorize } from "../../src/authorize.js";
import type { LivetailError } from "../../src/errors.js";
import { createLivetail, type Livetail } from "../../src/livetail.js";
import type { LivetailOptions } from "../../src/livetail-options.js";
import type { PollAnswer } from "../../src/protocol.js";
import { request } from "./plain-request.js";
import { OWN_ORIGIN } from "./request-grammar.js";
import { type KnownRun, MOUNT } from "./request-place.js";

/** The scene of one store. */
export interface RequestScene {
  readonly livetail: Livetail;
  readonly server: Server;
  /** What `onError` heard. */
  readonly errors: LivetailError[];
  /** The runs as they are now. */
  runs(): Promise<KnownRun[]>;
  /** Logs a line to the run with this id, if it is open. */
  news(id: string): void;
  close(): Promise<void>;
}

const LINES = [
  "plain",
  "[ERROR] \u0000\u001b[31m",
  '❌ x: {"a":"</script>"}',
  "\u2028 \u202e",
  { event: "x", __proto__: null },
];
const KEPT = 24;

const authorize: Authorize = ({ action, runId, header }) => {
  if (action === "delete" && runId?.startsWith("doomed") !== true) return false;
  switch (header("authorization")) {
    case undefined:
    case "Bearer good":
      return true;
    case "Bearer late":
      return Promise.resolve(true);
    case "Bearer late-no":
      return Promise.resolve(false);
    case "Bearer none":
      return { status: 401, message: "Who are you? \u0000\r\n" };
    case "Bearer tea":
      return { status: 418 };
    case "Bearer rubbish":
      return "yes" as unknown as boolean;
    case "Bearer reject":
      return Promise.reject(new Error("rejected"));
    case "Bearer throw":
      throw new Error("thrown");
    default:
      return false;
  }
};

/** Opens the scene on a store of `options`. */
export async function openRequestScene(options: LivetailOptions): Promise<RequestScene> {
  const errors: LivetailError[] = [];
  const livetail = createLivetail({
    maxLines: KEPT,
    ...options,
    authorize,
    cors: { origins: [OWN_ORIGIN] },
    onError: (error) => errors.push(error),
  });
  const start = (id: string, count: number) => {
    const run = livetail.createOperationRun("job-1", "import", id === "" ? {} : { id });
    for (let at = 0; at < count; at += 1) run.log(LINES[at % LINES.length]);
    return run;
  };
  const open = [start("", 3 * KEPT), start("Job:7.x", 5), start("", 0)];
  const completed = start("", 20);
  await completed.complete({ pages: 2 });
  const failed = start("failed-1", KEPT + 1);
  await failed.fail(new Error("\u0000 boom"));
  const doomed = Array.from({ length: 12 }, (_, at) => start(`doomed-${at}`, 1));
  await Promise.all(doomed.map((run) => run.complete()));
  await Promise.all(open.map((run) => run.flush()));

  const read = async (id: string): Promise<PollAnswer | null> => {
    const answer = await livetail.handler.handle(request(`/${id}?limit=1`));
    return answer.status === 200 ? (JSON.parse(answer.body as string) as PollAnswer) : null;
  };
  const known = async (id: string, status: KnownRun["status"], isDoomed = false): Promise<KnownRun> => {
    const answer = await read(id);
    const [epoch = "a", , version = "1"] = answer?.cursor.split(".") ?? [];
    return { id, epoch, version: Number(version), next: answer?.total_count ?? 1, status, doomed: isDoomed };
  };

  const server = createServer(createNodeHandler(livetail, { mount: MOUNT }));
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    livetail,
    server,
    errors,
    runs: () =>
      Promise.all([
        ...open.map((run) => known(run.id, "open")),
        known(completed.id, "completed"),
        known(failed.id, "failed"),
        ...doomed.slice(0, 2).map((run) => known(run.id, "completed", true)),
      ]),
    news(id) {
      open.find((run) => run.id === id)?.log("news");
    },
    async close() {
      livetail.handler.closeViewers();
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
      await livetail.close();
    },
  };
}
