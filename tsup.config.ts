import { defineConfig, type Options } from "tsup";
import { minifyScript } from "./minify-script.js";
import { minifyStyles } from "./minify-styles.js";

/** A subpath of the package is a file: `livetail/express` is src/adapters/express.ts. */
const library = [
  "src/index.ts",
  "src/store/redis.ts",
  "src/adapters/node.ts",
  "src/adapters/express.ts",
  "src/adapters/fastify.ts",
  "src/adapters/h3.ts",
  "src/adapters/hono.ts",
  "src/adapters/koa.ts",
  "src/adapters/nest.ts",
  "src/adapters/next.ts",
  "src/client/index.ts",
  "src/client/sse.ts",
  "src/client/react.ts",
  "src/client/vue.ts",
  "src/panel/index.ts",
  "src/runs/index.ts",
  "src/capture/ai.ts",
  "src/capture/child-process.ts",
  "src/capture/console.ts",
  "src/capture/debug.ts",
  "src/capture/genai-prices.ts",
  "src/capture/langchain.ts",
  "src/capture/opentelemetry.ts",
  "src/capture/pino.ts",
  "src/capture/winston.ts",
  "src/capture/openai.ts",
  "src/capture/anthropic.ts",
  "src/capture/claude-cli.ts",
];

/** Built aside and then put in the place of dist/, so that a livetail that runs out of it misses no file meanwhile. */
const outDir = ".build";

const smaller: NonNullable<Options["plugins"]>[number] = {
  name: "minify-script",
  async renderChunk(code) {
    return { code: await minifyScript(code, this.format) };
  },
};

export default defineConfig([
  {
    outDir,
    // One build for both formats, so that the declarations are made once. The CJS copy of the command is not packed.
    entry: [...library, "src/cli/main.ts"],
    format: ["esm", "cjs"],
    dts: { entry: library },
    platform: "node",
    target: "node20.19",
    // Without it every entry of the CJS build has its own copy of each class and of the current run's storage.
    splitting: true,
    // import.meta.url in CJS.
    shims: true,
    removeNodeProtocol: false,
  },
  {
    // Files for a page: everything that they need is inside.
    entry: { livetail: "src/client/bundle.ts" },
    outDir: `${outDir}/browser`,
    format: ["esm", "iife"],
    globalName: "Livetail",
    platform: "browser",
    target: "es2022",
    minify: true,
    plugins: [smaller],
    noExternal: [/./],
  },
  {
    // The elements with their client, as modules and as classic scripts; they define themselves and have no names.
    entry: { panel: "src/panel/bundle.ts", runs: "src/runs/bundle.ts" },
    // A script tag loads one file.
    splitting: false,
    outDir: `${outDir}/browser`,
    format: ["esm", "iife"],
    platform: "browser",
    target: "es2022",
    minify: true,
    plugins: [smaller],
    noExternal: [/./],
    esbuildPlugins: [minifyStyles],
  },
]);
