/** Processes that own runs, to be stopped, blocked and killed: the parent's side of `test/fixtures/owner.ts`. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { OwnerCalls, OwnerSetup } from "../fixtures/owner.js";

const PROGRAM = fileURLToPath(new URL("../fixtures/owner.ts", import.meta.url));

export interface OwnerProcess {
  readonly child: ChildProcess;
  /** Resolves to the code and the signal that it ended with. */
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** Signals of which something else in the process said that it heard them. */
  readonly heard: string[];
  /** Has the process do something; resolves to what came of it, rejects when it ends before. */
  call<Name extends keyof OwnerCalls>(
    name: Name,
    ...args: Parameters<OwnerCalls[Name]>
  ): Promise<Awaited<ReturnType<OwnerCalls[Name]>>>;
  /** Sends a signal. */
  kill(signal: NodeJS.Signals): void;
}

const processes = new Set<ChildProcess>();

/** Kills all that were started and still live; for `afterAll`. */
export function killOwners(): void {
  for (const child of processes) child.kill("SIGKILL");
}

/** Starts a process; resolves when it takes orders. */
export async function startOwner(setup: OwnerSetup): Promise<OwnerProcess> {
  const child = fork(PROGRAM, [JSON.stringify(setup)], { execArgv: ["--import", "tsx"] });
  processes.add(child);
  const waiting = new Map<number, { resolve(value: never): void; reject(error: Error): void }>();
  const heard: string[] = [];
  let number = 0;
  const exited = once(child, "exit").then(([code, signal]) => {
    processes.delete(child);
    for (const { reject } of waiting.values()) reject(new Error("The process ended before it answered."));
    return { code: code as number | null, signal: signal as NodeJS.Signals | null };
  });
  child.on("message", (answer: { number?: number; value?: never; error?: string; heard?: string }) => {
    if (answer.heard !== undefined) heard.push(answer.heard);
    if (answer.number === undefined) return;
    const asked = waiting.get(answer.number);
    waiting.delete(answer.number);
    if (answer.error === undefined) asked?.resolve(answer.value as never);
    else asked?.reject(new Error(answer.error));
  });
  const answerTo = (asked: number): Promise<never> =>
    new Promise((resolve, reject) => waiting.set(asked, { resolve, reject }));
  await answerTo(0);
  return {
    child,
    exited,
    heard,
    call(name, ...args) {
      number += 1;
      const answer = answerTo(number);
      child.send({ number, name, args });
      return answer;
    },
    kill: (signal) => void child.kill(signal),
  };
}
