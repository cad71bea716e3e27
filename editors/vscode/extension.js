// Starts the language server `alexc lsp`, and shows what it can say about a spec: its picture, and its expanded form.

const { execFile } = require("node:child_process");
const { randomBytes } = require("node:crypto");
const fs = require("node:fs");
const path = require("node:path");
const vscode = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

const EXPANDED = "alexc-expanded";
const PAUSE = 200; // milliseconds without typing before a picture is drawn again

let client;
let starting = Promise.resolve();
let pictures;
let expanded;

async function activate(context) {
  pictures = new Pictures();
  expanded = new Expanded();
  const add = (...disposables) => context.subscriptions.push(...disposables);
  add(
    vscode.commands.registerCommand("alexc.showPicture", () => withSpec((document) => pictures.show(document))),
    vscode.commands.registerCommand("alexc.showExpanded", () => withSpec((document) => expanded.show(document))),
    vscode.commands.registerCommand("alexc.restartServer", restart),
    vscode.workspace.registerTextDocumentContentProvider(EXPANDED, expanded),
    vscode.workspace.onDidChangeTextDocument(({ document }) => {
      pictures.changed(document);
      expanded.changed(document);
    }),
    vscode.workspace.onDidCloseTextDocument((document) => expanded.forget(document)),
    vscode.window.onDidChangeActiveColorTheme(() => pictures.drawAll()),
    vscode.workspace.onDidChangeConfiguration((event) => event.affectsConfiguration("alexc.command") && restart()),
    vscode.workspace.onDidGrantWorkspaceTrust(restart),
  );
  await restart();
}

async function deactivate() {
  await starting;
  await client?.stop();
}

// One start after the other, so that two never run at the same time.
function restart() {
  starting = starting.then(start, start);
  return starting;
}

async function start() {
  await client?.stop().catch(() => undefined);
  client = undefined;
  const found = await findServer();
  if (found === undefined) {
    tell(
      "alexc is not installed in this workspace's .venv or venv, in the interpreter of the Python extension, or on the " +
        "PATH. Install it with `pip install 'alexc[lsp]'`, or set `alexc.command`.",
    );
    return;
  }
  const { command, args } = found;
  const options = { documentSelector: [{ language: "alexc-net" }], synchronize: { configurationSection: "alexc" } };
  const next = new LanguageClient("alexc", "alexc", { command, args }, options);
  try {
    await next.start();
    client = next;
    pictures.drawAll();
  } catch (error) {
    await next.stop().catch(() => undefined);
    tell(`alexc cannot start: ${(await reasonOf(command, args)) || error.message}`);
  }
}

// Shows an error. Nothing waits for the answer, so that requests do not hang until the message is closed.
async function tell(message) {
  const chosen = await vscode.window.showErrorMessage(message, "Open settings", "Try again");
  if (chosen === "Open settings") {
    await vscode.commands.executeCommand("workbench.action.openSettings", "alexc.command");
  } else if (chosen === "Try again") {
    setTimeout(restart);
  }
}

// The command of the setting, or else the first `alexc` of: the workspace's .venv or venv, the interpreter that the
// Python extension has chosen, the PATH. Nothing of a workspace runs before the user trusts it.
async function findServer() {
  const [command, ...args] = vscode.workspace.getConfiguration("alexc").get("command") ?? [];
  if (command) {
    return { command, args };
  }
  const folders = vscode.workspace.isTrusted ? (vscode.workspace.workspaceFolders ?? []) : [];
  const environments = folders.flatMap(({ uri }) => [".venv", "venv"].map((name) => path.join(uri.fsPath, name)));
  const python = vscode.workspace.isTrusted ? await chosenInterpreter() : undefined;
  const places = [
    ...environments.map((folder) => path.join(folder, process.platform === "win32" ? "Scripts" : "bin")),
    ...(python ? [path.dirname(python), path.join(python, "bin"), path.join(python, "Scripts")] : []),
    ...(process.env.PATH ?? "").split(path.delimiter),
  ];
  const name = process.platform === "win32" ? "alexc.exe" : "alexc";
  const files = places.filter(path.isAbsolute).map((folder) => path.join(folder, name));
  const file = files.find(isFile);
  return file && { command: file, args: ["lsp"] };
}

function isFile(file) {
  try {
    return fs.statSync(file).isFile();
  } catch {
    return false; // it does not exist, or its folder cannot be read
  }
}

// The interpreter, or the folder of the environment, that the Python extension has chosen for this workspace.
async function chosenInterpreter() {
  try {
    const python = vscode.extensions.getExtension("ms-python.python");
    const api = python && (await python.activate());
    return api?.environments?.getActiveEnvironmentPath(vscode.workspace.workspaceFolders?.[0]?.uri)?.path;
  } catch {
    return undefined; // an extension that is disabled or broken must not keep the server from starting
  }
}

// What the server says when it is started by hand: for example, which package is missing.
function reasonOf(command, args) {
  return new Promise((resolve) => {
    const child = execFile(command, args, { timeout: 20000 }, (error, stdout, stderr) => {
      resolve(error ? stderr.trim().split("\n").at(-1) : "");
    });
    child.stdin?.on("error", () => undefined);
    child.stdin?.end();
  });
}

async function withSpec(action) {
  const document = vscode.window.activeTextEditor?.document;
  if (document?.languageId !== "alexc-net") {
    vscode.window.showInformationMessage("Open a .net file first.");
    return;
  }
  try {
    await action(document);
  } catch (error) {
    vscode.window.showErrorMessage(error.message);
  }
}

async function ask(command, ...args) {
  await starting;
  if (client === undefined) {
    throw new Error("alexc is not running. Run `alexc: Restart the language server`.");
  }
  return client.sendRequest("workspace/executeCommand", { command: `alexc.server.${command}`, arguments: args });
}

// Calls a function once nothing has happened for a moment.
function afterPause(action) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(action, PAUSE);
  };
}

// The expanded specs, as read-only documents that follow their specs.
class Expanded {
  constructor() {
    this.emitter = new vscode.EventEmitter();
    this.onDidChange = this.emitter.event;
    this.shown = new Map(); // the URI of a spec to the function that announces its change
  }

  async show(document) {
    const source = document.uri.toString();
    const name = path.posix.basename(document.uri.path, ".net");
    const uri = vscode.Uri.from({ scheme: EXPANDED, path: `/${name} (expanded).net`, query: source });
    await ask("expanded", source); // an error is shown as a message, not as an empty document
    this.shown.set(source, afterPause(() => this.emitter.fire(uri)));
    this.emitter.fire(uri);
    const opened = await vscode.workspace.openTextDocument(uri);
    await vscode.window.showTextDocument(opened, { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true });
  }

  async provideTextDocumentContent(uri) {
    try {
      return (await ask("expanded", uri.query)).text;
    } catch (error) {
      return `# ${error.message}\n`;
    }
  }

  changed(document) {
    this.shown.get(document.uri.toString())?.();
  }

  forget(document) {
    if (document.uri.scheme === EXPANDED) {
      this.shown.delete(document.uri.query);
    }
  }
}

// The pictures of specs, each in a panel beside its file.
class Pictures {
  constructor() {
    this.shown = new Map(); // the URI of a spec to its panel and the function that draws after a pause
  }

  async show(document) {
    const source = document.uri.toString();
    const known = this.shown.get(source);
    if (known) {
      known.panel.reveal(undefined, true);
      return;
    }
    const title = `${path.posix.basename(document.uri.path)}: picture`;
    const column = { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true };
    const panel = vscode.window.createWebviewPanel("alexc.picture", title, column, {
      enableScripts: true,
      localResourceRoots: [],
      retainContextWhenHidden: true,
    });
    panel.webview.html = page(randomBytes(16).toString("base64"));
    this.shown.set(source, { panel, changed: afterPause(() => this.draw(source)) });
    panel.onDidDispose(() => this.shown.delete(source));
    panel.webview.onDidReceiveMessage(() => this.draw(source)); // the page says that it is ready
  }

  async draw(source) {
    const panel = this.shown.get(source)?.panel;
    const { Dark, HighContrast } = vscode.ColorThemeKind;
    const theme = [Dark, HighContrast].includes(vscode.window.activeColorTheme.kind) ? "dark" : "light";
    let message;
    try {
      const { svg, current } = await ask("picture", source, theme);
      message = { svg, note: current ? "" : "The file has errors. This is its last valid version." };
    } catch (error) {
      message = { note: error.message };
    }
    if (panel && this.shown.get(source)?.panel === panel) {
      await panel.webview.postMessage(message);
    }
  }

  drawAll() {
    for (const source of this.shown.keys()) {
      this.draw(source);
    }
  }

  changed(document) {
    this.shown.get(document.uri.toString())?.changed();
  }
}

// The page of a picture. It loads nothing, and only the script with the nonce runs.
function page(nonce) {
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-${nonce}'">
<title>Picture of the network</title>
<style>
  body { margin: 0; padding: 0.5rem; color: var(--vscode-editor-foreground); background: var(--vscode-editor-background);
    font: var(--vscode-font-size, 13px) var(--vscode-font-family, sans-serif); }
  #note:not(:empty) { position: sticky; top: 0.5rem; left: 0; width: fit-content; padding: 0.3rem 0.6rem; margin: 0 0 0.5rem;
    background: var(--vscode-editorWidget-background); border: 1px solid var(--vscode-editorWidget-border, currentColor); }
  #picture svg { max-width: 100%; height: auto; }
  #picture.full svg { max-width: none; }
  #picture .paper { fill: transparent !important; }
</style>
</head>
<body>
<p id="note" role="status"></p>
<div id="picture" title="Double-click: full size, or the width of the window"></div>
<script nonce="${nonce}">
  const picture = document.getElementById("picture");
  const note = document.getElementById("note");
  window.addEventListener("message", ({ data }) => {
    note.textContent = data.note;
    if (data.svg) {
      picture.innerHTML = data.svg;
    }
  });
  picture.addEventListener("dblclick", () => picture.classList.toggle("full"));
  acquireVsCodeApi().postMessage("ready");
</script>
</body>
</html>`;
}

module.exports = { activate, deactivate };
