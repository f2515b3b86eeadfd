/** Writes to the people at a job's company who decide about it, or who look for candidates. */
import { currentRun, StructuredLogger } from "livetail";
import type { Message } from "../service/database.js";
import type { Contact } from "../service/job-pages.js";
import { loadJob } from "../service/load-job.js";
import { PROFILE } from "../service/profile.js";
import type { Tools } from "../service/tools.js";

// Its endpoint answers as it did before, so nobody hands it a run: the logger finds the one that it is called in.
const logger = new StructuredLogger();

/** Resolves to the messages, as they were stored. */
export async function writeOutreach(jobId: string, kind: Contact["kind"], tools: Tools): Promise<Message[]> {
  const { pages, models, database } = tools;
  const asking = { signal: currentRun()?.signal };
  logger.layerStart("contacts");
  const job = await loadJob(jobId, tools, asking);
  const { contacts } = await pages.company(job.company_page, asking);
  const chosen = contacts.filter((contact) => contact.kind === kind);
  logger.layerComplete("contacts", { kind, found: chosen.length });

  const messages: Message[] = [];
  logger.layerStart("write");
  for (const contact of chosen) {
    const text = await models.claudeOrGpt("outreach", { kind, contact, job, profile: PROFILE });
    const message = { id: `${jobId} ${contact.email}`, job_id: jobId, to: contact.email, text };
    await database.messages.save(message);
    messages.push(message);
    logger.info("outreach_written", { to: contact.name, words: text.split(/\s+/).length });
  }
  logger.layerComplete("write");
  return messages;
}
