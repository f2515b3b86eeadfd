import { describe, expect, it } from "vitest";
import { createLivetail, type LivetailOptions, memoryStore } from "../src/index.js";
import { createSecretSearch } from "../src/secrets.js";
import { createLineEncoder } from "../src/serialize.js";

const { hide, mayHoldKey, toLookAt } = createSecretSearch();
const RANDOM = "Ab3dEf6hIj9lMn2pQr5tUv8xYz1-_bC4eF7";
const HEX = "0123456789abcdef".repeat(4);
const JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U";
const BODY = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEA";

/** A text, and what is shown of it. */
const HIDDEN: readonly (readonly [string, string])[] = [
  [`sk-${HEX}`, "sk-[redacted]"],
  ["sk-abcdefghijklmnopqrstuvwx", "sk-[redacted]"],
  [`the key sk-proj-${RANDOM} is wrong`, "the key sk-proj-[redacted] is wrong"],
  [`sk-ant-api03-${RANDOM}`, "sk-ant-api03-[redacted]"],
  [`sk-or-v1-${HEX}`, "sk-or-v1-[redacted]"],
  [`"AIzaSyA${RANDOM.slice(0, 32)}"`, '"AIza[redacted]"'],
  [`gsk_${RANDOM}`, "gsk_[redacted]"],
  [`xai-${RANDOM}`, "xai-[redacted]"],
  [`hf_${HEX.slice(0, 34)}`, "hf_[redacted]"],
  [`r8_${HEX.slice(0, 37)}`, "r8_[redacted]"],
  ["AKIAIOSFODNN7EXAMPLE, ASIAIOSFODNN7EXAMPLE.", "AKIA[redacted], ASIA[redacted]."],
  [`ghp_${HEX.slice(0, 36)} gho_${HEX.slice(0, 36)}`, "ghp_[redacted] gho_[redacted]"],
  [`github_pat_11ABCDEFG0_${HEX}`, "github_pat_[redacted]"],
  ["xoxb-123456789012-123456789012-abcdefghijklmnop", "xoxb-[redacted]"],
  [JWT, "eyJ[redacted]"],
  [`Bearer ${RANDOM}`, "Bearer [redacted]"],
  [`curl -H 'authorization: bearer ab.c/d~${RANDOM}=='`, "curl -H 'authorization: bearer [redacted]'"],
  ["Basic dXNlcjpwYXNzd29yZA== it is", "Basic [redacted] it is"],
  [`Authorization: Token ${RANDOM}`, "Authorization: Token [redacted]"],
  [`x-api-key: ${RANDOM}`, "x-api-key: [redacted]"],
  ["Cookie: sid=hunter2; theme=dark", "Cookie: [redacted]"],
  [
    `a\n-----BEGIN RSA PRIVATE KEY-----\n${BODY}\nab+/==\n-----END RSA PRIVATE KEY-----\nb`,
    "a\n-----BEGIN RSA PRIVATE KEY-----[redacted]-----END RSA PRIVATE KEY-----\nb",
  ],
  [`KEY="-----BEGIN PRIVATE KEY-----\\n${BODY}`, 'KEY="-----BEGIN PRIVATE KEY-----[redacted]'],
  ["postgres://user:hunter2@db:5432/jobs", "postgres://user:[redacted]@db:5432/jobs"],
  ["redis://:hunter2@h mongodb+srv://u:p@ss:w@h/", "redis://:[redacted]@h mongodb+srv://u:[redacted]@h/"],
  ["Server=db;Pwd=hunter2;Database=x", "Server=db;Pwd=[redacted];Database=x"],
  ["login failed, db_password=hunter2 (12 ms)", "login failed, db_password=[redacted] (12 ms)"],
  ["GET /v1?api_key=hunter2&page=2", "GET /v1?api_key=[redacted]&page=2"],
  [
    "OPENAI_API_KEY=hunter2 AWS_SECRET_ACCESS_KEY = 'a b'",
    "OPENAI_API_KEY=[redacted] AWS_SECRET_ACCESS_KEY = '[redacted]'",
  ],
  ["token=hunter2, refresh_token=a,b", "token=[redacted], refresh_token=[redacted]"],
  ['{"password":"hunt\\"er2","a":1}', '{"password":"[redacted]","a":1}'],
  ["{'client_secret': 'hunter2', 'a': 1}", "{'client_secret': '[redacted]', 'a': 1}"],
  [JSON.stringify({ body: '{"apiKey":"hunter2"}' }), '{"body":"{\\"apiKey\\":\\"[redacted]\\"}"}'],
  [`line\\nsk-${HEX}`, "line\\nsk-[redacted]"],
  [`line\\nBearer ${RANDOM}`, "line\\nBearer [redacted]"],
  [`{"log":"ok\\r\\nAuthorization: Token ${RANDOM}\\r\\n"}`, '{"log":"ok\\r\\nAuthorization: Token [redacted]\\r\\n"}'],
  ["line\\nBasic dXNlcjpwYXNzd29yZA== it is", "line\\nBasic [redacted] it is"],
  ["line\\nCookie: sid=hunter2; theme=dark", "line\\nCookie: [redacted]"],
  ["line\\n\\ttoken=hunter2 pwd=a\\npwd=b", "line\\n\\ttoken=[redacted] pwd=[redacted]"],
];

/** Texts as they are. */
const SHOWN = [
  "max_tokens=4000, input_tokens: 12, tokens=5, token_count=7, token=12",
  "123e4567-e89b-12d3-a456-426614174000",
  `commit ${HEX.slice(0, 40)}, sha256 ${HEX}`,
  `data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk${RANDOM.slice(0, 20)}YII=`,
  "https://example.com:8080/users/me@example.com?since=12&limit=100#at",
  "mail me@example.com, or see http://localhost:3000/@me",
  "Basic authentication is not supported; basic understanding-of-javascript, Basic JavaScriptKnowledge2",
  "the bearer of good-and-long-awaited news",
  "PWD=/srv/app password= token=null secret=None api_key=$API_KEY token=<your token> password=****",
  "sk-learn-pipeline-transformer, disk-usage-of-server-01-is-at-90-percent, npm_config_registry_and_more",
  "next_page_token=CAUQAA, the password is wrong, token: unexpected end of input",
  "claude-sonnet-4-5-20250929 answered req_011CQabcdefghijkl of op_enrich_0123456789abcdef",
  "if password == other or token === another",
  "eyJ is how a token begins; AKIA and sk- are not enough, nor is -----BEGIN PRIVATE KEY-----",
  "",
];

describe("secrets in words", () => {
  it.each(HIDDEN)("are replaced, and what is around them is kept: %s", (text, shown) => {
    expect(hide(text)).toBe(shown);
    expect(hide(shown)).toBe(shown);
    expect(toLookAt.test(text) || mayHoldKey(text)).toBe(true);
  });

  it.each(SHOWN)("are not seen in what is none: %s", (text) => {
    expect(hide(text)).toBe(text);
  });

  it("are found in long texts, and one beside the other", () => {
    const gaps = ["\n", "; ", '"', ", ", " and\n\n"];
    for (const [prose, gap] of ["lorem ipsum dolor ", "a", "über "].flatMap((one) =>
      gaps.map((two) => [one, two] as const),
    )) {
      const filler = ` ${prose.repeat(30)}${gap}`;
      const tokens = HIDDEN.filter(([text]) => !/["'{]|-----|Cookie/.test(text));
      const text = tokens.map(([one]) => filler + one).join(gap);
      expect(hide(text)).toBe(tokens.map(([, shown]) => filler + shown).join(gap));
    }
  });
});

describe("a line", () => {
  const encoder = createLineEncoder();
  const [secret, shown] = [`sk-proj-${RANDOM}`, "sk-proj-[redacted]"];

  it("has none of them in its strings, names, errors and events, and is what it was otherwise", () => {
    const lines = [
      encoder.message(`a "${secret}"`, { b: [{ c: secret }], [secret]: 1 }),
      encoder.message({ message: secret, url: "redis://:hunter2@h" }),
      encoder.message(Object.assign(new Error(secret), { stack: `Error: ${secret}\n  at x` })),
      encoder.event("info", secret, { error: new Error(secret), prompt_preview: `${"x ".repeat(500)}${secret}` }),
      encoder.text(`2026-01-14 10:22:33 [INFO] app: ${secret}`, "stdout"),
      encoder.text(JSON.stringify({ message: secret, deep: [secret] }), "stderr"),
      `{${encoder.bindings({ secret_of: secret }).slice(1)}}`,
      JSON.stringify(encoder.plain({ note: secret })),
      JSON.stringify(encoder.words(new Error(secret), 100)),
    ];
    for (const line of lines) {
      JSON.parse(line);
      expect(line).toContain(line.includes("redis:") ? "redis://:[redacted]@h" : shown);
      expect(line).not.toContain(RANDOM.slice(0, 8));
      expect(line).not.toContain("hunter2");
    }
    expect(JSON.parse(encoder.message(secret)).truncated).toBeUndefined();
  });

  it("shows no half of one that its cap cuts in two, wherever that is", () => {
    const pem = `-----BEGIN PRIVATE KEY-----\n${`${BODY}\n`.repeat(60)}-----END PRIVATE KEY-----`;
    for (const [one, part] of [
      [`postgres://user:${"hunter2".repeat(20)}@host`, "hunter2"],
      [`sk-ant-api03-${RANDOM.repeat(3)}`, RANDOM.slice(0, 10)],
      [pem, BODY.slice(0, 10)],
    ] as const) {
      for (let before = Math.max(0, 1024 - one.length - 40); before <= 1024; before += 7) {
        const text = `${"x ".repeat(before >> 1)}${one} ${"y ".repeat(9000)}`;
        const small = createLineEncoder({ maxLineBytes: 1024 });
        for (const line of [small.message(text), small.message("m", { text }), small.words(text, before + 30)]) {
          expect(line).not.toContain(part);
          expect(Buffer.byteLength(line)).toBeLessThanOrEqual(1024);
        }
      }
    }
  });

  it("is valid and of at most 16 KiB with any of them in any quotes", () => {
    const all = HIDDEN.map(([text]) => text).join(" ");
    let text = all;
    for (let depth = 0; depth < 4; depth += 1) {
      for (const line of [
        encoder.message(text),
        encoder.message({ text }),
        encoder.text(text),
        encoder.text(`{"a":${JSON.stringify(text)}}`),
      ]) {
        expect(Buffer.byteLength(line)).toBeLessThanOrEqual(16_384);
        expect(line).not.toContain("\n");
        JSON.parse(line);
      }
      text = JSON.stringify(text);
    }
  });
});

describe("a private key that is printed", () => {
  it("is replaced line by line up to its end, on each stream for itself, and so is none when that is off", async () => {
    const key = [
      "-----BEGIN RSA PRIVATE KEY-----",
      "Proc-Type: 4,ENCRYPTED",
      "",
      BODY,
      "ab+/==",
      "-----END RSA PRIVATE KEY-----",
    ];
    const printed = ["before", ...key, "abcd", "-----BEGIN PRIVATE KEY-----", BODY, "no key: after all", BODY];
    const shown = async (options: LivetailOptions) => {
      const store = memoryStore();
      const livetail = createLivetail({ store, ...options });
      const run = livetail.createOperationRun("s", "op");
      for (const line of printed) {
        run.logOutput(line, "stdout");
        run.logOutput("beside", "stderr");
      }
      await run.flush();
      const answer = await store.read({ runId: run.id, from: { kind: "tail", count: 99 }, limit: 99, known: null });
      await livetail.close();
      return (answer?.lines ?? [])
        .map((line) => JSON.parse(line))
        .flatMap((line) => (line.stream === "stdout" ? [line.message] : []));
    };
    const hidden = Array<string>(4).fill("[redacted]");
    expect(await shown({})).toEqual([
      ...["before", key[0], ...hidden, key[5], "abcd"],
      ...["-----BEGIN PRIVATE KEY-----", "[redacted]", "no key: after all", BODY],
    ]);
    expect(await shown({ redactPatterns: false })).toEqual(printed);
  });
});

describe("the option redactPatterns", () => {
  it("adds patterns, which see each text as it is and need no flags", () => {
    const encoder = createLineEncoder({ redactPatterns: [/\bKD-\d{4}\b/, /"|x*/gy, /ß/i] });
    const line = JSON.parse(encoder.message('a "KD-1234" and KD-5678', { b: "KD-1", c: `sk-${HEX}`, d: "Maß" }));
    expect(line.message).toBe("a [redacted][redacted][redacted] and [redacted]");
    expect(line.metadata).toEqual({ b: "KD-1", c: "sk-[redacted]", d: "Ma[redacted]" });
  });

  it("stores words as they are when it is false, and fields by their names as ever", () => {
    const encoder = createLineEncoder({ redactPatterns: false });
    const line = JSON.parse(encoder.message("password=hunter2", { note: `sk-${HEX}`, token: "hunter2" }));
    expect([line.message, line.metadata]).toEqual(["password=hunter2", { note: `sk-${HEX}`, token: "[redacted]" }]);
  });

  it.each([[["x"]], ["x"], [true], [[null]], [{}]])("is refused as INVALID_OPTION when it is %j", (given) => {
    expect(() => createLivetail({ redactPatterns: given as never })).toThrow(
      expect.objectContaining({ code: "INVALID_OPTION" }),
    );
  });
});
