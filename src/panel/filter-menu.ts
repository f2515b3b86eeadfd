/** The menu that chooses which lines are shown: by level, event family, layer and backend. */
import { button, element } from "./element.js";
import type { Facets, LineFilter } from "./line-filter.js";

const LABELS = { levels: "Level", families: "Event", layers: "Layer", backends: "Backend" } as const;
type Facet = keyof typeof LABELS;
const NAMES = Object.keys(LABELS) as Facet[];

/**
 * Makes the menu; `facets` is read when it is opened. Nothing chosen shows everything, so that what comes later under
 * a new name is not hidden by a choice that could not know it.
 */
export function createFilterMenu(facets: Facets, onChange: (filter: LineFilter | null) => void): HTMLElement {
  let filter: { [Name in Facet]?: string[] } = {};
  const summary = element("summary", "button", {}, "Filter");
  const groups = element("div", "facets");

  const tell = (next: typeof filter) => {
    filter = next;
    const chosen = Object.values(filter).flat().length;
    summary.textContent = chosen > 0 ? `Filter · ${chosen}` : "Filter";
    onChange(chosen > 0 ? filter : null);
  };
  const choice = (name: Facet, value: string) => {
    const box = element("input", "", { type: "checkbox", checked: !!filter[name]?.includes(value) });
    box.onchange = () => {
      const { [name]: values = [], ...others } = filter;
      const chosen = box.checked ? [...values, value] : values.filter((other) => other !== value);
      tell(chosen.length > 0 ? { ...others, [name]: chosen } : others);
    };
    const tally = element("span", "tally", {}, String(facets[name].get(value) ?? 0));
    return element("label", "", {}, box, element("bdi", "", {}, value), tally);
  };
  const fill = () => {
    const shown = NAMES.map((name) => {
      // What is chosen stays to be unchosen, also when no line of it is kept.
      const values = [...new Set([...(filter[name] ?? []), ...facets[name].keys()])].map((value) =>
        choice(name, value),
      );
      return element(
        "fieldset",
        "",
        { hidden: values.length === 0 },
        element("legend", "", {}, LABELS[name]),
        ...values,
      );
    });
    groups.replaceChildren(...shown);
  };
  const all = button("button", "Show all", () => {
    tell({});
    fill();
  });

  const details = element("details", "filter", { name: "menu" }, summary, element("div", "menu", {}, groups, all));
  details.ontoggle = fill;
  return details;
}
