/** What it costs a request that its route is measured for the coverage. */
import { ok } from "node:assert";
import type { CoverageServerRole } from "./coverage-server.js";
import { helperCpu, ownCpu, perUnit, startCpu } from "./cpu-time.js";
import { type HelperProcess, startHelper } from "./helper-process.js";
import { answersPerSecond } from "./http-load.js";
import { type Contender, type Measurement, measureInRounds } from "./rounds.js";
import type { Scenario } from "./scenario.js";

const CONNECTIONS = 32;
const BODY = JSON.stringify({ id: "42", status: "done", rows: Array.from({ length: 20 }, (_, id) => ({ id })) });

const FRAMEWORKS = [
  ["express", "Express"],
  ["fastify", "Fastify"],
] as const;

export const coverage: Scenario = {
  name: "coverage",
  about:
    `A route with a constant answer of ${BODY.length} bytes, on ${CONNECTIONS} connections, with and without the ` +
    "middleware that measures it, and with what that stands on: an AsyncLocalStorage, as runs, tracers and request ids have.",
  unit: "requests/s",
  goals: FRAMEWORKS.map(([, title]) => ({ row: `${title}, measured`, figure: "cpuRatio", atLeast: 0.9 })),
  async run({ quick }) {
    const helpers: HelperProcess[] = [];
    const contender = async (role: CoverageServerRole): Promise<Contender["measure"]> => {
      const helper = startHelper("./coverage-server.ts");
      helpers.push(helper);
      const { port } = await helper.ask<{ port: number }>(role);
      return () => measure(helper, port, role.front === "coverage", quick ? 0.4 : 0.6);
    };
    try {
      const contenders: Contender[] = [];
      for (const [server, title] of FRAMEWORKS) {
        const alone = `${title}, the route alone`;
        const stored = `${title}, in an AsyncLocalStorage`;
        const behind = (front: CoverageServerRole["front"]) => contender({ server, front, body: BODY });
        contenders.push(
          { name: alone, yardstick: alone, measure: await behind("nothing") },
          { name: stored, yardstick: alone, measure: await behind("storage") },
          { name: `${title}, measured`, yardstick: stored, measure: await behind("coverage") },
        );
      }
      return await measureInRounds(contenders, quick ? 3 : 11);
    } finally {
      for (const helper of helpers) helper.stop();
    }
  },
};

async function measure(helper: HelperProcess, port: number, measured: boolean, seconds: number): Promise<Measurement> {
  const before = await helper.ask<number>("requests");
  const stopCpu = await startCpu({ server: helperCpu(helper), client: ownCpu });
  const question = () => ({ path: "/jobs/42", bodyStart: BODY, bodyHolds: "" });
  const { answers, perSecond } = await answersPerSecond({ port, question, connections: CONNECTIONS, seconds });
  const { server, ...otherMicros } = perUnit(await stopCpu(), answers);
  const counted = (await helper.ask<number>("requests")) - before;
  // What was answered as the connections were closed may be counted late.
  ok(measured ? Math.abs(counted - answers) <= CONNECTIONS : counted === 0, `${counted} of ${answers} were measured.`);
  return { perSecond, cpuMicros: server, otherMicros };
}
