/** The pages of postings and companies: what stands in them, and all their text for a model to read. */
import { type Asking, askSite } from "./ask-site.js";
import { attributeIn, itemsIn, textIn, textOf } from "./html.js";
import type { FoundJob } from "./job-sites.js";

/** A job as its own page shows it. */
export interface Posting extends FoundJob {
  salary: string;
  requirements: string[];
  /** The name of its company's page. */
  company_page: string;
}

/** Somebody at a company to write to. */
export interface Contact {
  kind: "hiring_manager" | "recruiter";
  name: string;
  role: string;
  email: string;
}

/** The pages. They reject with what went wrong. */
export interface JobPages {
  posting(id: string, asking?: Asking): Promise<{ posting: Posting; text: string }>;
  company(page: string, asking?: Asking): Promise<{ contacts: Contact[]; text: string }>;
}

/** The pages at an address. */
export function openJobPages(boardUrl: string): JobPages {
  const read = async (folder: string, page: string, asking?: Asking): Promise<string> =>
    (await askSite(new URL(`/${folder}/${encodeURIComponent(page)}`, boardUrl), asking)).text();
  return {
    async posting(id, asking) {
      const html = await read("postings", id, asking);
      const company = 'a class="company"';
      const posting = {
        id,
        title: textIn(html, "h1"),
        company: textIn(html, company),
        location: textIn(html, 'dd class="location"'),
        salary: textIn(html, 'dd class="salary"'),
        requirements: itemsIn(html).map(textOf),
        company_page: attributeIn(html, `${company} href`).split("/").at(-1) ?? "",
      };
      return { posting, text: textOf(html) };
    },

    async company(page, asking) {
      const html = await read("companies", page, asking);
      const contacts = itemsIn(html).map((item) => ({
        kind: attributeIn(item, "data-kind") as Contact["kind"],
        name: textIn(item, 'span class="name"'),
        role: textIn(item, 'span class="role"'),
        email: textIn(item, "a "),
      }));
      return { contacts, text: textOf(html) };
    },
  };
}
