/** Text from a line → text that can do nothing to a terminal but colour it. Pure. */

const ESC = "\u001b";
const BEL = "\u0007";
const ST = "\u009c";
const CSI = "[0-?]*[ -/]*[@-~]";

/** What turns the direction of the text after it, so that a line says something else than it seems to. */
const TURN = "\\u202a-\\u202e\\u2066-\\u2069";

/** Whole escape sequences first, so that nothing of them is left over as text; then every other control character. */
const CONTROL = new RegExp(
  [
    `${ESC}\\[${CSI}`,
    `\u009b${CSI}`,
    // OSC, DCS, SOS, PM, APC: a text up to its terminator.
    `${ESC}[\\]PX^_][^${BEL}${ESC}${ST}]*(?:${BEL}|${ESC}\\\\|${ST})`,
    `${ESC}[ -/]*[0-~]`,
    `[\\p{Cc}${TURN}]`,
  ].join("|"),
  "gu",
);
const ANY_CONTROL = new RegExp(`[\\p{Cc}${TURN}]`, "u");
const EVERY_CONTROL = new RegExp(ANY_CONTROL, "gu");
const COLOR = new RegExp(`^${ESC}\\[[0-9;:]*m$`);

/**
 * Makes one line harmless: colours (SGR) stay where `color` is true, tabs stay, other escape sequences, C1 and
 * turns of the direction go, and other control characters are shown as `^X`. Takes linear time.
 */
export function harmless(line: string, color: boolean): string {
  if (!ANY_CONTROL.test(line)) return line;
  return line.replace(CONTROL, (found) => {
    if (found === "\t") return found;
    if (found.length > 1) return color && COLOR.test(found) ? found : "";
    const code = found.charCodeAt(0);
    if (code > 0x7f) return "";
    return code === 0x7f ? "^?" : `^${String.fromCharCode(code + 64)}`;
  });
}

/** JSON text without the control characters that JSON leaves alone (DEL, C1, turns of the direction). */
export function harmlessJson(text: string): string {
  if (!ANY_CONTROL.test(text)) return text;
  return text.replace(EVERY_CONTROL, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
