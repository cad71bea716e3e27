// The table of `alexc summary`, and the sums. A number that differs from the one before the user began to type shows both.

import { gathered, make } from "./dom.js";
import { addView, point, pointsAt, reveal } from "./links.js";

// A cell with its text, and the text before if that is another one.
export function cell(tag, text, before, properties = {}) {
  const element = make(tag, properties, text);
  if (before !== undefined && before !== text) {
    element.classList.add("changed");
    if (before) element.append(was(before));
  }
  return element;
}

const was = (text) => make("s", {}, make("span", { class: "hidden-text" }, " was "), text);

export function createTable(parent, label, goTo) {
  const box = make("div", { class: "box" });
  parent.append(box);
  let rows = [];

  const light = (lit, scroll) => {
    let first = null;
    for (const { row, names } of rows) {
      const on = names.some((name) => lit.has(name));
      row.classList.toggle("lit", on);
      if (on) first ??= row;
    }
    if (scroll) reveal(first, box);
  };
  addView(light);

  return {
    box,
    show(view, before) {
      const names = gathered(view.layers.map(({ name, statement }) => [statement, name]));
      const kind = (column) => (view.numeric[column] ? { class: "number" } : {});
      const head = make("tr", {}, ...view.header.map((text, column) => make("th", { scope: "col", ...kind(column) }, text)));
      const cellsBefore = new Map(before?.rows.map((row) => [row[0], row]));
      rows = view.rows.map((cells) => {
        const old = cellsBefore.get(cells[0]);
        // A share changes whenever another layer does; only the layers that changed are marked.
        const known = (column) => (view.header[column] === "share" ? undefined : old?.[column]);
        const shown = cells.map((text, column) => cell("td", text, known(column), kind(column)));
        const lit = names.get(cells[0]);
        const name = make("button", { type: "button", class: "name", onclick: () => goTo(lit[0]) }, cells[0]);
        name.addEventListener("focus", () => point(lit, light)); // the row follows the pointer
        name.addEventListener("blur", () => point([], light));
        shown[0] = make("th", { scope: "row" }, name);
        const row = make("tr", {}, ...shown);
        if (before && !old) row.classList.add("added");
        pointsAt(row, lit, light);
        return { row, names: lit };
      });
      const sums = view.total.map((text, column) => cell(column ? "td" : "th", text, before?.total[column], kind(column)));
      const body = make("tbody", {}, ...rows.map(({ row }) => row));
      const table = make("table", { "aria-label": label }, make("thead", {}, head), body, make("tfoot", {}, make("tr", {}, ...sums)));
      box.replaceChildren(table, ...(view.note ? [make("p", { class: "note" }, `note: ${view.note}`)] : []));
    },
  };
}

// The sums of a spec in the head of the page.
export function showCounts(parent, view, before) {
  parent.dataset.name = view.name;
  const shown = Object.entries(view.counts).map(([name, count]) => {
    const old = before?.counts[name];
    const value = make("dd", {}, count.toLocaleString("en-US"));
    if (old === undefined || old === count) return make("div", {}, make("dt", {}, name), value);
    value.classList.add("changed");
    if (old > 0) value.append(` ${percent(count / old - 1)}`);
    return make("div", {}, make("dt", {}, `${name} `, was(old.toLocaleString("en-US"))), value);
  });
  parent.replaceChildren(...shown);
}

function percent(share) {
  const text = (100 * Math.abs(share)).toPrecision(2);
  return `${share < 0 ? "−" : "+"}${Number(text)} %`;
}
