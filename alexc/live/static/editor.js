// The editor of one spec: CodeMirror with the colours of the language, findings at their lines, and lit lines.

import {
  Annotation,
  Decoration,
  EditorState,
  EditorView,
  MatchDecorator,
  StateEffect,
  StateField,
  ViewPlugin,
  bracketMatching,
  defaultKeymap,
  drawSelection,
  highlightActiveLine,
  highlightActiveLineGutter,
  history,
  historyKeymap,
  keymap,
  lineNumbers,
  lintGutter,
  lintKeymap,
  setDiagnostics,
} from "./codemirror.js";

const fromDisk = Annotation.define(); // marks a change that the user did not type

// The rules are those of `alexc.highlighting`: patterns, and the role of each of their groups.
function colors(grammar) {
  const roles = grammar.flatMap(([, names]) => names);
  const pattern = grammar.map(([text]) => `(?:${text})`).join("|");
  const marks = Object.fromEntries(roles.map((role) => [role, Decoration.mark({ class: `code-${role}` })]));
  const matcher = new MatchDecorator({
    regexp: new RegExp(pattern, "gmd"),
    decorate(add, from, _to, match) {
      const start = from - match.index; // of the text that was searched
      match.indices.forEach((place, group) => {
        if (group === 0 || !place || place[0] === place[1]) return;
        add(start + place[0], start + place[1], marks[roles[group - 1]]);
      });
    },
  });
  return ViewPlugin.define(
    (view) => ({
      decorations: matcher.createDeco(view),
      update(update) {
        this.decorations = matcher.updateDeco(update, this.decorations);
      },
    }),
    { decorations: (plugin) => plugin.decorations },
  );
}

const setLit = StateEffect.define();
const litLine = Decoration.line({ class: "lit" });
const litLines = StateField.define({
  create: () => Decoration.none,
  update(lines, transaction) {
    for (const effect of transaction.effects) {
      if (!effect.is(setLit)) continue;
      const doc = transaction.state.doc;
      const there = effect.value.filter((line) => line <= doc.lines);
      return Decoration.set(there.map((line) => litLine.range(doc.line(line).from)));
    }
    return lines.map(transaction.changes);
  },
  provide: (field) => EditorView.decorations.from(field),
});

// `events` has: changed(fromDisk), moved(), pointed(line or null), save().
export function createEditor(parent, label, text, grammar, events) {
  const nonce = document.querySelector("meta[name=style-nonce]").content;
  const view = new EditorView({
    parent,
    state: EditorState.create({
      doc: text,
      extensions: [
        EditorView.cspNonce.of(nonce),
        lineNumbers(),
        lintGutter(),
        history(),
        drawSelection(),
        highlightActiveLine(),
        highlightActiveLineGutter(),
        bracketMatching(),
        colors(grammar),
        litLines,
        EditorState.languageData.of(() => [{ commentTokens: { line: "#" } }]),
        EditorView.contentAttributes.of({ "aria-label": label }),
        keymap.of([
          { key: "Mod-s", run: () => (events.save(), true) },
          ...defaultKeymap,
          ...historyKeymap,
          ...lintKeymap,
        ]),
        EditorView.domEventHandlers({
          mousemove(event, view) {
            const place = view.posAtCoords({ x: event.clientX, y: event.clientY }, false);
            events.pointed(view.state.doc.lineAt(place).number);
          },
          mouseleave: () => events.pointed(null),
        }),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) events.changed(update.transactions.some((each) => each.annotation(fromDisk)));
          if (update.docChanged || update.selectionSet) events.moved();
        }),
      ],
    }),
  });
  const lineOfCursor = () => view.state.doc.lineAt(view.state.selection.main.head).number;

  return {
    text: () => view.state.doc.toString(),
    lineOfCursor,
    // Replaces only what differs, so that the cursor stays where it is.
    replace(text) {
      const old = view.state.doc.toString();
      let start = 0;
      let end = 0;
      const most = Math.min(old.length, text.length);
      while (start < most && old[start] === text[start]) start++;
      while (end < most - start && old[old.length - 1 - end] === text[text.length - 1 - end]) end++;
      const changes = { from: start, to: old.length - end, insert: text.slice(start, text.length - end) };
      view.dispatch({ changes, annotations: fromDisk.of(true) });
    },
    show(findings) {
      const last = view.state.doc.length;
      const shown = findings.map((each) => ({
        from: Math.min(each.start, last),
        to: Math.min(Math.max(each.end, each.start), last),
        severity: each.severity,
        message: [each.message, each.label, each.help && `help: ${each.help}`].filter(Boolean).join("\n"),
      }));
      view.dispatch(setDiagnostics(view.state, shown));
    },
    light(unsorted, scroll) {
      const lines = [...new Set(unsorted)].sort((one, other) => one - other);
      const effects = [setLit.of(lines)];
      if (scroll && lines.length) {
        const from = view.state.doc.line(Math.min(lines[0], view.state.doc.lines)).from;
        effects.push(EditorView.scrollIntoView(from, { y: "nearest", yMargin: 20 }));
      }
      view.dispatch({ effects });
    },
    goTo(line) {
      const anchor = view.state.doc.line(Math.min(line, view.state.doc.lines)).from;
      view.dispatch({ selection: { anchor }, scrollIntoView: true });
      view.focus();
    },
    focus: () => view.focus(),
    measure: () => view.requestMeasure(),
  };
}
