/** A plugin of typedoc: names each module as it is imported (`livetail/express`), and misses none of the package. */
import { readFileSync } from "node:fs";
import { Converter, ReflectionKind } from "typedoc";

const { exports } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"));

/** Source → the name that it is imported by. */
const names = new Map(
  Object.entries(exports).flatMap(([subpath, target]) => {
    const types = target.import?.types;
    return types === undefined
      ? []
      : [[types.replace("./dist/", "").replace(".d.ts", ""), `livetail${subpath.slice(1)}`]];
  }),
);

/** @param {import("typedoc").Application} app */
export function load(app) {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    const missing = new Set(names.keys());
    for (const module of project.getReflectionsByKind(ReflectionKind.Module)) {
      const source = [...names.keys()].find((path) => path === module.name || path === `${module.name}/index`);
      if (source === undefined) continue;
      missing.delete(source);
      module.name = names.get(source);
    }
    if (missing.size > 0) app.logger.error(`The API reference has no ${[...missing].join(", ")}.`);
  });
}
