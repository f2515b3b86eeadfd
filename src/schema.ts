/** Schemas for what comes from outside as a value; server only. Each is proven equal to its type. */
import { z } from "zod";
import type { AuthorizeAnswer } from "./authorize.js";
import { LIMITS, type RunStatus } from "./protocol.js";

/** What `authorize` may answer. */
export const authorizeAnswer = z.union([
  z.boolean(),
  z.object({ status: z.int().min(400).max(599), message: z.string().optional() }),
]);

/** The query of `GET /`. */
export interface ListQuery {
  status?: RunStatus | "open" | undefined;
  operation?: string | undefined;
  subject_id?: string | undefined;
  parent_id?: string | undefined;
  limit: number;
}

const name = z.string().min(1).max(1000).optional();

/** The query of `GET /`, out of the texts of its parameters. */
export const listQuery = z.object({
  status: z.enum(["queued", "running", "completed", "failed", "cancelled", "open"]).optional(),
  operation: name,
  subject_id: name,
  parent_id: name,
  limit: z
    .string()
    .regex(/^[1-9]\d{0,3}$/)
    .transform(Number)
    .pipe(z.int().max(LIMITS.listMax))
    .default(LIMITS.listDefault),
});

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type Flat<T> = T extends object ? { [K in keyof T]: T[K] } : T;

/**
 * Fails to compile when a schema and its type differ, extra keys too.
 * @public
 */
export type SchemasMatch = [
  Assert<Same<Flat<z.output<typeof listQuery>>, Flat<ListQuery>>>,
  Assert<Same<Flat<z.output<typeof authorizeAnswer>>, Flat<AuthorizeAnswer>>>,
];
type Assert<T extends true> = T;
