/** A page of a server that runs a fixture: components of a framework, which show a run. */
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { openPanelPage, type PanelPage } from "./panel-page.js";

/** What a fixture puts on `globalThis`. */
export interface FrameworkGlobals {
  /** Mounts what shows a run; null: one whose id is not known yet. */
  mount(runId: string | null, options?: { maxLines?: number }): void;
  /** Has it show another run. */
  show(runId: string): void;
  unmount(): void;
  /** How often it was rendered so far. */
  renders: number;
}

/** Opens a page of `origin` with a fixture of test/fixtures in it. */
export async function openFrameworkPage(origin: string, fixture: string): Promise<PanelPage> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(`../fixtures/${fixture}.ts`, import.meta.url))],
    bundle: true,
    platform: "browser",
    format: "iife",
    // Development: strict mode mounts everything twice, and warnings are errors on the console.
    define: {
      "process.env.NODE_ENV": '"development"',
      __VUE_OPTIONS_API__: "true",
      __VUE_PROD_DEVTOOLS__: "false",
      __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: "true",
    },
    write: false,
  });
  const opened = await openPanelPage(`${origin}/page`);
  await opened.page.addScriptTag({ content: outputFiles[0]?.text ?? "" });
  return opened;
}
