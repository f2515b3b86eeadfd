/** The guide to security: its `authorize` examples as they stand there, and who gets what by them. */

import ts from "typescript";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Authorize } from "../src/access.js";
import { createLivetail, type Livetail } from "../src/livetail.js";
import { memoryStore } from "../src/store/memory.js";
import { blocksOf } from "./support/documents.js";
import { request } from "./support/plain-request.js";
import { makeProgramFolder } from "./support/program-folder.js";

const GUIDE = "docs/security.md";
const folder = makeProgramFolder([]);
const store = memoryStore();
const open: Livetail[] = [];

beforeAll(() => vi.stubEnv("TICKET_SECRET", "what only the service knows"));
afterAll(async () => {
  for (const livetail of open) await livetail.close();
  await store.close();
  folder.remove();
});

/** What the block of the guide that exports `name` exports. */
async function load<Exports>(name: string): Promise<Exports> {
  const block = blocksOf("ts", GUIDE).find(({ text }) => text.includes(`export const ${name}:`));
  const options = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };
  const { outputText } = ts.transpileModule(block?.text ?? "", { compilerOptions: options });
  return import(folder.write(`${name}.mjs`, outputText));
}

/** What is answered to a request under an `authorize`: a status. */
function asking(authorize: Authorize) {
  const livetail = createLivetail({ store, authorize });
  open.push(livetail);
  return async (target: string, parts: Parameters<typeof request>[1] = {}): Promise<number> =>
    (await livetail.handler.handle(request(target, parts))).status;
}

describe("the authorize of the guide by session", () => {
  it("lets who is signed in read and list its own, an operator do all, and nobody else anything", async () => {
    const { bySession } = await load<{ bySession: Authorize }>("bySession");
    const ask = asking(bySession);
    const run = open[0]?.createOperationRun("ada", "import");
    await run?.complete();
    const ada = { raw: { session: { user: "ada", isOperator: false } } };
    const operator = { raw: { session: { user: "root", isOperator: true } } };
    expect(await ask("/-/client.js")).toBe(200);
    expect(await ask(`/${run?.id}`, { raw: {} })).toBe(401);
    expect(await ask(`/${run?.id}`, ada)).toBe(200);
    expect(await ask("/", ada)).toBe(403);
    expect(await ask("/?subject_id=bob", ada)).toBe(403);
    expect(await ask("/?subject_id=ada", ada)).toBe(200);
    expect(await ask(`/${run?.id}/cancel`, { method: "POST", ...ada })).toBe(403);
    expect(await ask("/", operator)).toBe(200);
    expect(await ask(`/${run?.id}/cancel`, { method: "POST", ...operator })).toBe(200);
    expect(await ask(`/${run?.id}`, { method: "DELETE", ...operator })).toBe(204);
  });
});

describe("the authorize of the guide by ticket", () => {
  it("lets its holder do with that run what it says, for an hour, and nobody else anything", async () => {
    const { byTicket, ticketFor } = await load<{
      byTicket: Authorize;
      ticketFor(runId: string, mayCancel?: boolean, now?: number): string;
    }>("byTicket");
    const ask = asking(byTicket);
    const livetail = open.at(-1) as Livetail;
    const [run, other] = [livetail.createOperationRun("a", "import"), livetail.createOperationRun("b", "import")];
    await Promise.all([run.ready, other.ready]);
    const bearer = (ticket: string) => ({ headers: { authorization: `Bearer ${ticket}` } });
    const read = bearer(ticketFor(run.id));
    const cancel = bearer(ticketFor(run.id, true));
    expect(await ask(`/${run.id}`)).toBe(401);
    expect(await ask(`/${run.id}`, read)).toBe(200);
    expect(await ask(`/${other.id}`, read)).toBe(401);
    expect(await ask("/", read)).toBe(401);
    expect(await ask(`/${run.id}`, bearer(ticketFor(run.id, false, Date.now() - 3_600_001)))).toBe(401);
    expect(await ask(`/${run.id}`, bearer(ticketFor(run.id).replace(/^\d/, "9")))).toBe(401);
    expect(await ask(`/${run.id}/cancel`, { method: "POST", ...read })).toBe(403);
    expect(
      await ask(`/${run.id}/cancel`, { method: "POST", ...bearer(ticketFor(run.id).replace("read", "cancel")) }),
    ).toBe(401);
    expect(await ask(`/${run.id}/cancel`, { method: "POST", ...cancel })).toBe(202);
    expect(await ask(`/${run.id}`, cancel)).toBe(200);
  });
});
