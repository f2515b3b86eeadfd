/** A newer Node than 20, for libraries that need one. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const PACKAGE = `node-${process.platform}-${process.arch}`;
const VERSION = "24.21.0";

/**
 * The path of a Node 22 or later: the one that runs the tests, or one that is installed at its first use. It is no
 * dependency, because its command would then stand before the machine's own in every script that npm runs.
 */
export async function newerNode(): Promise<string> {
  if (Number.parseInt(process.versions.node, 10) >= 22) return process.execPath;
  const folder = fileURLToPath(new URL("../../node_modules/.cache/livetail-node", import.meta.url));
  const node = join(folder, "node_modules", PACKAGE, "bin", "node");
  if (!existsSync(node)) {
    const options = ["--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"];
    await promisify(execFile)("npm", ["install", "--prefix", folder, ...options, `${PACKAGE}@${VERSION}`]);
  }
  return node;
}
