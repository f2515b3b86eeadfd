/**
 * The programs of the benchmark as plain JavaScript: a loader of TypeScript has a thread of its own in each process,
 * which collects its garbage while somebody is measured.
 */
import { copyFileSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";

/** Tells programs that start others where all of them are. */
const FOLDER = "LIVETAIL_BENCH_PROGRAMS";

/** The path of a program of this folder, compiled: `./poll-server.ts`. */
export function compiled(program: string): string {
  process.env[FOLDER] ??= compileAll();
  return join(process.env[FOLDER], "bench", program.replace(/\.ts$/, ".js"));
}

/** Compiles into a folder that is there until this process ends. `livetail` is found from it as from here. */
function compileAll(): string {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const folder = mkdtempSync(join(tmpdir(), "livetail-bench-"));
  process.on("exit", () => rmSync(folder, { recursive: true }));
  copyFileSync(join(root, "package.json"), join(folder, "package.json"));
  for (const name of ["dist", "node_modules"]) symlinkSync(join(root, name), join(folder, name));
  buildSync({
    absWorkingDir: root,
    entryPoints: ["bench/*.ts", "test/support/*.ts"],
    outbase: ".",
    outdir: folder,
    format: "esm",
    platform: "node",
    target: "node20",
  });
  return folder;
}
