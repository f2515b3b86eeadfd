/** A process of the benchmark's own that plays one role, so that its CPU and memory are nobody else's. */
import { fork } from "node:child_process";
import { compiled } from "./compiled.js";

export interface HelperProcess {
  /** Sends a question and resolves to the answer; one question at a time. Rejects when the process ends before. */
  ask<T>(question: unknown): Promise<T>;
  stop(): void;
}

/**
 * Forks a program of this folder, which ends when it is disconnected. It imports `livetail` by name, so that what is
 * measured is what users install: from sources, tsx gives every closure a name of its own, which costs time and memory.
 * `flags` are for Node.
 */
export function startHelper(program: string, flags: string[] = []): HelperProcess {
  const child = fork(compiled(program), { execArgv: flags });
  return {
    ask: <T>(question: unknown) =>
      new Promise<T>((resolve, reject) => {
        const ended = (code: number | null) => reject(new Error(`${program} ended with code ${code}.`));
        child.once("exit", ended);
        child.once("message", (answer) => {
          child.off("exit", ended);
          resolve(answer as T);
        });
        child.send(question as object);
      }),
    stop() {
      if (child.connected) child.disconnect();
    },
  };
}
