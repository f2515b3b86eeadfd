/** The world of the example: the providers' own libraries understand its models, and its board is as unreliable as it says. */
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterAll, describe, expect, it } from "vitest";
import { postings } from "../examples/runner-service/world/postings.js";
import { startWorld } from "../examples/runner-service/world/start-world.js";
import { until } from "./support/until.js";

const world = await startWorld({ speed: 1000 });
afterAll(() => world.close());

const openai = (apiKey: string) => new OpenAI({ apiKey, baseURL: `${world.modelsUrl}/v1`, maxRetries: 0 });
const anthropic = (apiKey: string) => new Anthropic({ apiKey, baseURL: world.modelsUrl, maxRetries: 0 });

const profile = {
  name: "Sam Rivera",
  roles: [
    { title: "Data Engineer", company: "Fjordbank", bullets: ["Built pipelines in Python and Spark.", "Ran Kafka."] },
    { title: "Backend Developer", company: "Mapwise", bullets: ["Designed REST interfaces on Node.js."] },
  ],
  skills: ["SQL", "dbt"],
};
const job = {
  ...{ id: "job-101", title: "Senior Data Engineer", company: "Northwind" },
  requirements: ["Pipelines in Python and Spark.", "You model data in SQL.", "You know Airflow."],
};

const messages = (task: string, material: object) => [
  { role: "system" as const, content: `You help with applications.\nTask: ${task}` },
  { role: "user" as const, content: JSON.stringify(material) },
];
const chat = (task: string, material: object) => ({ model: "gpt-5-mini", messages: messages(task, material) });
const message = (task: string, material: object) => {
  const [system, user] = messages(task, material);
  return {
    ...{ model: "claude-sonnet-5", max_tokens: 1000, system: system?.content ?? "" },
    messages: [{ role: "user" as const, content: user?.content ?? "" }],
  };
};
const tokens = (...texts: string[]): number => Math.ceil(texts.join("").length / 4);

describe("the models", () => {
  it("answer a chat of OpenAI, streamed or not, alike, and tell its usage to who asks", async () => {
    const client = openai("chats");
    const body = chat("score", { job, profile });
    const whole = await client.chat.completions.create(body);
    const text = whole.choices[0]?.message.content ?? "";
    expect(JSON.parse(text)).toMatchObject({ score: 75, matched: ["Python", "SQL", "Spark"], missing: ["Airflow"] });
    const usage = {
      prompt_tokens: tokens(...body.messages.map(({ content }) => content)),
      completion_tokens: tokens(text),
    };
    expect(whole).toMatchObject({ model: "gpt-5-mini-2025-08-07", usage });

    let streamed = "";
    for await (const chunk of await client.chat.completions.create({ ...body, stream: true })) {
      streamed += chunk.choices[0]?.delta.content ?? "";
      expect(chunk.usage).toBeUndefined();
    }
    const asking = { ...body, stream: true, stream_options: { include_usage: true } } as const;
    const final = await client.chat.completions.stream(asking).finalChatCompletion();
    expect([streamed, final.choices[0]?.message.content]).toEqual([text, text]);
    expect(final.usage).toMatchObject(usage);

    const call = { provider: "openai", model: "gpt-5-mini-2025-08-07", status: 200 };
    const billed = { ...call, input_tokens: usage.prompt_tokens, output_tokens: usage.completion_tokens };
    expect(world.calls("chats")).toEqual([billed, billed, billed]);
  });

  it("answer a message of Anthropic, streamed or not, alike, with its usage", async () => {
    const client = anthropic("messages");
    const role = profile.roles[0];
    const body = message("draft", { job, role, keywords: ["Kafka"], feedback: ["SQL is not shown by any role"] });
    const whole = await client.messages.create(body);
    const [block] = whole.content;
    const text = block?.type === "text" ? block.text : "";
    expect(text.split("\n")).toEqual([
      "## Data Engineer, Fjordbank",
      "- Ran Kafka.",
      "- Built pipelines in Python and Spark.",
      "- Worked with SQL throughout.",
    ]);
    const stream = client.messages.stream(body);
    let pieces = 0;
    stream.on("text", () => (pieces += 1));
    const final = await stream.finalMessage();
    expect(pieces).toBeGreaterThan(3);
    expect(final.content).toEqual(whole.content.map((one) => expect.objectContaining(one)));
    const usage = { input_tokens: tokens(body.system, String(body.messages[0]?.content)), output_tokens: tokens(text) };
    for (const answer of [whole, final]) expect(answer).toMatchObject({ model: "claude-sonnet-5", usage });
    const billed = { provider: "anthropic", model: "claude-sonnet-5", status: 200, ...usage };
    expect(world.calls("messages")).toEqual([billed, billed]);
    expect(await (await fetch(`${world.modelsUrl}/calls?key=messages`)).json()).toEqual([billed, billed]);
  });

  it("know every task, and answer the same prompt alike", async () => {
    const contact = { name: "Amira Haddad", role: "Director of Data" };
    const asked: [task: string, material: object, answer: unknown][] = [
      [
        "extract",
        {
          posting: "Senior Data Engineer\nLocation: Berlin\nSalary: EUR 58,000 to 76,000\nPython",
          company: "Northwind",
        },
        {
          title: "Senior Data Engineer",
          company: "Northwind",
          location: "Berlin",
          seniority: "senior",
          skills: ["Python"],
        },
      ],
      [
        "rank",
        {
          titles: ["data engineer"],
          jobs: [
            { ...job, id: "a", title: "Cook", location: "Rome" },
            { ...job, location: "Berlin" },
          ],
        },
        { ranking: [{ job_id: "job-101" }, { job_id: "a" }] },
      ],
      [
        "annotate",
        { requirement: job.requirements[0], profile },
        { relevance: "strong", role: "Data Engineer", evidence: "Built pipelines in Python and Spark." },
      ],
      ["annotate", { requirement: "Terraform", profile }, { relevance: "gap", evidence: "", keywords: ["Terraform"] }],
      ["analyse", { job, profile }, { lead_roles: ["Data Engineer", "Backend Developer"] }],
      [
        "review",
        { job, cv: "Python, Spark", profile, attempt: 1 },
        { passed: false, problems: ["SQL is not shown by any role"] },
      ],
      ["review", { job, cv: "Python, Spark, SQL", profile, attempt: 2 }, { passed: true, score: 100, problems: [] }],
    ];
    const ask = async (task: string, material: object): Promise<string> =>
      (await openai("tasks").chat.completions.create(chat(task, material))).choices[0]?.message.content ?? "";
    for (const [task, material, answer] of asked) {
      const text = await ask(task, material);
      expect(JSON.parse(text)).toMatchObject(answer as object);
      expect(await ask(task, material)).toBe(text);
    }
    const letter = await ask("outreach", { kind: "recruiter", contact, job, profile });
    expect(letter).toMatch(/^Dear Amira,\n\nyou are looking for a Senior Data Engineer at Northwind\./);
  });

  it("refuse as the providers do", async () => {
    const letter = { kind: "recruiter", contact: { name: "A", role: "B" }, job, profile };
    const review = { job, cv: "", profile, attempt: 2 };
    const [claude, gpt] = [anthropic("refused").messages, openai("refused").chat.completions];
    const refused: [ask: () => Promise<unknown>, status: number, error: object][] = [
      [() => claude.create(message("outreach", letter)), 529, { error: { type: "overloaded_error" } }],
      [() => claude.create(message("review", review)), 529, { error: { type: "overloaded_error" } }],
      [() => claude.create(message("sing", {})), 400, { error: { type: "invalid_request_error" } }],
      [() => claude.create({ ...message("score", { job }), max_tokens: 0 }), 400, {}],
      [
        () => claude.create({ ...message("score", {}), model: "claude-1" }),
        404,
        { error: { type: "not_found_error" } },
      ],
      [() => gpt.create(chat("score", { job })), 400, { type: "invalid_request_error" }],
      [() => gpt.create({ ...chat("score", {}), model: "gpt-2" }), 404, { code: "model_not_found" }],
    ];
    for (const [ask, status, error] of refused) await expect(ask()).rejects.toMatchObject({ status, error });
    const nobody = await fetch(`${world.modelsUrl}/v1/chat/completions`, { method: "POST", body: "{}" });
    expect([nobody.status, await nobody.json()]).toMatchObject([401, { error: { code: "invalid_api_key" } }]);
    const kept = world.calls("refused");
    expect(kept.map(({ status }) => status)).toEqual(refused.map(([, status]) => status));
    expect(kept.every(({ input_tokens, output_tokens }) => input_tokens + output_tokens === 0)).toBe(true);
  });

  it("bill nobody who left before the end", async () => {
    const slow = await startWorld({ speed: 2 });
    const leave = new AbortController();
    const client = new OpenAI({ apiKey: "left", baseURL: `${slow.modelsUrl}/v1`, maxRetries: 0 });
    const stream = await client.chat.completions.create(
      { ...chat("score", { job, profile }), stream: true },
      { signal: leave.signal },
    );
    leave.abort();
    for await (const _ of stream) expect.unreachable();
    await until(() => slow.calls("left").length > 0, "the call to be in the ledger");
    expect(slow.calls("left")).toMatchObject([{ status: 499, input_tokens: 0, output_tokens: 0 }]);
    await slow.close();
  });
});

describe("the job board", () => {
  const get = (path: string): Promise<Response> => fetch(world.boardUrl + path);
  const json = async (path: string) => (await get(path)).json();

  it("lists 40 postings at three places, most of one source at another one, too", async () => {
    const indeed = new Set<string>();
    let next: string | undefined = "/indeed/search?q=data%20engineer&page=1";
    for (let pages = 0; next !== undefined; pages++) {
      const page = await (await get(next)).text();
      for (const [, id = ""] of page.matchAll(/data-id="([^"]+)"/g)) indeed.add(id);
      next = /rel="next" href="([^"]+)"/.exec(page)?.[1]?.replace("&amp;", "&");
      expect(pages).toBeLessThan(5);
    }
    const bayt = new Set<string>();
    for (let page = 1, pages = 1; page <= pages; page++) {
      const path = `/bayt/api/jobs?title=engineer&page=${page}`;
      // The second page is refused once.
      const answer = await get(path);
      const found = await (answer.ok ? answer : await get(path)).json();
      pages = found.pages;
      for (const { id } of found.jobs) bayt.add(id);
    }
    const feed = [...(await json("/himalayas/feed?limit=20")).jobs, ...(await json("/himalayas/feed?offset=20")).jobs];
    const himalayas = new Set<string>(feed.map(({ id }) => id));
    expect([indeed.size, bayt.size, himalayas.size, feed.length]).toEqual([20, 20, 20, 21]);
    expect([...indeed].filter((id) => himalayas.has(id) || bayt.has(id))).toHaveLength(20);
    expect(new Set([...indeed, ...bayt, ...himalayas]).size).toBe(40);
    const [newest] = feed;
    expect(newest).toMatchObject({ id: "job-101", title: "Senior Data Engineer", posted: "2026-01-14" });
    expect(feed.slice(0, 12).map(({ id }) => id)).toContain("job-113");
  });

  it("is too busy for the second page of a search, once", async () => {
    const path = "/bayt/api/jobs?title=platform+engineer&page=2";
    const [first, second] = [await get(path), await get(path)];
    expect([first.status, first.headers.get("retry-after"), second.status]).toEqual([503, "1", 200]);
  });

  it("shows postings and companies, but one posting never, and nothing that does not exist", async () => {
    const posting = await (await get("/postings/job-101")).text();
    expect(posting).toContain("<h1>Senior Data Engineer</h1>");
    expect(posting.match(/<li>/g)).toHaveLength(postings.get("job-101")?.requirements.length ?? 0);
    const company = await (await get(/href="(\/companies\/[^"]+)"/.exec(posting)?.[1] ?? "")).text();
    expect(company).toMatch(/data-kind="hiring_manager".*data-kind="recruiter"/s);
    for (const path of ["/postings/job-113", "/postings/job-113"]) expect((await get(path)).status).toBe(500);
    for (const path of ["/postings/job-404", "/companies/acme", "/"]) expect((await get(path)).status).toBe(404);
  });
});
