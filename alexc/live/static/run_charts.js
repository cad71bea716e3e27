// Charts of the runs: one line for each run and curve, drawn by uPlot.

import uPlot from "./uplot.js";

const KINDS = {
  loss: "batches",
  train_loss: "train",
  val_loss: "val",
  train_error: "train",
  val_error: "val",
  val_top5_error: "val5",
  rate: "single",
  images_per_second: "single",
};
const LOOKS = {
  batches: { width: 1, alpha: 0.45 },
  train: { width: 1.6, dash: [6, 4] },
  val: { width: 2.2 },
  val5: { width: 2, dash: [2, 3] },
  single: { width: 1.8 },
};
const MOST_DOTS = 40;
const PER_STEP = ["loss", "rate"];

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function number(value) {
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e5 || size < 1e-3)) return value.toExponential(2).replace(/\.?0+e/, "e");
  return String(Number(value.toPrecision(4)));
}

// A loss as the table has it: `loss_text` in Python.
const lossText = (loss) => (Math.abs(loss) < 999.99995 ? loss.toFixed(4) : loss.toExponential(1));

// An exponential moving average without the pull of its first value.
function smooth(values, weight) {
  let sum = 0;
  let total = 0;
  return values.map((value) => {
    if (value === null) return null;
    sum = weight * sum + (1 - weight) * value;
    total = weight * total + (1 - weight);
    return sum / total;
  });
}

// The line of a curve of a run: its points, and how it looks.
function lineOf(run, curve, labels, { axis, smoothing }, log) {
  const perStep = PER_STEP.includes(curve);
  const table = perStep ? run.steps : run.epochs;
  const x = axis === "step" ? table.step : perStep ? table.step.map((step) => step / run.stepsPerEpoch) : table.epoch;
  let y = table[curve].map((value) => (log && value !== null && value <= 0 ? null : value));
  if (curve === "loss" && smoothing) y = smooth(y, smoothing);
  const label = curve === "loss" && smoothing ? `${labels[curve]}, smoothed` : labels[curve];
  return { run, curve, kind: KINDS[curve], label, x, y };
}

// The powers of ten around a range, so that no line lies on an edge.
const decades = (low, high) => [10 ** (Math.ceil(Math.log10(low)) - 1), 10 ** (Math.floor(Math.log10(high)) + 1)];

// The last x of a run.
function endOf({ steps, epochs, stepsPerEpoch }, axis) {
  const step = Math.max(steps.step.at(-1) ?? 0, epochs.step.at(-1) ?? 0);
  return axis === "step" ? step : Math.max(step / stepsPerEpoch, epochs.epoch.at(-1) ?? 0);
}

// Whether a range of x is a part that the reader has chosen, and not all of the data.
const isPart = (plot, low, high) => low > plot.data[0][0] || high < plot.data[0].at(-1);

function describe(title, axis, lines, text) {
  const parts = lines.map(({ run, label, y }) => {
    const known = y.filter((value) => value !== null);
    if (!known.length) return "";
    const least = known.reduce((a, b) => Math.min(a, b));
    return `${run.name}, ${label}: from ${text(known[0])} to ${text(known.at(-1))}, lowest ${text(least)}.`;
  });
  return `${title} against ${axis}s. ${parts.join(" ")}`.trim();
}

// A chart in a figure of its own at the end of `parent`. `draw` shows runs; `redraw` takes the colours of the theme.
export function chartOf(parent, title, own, { log: startsLog, percent = false, stepped = false }) {
  const figure = document.createElement("figure");
  figure.className = "chart";
  figure.innerHTML =
    '<figcaption><b></b><span class="readout"></span><label><input type="checkbox"> log scale</label></figcaption>' +
    '<div class="plot" tabindex="0" role="application" aria-roledescription="chart"></div>';
  figure.querySelector("b").textContent = title;
  const readout = figure.querySelector(".readout");
  const place = figure.querySelector(".plot");
  const box = figure.querySelector("input");
  box.checked = startsLog;
  box.setAttribute("aria-label", `Logarithmic scale of the ${title}`);
  parent.append(figure);

  const mark = (value) => (percent ? `${Number((value * 100).toFixed(2))}%` : number(value));
  const text = percent ? (value) => `${(value * 100).toFixed(1)}%` : title === "loss" ? lossText : number;
  let plot = null;
  let lines = [];
  let shape = "";
  let end = 1; // of the x axis: that of the longest run
  let cursor = { line: 0, point: -1 }; // of the keyboard
  let last = null;

  function read(line, point) {
    const { run, label, x, y } = lines[line];
    const where = last.options.axis === "step" ? `step ${x[point].toLocaleString("en")}` : `epoch ${number(x[point])}`;
    return `${y[point] === null ? "no number" : text(y[point])} at ${where}: ${run.name}, ${label}`;
  }

  // uPlot wants one list of x for all lines. Where a line has no point, its value is undefined, which leaves no gap.
  function data() {
    return lines.length === 1 ? [lines[0].x, lines[0].y] : uPlot.join(lines.map((line) => [line.x, line.y]));
  }

  function seriesOf({ run, kind, x }, single) {
    const look = LOOKS[kind];
    const dots = kind !== "batches" && !stepped && x.length <= MOST_DOTS;
    return {
      label: run.name,
      stroke: () => style(`--run-${run.colour}`),
      width: look.width,
      alpha: single && kind === "batches" ? 0.6 : (look.alpha ?? 1),
      dash: look.dash,
      paths: stepped ? uPlot.paths.stepped({ align: 1 }) : uPlot.paths.linear(),
      points: { show: dots, size: 5, fill: () => style(`--run-${run.colour}`) },
    };
  }

  function optionsOf(axis) {
    const log = box.checked;
    const paint = { stroke: () => style("--soft"), grid: { stroke: () => style("--edge"), width: 1 }, ticks: { show: false } };
    const font = "12px system-ui, sans-serif";
    const powers = (_, marks) => marks.map((value) => (Number.isInteger(Math.log10(value)) ? value : null));
    const y = log ? { ...paint, grid: { ...paint.grid, filter: powers } } : paint;
    return {
      width: place.clientWidth,
      height: place.clientHeight,
      legend: { show: false },
      padding: [8, 8, 0, 0],
      cursor: { sync: { key: "runs" }, focus: { prox: 1e6 }, drag: { x: true, y: false }, y: false },
      focus: { alpha: 0.35 },
      scales: {
        x: { time: false, range: (u, low, high) => (isPart(u, low, high) ? [low, high] : [0, end]) },
        y: log ? { distr: 3, range: (_, low, high) => decades(low, high) } : { range: (_, __, high) => [0, high > 0 ? high * 1.05 : 1] },
      },
      axes: [
        { ...paint, font, size: 20, gap: 4, label: axis, labelSize: 16, labelGap: -2, labelFont: font, incrs: axis === "step" ? undefined : [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 1e4, 1e5], values: (_, marks) => marks.map((value) => Number(value.toFixed(4)).toLocaleString("en")) },
        { ...y, font, size: 56, gap: 6, values: (_, marks) => marks.map((value) => (value === null ? "" : mark(value))) },
      ],
      series: [{}, ...lines.map((line) => seriesOf(line, last.runs.length === 1))],
      hooks: {
        setCursor: [showValues],
        setSeries: [(u, index) => showValues(u, index)],
      },
    };
  }

  let focused = null;
  function showValues(u, index) {
    if (index !== undefined) focused = index;
    const point = u.cursor.idx;
    if (point === null || point === undefined || !focused || !place.matches(":hover")) return; // else another chart's
    const line = lines[focused - 1];
    const at = line && line.x.findLastIndex((x) => x <= u.data[0][point]);
    if (line && at >= 0) readout.textContent = read(focused - 1, at);
  }

  // The keyboard goes from point to point.
  function move(event) {
    const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: [0, -Infinity], End: [0, Infinity] };
    const step = steps[event.key];
    if (!step || !plot) return;
    event.preventDefault();
    const line = (cursor.line + step[0] + lines.length) % lines.length;
    const most = lines[line].x.length - 1;
    const start = cursor.point < 0 ? most + (step[1] < 0 ? 1 : 0) : cursor.point;
    cursor = { line, point: Math.max(0, Math.min(most, start + step[1])) };
    const { x, y } = lines[line];
    plot.setSeries(line + 1, { focus: true });
    plot.setCursor({ left: plot.valToPos(x[cursor.point], "x"), top: plot.valToPos(y[cursor.point] ?? 0, "y") }, false);
    readout.textContent = read(line, cursor.point);
    document.querySelector("#spoken").textContent = readout.textContent;
  }

  function draw(runs, options, labels) {
    const endBefore = end;
    end = Math.max(...runs.map((run) => endOf(run, options.axis)), 0) || 1;
    last = { runs, options, labels };
    lines = runs.flatMap((run) =>
      own
        .filter((curve) => curve in run.steps || curve in run.epochs) // a few classes have no top-5 error
        .filter((curve) => KINDS[curve] === "single" || options.kinds.has(KINDS[curve]))
        .map((curve) => lineOf(run, curve, labels, options, box.checked))
        .filter((line) => line.y.some((value) => value !== null)),
    );
    const now = JSON.stringify([options.axis, box.checked, lines.map(({ run, curve, x }) => [run.name, run.colour, curve, x.length <= MOST_DOTS, runs.length === 1])]);
    const isSame = now === shape && plot;
    shape = now;
    place.setAttribute("aria-label", lines.length ? describe(title, options.axis, lines, text) : `${title}: no numbers yet`);
    if (!lines.length) {
      plot?.destroy();
      plot = null;
      const none = document.createElement("div");
      none.className = "none";
      none.textContent = "No numbers yet";
      place.replaceChildren(none);
      return;
    }
    if (!isSame) {
      plot?.destroy();
      place.replaceChildren();
      cursor = { line: 0, point: -1 };
      focused = null;
      readout.textContent = "";
      plot = new uPlot(optionsOf(options.axis), data(), place);
      plot.over.addEventListener("mouseleave", () => (readout.textContent = ""));
      return;
    }
    const { min, max } = plot.scales.x;
    const isZoomed = min > 0 || max < endBefore;
    plot.setData(data(), !isZoomed);
    if (isZoomed) plot.setScale("x", { min, max });
  }

  place.addEventListener("keydown", move);
  box.addEventListener("input", () => last && draw(last.runs, last.options, last.labels));
  new ResizeObserver(() => plot?.setSize({ width: place.clientWidth, height: place.clientHeight })).observe(place);
  return { draw, redraw: () => plot?.redraw(false, true) };
}
