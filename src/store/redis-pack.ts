/** MessagePack, as far as scripts need it: `cmsgpack` takes a list of texts apart faster than Lua could split one. */

const ARRAY_32 = 0xdd;
const STR_32 = 0xdb;
const HEADER_BYTES = 5;

/** Texts as one MessagePack array of strings. */
export function packTexts(texts: readonly string[]): Buffer {
  let most = HEADER_BYTES;
  // A UTF-16 unit takes at most three bytes. Memory that is not written to costs nothing.
  for (const text of texts) most += HEADER_BYTES + text.length * 3;
  const bytes = Buffer.allocUnsafeSlow(most);
  bytes[0] = ARRAY_32;
  bytes.writeUInt32BE(texts.length, 1);
  let at = HEADER_BYTES;
  for (const text of texts) {
    const length = bytes.write(text, at + HEADER_BYTES);
    bytes[at] = STR_32;
    bytes.writeUInt32BE(length, at + 1);
    at += HEADER_BYTES + length;
  }
  return bytes.subarray(0, at);
}
