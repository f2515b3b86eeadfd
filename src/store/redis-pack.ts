/** MessagePack, as far as scripts need it: `cmsgpack` takes a list of texts apart faster than Lua could split one. */

const ARRAY_32 = 0xdd;
const STR_32 = 0xdb;
const HEADER_BYTES = 5;

/**
 * Texts are written here first, because only then their length in bytes is known. Memory made for each batch would cost
 * more than the writing: it is three times too large, and new to the machine (`npm run bench ingest`).
 */
const draft = Buffer.allocUnsafeSlow(1_048_576);

/** Texts as one MessagePack array of strings. */
export function packTexts(texts: readonly string[]): Buffer {
  let most = HEADER_BYTES;
  // A UTF-16 unit takes at most three bytes.
  for (const text of texts) most += HEADER_BYTES + text.length * 3;
  const bytes = most <= draft.length ? draft : Buffer.allocUnsafeSlow(most);
  writeHeader(bytes, 0, ARRAY_32, texts.length);
  let at = HEADER_BYTES;
  for (const text of texts) {
    const length = bytes.write(text, at + HEADER_BYTES);
    writeHeader(bytes, at, STR_32, length);
    at += HEADER_BYTES + length;
  }
  const written = bytes.subarray(0, at);
  return bytes === draft ? Buffer.from(written) : written;
}

function writeHeader(bytes: Buffer, at: number, type: number, length: number): void {
  bytes[at] = type;
  bytes[at + 1] = length >>> 24;
  bytes[at + 2] = length >>> 16;
  bytes[at + 3] = length >>> 8;
  bytes[at + 4] = length;
}
