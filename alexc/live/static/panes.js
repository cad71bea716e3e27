// The panes of the page: separators that can be dragged or moved by keys, panes on the whole page, tabs, letters.

import { byId, make } from "./dom.js";

const remembered = (name, otherwise) => Number(localStorage.getItem(`alexc-${name}`) ?? otherwise);

// A separator sets `--columns` or `--rows` of its parent to a share in percent, and remembers it under `name`.
export function splitter(separator, name, vertical, start, moved) {
  const parent = separator.parentElement;
  const set = (share) => {
    const value = Math.round(Math.min(85, Math.max(15, share)) * 10) / 10;
    parent.style.setProperty(vertical ? "--columns" : "--rows", `${value}%`);
    separator.setAttribute("aria-valuenow", String(Math.round(value)));
    localStorage.setItem(`alexc-${name}`, String(value));
    moved();
  };
  separator.setAttribute("aria-orientation", vertical ? "vertical" : "horizontal");
  separator.setAttribute("aria-valuemin", "15");
  separator.setAttribute("aria-valuemax", "85");
  separator.addEventListener("pointerdown", (event) => {
    separator.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  separator.addEventListener("pointermove", (event) => {
    if (!separator.hasPointerCapture(event.pointerId)) return;
    const box = parent.getBoundingClientRect();
    set(100 * (vertical ? (event.clientX - box.left) / box.width : (event.clientY - box.top) / box.height));
  });
  separator.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -2, ArrowUp: -2, ArrowRight: 2, ArrowDown: 2 }[event.key];
    if (!step) return;
    set(Number(separator.getAttribute("aria-valuenow")) + step);
    event.preventDefault();
  });
  set(remembered(name, start));
}

// Each button `.maximize` shows its pane alone on the page, and the page as before.
export function maximizers(parent, moved) {
  for (const button of parent.querySelectorAll(".maximize")) {
    button.addEventListener("click", () => {
      const pane = button.closest(".pane");
      const on = !pane.classList.contains("whole");
      pane.classList.toggle("whole", on);
      parent.classList.toggle("has-whole", on);
      button.setAttribute("aria-pressed", String(on));
      moved();
    });
  }
}

// Tabs with their panels, as https://www.w3.org/WAI/ARIA/apg/patterns/tabs/ describes them. `chosen` gets a tab's name.
export function tabs(list, names, chosen) {
  const pane = list.closest("section");
  const all = names.map((name) => {
    const id = name.toLowerCase();
    const tab = make("button", { type: "button", role: "tab", id: `tab-${id}`, "aria-controls": `panel-${id}` }, name);
    const panel = make("div", { role: "tabpanel", id: `panel-${id}`, class: "columns", "aria-labelledby": tab.id });
    list.append(tab);
    pane.append(panel);
    return { name, tab, panel };
  });
  const select = (one) => {
    for (const each of all) {
      each.tab.setAttribute("aria-selected", String(each === one));
      each.tab.tabIndex = each === one ? 0 : -1;
      each.panel.hidden = each !== one;
    }
    chosen(one.name);
  };
  all.forEach((each, index) => {
    each.tab.addEventListener("click", () => select(each));
    each.tab.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) return;
      const next = all[(index + step + all.length) % all.length];
      select(next);
      next.tab.focus();
    });
  });
  return { panels: Object.fromEntries(all.map((each) => [each.name, each.panel])), select: () => select(all[0]) };
}

// The two buttons for the size of letters.
export function letters(moved) {
  const set = (size) => {
    const pixels = Math.min(32, Math.max(11, size));
    document.documentElement.style.fontSize = `${pixels}px`;
    localStorage.setItem("alexc-letters", String(pixels));
    moved();
    return pixels;
  };
  let size = set(remembered("letters", 17));
  byId("smaller").addEventListener("click", () => (size = set(size - 2)));
  byId("larger").addEventListener("click", () => (size = set(size + 2)));
}
