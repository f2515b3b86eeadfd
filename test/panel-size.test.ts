import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { describe, expect, it } from "vitest";
import { minifyScript } from "../minify-script.js";
import { minifyStyles } from "../minify-styles.js";

/** What a page would load: one file, minified, as the build makes it. */
async function bundle(entry: string): Promise<{ text: string; gzipBytes: number }> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(`../src/${entry}`, import.meta.url))],
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
  const text = await minifyScript(file.text, "esm");
  return { text, gzipBytes: gzipSync(text, { level: 9 }).length };
}

describe("the panel", () => {
  it("weighs at most 12 kB more than the client, gzipped, with its styles", async () => {
    const [panel, client] = await Promise.all([bundle("panel/bundle.ts"), bundle("client/index.ts")]);
    expect(panel.gzipBytes - client.gzipBytes).toBeLessThanOrEqual(12_000);
    expect(panel.text).toContain("light-dark(");
  });

  it("has neither zod nor anything of Node in it, and nothing that makes markup out of text", async () => {
    const { text } = await bundle("panel/bundle.ts");
    expect(text).not.toMatch(/zod|node:|require\(/i);
    expect(text).not.toMatch(
      /innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment/,
    );
    expect(text).not.toMatch(/\beval\(|new Function|setAttribute\("style"/);
  });
});
