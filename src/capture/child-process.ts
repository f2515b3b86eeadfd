/** What a child process, or a worker thread with pipes of its own, prints → lines of a run. */
import type { Readable } from "node:stream";
import { createLineSplitter } from "./line-splitter.js";

/** Where the lines go; a run is one. */
export interface ChildOutputSink {
  /** Logs a line without its newline. */
  logOutput(line: string, stream: "stdout" | "stderr"): void;
  /** Lines that are not stored yet. */
  readonly waitingLines: number;
  /** Resolves when what was logged is stored, or cannot be for now. */
  flush(): Promise<void>;
}

/** What `captureOutput` takes. */
export interface CaptureOptions {
  /**
   * Gets every chunk as it came, before its lines are logged; the stream is not read on before it resolves. Rejects:
   * the stream is destroyed, so that the child learns that nobody reads it. Default: nobody.
   */
  onChunk?: (chunk: Uint8Array, stream: "stdout" | "stderr") => void | Promise<void>;
  /** The pipes are paused while more lines than this wait. Default 5,000. */
  maxWaitingLines?: number;
  /** The same of lines as long as this together, in UTF-16 units. Default 4,194,304. */
  maxWaitingLength?: number;
}

/** The pipes of a child process, or of a worker thread that was made with `stdout: true` and `stderr: true`. */
export interface ChildOutput {
  /** Where lines without an error are printed; null if it was not piped. */
  stdout: Readable | null;
  /** Where the others are; null if it was not piped. */
  stderr: Readable | null;
}

/**
 * Logs every line of `child`'s stdout and stderr to `sink`, in the order in which they are read. Resolves when both
 * have ended; destroy them to end it before. Never rejects.
 */
export async function captureOutput(
  child: ChildOutput,
  sink: ChildOutputSink,
  options: CaptureOptions = {},
): Promise<void> {
  const { onChunk, maxWaitingLines = 5000, maxWaitingLength = 4_194_304 } = options;
  /** How long the lines are, together, that may wait. */
  let waiting = 0;

  const log = async (lines: Iterable<string>, stream: "stdout" | "stderr"): Promise<void> => {
    for (const line of lines) {
      if (sink.waitingLines === 0) waiting = 0;
      sink.logOutput(line, stream);
      waiting += line.length;
      if (sink.waitingLines <= maxWaitingLines && waiting <= maxWaitingLength) continue;
      await sink.flush();
      waiting = 0;
    }
  };

  const read = async (source: Readable | null, stream: "stdout" | "stderr"): Promise<void> => {
    if (source === null) return;
    const splitter = createLineSplitter();
    try {
      for await (const chunk of source as AsyncIterable<Uint8Array>) {
        await onChunk?.(chunk, stream);
        await log(splitter.push(chunk), stream);
      }
    } catch {
      // The pipe broke or was destroyed: what came through it is logged, and there is no more.
    }
    await log(splitter.end(), stream);
  };

  await Promise.all([read(child.stdout, "stdout"), read(child.stderr, "stderr")]);
}
