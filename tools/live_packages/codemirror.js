// What the editor of `alexc live` uses of CodeMirror; tools/live_bundles.py makes one file of it.

export { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
export { bracketMatching } from "@codemirror/language";
export { lintGutter, lintKeymap, setDiagnostics } from "@codemirror/lint";
export { Annotation, EditorState, StateEffect, StateField } from "@codemirror/state";
export {
  Decoration,
  EditorView,
  MatchDecorator,
  ViewPlugin,
  drawSelection,
  highlightActiveLine,
  highlightActiveLineGutter,
  keymap,
  lineNumbers,
} from "@codemirror/view";
