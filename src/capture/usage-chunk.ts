/**
 * Chat streams of OpenAI tell their tokens only to who asks for them: how to ask, and how to take out of the stream
 * again what the asking adds to it, so that the caller gets what it would have got.
 */

/** What `stream_options.include_usage` adds: a member of every chunk, and a last chunk without choices. */
const NO_USAGE = ',"usage":null';
const USAGE = '"usage":{';
const NO_CHOICES = '"choices":[]';

/** The chunk with the usage is short: an unfinished event that is longer is not held back. */
const MAX_HELD_BYTES = 16_384;
const EVENT_END = "\n\n";
const LF = 10;
const CR = 13;

/** The JSON text of a request that has no `stream_options`, with the wish for the usage as its last member. */
export function askingForUsage(body: string): string {
  const end = body.lastIndexOf("}");
  return `${body.slice(0, end)},"stream_options":{"include_usage":true}${body.slice(end)}`;
}

/** Takes out of the bytes of a stream what `askingForUsage` added. Every other byte stays as it is. */
export interface UsageRemover {
  /** What is handed on of a piece and of what was held back before it: whole events, except for long ones. */
  push(piece: Uint8Array): Uint8Array;
  /** What is held back, at the end. */
  end(): Uint8Array;
}

/** Creates a remover. A stream whose lines do not end in LF alone is left as it is: OpenAI's do. */
export function createUsageRemover(): UsageRemover {
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  let isForeign = false;
  const release = (): Buffer => {
    const bytes = Buffer.concat(held);
    held = [];
    heldBytes = 0;
    return bytes;
  };
  const hold = (bytes: Uint8Array): void => {
    // A copy: what is held is short, and may be a part of something long.
    held.push(new Uint8Array(bytes));
    heldBytes += bytes.length;
  };
  return {
    push(piece) {
      isForeign ||= piece.includes(CR);
      hold(piece);
      if (!isForeign && !piece.includes(LF) && heldBytes <= MAX_HELD_BYTES) return new Uint8Array();
      const bytes = release();
      if (isForeign) return new Uint8Array(bytes);
      const end = bytes.lastIndexOf(EVENT_END);
      const ready = end === -1 ? 0 : end + EVENT_END.length;
      if (bytes.length - ready > MAX_HELD_BYTES) return new Uint8Array(withoutUsage(bytes));
      hold(bytes.subarray(ready));
      return new Uint8Array(withoutUsage(bytes.subarray(0, ready)));
    },
    end: () => new Uint8Array(isForeign ? release() : withoutUsage(release())),
  };
}

function withoutUsage(bytes: Buffer): Buffer {
  if (!bytes.includes('"usage":')) return bytes;
  // One character a byte, so that none changes; what is looked for is ASCII, and unescaped quotes stand in no string.
  const events = bytes.toString("latin1").split(/(?<=\n\n)/);
  return Buffer.from(events.map(eventWithoutUsage).join(""), "latin1");
}

function eventWithoutUsage(event: string): string {
  if (event.includes(NO_CHOICES) && event.includes(USAGE)) return "";
  return event.replace(NO_USAGE, "");
}
