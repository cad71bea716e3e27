// The left side: the editor of a spec, its findings, and its file. The file is written only when the user saves.

import { createEditor } from "./editor.js";
import { make } from "./dom.js";
import { point, rest } from "./links.js";
import { ask } from "./server.js";

// `events` has changed(byUser), layersAt(line), and light(names, scroll), which lights lines of this editor.
export function createSpec(parent, file, index, grammar, events) {
  let disk = file; // the version of the file that the user knows
  let findings = [];

  const name = make("h2", {}, file.name);
  const unsaved = make("span", { class: "unsaved" });
  const saveButton = make("button", { type: "button", title: "Ctrl-S", onclick: () => save() }, "Save");
  const banner = make("div", { class: "banner", role: "alert", hidden: true });
  const place = make("div", { class: "editor" });
  const list = make("ol", { class: "findings", "aria-label": `Errors and warnings in ${file.name}` });
  const bar = make("div", { class: "bar" }, name, unsaved, saveButton);
  parent.append(make("section", { class: "spec", "aria-label": file.name }, bar, banner, place, list));

  const editor = createEditor(place, `Text of ${file.name}`, file.text ?? "", grammar, {
    changed(fromDisk) {
      showState();
      events.changed(!fromDisk);
    },
    moved: () => restOnLine(),
    pointed: (line) => point(line === null ? [] : events.layersAt(line), events.light),
    save: () => save(),
  });

  const dirty = () => editor.text() !== disk.text;
  const restOnLine = () => rest(events.layersAt(editor.lineOfCursor()), events.light);

  function showState() {
    saveButton.disabled = !dirty();
    unsaved.textContent = dirty() ? "not saved" : "";
    document.title = `${document.querySelector(".unsaved:not(:empty)") ? "• " : ""}${file.name} – alexc live`;
  }

  async function save(digest = disk.digest) {
    const text = editor.text();
    let answer;
    try {
      answer = await ask("/api/save", { spec: index, text, digest });
    } catch {
      return askUser("Not saved: the server does not answer.", []);
    }
    const found = await answer.json();
    if (answer.ok) {
      know(found);
      return;
    }
    if (answer.status === 409) conflict(found);
    else askUser(`Not saved: ${found.problem}`, []);
  }

  function know(version) {
    disk = version;
    if (!banner.hidden) editor.focus(); // the button that had the focus is gone
    banner.hidden = true;
    showState();
  }

  // The file is not what the user knows: nothing is lost before the user chooses.
  function conflict(version) {
    const overwrite = ["Overwrite it with this text", () => save(version.digest)];
    if (version.text === null) return askUser(`${version.problem || "The file is gone."} `, [overwrite]);
    const load = ["Load the file, drop this text", () => (know(version), editor.replace(version.text), editor.focus())];
    return askUser(`${file.name} has changed on disk.`, [load, overwrite]);
  }

  function askUser(message, choices) {
    const close = ["Close", () => ((banner.hidden = true), editor.focus())];
    const buttons = [...choices, close].map(([text, act]) => make("button", { type: "button", onclick: () => act() }, text));
    banner.replaceChildren(make("p", {}, message), ...buttons);
    banner.hidden = false;
  }

  showState();
  return {
    text: () => editor.text(),
    dirty,
    restOnLine,
    measure: () => editor.measure(),
    goTo: (line) => editor.goTo(line),
    light: (lines, scroll) => editor.light(lines, scroll),
    show(view) {
      findings = view.findings;
      editor.show(findings);
      list.replaceChildren(
        ...findings.map((each) => {
          const go = make("button", { type: "button", onclick: () => editor.goTo(each.line) }, `line ${each.line}`);
          const words = [` ${each.severity}: ${each.message}`, each.label && ` (${each.label})`].filter(Boolean);
          const others = each.others.map(({ line, text }) => make("p", {}, `line ${line}: ${text}`));
          const help = each.help ? [make("p", { class: "help" }, `help: ${each.help}`)] : [];
          return make("li", { class: each.severity }, go, ...words, ...others, ...help);
        }),
      );
    },
    inWords() {
      if (!findings.length) return `${file.name}: no errors.`;
      return findings.map(({ severity, line, message }) => `${file.name}, line ${line}: ${severity}: ${message}.`).join(" ");
    },
    changedOnDisk(version) {
      if (version.digest === disk.digest) return;
      if (version.text !== null && version.text === editor.text()) know(version);
      else if (version.text !== null && !dirty()) {
        know(version);
        editor.replace(version.text);
        showState();
      } else conflict(version);
    },
  };
}
