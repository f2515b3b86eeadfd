/** The face to NestJS: `imports: [LivetailModule.forRoot({ livetail, mount: "/operations" })]`. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { defaultLivetail, type Livetail } from "../livetail.js";
import { belowMount, mountPath } from "../mount.js";
import { measureNode, serveNode } from "./node.js";

/** What the module is made with. */
export interface LivetailModuleOptions {
  /** Default: the default one. */
  livetail?: Livetail;
  /** Where the routes are, the application's global prefix included. Default `/operations`. */
  mount?: string;
}

/** What `forRoot` returns: a Nest `DynamicModule`, global, that provides the livetail as `LIVETAIL`. */
export interface LivetailDynamicModule {
  /** The class of the module. */
  module: new () => object;
  /** It is there in every module. */
  global: true;
  /** The livetail, under its token. */
  providers: { provide: symbol; useValue: Livetail }[];
  /** That token. */
  exports: symbol[];
}

/** The token of the livetail: `@Inject(LIVETAIL) livetail: Livetail`. */
export const LIVETAIL: unique symbol = Symbol.for("livetail.nest");

type Serve = (req: IncomingMessage & { originalUrl?: string }, res: ServerResponse, next: () => void) => void;

/**
 * Serves a livetail below `mount`, and measures the other routes for its coverage (on Express), on Express and on Fastify, in front of guards and interceptors: who may see what is
 * said by `authorize`, which gets the server's request as `raw`. Streams end before the application closes; the livetail
 * is closed by whoever made it.
 */
export const LivetailModule = {
  /** Makes the module. Import it once. */
  forRoot(options: LivetailModuleOptions = {}): LivetailDynamicModule {
    const livetail = options.livetail ?? defaultLivetail();
    const mount = mountPath(options.mount ?? "/operations");
    const serve: Serve = (req, res, next) => {
      const url = req.originalUrl ?? req.url ?? "/";
      const below = belowMount(url, mount);
      if (below === null) measureNode(livetail.coverage, req, res, next);
      else serveNode(livetail, req, res, { mount, below, url, raw: req });
    };
    // Made here, so that one application can hold several.
    class LivetailRoutes {
      configure(consumer: { apply(serve: Serve): { forRoutes(path: string): unknown } }): void {
        consumer.apply(serve).forRoutes("{*path}");
      }
      beforeApplicationShutdown(): void {
        livetail.handler.closeViewers();
      }
    }
    return {
      module: LivetailRoutes,
      global: true,
      providers: [{ provide: LIVETAIL, useValue: livetail }],
      exports: [LIVETAIL],
    };
  },
};
