// The picture of a spec: the SVG of `alexc draw` with its own style, whose layers can be pointed at.

import { addView, pointsAt, reveal } from "./links.js";
import { make } from "./dom.js";

const marks = new CSSStyleSheet();
marks.replaceSync(`
  :host { display: block; margin: 0 auto; }
  svg { display: block; width: 100%; height: auto; }
  a { cursor: pointer; outline: none; }
  a:focus-visible polygon { stroke-width: 3; }
  a.lit polygon:not(.kernel) { fill: var(--lit-face) !important; stroke-width: 2; }
  a.lit text { font-weight: bold; }
  text.changed { fill: var(--changed-ink) !important; font-weight: bold; text-decoration: underline; }
`);

// `goTo(name)` is called when a layer is clicked.
export function createPicture(parent, label, goTo) {
  const host = make("div", { class: "picture" });
  const box = make("div", { class: "box", role: "group", "aria-label": label }, host);
  const root = host.attachShadow({ mode: "open" });
  let links = [];
  let size = [1, 1];
  let zoom = 1;
  parent.append(box);

  const light = (lit, scroll) => {
    let first = null;
    for (const { link, names } of links) {
      const on = names.some((name) => lit.has(name));
      link.classList.toggle("lit", on);
      if (on) first ??= link;
    }
    if (scroll) reveal(first, box);
  };
  addView(light);

  let room = [0, 0]; // as the observer tells it: to ask the box would lay the page out once more
  function resize() {
    const [width, height] = size;
    const fit = Math.min(room[0], Math.max(((room[1] - 4) * width) / height, 0.95 * room[0]));
    host.style.width = `${Math.round(zoom * fit)}px`;
  }
  new ResizeObserver(([{ contentRect }]) => {
    room = [contentRect.width, contentRect.height];
    resize();
  }).observe(box);

  return {
    box,
    // Returns what it shows, for a later `before`.
    show({ svg, layers, problem }, before) {
      if (problem) {
        links = [];
        root.replaceChildren(make("p", {}, problem));
        return new Map();
      }
      const [whole, rules] = svg.match(/<style>(.*?)<\/style>/s); // as a sheet: the page's policy forbids the element
      const style = new CSSStyleSheet();
      style.replaceSync(rules);
      const parsed = new DOMParser().parseFromString(svg.replace(whole, ""), "image/svg+xml").documentElement;
      size = [parsed.width.baseVal.value, parsed.height.baseVal.value];
      links = [...parsed.querySelectorAll("a")].map((link, number) => ({ link, names: layers[number] }));
      const words = new Map();
      for (const { link, names } of links) {
        link.addEventListener("click", (event) => {
          event.preventDefault();
          goTo(names[0]);
        });
        pointsAt(link, names, light);
        const texts = [...link.querySelectorAll("text")];
        words.set(link.id, texts.map((each) => each.textContent));
        const old = before?.get(link.id);
        if (old?.length === texts.length) {
          texts.forEach((each, number) => each.classList.toggle("changed", each.textContent !== old[number]));
        }
      }
      root.adoptedStyleSheets = [style, marks];
      root.replaceChildren(parsed);
      resize();
      return words;
    },
    zoom(factor) {
      zoom = factor ? Math.min(4, Math.max(0.25, zoom * factor)) : 1;
      resize();
    },
  };
}
