/** Writers in processes of their own, which can be blocked and killed as no promise of this process can. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { EndOutcome } from "../../src/run.js";
import type { KnownProducer } from "../support/oracle.js";
import { until } from "../support/until.js";
import { PATIENCE_MS } from "./scene.js";

const PROGRAM = fileURLToPath(new URL("writer-program.ts", import.meta.url));

/** What such a process is started with. */
export interface WriterOptions {
  redis: string;
  runId: string;
  /** Whether it owns the run; else it joins it. */
  owns: boolean;
  /** How its lines begin, and how many hours its clock is ahead: as the oracle knows it. */
  name: string;
  hour: number;
  leaseMs: number;
  maxLines: number;
  seed: number;
  progressFile: string;
}

/** What it is told. */
export type WriterOrder = { kind: "block"; until: string } | { kind: "end" };

/** What it tells when it ended; `outcome` is null where it joined. */
export interface WriterReport {
  outcome: EndOutcome | null;
  dropped: number;
}

export interface WriterProcess {
  /**
   * Resolves when the store has answered it after all that happened before: its run is there, and what it knows to be
   * stored is.
   */
  isWell(): Promise<void>;
  /** Blocks its event loop until the returned function is called. */
  block(): () => void;
  /** Kills it with -9; resolves when it is gone. */
  kill(): Promise<void>;
  /** Ends its run, if it owns it, and the process. Rejects if it dies without a word. */
  end(): Promise<WriterReport>;
  /** How far it came, for the oracle. */
  account(known: KnownProducer): void;
  /** Ends it if it lives, and deletes its files. */
  clear(): void;
}

/** Starts one; returns at once. */
export function startWriterProcess(options: Omit<WriterOptions, "progressFile">): WriterProcess {
  const folder = mkdtempSync(join(tmpdir(), "livetail-writer-"));
  const progressFile = join(folder, "progress");
  const args = ["--import", "tsx", PROGRAM, JSON.stringify({ ...options, progressFile } satisfies WriterOptions)];
  const child: ChildProcess = spawn(process.execPath, args, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  const exited = once(child, "exit");
  const order = (what: WriterOrder): void => void child.send(what);
  const progress = (): { logged: number; acknowledged: number; answers: number } => {
    const text = existsSync(progressFile) ? readFileSync(progressFile, "utf8") : "";
    const [logged = 0, acknowledged = 0, answers = 0] = text.trim().split(" ").map(Number);
    return { logged, acknowledged, answers };
  };
  let blocks = 0;
  return {
    async isWell() {
      const { answers } = progress();
      // Four that were in flight may be of a time before the last fault.
      await until(() => progress().answers > answers + 4, `${options.name} to have been answered`, PATIENCE_MS);
    },
    block() {
      blocks += 1;
      const until = join(folder, `block-${blocks}`);
      order({ kind: "block", until });
      return () => writeFileSync(until, "");
    },
    async kill() {
      child.kill("SIGKILL");
      await exited;
    },
    async end() {
      const told = once(child, "message").then(([report]) => report as WriterReport);
      order({ kind: "end" });
      const report = await Promise.race([told, exited.then(() => null)]);
      if (report === null) throw new Error(`The process of ${options.name} died.`);
      await exited;
      return report;
    },
    account(known) {
      const { logged, acknowledged } = progress();
      known.logged = logged;
      known.acknowledged = acknowledged;
    },
    clear() {
      child.kill("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
