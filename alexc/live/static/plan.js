// The plan of a placement: the paragraphs and tables of `alexc plan`.

import { gathered, make } from "./dom.js";
import { addView, pointsAt, reveal } from "./links.js";
import { cell } from "./table.js";

export function createPlan(parent, label) {
  const box = make("div", { class: "box", tabindex: "0", role: "region", "aria-label": label });
  parent.append(box);
  let rows = [];

  const light = (lit, scroll) => {
    const on = rows.filter(({ names }) => names.some((name) => lit.has(name)));
    for (const { row } of rows) row.classList.remove("lit");
    for (const { row } of on) row.classList.add("lit");
    if (scroll) reveal(on.at(-1)?.row, box); // the table of the layers is the last one
  };
  addView(light);

  // A row begins with the name of a layer or of its line in the spec; `named` has the layers of both.
  function table(part, before, named) {
    const kind = (column) => (part.numeric[column] ? { class: "number" } : {});
    const old = new Map(before?.rows?.map((cells) => [cells.slice(0, 2).join(" "), cells]));
    const byFirst = new Map(before?.rows?.map((cells) => [cells[0], cells]));
    const body = part.rows.map((cells) => {
      const known = old.get(cells.slice(0, 2).join(" ")) ?? byFirst.get(cells[0]);
      const shown = cells.map((text, column) => cell(column ? "td" : "th", text, known?.[column], kind(column)));
      const row = make("tr", {}, ...shown);
      const names = named.get(cells[0]) ?? [];
      if (names.length) {
        pointsAt(row, names, light);
        rows.push({ row, names });
      }
      return row;
    });
    const head = part.header.map((text, column) => make("th", { scope: "col", ...kind(column) }, text));
    return make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...body));
  }

  return {
    box,
    show(view, before, layers) {
      rows = [];
      const named = gathered(layers.flatMap(({ name, statement }) => [...new Set([name, statement])].map((key) => [key, name])));
      const parts = (view.parts ?? [view.problem]).map((part, number) =>
        typeof part === "string" ? make("p", {}, part) : table(part, before?.parts?.[number], named),
      );
      box.replaceChildren(...parts);
    },
  };
}
