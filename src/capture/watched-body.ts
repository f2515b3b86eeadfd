/** A body that somebody else reads, watched while it passes by. */

/** Whoever watches a body. None of the methods throws. */
export interface BodyWatcher {
  /** Sees a piece, and answers with what is handed on in its place: itself, a part of it, or nothing for now. */
  pass(piece: Uint8Array): Uint8Array;
  /** The body has ended; answers with what was held back of it. */
  ended(): Uint8Array;
  /** Reading failed, as the reader learns as well. */
  failed(error: unknown): void;
  /** The reader left before the end. */
  left(reason: unknown): void;
}

/**
 * The body as its reader gets it. A piece is read when the reader asks for one and handed on at once; nothing is read
 * ahead. Errors and cancels pass as they are. A byte stream stays one.
 */
export function watchBody(body: ReadableStream<Uint8Array>, watcher: BodyWatcher): ReadableStream {
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  // Locked when it is read, so that a body which nobody reads is let go of as if it were not watched.
  const source = (): ReadableStreamDefaultReader<Uint8Array> => {
    reader ??= body.getReader();
    return reader;
  };

  const pull = async (controller: ReadableStreamDefaultController | ReadableByteStreamController): Promise<void> => {
    for (;;) {
      const { done, value } = await source()
        .read()
        .catch((error: unknown) => {
          watcher.failed(error);
          throw error;
        });
      const piece = done ? watcher.ended() : watcher.pass(value);
      if (piece.length > 0) controller.enqueue(piece as Uint8Array<ArrayBuffer>);
      if (done) {
        controller.close();
        // A read into a buffer of the reader's own waits for an answer of its own.
        if ("byobRequest" in controller) controller.byobRequest?.respond(0);
        return;
      }
      if (piece.length > 0) return;
    }
  };
  const cancel = (reason: unknown): Promise<void> => {
    watcher.left(reason);
    return source().cancel(reason);
  };
  return isByteStream(body)
    ? new ReadableStream({ type: "bytes", pull, cancel })
    : new ReadableStream({ pull, cancel }, { highWaterMark: 0 });
}

function isByteStream(body: ReadableStream): boolean {
  try {
    body.getReader({ mode: "byob" }).releaseLock();
    return true;
  } catch {
    // A stream of chunks refuses such a reader.
    return false;
  }
}
