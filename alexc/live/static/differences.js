// The differences of two specs, as `alexc diff` finds them.

import { make } from "./dom.js";
import { addView, pointsAt } from "./links.js";

const number = (value) => value.toLocaleString("en-US");

export function createDifferences(parent) {
  const box = make("div", { class: "box" });
  parent.append(box);
  let rows = [];
  addView((lit) => {
    for (const { row, name } of rows) row.classList.toggle("lit", lit.has(name));
  });

  return {
    box,
    show(view, names) {
      rows = [];
      if (view.problem) return box.replaceChildren(make("p", {}, view.problem));
      const parts = [];
      if (view.same) parts.push(make("p", {}, "Both specs describe the same network and training."));
      parts.push(sums(view, names));
      if (view.layers.length) parts.push(make("h3", {}, "Layers"), layers(view.layers, rows));
      if (view.settings.length) parts.push(make("h3", {}, "Settings"), settings(view.settings, names));
      parts.push(make("h3", {}, "Weights"), ...weights(view.weights, names));
      box.replaceChildren(...parts);
    },
  };
}

function sums(view, names) {
  const rows = Object.keys(view.before).map((name) => {
    const [old, now] = [view.before[name], view.after[name]];
    const change = now === old ? "" : `${now > old ? "+" : "−"}${number(Math.abs(now - old))}`;
    return [name.replace("_", "-"), number(old), number(now), change];
  });
  return table(["in all", ...names, "change"], rows, [1, 2, 3]);
}

function layers(changes, rows) {
  const shown = changes.map(({ layer, change, what, before, after }) => {
    const pair = (field, text = (value) => value) => {
      const values = [before, after].filter(Boolean).map((figures) => text(figures[field]));
      const [old, now] = [...new Set(values)];
      return now === undefined ? (old === "0" ? "" : old) : [now, make("s", {}, old)];
    };
    const cells = [layer, change === "changed" ? "" : change, what.join("\n"), pair("output"), pair("parameters", number), pair("multiply_adds", number)];
    return { layer, change, cells };
  });
  const made = table(["layer", "", "what", "output", "parameters", "multiply-adds"], shown.map(({ cells }) => cells), [4, 5]);
  made.querySelectorAll("tbody tr").forEach((row, index) => {
    row.classList.add(`is-${shown[index].change}`);
    row.children[2].classList.add("words");
    row.tabIndex = 0;
    pointsAt(row, [shown[index].layer], null);
    rows.push({ row, name: shown[index].layer });
  });
  return made;
}

function settings(changes, names) {
  return table(["setting", ...names], changes.map(({ name, before, after }) => [name, before ?? "–", after ?? "–"]), []);
}

function weights(found, names) {
  if (found.load) return [make("p", {}, "The weights of one load in the other: all names and shapes are the same.")];
  const lists = [
    ["same name and shape", found.alike],
    ["same name, different shape", found.reshaped],
    [`only in ${names[0]}`, found.only_before],
    [`only in ${names[1]}`, found.only_after],
  ];
  const items = lists.filter(([, layers]) => layers.length).map(([words, layers]) => make("li", {}, `${words}: ${layers.join(", ")}`));
  return [make("p", {}, "The weights of one do not load in the other without changes:"), make("ul", {}, ...items)];
}

function table(header, rows, numeric) {
  const look = (column) => (numeric.includes(column) ? { class: "number" } : {});
  const head = header.map((text, column) => make("th", { scope: "col", ...look(column) }, text));
  const body = rows.map((cells) => make("tr", {}, ...cells.map((each, column) => make(column ? "td" : "th", look(column), ...[each].flat()))));
  return make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...body));
}
