/** The face to NestJS: `imports: [LivetailModule.forRoot({ livetail, mount: "/operations" })]`. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { from, lastValueFrom, type Observable } from "rxjs";
import { defaultLivetail } from "../default-livetail.js";
import type { Livetail } from "../livetail.js";
import { belowMount, mountPath } from "../mount.js";
import {
  createOperationRoutes,
  type OperationOptions,
  type OperationRoutes,
  type OperationRoutesOptions,
  requestFor,
} from "../operation-routes.js";
import { askNode, measureNode, serveNode, watchNode } from "./node.js";

/** What the module is made with. */
export interface LivetailModuleOptions {
  /** Default: the default one. */
  livetail?: Livetail;
  /** Where the routes are, the application's global prefix included. Default `/operations`. */
  mount?: string;
  /** What is drained before the streams end when the application shuts down. Default: nothing. */
  operations?: Pick<OperationRoutes, "drain">;
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
 * Serves a livetail below `mount`, on Express and on Fastify, and measures the other routes for its coverage, on Express.
 * It stands in front of guards and interceptors: who may see what is said by `authorize`, which gets the server's request
 * as `raw`. Streams end before the application closes; the livetail is closed by whoever made it.
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
      async beforeApplicationShutdown(): Promise<void> {
        await options.operations?.drain();
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

/** A request of Nest, on Express or on Fastify. */
export interface NestRequest extends IncomingMessage {
  /** Of the route's path. */
  readonly params: Record<string, string>;
  /** What the parser made of the URL's. */
  readonly query: unknown;
  /** As it was parsed. */
  readonly body?: unknown;
  /** Node's own, where it is not this one. */
  readonly raw?: IncomingMessage;
}

/** What Express' and Fastify's answers have in common. */
interface NestResponse extends ServerResponse {
  readonly raw?: ServerResponse;
  status(status: number): unknown;
  header(name: string, value: string): unknown;
}

/** A Nest `NestInterceptor`, for `@UseInterceptors`. */
export interface NestOperationInterceptor {
  /** Called by Nest in place of the method, which `next` calls. */
  intercept(
    context: { switchToHttp(): { getRequest<T>(): T; getResponse<T>(): T } },
    next: { handle(): Observable<unknown> },
  ): Promise<Observable<unknown>>;
}

/** Operations as Nest interceptors. */
export interface NestOperations extends Pick<OperationRoutes, "drain"> {
  /**
   * Answers 202 with the addresses of a run, in which the method goes on as the current run; what it returns is the
   * result. Guards stand before that, while what its pipes refuse fails the run.
   */
  operation(name: string, options?: OperationOptions<NestRequest>): NestOperationInterceptor;
  /** Answers as the method does, with an `X-Run-Id`, and can be watched meanwhile. */
  synchronous(name: string, options?: OperationOptions<NestRequest>): NestOperationInterceptor;
}

/** Makes the interceptors of slow endpoints: `@Post("import") @UseInterceptors(operation("import"))`. */
export function createNestOperations(options?: OperationRoutesOptions): NestOperations {
  const routes = createOperationRoutes(options);
  return {
    operation: (name, how) => ({
      async intercept(context, next) {
        const http = context.switchToHttp();
        const req = http.getRequest<NestRequest>();
        const res = http.getResponse<NestResponse>();
        const asked = requestFor(name, req, how, req.body);
        const { status, headers, body } = await routes.accept(askNode(req, asked, () => returned(next)));
        res.status(status);
        for (const [field, value] of Object.entries(headers)) res.header(field, value);
        return from([body]);
      },
    }),
    synchronous: (name, how) => ({
      async intercept(context, next) {
        const http = context.switchToHttp();
        const res = http.getResponse<NestResponse>();
        const watched = routes.watch(requestFor(name, http.getRequest<NestRequest>(), how));
        res.header("X-Run-Id", watched.run.id);
        return from(watchNode(watched, res.raw ?? res, () => returned(next)));
      },
    }),
    drain: routes.drain,
  };
}

/** What a method returns; undefined for nothing. */
function returned(next: { handle(): Observable<unknown> }): Promise<unknown> {
  return lastValueFrom(next.handle(), { defaultValue: undefined });
}
