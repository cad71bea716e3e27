// The page of `alexc runs --live`: asks the server what has changed, and shows it.

import { make } from "./dom.js";
import { chartOf } from "./run_charts.js";
import { ask } from "./server.js";
import { switchTheme } from "./theme.js";

const SECONDS_WHILE_RUNNING = 1;
const SECONDS_OTHERWISE = 3;
const LONGEST_NAME = 25; // letters
const STATES = { running: "▶", finished: "✓", stopped: "■", diverged: "✕", crashed: "✕", unknown: "?" };

const find = (selector) => document.querySelector(selector);
const names = await (await ask("api/runs/names")).json();

let list = { version: "", runs: [] };
const curves = new Map(); // of the runs that were shown, by id
const colours = new Map(); // the number of the colour of each shown run, by id
let follows = true; // whether running runs are shown on their own: until the reader chooses
let clockSkew = 0; // of the server's clock, in milliseconds

const charts = [
  chartOf(find("#charts"), "loss", ["loss", "train_loss", "val_loss"], { log: false }),
  chartOf(find("#charts"), "error", ["train_error", "val_error", "val_top5_error"], { log: false, percent: true }),
  chartOf(find("#charts"), "learning rate", ["rate"], { log: true, stepped: true }),
  chartOf(find("#charts"), "images/s", ["images_per_second"], { log: false }),
];

// ---------------------------------------------------------------- elements

function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// Makes the children of `parent` those of `keys`, in order; keeps the ones that are there, and so their focus.
function keep(parent, keys, make) {
  const there = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  const wanted = keys.map((key) => {
    const child = there.get(key) ?? make(key);
    child.dataset.key = key;
    there.delete(key);
    return child;
  });
  for (const child of there.values()) child.remove();
  wanted.forEach((child, place) => {
    if (parent.children[place] !== child) parent.insertBefore(child, parent.children[place] ?? null);
  });
  return wanted;
}

const nameOf = (run) => run.cells[0];

// The name without its middle if it is long: names of runs often differ only in their ends.
function shortName(run) {
  const letters = [...nameOf(run)];
  return letters.length <= LONGEST_NAME ? nameOf(run) : `${letters.slice(0, 9).join("")}…${letters.slice(10 - LONGEST_NAME).join("")}`;
}

const isActive = (run) => run.state === "running" || run.state === "unknown";
const stateText = (run) => `${STATES[run.state]} ${run.state}`;
const shownRuns = () => list.runs.filter((run) => colours.has(run.id));

// ---------------------------------------------------------------- what is shown

function show(id) {
  if (colours.size >= names.mostShown) return false;
  const taken = new Set(colours.values());
  colours.set(id, [...Array(names.mostShown).keys()].find((number) => !taken.has(number)));
  return true;
}

function toggle(id, isShown) {
  follows = false;
  if (!isShown) colours.delete(id);
  else if (!show(id)) say(`At most ${names.mostShown} runs are shown at once: uncheck one first.`);
  remember();
  renderAll();
  refreshSoon();
}

function chooseRuns() {
  const there = new Set(list.runs.map((run) => run.id));
  for (const id of colours.keys()) if (!there.has(id)) colours.delete(id);
  if (!follows) return;
  for (const run of list.runs) if (run.state === "running") colours.has(run.id) || show(run.id);
  if (!colours.size && list.runs.length) show(list.runs[0].id);
}

function remember() {
  const parts = new URLSearchParams({ axis: find("#controls").elements.axis.value });
  if (!follows) parts.set("runs", [...colours.keys()].join(" "));
  history.replaceState(null, "", `#${parts}`);
}

function recall() {
  const parts = new URLSearchParams(location.hash.slice(1));
  if (parts.get("axis") === "step") find("#controls").elements.axis.value = "step";
  if (!parts.has("runs")) return;
  follows = false;
  for (const id of parts.get("runs").split(" ")) if (/^[0-9a-f]{16}$/.test(id)) show(id);
}

// ---------------------------------------------------------------- the list

function renderList() {
  const words = find("#filter").value.toLowerCase();
  const items = keep(find("#runs"), list.runs.map((run) => run.id), makeItem);
  list.runs.forEach((run, place) => {
    const item = items[place];
    const colour = colours.get(run.id);
    item.className = colour === undefined ? "" : `run-${colour}`;
    item.hidden = !`${nameOf(run)} ${run.cells[1]} ${run.state}`.toLowerCase().includes(words);
    const box = item.querySelector("input");
    box.checked = colour !== undefined;
    write(item.querySelector(".name"), nameOf(run));
    const state = item.querySelector(".state");
    write(state, stateText(run));
    state.className = `state ${run.state}`;
    write(item.querySelector(".epochs"), run.read < 1 ? `reading ${Math.floor(run.read * 100)} %` : run.cells[5]);
    item.querySelector("progress").value = run.done;
    item.title = run.reason;
  });
  const running = list.runs.filter((run) => run.state === "running").length;
  write(find("#count"), `${list.runs.length} ${list.runs.length === 1 ? "run" : "runs"}, ${running} running`);
  document.title = running ? `${running} running: training runs` : "Training runs";
  const messages = [...(list.damaged ?? [])];
  if (list.damagedInAll > messages.length) messages.push(`${list.damagedInAll - messages.length} more cannot be read.`);
  if (list.leftOut) messages.push(`${list.leftOut} older runs are left out.`);
  if (list.complete === false) messages.push("The folder has too many files: not all of it was searched.");
  write(find("#messages"), messages.join(" "));
}

function makeItem(id) {
  const box = make("input", { type: "checkbox" });
  box.addEventListener("change", () => toggle(id, box.checked));
  const under = make("span", { class: "under" }, make("span", { class: "state" }), make("span", { class: "epochs" }));
  const text = make("span", {}, make("span", { class: "name" }), under);
  return make("li", {}, make("label", {}, box, text, make("progress", { max: 1, "aria-hidden": "true" })));
}

// ---------------------------------------------------------------- the figures

const COLUMNS = [0, 5, 8, 6, 7, 9, 10]; // of names.columns: run, epochs, loss, error, in epoch, rate, images/s
const ADDED = ["state", "time left", "last record"];

function renderFigures() {
  const header = [names.columns[0], ADDED[0], ...COLUMNS.slice(1).map((place) => names.columns[place]), ...ADDED.slice(1)];
  keep(find("#figures thead tr"), header, (name) =>
    make("th", { scope: "col", class: names.numeric.includes(name) || ADDED.indexOf(name) > 0 ? "number" : "" }, name),
  );
  const runs = shownRuns();
  const rows = keep(find("#figures tbody"), runs.map((run) => run.id), () => {
    const cells = header.slice(1).map((_, place) => make("td", { class: place ? "number" : "state" }));
    return make("tr", {}, make("th", { scope: "row", class: "key" }), ...cells);
  });
  runs.forEach((run, place) => {
    const row = rows[place];
    row.className = `run-${colours.get(run.id)}`;
    const figures = COLUMNS.slice(1).map((column) => run.cells[column]);
    const left = run.state === "running" ? (run.left ?? "-") : "-";
    const texts = [shortName(run), stateText(run), ...figures, left, agoText(run.written)];
    texts.forEach((text, column) => write(row.children[column], text));
    row.children[0].title = nameOf(run);
    row.children[1].className = `state ${run.state}`;
    row.children[1].title = run.reason;
  });
}

function agoText(written) {
  if (written === null) return "-";
  const seconds = Math.max(0, (Date.now() + clockSkew) / 1000 - written);
  if (seconds < 90) return `${Math.round(seconds)} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  return seconds < 129600 ? `${Math.round(seconds / 3600)} h ago` : `${Math.round(seconds / 86400)} days ago`;
}

// ---------------------------------------------------------------- the charts

function options() {
  const form = find("#controls").elements;
  return {
    axis: form.axis.value,
    kinds: new Set([...form.curves].filter((box) => box.checked).map((box) => box.value)),
    smoothing: Number(form.smoothing.value),
  };
}

function renderCharts() {
  const runs = shownRuns().filter((run) => curves.has(run.id));
  const known = runs.every((run) => curves.get(run.id).stepsPerEpoch);
  const [inEpochs, inSteps] = find("#controls").elements.axis;
  inEpochs.disabled = !known;
  inEpochs.parentElement.title = known ? "" : "The number of steps of an epoch is not known yet.";
  if (!known) inSteps.checked = true;
  const { smoothing } = options();
  write(find(".smoothing output"), smoothing ? smoothing.toFixed(2) : "off");
  const drawn = runs.map((run) => ({ name: shortName(run), colour: colours.get(run.id), ...curves.get(run.id) }));
  for (const chart of charts) chart.draw(drawn, options(), names.curves);
}

// ---------------------------------------------------------------- settings, notes, epochs

function renderSettings() {
  const runs = shownRuns().filter((run) => curves.has(run.id));
  const settings = runs.map((run) => new Map(curves.get(run.id).settings));
  const all = [...new Set(settings.flatMap((each) => [...each.keys()]))];
  const differs = all.filter((name) => new Set(settings.map((each) => each.get(name) ?? "-")).size > 1);
  const table = find("#differences");
  table.hidden = !differs.length;
  write(find("#alike"), runs.length < 2 ? "Check several runs to compare their settings." : differs.length ? "" : "Nothing: the settings of these runs are equal.");
  table.tHead.rows[0].replaceChildren(
    make("th", { scope: "col" }, "setting"),
    ...runs.map((run) => make("th", { scope: "col", class: `key run-${colours.get(run.id)}`, title: nameOf(run) }, shortName(run))),
  );
  table.tBodies[0].replaceChildren(
    ...differs.map((name) => make("tr", {}, make("th", { scope: "row" }, name), ...cellsOf(settings.map((each) => each.get(name) ?? "-")))),
  );
  const same = all.filter((name) => !differs.includes(name));
  find("#same").tBodies[0].replaceChildren(
    ...same.map((name) => make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, settings[0].get(name)))),
  );
}

// Cells of texts, with the words in bold that not all of them have.
function cellsOf(texts) {
  const words = texts.map((text) => text.split(" "));
  const isCommon = (word) => words.every((each) => each.includes(word));
  return words.map((own) => make("td", {}, ...own.flatMap((word) => [isCommon(word) ? word : make("b", {}, word), " "])));
}

function renderNotes() {
  const lines = shownRuns().flatMap((run) => {
    const own = [[run.state, run.reason]];
    if (run.damagedLines) own.push(["metrics.jsonl", `${run.damagedLines} damaged lines are left out`]);
    if (curves.has(run.id)) {
      const { notes, allSteps } = curves.get(run.id);
      own.push(...notes);
      if (!allSteps) own.push(["single batches", "of each group of steps, the lowest and the highest loss are drawn"]);
    }
    return own.map(([place, text]) => [run, place, text]);
  });
  find("#notes").replaceChildren(
    ...lines.map(([run, place, text]) =>
      make("li", { class: `run-${colours.get(run.id)}` }, make("b", { class: "key" }, nameOf(run)), " ", make("span", {}, place), ` ${text}`),
    ),
  );
}

function renderEpochs() {
  if (!find("#metrics").open) return;
  const tables = shownRuns().filter((run) => curves.has(run.id)).map((run) => {
    const { header, rows, best } = curves.get(run.id);
    const head = header.map((name, place) => make("th", { scope: "col", class: place ? "number" : "" }, name));
    const body = rows.map(([epoch, ...figures]) =>
      make("tr", { class: Number(epoch) === best ? "best" : "" }, make("th", { scope: "row" }, epoch), ...figures.map((figure) => make("td", { class: "number" }, figure))),
    );
    const caption = make("caption", { class: `key run-${colours.get(run.id)}` }, nameOf(run));
    return make("table", {}, caption, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...body));
  });
  find("#epochs").replaceChildren(...tables);
}

function renderAll() {
  write(find("#folder"), list.folder ?? "");
  find("#shown").hidden = !colours.size;
  find("#empty").hidden = colours.size > 0;
  write(find("#empty"), list.runs.length ? "Check a run on the left to see its curves." : "No runs yet: `alexc train` makes them.");
  renderList();
  renderFigures();
  renderCurves();
}

function renderCurves() {
  renderCharts();
  renderSettings();
  renderNotes();
  renderEpochs();
}

function say(text) {
  find("#spoken").textContent = text;
  find("#connection").title = text;
}

// ---------------------------------------------------------------- the server

class NoAnswer extends Error {}

async function changed(path, known) {
  const response = await ask(`${path}${path.includes("?") ? "&" : "?"}since=${known}`).catch(() => null);
  if (!response?.ok) throw new NoAnswer(path);
  clockSkew = Date.parse(response.headers.get("date")) - Date.now() || 0;
  return response.status === 204 ? null : response.json();
}

// Asks for the curves of a run if its figures have changed; returns whether there are new ones.
async function refreshCurves(run) {
  const stamp = `${run.written} ${run.read} ${run.step} ${run.cells[5]} ${run.damagedLines}`;
  const known = curves.get(run.id);
  if (known?.stamp === stamp) return false;
  const own = await changed(`api/runs/curves/${run.id}`, known?.version ?? "").catch(() => undefined);
  if (own === undefined) return false; // the run has just disappeared
  curves.set(run.id, { ...(own ?? known), stamp });
  return true;
}

async function refresh() {
  const now = await changed(`api/runs/list?shown=${[...colours.keys()].join(",")}`, list.version);
  if (now) {
    tellChanges(list.runs, now.runs);
    list = now;
    chooseRuns();
  }
  const isNew = (await Promise.all(shownRuns().map(refreshCurves))).includes(true);
  if (now) renderAll();
  else if (isNew) renderCurves();
  else renderFigures(); // the time since the last record
}

function tellChanges(before, after) {
  const states = new Map(before.map((run) => [run.id, run.state]));
  const told = after.filter((run) => states.has(run.id) && states.get(run.id) !== run.state);
  if (told.length) say(told.map((run) => `${nameOf(run)}: ${run.state}`).join("; "));
}

function showConnection(isThere) {
  const node = find("#connection");
  node.className = isThere ? "" : "lost";
  write(node, isThere ? "live" : "No answer. Does the command still run? A new one prints a new address.");
}

let wake = () => {};
const refreshSoon = () => wake();

async function follow() {
  for (;;) {
    if (!document.hidden) {
      try {
        await refresh();
        showConnection(true);
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw error;
        showConnection(false);
      }
    }
    const seconds = list.runs.some(isActive) ? SECONDS_WHILE_RUNNING : SECONDS_OTHERWISE;
    await new Promise((done) => {
      wake = done;
      setTimeout(done, seconds * 1000);
    });
  }
}

find("#filter").addEventListener("input", renderList);
find("#metrics").addEventListener("toggle", renderEpochs);
find("#controls").addEventListener("input", () => {
  remember();
  renderCharts();
});
find("#controls").addEventListener("submit", (event) => event.preventDefault());
document.addEventListener("visibilitychange", refreshSoon);
switchTheme(find("#theme"), () => charts.forEach((chart) => chart.redraw()));
recall();
follow();
