import { execFileSync } from "node:child_process";
import { accessSync, constants, existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

/** Where servers are installed; not on everybody's PATH. */
const SERVER_FOLDERS = ["/usr/sbin", "/usr/local/sbin"];

/** The full path of the first of `names` that is on PATH or where servers are installed; null when none is. */
export function findProgram(...names: string[]): string | null {
  for (const name of names) {
    for (const folder of [...(process.env.PATH ?? "").split(delimiter), ...SERVER_FOLDERS]) {
      const path = join(folder, name);
      try {
        accessSync(path, constants.X_OK);
        return path;
      } catch {
        // Not here: the next folder.
      }
    }
  }
  return null;
}

/**
 * The full path of the first of `names` on PATH. Where none is, `debianPackage` is installed if that needs no
 * question (Debian as root); else it throws with the command to run.
 */
export function requireProgram(names: string[], debianPackage: string): string {
  const found = findProgram(...names);
  if (found !== null) return found;
  const install = `apt-get update && apt-get install -y --no-install-recommends ${debianPackage}`;
  if (process.getuid?.() === 0 && existsSync("/etc/debian_version")) {
    // Several test processes may come here at once: one installs, the others wait for it and find it done.
    const script = `command -v ${names.join(" || command -v ")} || (${install})`;
    execFileSync("flock", [join(tmpdir(), "livetail-apt.lock"), "sh", "-c", script], {
      stdio: ["ignore", "ignore", "inherit"],
      // RUNLEVEL=1: the package is not to start a service of its own.
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" },
    });
    const installed = findProgram(...names);
    if (installed !== null) return installed;
  }
  throw new Error(`These tests need ${names.join(" or ")} on PATH. On Debian or Ubuntu: sudo sh -c '${install}'`);
}
