import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build, type Format } from "esbuild";
import { describe, expect, it } from "vitest";

/** What a page would load: one file, minified, for browsers. */
async function bundle(entry: string, format: Format = "esm"): Promise<{ text: string; gzipBytes: number }> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(`../src/client/${entry}`, import.meta.url))],
    bundle: true,
    minify: true,
    platform: "browser",
    format,
    globalName: "Livetail",
    write: false,
  });
  const [file] = outputFiles;
  if (file === undefined) throw new Error("esbuild made no file");
  return { text: file.text, gzipBytes: gzipSync(file.contents, { level: 9 }).length };
}

describe("the browser client", () => {
  it.each([
    ["2.2 kB without streams", "index.ts", 2200],
    ["3.8 kB with streams", "bundle.ts", 3800],
  ])("weighs at most %s, gzipped", async (_, entry, limit) => {
    const { gzipBytes } = await bundle(entry);
    expect(gzipBytes).toBeLessThanOrEqual(limit);
  });

  it.each(["index.ts", "bundle.ts"])("has neither zod nor anything of Node in it (%s)", async (entry) => {
    const { text } = await bundle(entry);
    expect(text).toContain("LogPoller");
    expect(text).not.toMatch(/zod|node:|require\(/i);
  });

  it("leaves the table of errors and the parser of streams out when nobody asks for streams", async () => {
    const { text } = await bundle("index.ts");
    expect(text).not.toContain("STORE_UNAVAILABLE");
    expect(text).not.toContain("event: ");
    expect(text).not.toContain("createParser");
    expect(text).not.toContain("TextDecoder");
  });

  it("is the global Livetail as a classic script", async () => {
    const { text } = await bundle("bundle.ts", "iife");
    const names = new Function(`${text}; return Object.keys(Livetail).sort();`)();
    expect(names).toEqual(["LogPoller", "fetchStatus", "getBackendStats", "sseTransport"]);
  });
});
