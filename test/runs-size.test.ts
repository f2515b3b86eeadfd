import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { describe, expect, it } from "vitest";
import { minifyStyles } from "../minify-styles.js";

/** What a page would load: one file, minified, as the build makes it. */
async function bundle(): Promise<{ text: string; gzipBytes: number }> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("../src/runs/bundle.ts", import.meta.url))],
    bundle: true,
    minify: true,
    platform: "browser",
    format: "esm",
    target: "es2022",
    plugins: [minifyStyles],
    write: false,
  });
  const [file] = outputFiles;
  if (file === undefined) throw new Error("esbuild made no file");
  return { text: file.text, gzipBytes: gzipSync(file.contents, { level: 9 }).length };
}

describe("the list of runs", () => {
  it("weighs at most 6.2 kB, gzipped, with its styles", async () => {
    const { text, gzipBytes } = await bundle();
    expect(gzipBytes).toBeLessThanOrEqual(6200);
    expect(text).toContain("light-dark(");
  });

  it("has neither the panel nor the poller in it, nor anything of Node, and nothing that makes markup out of text", async () => {
    const { text } = await bundle();
    expect(text).not.toMatch(/livetail-panel|livetail-log|\?wait=/);
    expect(text).not.toMatch(/zod|node:|require\(/i);
    expect(text).not.toMatch(
      /innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment/,
    );
    expect(text).not.toMatch(/\beval\(|new Function|setAttribute\("style"/);
  });
});
