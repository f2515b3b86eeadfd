/** Bytes that a program printed → its lines. Pure. */

/** What a splitter keeps to. */
export interface LineSplitterOptions {
  /** Longest piece of a long line, in bytes of its JSON text. Default 16,000: with its envelope it stays below 16 KiB. */
  maxPieceBytes?: number;
  /** How much of an unfinished line is held, in UTF-16 units; past that it is handed over in pieces. Default 65,536. */
  maxHeld?: number;
  /** The same of a line that begins like a JSON object, which only makes sense as a whole. Default 1,048,576. */
  maxHeldJson?: number;
}

/** The lines of one stream. */
export interface LineSplitter {
  /** The lines that `chunk` finishes, without their line ends. To be read to the end before the next chunk comes. */
  push(chunk: Uint8Array): Iterable<string>;
  /** What is left: a last line without a line end. */
  end(): Iterable<string>;
}

/**
 * Splits at LF and CRLF; a lone CR stays in its line. UTF-8 may be cut anywhere; what is none becomes U+FFFD. Blank
 * lines are lines. A line that is too long comes in pieces, unless it is a JSON object.
 */
export function createLineSplitter(options: LineSplitterOptions = {}): LineSplitter {
  const { maxPieceBytes = 16_000, maxHeld = 65_536, maxHeldJson = 1_048_576 } = options;
  // ignoreBOM: a byte order mark is handed over like any other character.
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let held = "";

  function* split(text: string): Generator<string> {
    let start = 0;
    for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n", start)) {
      const line = held + text.slice(start, end);
      held = "";
      start = end + 1;
      yield* whole(line.endsWith("\r") ? line.slice(0, -1) : line, maxPieceBytes);
    }
    held += text.slice(start);
    if (held.length <= (held.startsWith("{") ? maxHeldJson : maxHeld)) return;
    const pieces = [...piecesOf(held, maxPieceBytes)];
    // The last piece waits for its line end, so that none is left over as a line of its own.
    held = pieces.pop() ?? "";
    if (held === "\r") held = `${pieces.pop() ?? ""}\r`;
    yield* pieces;
  }

  return {
    push: (chunk) => split(decoder.decode(chunk, { stream: true })),
    *end() {
      yield* split(decoder.decode());
      if (held !== "") yield* whole(held, maxPieceBytes);
      held = "";
    },
  };
}

function* whole(line: string, maxBytes: number): Generator<string> {
  // A UTF-16 unit takes at most six bytes of JSON: most lines need not be measured.
  if (line.length * 6 <= maxBytes || isJsonObject(line)) yield line;
  else yield* piecesOf(line, maxBytes);
}

function* piecesOf(line: string, maxBytes: number): Generator<string> {
  let start = 0;
  let bytes = 0;
  for (let i = 0; i < line.length; ) {
    const unit = line.codePointAt(i) as number;
    const cost = jsonBytes(unit);
    if (bytes + cost > maxBytes && i > start) {
      yield line.slice(start, i);
      start = i;
      bytes = 0;
    }
    bytes += cost;
    i += unit > 0xffff ? 2 : 1;
  }
  yield line.slice(start);
}

/** How many bytes a character takes inside a JSON string. */
function jsonBytes(character: number): number {
  if (character < 0x20) return character >= 8 && character <= 13 && character !== 11 ? 2 : 6;
  if (character === 0x22 || character === 0x5c) return 2;
  if (character < 0x80) return 1;
  if (character < 0x800) return 2;
  return character > 0xffff ? 4 : 3;
}

function isJsonObject(line: string): boolean {
  if (!line.startsWith("{") || !line.trimEnd().endsWith("}")) return false;
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}
