/** Imports a job: reads its posting and its company's page, and lets a model extract what is said between the lines. */
import type { Run } from "livetail";
import type { Job } from "../service/database.js";
import type { Tools } from "../service/tools.js";

/** What the model finds in the two texts. */
type Extracted = Required<Pick<Job, "seniority" | "skills" | "summary">>;

/** Resolves to the job as it was stored. */
export async function importJob(run: Run, jobId: string, { pages, models, database }: Tools): Promise<Job> {
  run.logger.layerStart("fetch");
  const { posting, text } = await pages.posting(jobId, { signal: run.signal });
  const company = await pages.company(posting.company_page, { signal: run.signal });
  run.logger.layerComplete("fetch", { title: posting.title, company: posting.company });

  run.logger.layerStart("extract");
  const answer = await models.gpt("extract", { posting: text, company: company.text });
  const { seniority, skills, summary }: Extracted = JSON.parse(answer);
  run.logger.layerComplete("extract", { seniority, skills });

  run.logger.layerStart("store");
  const job = { ...posting, seniority, skills, summary };
  await database.jobs.save(job);
  run.logger.layerComplete("store");
  return job;
}
