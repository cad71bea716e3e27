// The Python file and the plan of a spec: lines of text, each with the layers that it belongs to.

import { gathered, make } from "./dom.js";
import { addView, point, reveal } from "./links.js";

const PYTHON = /(#.*)|("(?:[^"\\]|\\.)*")|\b(class|def|return|import|from|if|super|self|None|True|False)\b|\b(\d[\d_]*(?:\.\d+)?(?:e[+-]?\d+)?)\b/g;
const LOOKS = ["comment", "string", "keyword", "number"];

export function createCode(parent, label) {
  const code = make("div", { class: "code" });
  const box = make("div", { class: "box", tabindex: "0", role: "region", "aria-label": label }, code);
  parent.append(box);
  let lines = [];

  const light = (lit, scroll) => {
    const on = lines.filter(({ names }) => names.some((name) => lit.has(name)));
    for (const { element } of lines) element.classList.remove("lit");
    for (const { element } of on) element.classList.add("lit");
    if (scroll) reveal(on.find(({ element }) => element.dataset.use)?.element ?? on[0]?.element, box);
  };
  addView(light);
  code.addEventListener("pointerover", (event) => {
    const line = event.target.closest("[data-line]");
    point(line ? lines[Number(line.dataset.line)].names : [], light);
  });
  code.addEventListener("pointerleave", () => point([], light));

  return {
    box,
    // `names(number)` are the layers of a line, from 0; `before` is the text before the user began to type.
    show(text, names, before, paint) {
      const old = before === undefined ? null : new Set(before.split("\n"));
      lines = text.split("\n").map((words, number) => {
        const element = make("div", { "data-line": String(number) });
        element.append(...paint(words));
        if (old && words.trim() && !old.has(words)) element.classList.add("changed");
        if (/^\s+\w+ = /.test(words)) element.dataset.use = "1"; // a statement of `forward`
        return { element, names: names(number) };
      });
      code.replaceChildren(...lines.map(({ element }) => element));
    },
  };
}

// Splits the lines of a Python file into pieces with colours; to be called with one line after the other.
export function pythonPainter() {
  let inText = false;
  return (line) => {
    const quotes = line.split('"""').length - 1;
    if (inText || quotes) {
      inText = inText !== (quotes % 2 === 1);
      return [make("span", { class: "code-string" }, line)];
    }
    const pieces = [];
    let place = 0;
    for (const match of line.matchAll(PYTHON)) {
      const look = LOOKS[match.slice(1).findIndex((group) => group !== undefined)];
      pieces.push(line.slice(place, match.index), make("span", { class: `code-${look}` }, match[0]));
      place = match.index + match[0].length;
    }
    return [...pieces, line.slice(place)];
  };
}

// The layers of each line, from the lines of each layer.
export function namesByLine(linesOfLayers) {
  const pairs = [];
  for (const [name, ranges] of Object.entries(linesOfLayers)) {
    for (const [first, last] of ranges) {
      for (let line = first; line <= last; line++) pairs.push([line - 1, name]);
    }
  }
  const found = gathered(pairs);
  return (number) => found.get(number) ?? [];
}
