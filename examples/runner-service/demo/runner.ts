/** A runner: the service in a process of its own. `startRunner` starts it, with its setup as the only argument. */
import { openLivetail } from "../after/livetail.js";
import { startService } from "./frameworks.js";
import type { RunnerSetup } from "./runners.js";

const { framework, name, redis, leaseMs, ...options } = JSON.parse(process.argv[2] ?? "{}") as RunnerSetup;
// Ctrl-C reaches every process of a terminal; what to do then is up to the one that started this one.
process.on("SIGINT", () => {});
const livetail = openLivetail({ redis, leaseMs, ownerId: `${name}.${process.pid}` });
const service = await startService(framework, 0, { ...options, livetail });
process.send?.(service.url);
// It is to end, or nobody is left who could say so. Runs that are under way fail; their work is not waited for.
process.once("disconnect", async () => {
  await service.close();
  await livetail.close();
  process.exit();
});
