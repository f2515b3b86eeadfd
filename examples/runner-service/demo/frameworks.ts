import type { WatchedServiceOptions } from "../after/livetail.js";
import type { Service } from "../service/options.js";

// Only the one that is asked for is loaded.
const LOADS = { express: () => import("../after/express.js"), fastify: () => import("../after/fastify.js") };

/** What the service runs on. */
export type Framework = keyof typeof LOADS;

/** Starts the service on one of the frameworks, on `port` of 127.0.0.1 (0: a free one). */
export async function startService(
  framework: Framework,
  port: number,
  options: WatchedServiceOptions,
): Promise<Service> {
  const { start } = await LOADS[framework]();
  return start(port, options);
}
