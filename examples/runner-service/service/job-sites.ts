/** The job sites: what they list for a title, each in its own way. */
import { type Asking, askSite } from "./ask-site.js";
import { attributeIn, itemsIn, textIn } from "./html.js";

/** A site that lists jobs. */
export type Source = "indeed" | "bayt" | "himalayas";

/** A job as a site lists it. */
export interface FoundJob {
  id: string;
  title: string;
  company: string;
  location: string;
}

/** The sites. They reject with what went wrong. */
export interface JobSites {
  /** The jobs for a title, page by page. */
  search(source: Source, title: string, asking?: Asking): AsyncIterable<FoundJob[]>;
  /** The newest jobs of a site, if it has a feed; only Himalayas has one. */
  newest(source: Source, limit: number, asking?: Asking): Promise<FoundJob[]>;
}

const FEED_PAGE = 20;

/** The sites at an address. */
export function openJobSites(boardUrl: string): JobSites {
  const read = (path: string, asking?: Asking): Promise<Response> => askSite(new URL(path, boardUrl), asking);
  const readJson = async <Answer>(path: string, asking?: Asking): Promise<Answer> =>
    (await (await read(path, asking)).json()) as Answer;

  async function* indeed(title: string, asking?: Asking): AsyncGenerator<FoundJob[]> {
    let path = `/indeed/search?q=${encodeURIComponent(title)}`;
    while (path !== "") {
      const html = await (await read(path, asking)).text();
      yield itemsIn(html).map((item) => ({
        id: attributeIn(item, "data-id"),
        title: textIn(item, "a "),
        company: textIn(item, 'span class="company"'),
        location: textIn(item, 'span class="location"'),
      }));
      path = attributeIn(html, 'rel="next" href');
    }
  }

  async function* bayt(title: string, asking?: Asking): AsyncGenerator<FoundJob[]> {
    for (let page = 1, pages = 1; page <= pages; page++) {
      const path = `/bayt/api/jobs?title=${encodeURIComponent(title)}&page=${page}`;
      const answer = await readJson<{ pages: number; jobs: FoundJob[] }>(path, asking);
      pages = answer.pages;
      yield answer.jobs.map(found);
    }
  }

  /** It has no search, so all that it has is looked through. */
  async function* himalayas(title: string, asking?: Asking): AsyncGenerator<FoundJob[]> {
    const words = title.toLowerCase().split(" ");
    for await (const page of feed(asking)) {
      yield page.filter((job) => words.every((word) => job.title.toLowerCase().includes(word)));
    }
  }

  async function* feed(asking?: Asking): AsyncGenerator<FoundJob[]> {
    for (let offset = 0, total = 1; offset < total; offset += FEED_PAGE) {
      const path = `/himalayas/feed?offset=${offset}&limit=${FEED_PAGE}`;
      const answer = await readJson<{ total: number; jobs: FoundJob[] }>(path, asking);
      total = answer.total;
      yield answer.jobs.map(found);
    }
  }

  const searches = { indeed, bayt, himalayas };
  return {
    search: (source, title, asking) => searches[source](title, asking),
    async newest(source, limit, asking) {
      if (source !== "himalayas") throw new Error(`${source} has no feed.`);
      const jobs: FoundJob[] = [];
      for await (const page of feed(asking)) {
        jobs.push(...page);
        if (jobs.length >= limit) break;
      }
      return jobs.slice(0, limit);
    },
  };
}

/** What is kept of a job in an answer. */
function found({ id, title, company, location }: FoundJob): FoundJob {
  return { id, title, company, location };
}
