/** Puts text on the clipboard; resolves to what came of it, in a word. */
export async function copyText(text: string): Promise<string> {
  try {
    await navigator.clipboard.writeText(text);
    return "Copied";
  } catch {
    // There is none without HTTPS, and the user or a policy may forbid it.
    return "Not allowed";
  }
}
