/** Children of the tests that must not outlive them, however the tests end. */
import { type ChildProcess, spawn } from "node:child_process";

/** Ends a child and deletes its folder when this process is killed without a word: the pipe to the guard closes. */
export function guardOf(child: ChildProcess, folder: string): ChildProcess {
  const guard = spawn("sh", ["-c", 'cat > /dev/null; kill -9 "$0"; rm -rf "$1"', String(child.pid), folder], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  guard.unref();
  (guard.stdin as unknown as { unref?(): void } | null)?.unref?.();
  return guard;
}

/** Whether a child has exited or was killed. */
export function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}
