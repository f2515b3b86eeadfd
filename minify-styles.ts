/** Style sheets stand in the sources as texts, which no minifier of scripts looks into. */
import { readFile } from "node:fs/promises";
import { type Plugin, transform } from "esbuild";

/** A plugin of esbuild: the style sheets of the elements in fewer bytes. */
export const minifyStyles: Plugin = {
  name: "minify-styles",
  setup(build) {
    build.onLoad({ filter: /(?:panel|runs)[\\/](?:.*style|theme)\.ts$/ }, async ({ path }) => {
      const source = await readFile(path, "utf8");
      const [, sheet = "", text = ""] = /= (`([^`]*)`)/.exec(source) ?? [];
      const { code } = await transform(text, { loader: "css", minify: true });
      // In the values of custom properties it leaves spaces where they are.
      const sheetText = JSON.stringify(code.trim().replaceAll(/([,:]) /g, "$1"));
      return { contents: source.replace(sheet, () => sheetText), loader: "ts" };
    });
  },
};
