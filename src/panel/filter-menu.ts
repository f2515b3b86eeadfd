/** The menu that chooses which lines are shown: by level, event family, layer and backend. */
import { button, element } from "./element.js";
import { FACETS, type FacetCounts, type LineFilter } from "./line-filter.js";

/**
 * Makes the menu; the counts are read when it is opened. Nothing chosen shows everything, so that what comes later
 * under a new name is not hidden by a choice that could not know it.
 */
export function createFilterMenu(counts: FacetCounts, onChange: (filter: LineFilter) => void): HTMLElement {
  const chosen = FACETS.map(() => new Set<string>());
  const summary = element("summary", "button");
  const groups = element("div", "facets");

  const tell = () => {
    const size = chosen.reduce((sum, values) => sum + values.size, 0);
    summary.textContent = size ? `Filter · ${size}` : "Filter";
    onChange(chosen);
  };
  const fill = () =>
    groups.replaceChildren(
      ...chosen.map((wanted, facet) => {
        const tallies = counts[facet];
        // What is chosen stays to be unchosen, also when no line of it is kept.
        const choices = [...new Set([...wanted, ...(tallies?.keys() ?? [])])].map((value) => {
          const box = element("input", "", { type: "checkbox", checked: wanted.has(value) });
          box.onchange = () => {
            if (box.checked) wanted.add(value);
            else wanted.delete(value);
            tell();
          };
          const tally = element("span", "tally", {}, `${tallies?.get(value) ?? 0}`);
          return element("label", "", {}, box, element("bdi", "", {}, value), tally);
        });
        const legend = element("legend", "", {}, FACETS[facet]?.[0] ?? "");
        return element("fieldset", "", { hidden: !choices.length }, legend, ...choices);
      }),
    );
  const all = button("button", "Show all", () => {
    for (const values of chosen) values.clear();
    tell();
    fill();
  });

  const details = element("details", "filter", { name: "menu" }, summary, element("div", "menu", {}, groups, all));
  details.ontoggle = fill;
  tell();
  return details;
}
