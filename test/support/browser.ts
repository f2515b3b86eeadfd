/** A real Chromium for tests: the one on PATH, else the one that comes inside an npm package, else Debian's. */
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, chromium } from "playwright-core";
import { findProgram, requireProgram } from "./program.js";

const NAMES = ["chromium", "chromium-headless-shell", "google-chrome"];
const CACHE = fileURLToPath(new URL("../../node_modules/.cache/livetail-chromium", import.meta.url));

// Without these a browser talks to its maker at every start. --no-sandbox: the sandbox does not work as root.
export const CHROMIUM_FLAGS = [
  ...["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"],
  ...["--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-sandbox"],
];

let shared: Promise<Browser> | null = null;

/** The browser of this test file: started at the first call, the same one afterwards; it ends with the process. */
export function launchBrowser(): Promise<Browser> {
  shared ??= chromium.launch({ executablePath: findChromium(), args: CHROMIUM_FLAGS });
  return shared;
}

/** The path of a Chromium that runs here. Throws with the command that installs one. */
export function findChromium(): string {
  return findProgram(...NAMES) ?? packagedChromium() ?? requireProgram(NAMES, "chromium");
}

/** The Chromium of @sparticuz/chromium, unpacked once; null where it does not run (another platform, a missing library). */
function packagedChromium(): string | null {
  if (process.platform !== "linux" || process.arch !== "x64") return null;
  mkdirSync(CACHE, { recursive: true });
  const unpack = 'import chromium from "@sparticuz/chromium"; console.log(await chromium.executablePath());';
  try {
    // Several test files may come here at once; TMPDIR is where the package unpacks to.
    const path = execFileSync(
      "flock",
      [join(CACHE, "lock"), process.execPath, "--input-type=module", "--eval", unpack],
      {
        cwd: fileURLToPath(new URL("../..", import.meta.url)),
        env: { ...process.env, TMPDIR: CACHE },
        encoding: "utf8",
      },
    ).trim();
    const libraries = execFileSync("ldd", [path], { encoding: "utf8" });
    return libraries.includes("not found") ? null : path;
  } catch (error) {
    console.warn("The Chromium of @sparticuz/chromium does not run here:", error);
    return null;
  }
}
