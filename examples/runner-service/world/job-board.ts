/**
 * The site to scrape: three sources of postings that overlap, a page for each posting and company, and the faults that
 * such sites have. Indeed answers pages of HTML, Bayt pages of JSON, Himalayas a feed of JSON.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { type Company, companies, type Posting, postings, type Source } from "./postings.js";

interface Answer {
  status: number;
  type: "text/html" | "application/json" | "text/plain";
  body: string;
  headers?: Record<string, string>;
}

const INDEED_PAGE = 10;
const BAYT_PAGE = 6;
const FEED_LIMIT = 20;
/** The posting whose page is broken. */
const BROKEN = "job-113";

/** What answers the requests to a board; `wait` is given how long an answer takes at speed 1, in milliseconds. */
export function jobBoard(wait: (ms: number) => Promise<void>) {
  const asked = new Set<string>();
  return async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const url = new URL(req.url ?? "/", "http://board");
    await wait(latencyOf(url.pathname + url.search));
    const { status, type, body, headers } = answerTo(url, asked);
    res.writeHead(status, { "Content-Type": `${type}; charset=utf-8`, ...headers }).end(body);
  };
}

/** 150 to 600 ms, the same for the same address. */
function latencyOf(address: string): number {
  let hash = 7;
  for (const character of address) hash = (hash * 31 + character.charCodeAt(0)) % 1_000_003;
  return 150 + (hash % 451);
}

function answerTo(url: URL, asked: Set<string>): Answer {
  const [place = "", kind = "", name = ""] = url.pathname.slice(1).split("/");
  if (url.pathname === "/indeed/search") return html(indeedPage(url));
  if (url.pathname === "/bayt/api/jobs") return baytPage(url, asked);
  if (url.pathname === "/himalayas/feed") return feed(url);
  const posting = place === "postings" && name === "" ? postings.get(kind) : undefined;
  if (posting?.id === BROKEN) return { status: 500, type: "text/plain", body: "The page could not be rendered." };
  if (posting !== undefined) return html(postingPage(posting));
  const company = place === "companies" && name === "" ? companies.get(kind) : undefined;
  if (company !== undefined) return html(companyPage(company));
  return { status: 404, type: "text/plain", body: `There is nothing at ${url.pathname}.` };
}

function indeedPage(url: URL): string {
  const query = url.searchParams.get("q") ?? "";
  const page = pageOf(url);
  const found = search("indeed", query);
  const items = found
    .slice((page - 1) * INDEED_PAGE, page * INDEED_PAGE)
    .map(
      ({ id, title, company, location }) =>
        `<li class="job" data-id="${id}"><a href="/postings/${id}">${title}</a> ` +
        `<span class="company">${company.name}</span> <span class="location">${location}</span></li>`,
    );
  const next = `/indeed/search?q=${encodeURIComponent(query)}&amp;page=${page + 1}`;
  const more = page * INDEED_PAGE < found.length ? `\n<a rel="next" href="${next}">Next</a>` : "";
  return `<h1>${found.length} jobs</h1>\n<ul>\n${items.join("\n")}\n</ul>${more}`;
}

/** The second page of a search fails the first time. */
function baytPage(url: URL, asked: Set<string>): Answer {
  const page = pageOf(url);
  if (page === 2 && !asked.has(url.search)) {
    asked.add(url.search);
    return { status: 503, type: "text/plain", body: "Too busy.", headers: { "Retry-After": "1" } };
  }
  const found = search("bayt", url.searchParams.get("title") ?? "");
  const jobs = found.slice((page - 1) * BAYT_PAGE, page * BAYT_PAGE).map(summaryOf);
  return json({ page, pages: Math.ceil(found.length / BAYT_PAGE), jobs });
}

/** A company that wants to be seen lists its job twice. */
function feed(url: URL): Answer {
  const listed = [...postings.values()].filter(({ sources }) => sources.includes("himalayas"));
  listed.splice(6, 0, listed[2] as Posting);
  const offset = Math.max(0, Number(url.searchParams.get("offset")) || 0);
  const limit = Math.min(FEED_LIMIT, Math.max(1, Number(url.searchParams.get("limit")) || FEED_LIMIT));
  const jobs = listed.slice(offset, offset + limit).map((one) => ({ ...summaryOf(one), posted: one.posted }));
  return json({ total: listed.length, offset, limit, jobs });
}

function postingPage({ title, company, location, salary, requirements }: Posting): string {
  return [
    `<h1>${title}</h1>`,
    `<p><a class="company" href="/companies/${company.slug}">${company.name}</a></p>`,
    `<dl><dt>Location</dt><dd class="location">${location}</dd><dt>Salary</dt><dd class="salary">${salary}</dd></dl>`,
    `<h2>What we look for</h2>\n<ul class="requirements">`,
    ...requirements.map((requirement) => `<li>${requirement}</li>`),
    "</ul>",
  ].join("\n");
}

function companyPage({ name, about, people }: Company): string {
  const items = people.map(
    (person) =>
      `<li data-kind="${person.kind}"><span class="name">${person.name}</span>, ` +
      `<span class="role">${person.role}</span>, <a href="mailto:${person.email}">${person.email}</a></li>`,
  );
  return `<h1>${name}</h1>\n<p class="about">${about}</p>\n<ul class="people">\n${items.join("\n")}\n</ul>`;
}

/** The postings of a source whose title has any of the words, those that have most of them first. */
function search(source: Source, query: string): Posting[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const hits = ({ title }: Posting): number => {
    const named = title.toLowerCase().split(" ");
    return words.filter((word) => named.includes(word)).length;
  };
  const found = [...postings.values()].filter((one) => one.sources.includes(source) && hits(one) > 0);
  return found.sort((a, b) => hits(b) - hits(a));
}

function summaryOf({ id, title, company, location }: Posting) {
  return { id, title, company: company.name, location, url: `/postings/${id}` };
}

function pageOf(url: URL): number {
  return Math.max(1, Number(url.searchParams.get("page")) || 1);
}

function html(body: string): Answer {
  return { status: 200, type: "text/html", body: `<!doctype html>\n<meta charset="utf-8">\n${body}\n` };
}

function json(value: object): Answer {
  return { status: 200, type: "application/json", body: JSON.stringify(value) };
}
