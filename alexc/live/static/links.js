// Which layers are lit. Every view shows the same ones: the layer under the pointer or with the focus, and without
// one the layer of the line with the cursor.

const views = [];
let resting = [];
let pointed = null;
let shown = "";

// `light(names, scroll)` lights the layers of a view; it may scroll to them, unless the view itself was pointed at.
export function addView(light) {
  views.push(light);
}

export function point(names, origin) {
  pointed = names.length ? names : null;
  show(origin);
}

export function rest(names, origin) {
  resting = names;
  if (!pointed) show(origin);
}

// Called when a view was drawn again: what was lit in it is not any more.
export function relight() {
  shown = "";
  show(null, true);
}

function show(origin, still = false) {
  const names = pointed ?? resting;
  const key = names.join(" "); // names have no blanks
  if (key === shown) return;
  shown = key;
  const lit = new Set(names);
  for (const light of views) light(lit, !still && light !== origin);
}

// Points at the layers of an element while the pointer is on it or it has the focus.
export function pointsAt(element, names, light) {
  element.addEventListener("pointerenter", () => point(names, light));
  element.addEventListener("pointerleave", () => point([], light));
  element.addEventListener("focus", () => point(names, light));
  element.addEventListener("blur", () => point([], light));
}

// Scrolls within the nearest box that scrolls, and not the page.
export function reveal(element, box) {
  if (!element || !box) return;
  const inner = element.getBoundingClientRect();
  const outer = box.getBoundingClientRect();
  if (inner.top >= outer.top && inner.bottom <= outer.bottom) return;
  box.scrollTop += inner.top - outer.top - Math.max(0, outer.height - inner.height) / 2;
}
