/** Where a handler is mounted: the path of the mount as the viewer sees it, without a trailing slash, "" for the root. */

/** A mount as a user writes it (`operations`, `/operations/`) as it is compared with. */
export function mountPath(mount: string): string {
  return mount.replace(/^\/*(?=[^/])/, "/").replace(/\/+$/, "");
}

/** What of a URL's path and query lies below a mount, beginning with `/` or `?` or empty; null for what lies beside it. */
export function belowMount(url: string, mount: string): string | null {
  if (!url.startsWith(mount)) return null;
  const after = url.charAt(mount.length);
  return after === "/" || after === "?" || after === "" ? url.slice(mount.length) : null;
}

/** The first segments of a URL's path. By hand, because every poll asks for it. */
export function mountOf(url: string, segments: number): string {
  let end = 0;
  for (let left = segments; left > 0 && url[end] === "/"; left -= 1) {
    do end += 1;
    while (end < url.length && url[end] !== "/" && url[end] !== "?");
  }
  return url.slice(0, end);
}

/** As much of a path as a router matched before the wildcard of `route`: `/t/7/ops` of `/t/7/ops/id` for `/t/:tenant/ops/*`. */
export function matchedMount(path: string, route: string): string {
  const segments = route.split("/").filter((segment) => segment !== "" && !segment.startsWith("*"));
  return path.split("/", segments.length + 1).join("/");
}
