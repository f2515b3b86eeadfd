/** Annotates a job: finds what the candidate's profile has for each of its requirements. */
import type { Run } from "livetail";
import type { AnnotatedJob, Annotation } from "../service/database.js";
import { loadJob } from "../service/load-job.js";
import { PROFILE } from "../service/profile.js";
import type { Tools } from "../service/tools.js";

/** Resolves to the annotations, as they were stored. */
export async function annotateJob(run: Run, jobId: string, tools: Tools): Promise<AnnotatedJob> {
  run.logger.layerStart("load");
  const { requirements } = await loadJob(jobId, tools, { signal: run.signal });
  run.logger.layerComplete("load", { requirements: requirements.length });

  const annotations: Annotation[] = [];
  run.logger.layerStart("annotate");
  for (const requirement of requirements) {
    const answer = JSON.parse(await tools.models.claude("annotate", { requirement, profile: PROFILE }));
    annotations.push({ requirement, ...answer });
    run.logger.info("annotation_added", { relevance: answer.relevance, requirement });
    run.layer("annotate", "running", undefined, { current: annotations.length, total: requirements.length });
  }
  run.logger.layerComplete("annotate");

  run.logger.layerStart("store");
  const annotated = { id: jobId, annotations };
  await tools.database.annotations.save(annotated);
  run.logger.layerComplete("store");
  return annotated;
}
