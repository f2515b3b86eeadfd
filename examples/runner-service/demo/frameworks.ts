import { start as startExpress } from "../after/express.js";
import { start as startFastify } from "../after/fastify.js";

/** The service on each framework. */
export const frameworks = { express: startExpress, fastify: startFastify };

export type Framework = keyof typeof frameworks;
