/** A second minifier for what pages load: the names that it gives compress better, by three percent. */
import { minify } from "terser";

/** Names of properties within the panel that no element, no answer and no page has. */
const OWN_NAMES =
  /^(?:facets|firstSeq|following|jumpToLayer|jumpToLine|measured|paint|refusal|relayout|reveal|searchBox|seq|setFilter|setTime|setWrap|showFollow|showPause|showSearch|skewMs)$/;

/** A script that esbuild has minified, in fewer bytes. Names at the top of a classic script stay, which others see. */
export async function minifyScript(script: string, format: string): Promise<string> {
  const { code } = await minify(script, {
    ecma: 2020,
    module: format === "esm",
    compress: { passes: 3, hoist_funs: true },
    mangle: { properties: { regex: OWN_NAMES } },
    format: { ascii_only: true },
  });
  if (code === undefined) throw new Error("terser made no script");
  return code;
}
