/** Modules of `src/` with one line changed, to see whether the tests notice. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build, type Plugin } from "esbuild";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const require = createRequire(import.meta.url);

/** One change of one file. */
export interface Mutation {
  /** Path from the root of the repository. */
  file: string;
  /** What is wrong with the mutant, as the end of "notices that …". */
  name: string;
  /** Stands in the file exactly once. */
  find: string;
  replace: string;
}

/** Mutations of one file, each as its name, what to find and what to put there. */
export function inFile(file: string, mutations: readonly [name: string, find: string, replace: string][]): Mutation[] {
  return mutations.map(([name, find, replace]) => ({ file, name, find, replace }));
}

/** How often the text to be replaced stands in the file. */
export function occurrences({ file, find }: Mutation): number {
  return readFileSync(join(ROOT, file), "utf8").split(find).length - 1;
}

/** Loads modules of `src/` together, with the mutation in them; resolves to all that they export. */
export async function loadMutant<Exports>(entries: readonly string[], mutation: Mutation): Promise<Exports> {
  const mutated = resolve(ROOT, mutation.file);
  let loaded = false;
  const plugin: Plugin = {
    name: "mutant",
    setup({ onLoad, onResolve }) {
      // The bundle lies where no package can be found by name.
      onResolve({ filter: /^[^./]/ }, ({ path }) => ({ path: require.resolve(path), external: true }));
      onLoad({ filter: /\.ts$/ }, ({ path }) => {
        if (path !== mutated) return null;
        loaded = true;
        const source = readFileSync(path, "utf8");
        return { contents: source.replace(mutation.find, () => mutation.replace), loader: "ts" };
      });
    },
  };
  const folder = mkdtempSync(join(tmpdir(), "livetail-mutant-"));
  try {
    const outfile = join(folder, "mutant.mjs");
    const contents = entries.map((entry) => `export * from "./${entry}";`).join("\n");
    await build({
      stdin: { contents, resolveDir: ROOT, loader: "ts" },
      bundle: true,
      format: "esm",
      platform: "node",
      target: "node20",
      outfile,
      plugins: [plugin],
      logLevel: "silent",
    });
    if (!loaded) throw new Error(`${mutation.file} is no part of ${entries.join(", ")}`);
    return (await import(/* @vite-ignore */ pathToFileURL(outfile).href)) as Exports;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
