// The page of `alexc live`: compiles what is typed, shows the newest answer, follows the files and saves them.

import { createCode, namesByLine, pythonPainter } from "./code.js";
import { createDifferences } from "./differences.js";
import { byId, gathered, make } from "./dom.js";
import { letters, maximizers, splitter, tabs } from "./panes.js";
import { createPicture } from "./picture.js";
import { createPlan } from "./plan.js";
import { ask, eachLine, follow } from "./server.js";
import { createSpec } from "./spec_panel.js";
import { createTable, showCounts } from "./table.js";
import { addView, relight } from "./links.js";
import { switchTheme, theme } from "./theme.js";

const REST = 1500; // milliseconds without a key after which the next one begins a new change
const LATE = 400; // milliseconds after which the page says that it still compiles
const READING = 800; // milliseconds without a key after which a screen reader is told of the findings

const answer = await ask("/api/specs");
if (!answer.ok) {
  byId("status").textContent = await answer.text();
  throw new Error("no specs");
}
const { specs: files, grammar } = await answer.json();
const two = files.length === 2;

let differences = null;
let placement = "";
let visible = "";
const names = files.map(({ name }) => name);
const { panels, select } = tabs(document.querySelector("[role=tablist]"), [...(two ? ["Differences"] : []), "Table", "Python", "Plan"], (name) => {
  visible = name;
  paint();
});
if (two) differences = createDifferences(panels.Differences);

const specs = files.map((file, index) => {
  const label = two ? ` of ${file.name}` : "";
  const goTo = (name) => {
    const line = specs[index].lines.get(name)?.[0];
    if (line) specs[index].panel.goTo(line);
  };
  const events = {
    changed,
    layersAt: (line) => specs[index].byLine.get(line) ?? [],
    light: (lit, scroll) => specs[index].panel.light([...lit].flatMap((name) => specs[index].lines.get(name) ?? []), scroll),
  };
  const spec = {
    panel: createSpec(byId("specs"), file, index, grammar, events),
    counts: make("dl", { "aria-label": `Sums${label}` }),
    picture: createPicture(document.querySelector("#pictures .columns"), `Picture${label}`, goTo),
    table: createTable(panels.Table, `Layers${label}`, goTo),
    python: createCode(panels.Python, `Python file${label}`),
    plan: createPlan(panels.Plan, `Plan${label}`),
    byLine: new Map(), // the layers of each line of the text
    lines: new Map(), // the lines of each layer
    shown: { python: {}, plan: {} }, // the newest good views
    before: { python: {}, plan: {} }, // the good views before the user began to type
  };
  byId("counts").append(spec.counts);
  addView(events.light);
  return spec;
});
document.body.classList.toggle("two", two);

// Compiling: the newest text wins.

let running = null;
let lastKey = -Infinity;

function changed(byUser) {
  const now = performance.now();
  if (!byUser || now - lastKey > REST) {
    for (const spec of specs) spec.before = { ...spec.shown, python: { ...spec.shown.python }, plan: { ...spec.shown.plan } };
  }
  lastKey = now;
  compile();
}

async function compile() {
  const start = performance.now();
  running?.abort();
  const mine = (running = new AbortController());
  const texts = specs.map(({ panel }) => panel.text());
  const late = setTimeout(() => status("compiling …"), LATE);
  const timed = { start, late };
  try {
    const answer = await ask("/api/compile", { texts, theme: theme() }, mine.signal);
    if (!answer.ok) throw new Error(await answer.text());
    await eachLine(answer, (view) => mine === running && show(view, timed));
    performance.measure("alexc-everything", { start });
  } catch (error) {
    if (error.name === "AbortError") return; // there is a newer text
    status("not compiled");
    if (!(error instanceof TypeError)) throw error; // a TypeError is a lost connection, which `follow` shows
  } finally {
    clearTimeout(late);
  }
}

function show(view, timed) {
  const spec = specs[view.spec];
  switch (view.view) {
    case "findings":
      spec.panel.show(view);
      stale(spec, !view.good);
      announceSoon();
      if (!view.good) {
        clearTimeout(timed.late);
        status("");
      }
      return;
    case "table":
      learn(spec, view);
      for (const views of [spec.shown.python, spec.shown.plan]) {
        for (const name of Object.keys(views)) if (!view.placements.includes(name)) delete views[name];
      }
      showCounts(spec.counts, view, spec.before.table);
      spec.table.show(view, spec.before.table);
      spec.shown.table = view;
      byId("title").textContent = specs.map(({ shown }) => shown.table?.name ?? "…").join(" and ");
      return;
    case "picture":
      spec.shown.picture = spec.picture.show(view, spec.before.picture);
      clearTimeout(timed.late);
      status(`picture in ${Math.round(performance.now() - timed.start)} ms`);
      performance.measure("alexc-picture", { start: timed.start });
      relight();
      return;
    case "differences":
      differences.show(view, names);
      differences.box.classList.remove("stale");
      return;
    default:
      spec.shown[view.view][view.placement] = view;
      if (view.view === "python") choices();
      paint();
  }
}

function learn(spec, view) {
  spec.byLine = gathered(view.layers.flatMap(({ name, lines }) => lines.map((line) => [line, name])));
  spec.lines = new Map(view.layers.map(({ name, lines }) => [name, lines]));
  spec.panel.restOnLine();
}

function stale(spec, on) {
  for (const each of [spec.picture, spec.table, spec.python, spec.plan]) each.box.classList.toggle("stale", on);
  spec.counts.classList.toggle("stale", on);
  if (on) differences?.box.classList.add("stale");
}

// Python and plans are drawn when they are seen.
function paint() {
  const kind = visible.toLowerCase();
  byId("placement-choice").hidden = !(kind === "python" || kind === "plan") || byId("placement").options.length < 2;
  if (kind !== "python" && kind !== "plan") return;
  for (const spec of specs) {
    const place = kind === "plan" && !placement ? Object.keys(spec.shown.plan)[0] : placement;
    const key = `${kind} ${place}`;
    const view = spec.shown[kind][place ?? ""];
    if (spec[kind].drawn === view && spec[kind].key === key && view) continue;
    spec[kind].key = key;
    spec[kind].drawn = view;
    const old = spec.before[kind][place];
    if (kind === "plan") spec.plan.show(view ?? { parts: [nothing(place)] }, old, spec.shown.table?.layers ?? []);
    else if (view?.text) spec.python.show(view.text, namesByLine(view.lines), old?.text, pythonPainter());
    else spec.python.show(view?.problem ?? (place ? nothing(place) : ""), () => [], undefined, (line) => [line]);
    relight();
  }
}

function nothing(place) {
  if (place) return `This spec has no placement ${place}.`;
  return "This spec has no placement. Add one:\n\nplacement two_gpus {\n  mesh gpu=2\n  split images by gpu\n}";
}

function choices() {
  const choice = byId("placement");
  const all = [...new Set(specs.flatMap(({ shown }) => Object.keys(shown.python)))];
  if (all.join(" ") === [...choice.options].map(({ value }) => value).join(" ")) return;
  choice.replaceChildren(...all.map((name) => make("option", { value: name }, name || "one device")));
  choice.value = all.includes(placement) ? placement : "";
  placement = choice.value;
}
byId("placement").addEventListener("change", (event) => {
  placement = event.target.value;
  paint();
});

// What a screen reader is told, when the user pauses.

let reading = null;
function announceSoon() {
  clearTimeout(reading);
  reading = setTimeout(() => {
    byId("announced").textContent = specs.map(({ panel }) => panel.inWords()).join(" ");
  }, READING);
}

function status(text) {
  byId("status").textContent = text;
}

// The page around it.

const moved = () => specs.forEach(({ panel }) => panel.measure());
switchTheme(byId("theme"), compile);
letters(moved);
splitter(byId("split-columns"), "columns", true, 40, moved);
splitter(byId("split-rows"), two ? "rows-of-two" : "rows", false, two ? 36 : 54, moved);
maximizers(byId("panes"), moved);
for (const [id, factor] of [["zoom-out", 1 / 1.25], ["zoom-fit", 0], ["zoom-in", 1.25]]) {
  byId(id).addEventListener("click", () => specs.forEach(({ picture }) => picture.zoom(factor)));
}
addEventListener("beforeunload", (event) => {
  if (specs.some(({ panel }) => panel.dirty())) event.preventDefault();
});
select();
compile();
follow(
  "/api/changes",
  (change) => (change.extended ? changed(false) : specs[change.spec].panel.changedOnDisk(change)),
  (connected) => document.body.classList.toggle("lost", !connected),
);
