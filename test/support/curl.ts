/** curl as a viewer: a child process that prints what it gets. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { requireProgram } from "./program.js";

/** A curl that runs. */
export interface Curl {
  /** What it printed so far. */
  readonly printed: string;
  /** Resolves to its exit code; null when it was killed. */
  readonly exited: Promise<number | null>;
  stop(): void;
}

/** The path of curl. Throws with the command that installs it. */
export function findCurl(): string {
  return requireProgram(["curl"], "curl");
}

/** Starts `curl -N` with `args`, quiet but for errors. */
export function startCurl(...args: string[]): Curl {
  const child: ChildProcess = spawn(findCurl(), ["-N", "-sS", ...args], { stdio: ["ignore", "pipe", "inherit"] });
  let printed = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    printed += text;
  });
  return {
    get printed() {
      return printed;
    },
    exited: once(child, "close").then(([code]) => code as number | null),
    stop: () => void child.kill("SIGKILL"),
  };
}
