/**
 * Secrets in the words of a text, found by what they look like: keys of known services, tokens, passwords in URLs and
 * assignments, private keys. What says of which kind it was is kept. Linear in the length of any text.
 *
 * Most strings hold none, and every string of every line is looked at: one search finds that there is none, and nothing
 * to be escaped either (`npm run bench -- log-call`).
 */
import { cutText, HIDDEN } from "./redact.js";

/** What is looked for in the words of texts. */
export interface SecretSearch {
  /** Finds a character that has to be escaped in JSON, or may be of a secret that `mayHoldKey` does not tell of. */
  readonly toLookAt: RegExp;
  /** Whether a text may hold a key; most do not. */
  mayHoldKey(text: string): boolean;
  /** Matches all of a text, if not a short one, that has neither such a character nor a key. */
  readonly plain: RegExp;
  /** The same, where line ends are yet to be escaped. */
  readonly plainLines: RegExp;
  /** The same text with its secrets replaced. */
  hide(text: string): string;
}

/** A character that JSON text may not hold as it is, or half of a surrogate pair. Most strings have none. */
export const TO_ESCAPE = /[^ !#-[\]-\ud7ff\ue000-\uffff]/;
/** The same without the end of a line, which is all that most texts with such a character have. */
export const TO_ESCAPE_BUT_LINE_ENDS = /[^\n !#-[\]-\ud7ff\ue000-\uffff]/;
/** The same and `=`, `@` and `'`, without which a text assigns nothing and holds no URL with a password. */
const TO_LOOK_AT = /[^ !#-&(-<>?A-[\]-\ud7ff\ue000-\uffff]/;
const ANYTHING = /[\s\S]/;
const NOTHING = /(?!)/y;

/** A key has so many letters, digits, `_` and `-` in a row, or more. */
const LONG_WORD = 16;
/** With what stands before it, it has so many characters. */
const SHORTEST_WITH_KEY = 20;

const isWord = new Uint8Array(65_536);
for (let code = 0; code < 128; code++) if (/[\w-]/.test(String.fromCharCode(code))) isWord[code] = 1;

/** Where the first long word that begins at or after `from` has its sixteenth character; -1 for none. */
function longWordAt(text: string, from: number): number {
  const { length } = text;
  for (let last = from + LONG_WORD - 1; last < length; ) {
    const before = last - LONG_WORD;
    let at = last;
    while (at > before && isWord[text.charCodeAt(at)] === 1) at--;
    if (at === before) return last;
    // No long word ends before the next one's sixteenth character after this gap.
    last = at + LONG_WORD;
  }
  return -1;
}

function mayHoldKey(text: string): boolean {
  return text.length >= SHORTEST_WITH_KEY && longWordAt(text, 0) >= 0;
}

/**
 * Matches a text from its beginning for as long as it has nothing to look at and no long word, in pieces that end with
 * the last gap among so many characters as a long word has. Looking for the gap from behind, and then at what is before
 * it, takes two thirds of the time of two searches. No piece is ever given back: linear in the length of the text.
 */
function plainPattern(besides: string): RegExp {
  const character = `[${besides} !#-&(-<>?A-[\\]-\\ud7ff\\ue000-\\uffff]`;
  const gap = `[${besides} !#-&(-,./:-<>?[\\]^\`{-\\ud7ff\\ue000-\\uffff]`;
  const pieces = Array.from({ length: LONG_WORD }, (_, at) => character.repeat(LONG_WORD - 1 - at) + gap);
  return new RegExp(`(?:${pieces.join("|")})*[\\w-]{0,${LONG_WORD - 1}}`, "y");
}

/** The same where keys are not looked for. Several characters at a time, in three quarters of the time of one. */
function unescapedPattern(besides: string): RegExp {
  const character = `[${besides} !#-[\\]-\\ud7ff\\ue000-\\uffff]`;
  return new RegExp(`(?:${character.repeat(8)})*${character}*`, "y");
}

/** Whether a text is JSON as it is, but for its quotes, and holds no secret; false where only a closer look tells. */
export function isPlain({ toLookAt, plain }: SecretSearch, text: string): boolean {
  return text.length < SHORTEST_WITH_KEY ? !toLookAt.test(text) : isAll(plain, text);
}

/** The same of a long text whose line ends are yet to be escaped. */
export function arePlainLines({ plainLines }: SecretSearch, text: string): boolean {
  return isAll(plainLines, text);
}

/** Whether a pattern, which is a sticky one, matches all of a text. */
function isAll(pattern: RegExp, text: string): boolean {
  pattern.lastIndex = 0;
  pattern.test(text);
  return pattern.lastIndex === text.length;
}

/** Where a word begins: in text that is JSON itself, the letter of an escaped line end may stand before it. */
const AFTER_ESCAPE = "(?<=\\\\[nrt])";
const BEGIN = `(?:(?<![a-z])|${AFTER_ESCAPE})`;
const BOUNDARY = `(?:\\b|${AFTER_ESCAPE})`;

/** Names whose values are secrets in `name=value` and `"name": value`; the first group are passwords, of any kind. */
const NAMES = [
  `(password|passwd|passphrase|${BEGIN}pwd)`,
  "secret",
  `${BEGIN}(?<!(?:page|next|sync|continuation)[_-])token`,
  "(?:access|refresh|auth|id|session|api|bearer)token",
  "(?:api|access|secret|private|account|signing|encryption|subscription)[_-]?key",
  `${BEGIN}authorization`,
  `${BEGIN}cookie`,
  "x-amz-signature",
  "(?<=[?&])sig",
].join("|");

/** A value in quotes, in quotes that are escaped, or up to what ends a word or a parameter. */
const VALUE = [
  '(")((?:[^"\\\\\\n]|\\\\[^\\n])*)',
  "(')((?:[^'\\\\\\n]|\\\\[^\\n])*)",
  "(\\\\{1,7}[\"'])([^\"'\\\\\\n]*)",
  "()((?:(?:bearer|basic|token|digest) {1,4})?[^\\s\"'&;,{[\\\\](?:[^\\s\"'&;,]|,(?! |$))*)",
].join("|");

const ASSIGNED = new RegExp(
  `[=:](?<=(?:${NAMES})(?:(?:\\\\{1,7})?["'] ?[=:]| ?=))(?!=)(>|(?<= =|:) )?(?:${VALUE})`,
  "gi",
);

/** What stands where a secret would, or says that there is none. */
const NO_SECRET =
  /^(?:|null|undefined|none|nil|true|false|\*+|%[sdr]|\$\w+|[$#]?\{+[^}]*\}+|<[\w -]*>?|\[redacted\])[.)]?$/i;
const COUNT = /^\d{1,8}[.)]?$/;

function hideAssigned(text: string): string {
  return text.replace(ASSIGNED, (whole: string, password: string | undefined, ...rest: unknown[]) => {
    const value = (rest[2] ?? rest[4] ?? rest[6] ?? rest[8]) as string;
    if (value.length <= 64 && NO_SECRET.test(value)) return whole;
    if (password === undefined ? COUNT.test(value) : password.toLowerCase() === "pwd" && value.startsWith("/")) {
      return whole;
    }
    return `${whole.slice(0, whole.length - value.length)}${HIDDEN}`;
  });
}

/** A header in text; those of one word are credentials after a label. */
const COOKIE = new RegExp(`(${BOUNDARY}cookie: {0,4})[^\\s"'=]{1,256}=[^\\n"']*`, "gi");

/** `scheme://user:password@host` */
const URL_PASSWORD = /(:\/\/[^\s/?#@:"'<>]*:)[^\s/?#"'<>]+@/g;

/** A private key in PEM, up to its end or that of the text. */
const PRIVATE_KEY = /(-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)[\s\S]*?(?=-----END |$)/g;

const KEY_BEGINS = /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----\s*$/;
/** A line between its first and its last: base64, a header, or nothing. */
const KEY_LINE = /^\s*(?:[\w+/=]{1,128}|[A-Z][\w-]{1,40}: .{0,200})?\s*$/;
const MOST_KEY_LINES = 400;

/** Tells of each line that somebody printed whether it is one within a private key; to be asked of all in their order. */
export function createKeyWatch(): (line: string) => boolean {
  let left = 0;
  return (line) => {
    if (left > 0) {
      left = KEY_LINE.test(line) ? left - 1 : 0;
      if (left > 0) return true;
    }
    if (line.length < 1000 && line.includes("PRIVATE KEY") && KEY_BEGINS.test(line)) left = MOST_KEY_LINES;
    return false;
  };
}

/** Keys that are known by how they begin, at the beginning of a long word. */
const KEY = new RegExp(
  [
    "(AIza)[\\w-]{30,}",
    "(A[KS]IA)[A-Z0-9]{16}(?![\\w-])",
    "(eyJ)[\\w-]{10,}(?:\\.[\\w-]+){1,4}",
    "(gh[a-z]_|github_pat_|glpat-|xox[a-z]-|xapp-)[\\w-]{16,}",
    "((?:sk[-_](?:proj-|svcacct-|admin-|ant-(?:(?:api|admin)\\d\\d-)?|or-(?:v\\d-)?|lf-|live_|test_)?|[rp]k_live_|[gc]sk[-_]" +
      "|xai-|hf_|r8_|pplx-|nvapi-|tvly-|lsv2_(?:pt|sk)_|npm_|whsec_|shpat_|dop_v1_))(?=([\\w-]*))[\\w-]{12,}",
  ].join("|"),
  "y",
);
const KEY_GROUPS = 5;

/** A word that nobody would write: it has a digit, or many letters in a row. */
const RANDOM = /\d|[A-Za-z]{16}/;

/** What says that the word after it is a credential. */
const LABEL = new RegExp(
  `(?<=${BOUNDARY}(basic) {1,4})|(?<=${BOUNDARY}bearer {1,4}|(?:${NAMES.replace("(password", "(?:password")}|x-api-key): {0,4}(?:[a-z][\\w-]{0,20} )?)`,
  "iy",
);
const CREDENTIAL = /[\w.~+/-]+=*/y;
/** A credential may have these beside the characters of words. */
const isJoint = (code: number): boolean => code === 0x2e || code === 0x2f || code === 0x2b || code === 0x7e;
/** How far before a long word its credential is looked for. */
const MOST_BEFORE = 128;

/** Where the secret in the long word from `start` begins and ends; undefined for none. */
function secretAt(text: string, start: number): { from: number; to: number } | undefined {
  // In text that is JSON itself, a word may begin with the letter of an escaped line end.
  const first = text.charCodeAt(start - 1) === 0x5c && "nrt".includes(text[start] as string) ? start + 1 : start;
  KEY.lastIndex = first;
  const key = KEY.exec(text);
  if (key !== null) {
    const prefix = key.slice(1, 1 + KEY_GROUPS).find((group) => group !== undefined) ?? "";
    const rest = key[1 + KEY_GROUPS];
    if (rest === undefined || RANDOM.test(rest)) return { from: first + prefix.length, to: KEY.lastIndex };
  }
  let from = start;
  const least = Math.max(0, start - MOST_BEFORE);
  while (from > least && (isWord[text.charCodeAt(from - 1)] === 1 || isJoint(text.charCodeAt(from - 1)))) from--;
  LABEL.lastIndex = from;
  const label = LABEL.exec(text);
  if (label === null) return undefined;
  CREDENTIAL.lastIndex = from;
  const credential = CREDENTIAL.exec(text)?.[0] ?? "";
  // "Basic" is a word of other texts, too: there it is not followed by a name and a password.
  const found = label[1] === undefined ? RANDOM.test(credential) : Buffer.from(credential, "base64").includes(":");
  return found ? { from, to: from + credential.length } : undefined;
}

function hideKeys(text: string): string {
  let hidden = "";
  let done = 0;
  for (let at = longWordAt(text, 0); at >= 0; ) {
    const secret = secretAt(text, at - LONG_WORD + 1);
    if (secret !== undefined) {
      hidden += text.slice(done, secret.from) + HIDDEN;
      done = secret.to;
    }
    let end = Math.max(at + 1, done);
    while (isWord[text.charCodeAt(end)] === 1) end++;
    at = longWordAt(text, end);
  }
  return done === 0 ? text : hidden + text.slice(done);
}

/** Replaces what looks like a secret. */
function hideSecrets(text: string): string {
  let hidden = text;
  const assigns = hidden.includes("=");
  if (assigns) hidden = hidden.replace(COOKIE, `$1${HIDDEN}`);
  if (assigns || hidden.includes('":') || hidden.includes("':")) hidden = hideAssigned(hidden);
  if (hidden.includes("@")) hidden = hidden.replace(URL_PASSWORD, `$1${HIDDEN}@`);
  if (!mayHoldKey(hidden)) return hidden;
  if (hidden.includes("PRIVATE KEY")) hidden = hidden.replace(PRIVATE_KEY, `$1${HIDDEN}`);
  return hideKeys(hidden);
}

const BUILT_IN: SecretSearch = {
  toLookAt: TO_LOOK_AT,
  mayHoldKey,
  plain: plainPattern(""),
  plainLines: plainPattern("\\n"),
  hide: hideSecrets,
};
const NONE: SecretSearch = {
  toLookAt: TO_ESCAPE,
  mayHoldKey: () => false,
  plain: unescapedPattern(""),
  plainLines: unescapedPattern("\\n"),
  hide: (text) => text,
};

/**
 * What is looked for: the known secrets and all that `patterns` match, or nothing at all with `false`. A search for
 * patterns of somebody's own looks at every text, and takes as long as they do.
 */
export function createSecretSearch(patterns: readonly RegExp[] | false = []): SecretSearch {
  if (patterns === false) return NONE;
  if (patterns.length === 0) return BUILT_IN;
  const own = patterns.map(({ source, flags }) => new RegExp(source, `${flags.replace(/[gy]/g, "")}g`));
  return {
    toLookAt: ANYTHING,
    mayHoldKey,
    plain: NOTHING,
    plainLines: NOTHING,
    hide(text) {
      let hidden = hideSecrets(text);
      for (const pattern of own) hidden = hidden.replace(pattern, (match: string) => (match === "" ? "" : HIDDEN));
      return hidden;
    },
  };
}

/** A secret that begins before a cut is seen so far beyond it. */
const BEYOND_CUT = 4096;

/** The first `length` UTF-16 units of a text, its secrets replaced: also one that would be cut in two. */
export function hideAndCut({ hide }: SecretSearch, text: string, length: number): string {
  const most = length + BEYOND_CUT;
  if (text.length <= most) return cutText(hide(text), length);
  const hidden = hide(text.slice(0, most));
  // What may be cut in two at the end of the piece that was looked at is not shown, however much was replaced in it.
  return cutText(hidden, Math.min(length, Math.max(0, hidden.length - BEYOND_CUT)));
}
