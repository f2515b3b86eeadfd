/**
 * The demo: a service that helps with job applications, before it the job sites and models that it needs, and a page
 * that starts its operations and shows them.
 *
 *     npm run demo                 on Express, in the memory of one process, until Ctrl-C
 *     npm run demo -- --fastify    on Fastify
 *     npm run demo -- --redis      two runners behind one address, with Redis: REDIS_URL, else a server of its own
 *     npm run demo -- --once       every operation once, in this terminal
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { runOnce } from "./demo/run-once.js";
import { startDemo } from "./demo/start-demo.js";

/** With `--once` nobody is there to see how slow models are. */
const ONCE_SPEED = 20;

/** Resolves when the process is told to end; told again, it ends at once. */
function toldToEnd(): Promise<void> {
  return new Promise((resolve) => {
    let told = false;
    const listen = (): void => {
      if (told) process.exit(1);
      told = true;
      resolve();
    };
    process.on("SIGINT", listen).on("SIGTERM", listen);
  });
}

async function main(): Promise<number> {
  const end = toldToEnd();
  const flag = { type: "boolean", default: false } as const;
  const { values } = parseArgs({ options: { fastify: flag, redis: flag, once: flag } });
  const demo = await startDemo({
    framework: values.fastify ? "fastify" : "express",
    redis: values.redis && (process.env.REDIS_URL || true),
    speed: values.once ? ONCE_SPEED : 1,
    port: Number(process.env.PORT ?? 3000),
  });
  try {
    if (values.once) return (await Promise.race([runOnce(demo), end])) ? 0 : 1;
    console.log(`Open ${demo.url} and start an operation; \`npx livetail tail RUN_URL\` shows one in a terminal.`);
    console.log("Ctrl-C ends it.");
    await end;
    return 0;
  } finally {
    await demo.close();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const code = await main().catch((error: Error) => {
    console.error(error.message);
    return 1;
  });
  // Runs that were under way have failed when the demo closed; the rest of their work is not waited for.
  process.exit(code);
}
