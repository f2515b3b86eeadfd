/** Imports a job: reads its posting and its company's page, and lets a model extract what is said between the lines. */
import type { Job } from "../service/database.js";
import type { Tools } from "../service/tools.js";

/** What the model finds in the two texts. */
type Extracted = Required<Pick<Job, "seniority" | "skills" | "summary">>;

/** Resolves to the job as it was stored. */
export async function importJob(jobId: string, { pages, models, database }: Tools): Promise<Job> {
  const { posting, text } = await pages.posting(jobId);
  const company = await pages.company(posting.company_page);

  const answer = await models.gpt("extract", { posting: text, company: company.text });
  const { seniority, skills, summary }: Extracted = JSON.parse(answer);

  const job = { ...posting, seniority, skills, summary };
  await database.jobs.save(job);
  return job;
}
