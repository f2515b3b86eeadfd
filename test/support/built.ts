import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const LOCK = join(ROOT, "node_modules", ".livetail-build");
const SOURCES = ["src", "package.json", "tsup.config.ts", "minify-styles.ts"];

/**
 * Builds the package if `dist` is older than its sources, once for all test files that ask at the same time.
 * `npm test` has built it already; this is for a test that is run by itself.
 */
export async function ensureBuilt(): Promise<void> {
  for (;;) {
    if (isBuilding()) {
      await delay(100);
    } else if (!isStale()) {
      return;
    } else if (takeLock()) {
      try {
        execFileSync("npm", ["run", "--silent", "build"], { cwd: ROOT, stdio: ["ignore", 2, 2] });
      } finally {
        rmSync(LOCK, { force: true });
      }
      return;
    }
  }
}

function isStale(): boolean {
  const built = timesBelow("dist");
  return built.length === 0 || Math.min(...built) < Math.max(...SOURCES.flatMap(timesBelow));
}

/** When each file of a folder of this repository was changed, in milliseconds since 1970. */
function timesBelow(path: string): number[] {
  const entry = statSync(join(ROOT, path), { throwIfNoEntry: false });
  if (entry === undefined) return [];
  if (!entry.isDirectory()) return [entry.mtimeMs];
  return readdirSync(join(ROOT, path)).flatMap((name) => timesBelow(join(path, name)));
}

function takeLock(): boolean {
  try {
    writeFileSync(LOCK, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** Whether a living process holds the lock; one that was left behind is removed. */
function isBuilding(): boolean {
  let holder: number;
  try {
    holder = Number(readFileSync(LOCK, "utf8"));
  } catch {
    return false;
  }
  try {
    process.kill(holder, 0);
    return true;
  } catch {
    rmSync(LOCK, { force: true });
    return false;
  }
}
