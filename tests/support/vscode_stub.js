// Runs editors/vscode/extension.js under node, without VS Code: a stub of the API, and a client that talks to the real
// server. `node vscode_stub.js EXTENSION WORKSPACE SPEC SCENARIO` prints what a user sees, as JSON.

const { spawn } = require("node:child_process");
const fs = require("node:fs");
const Module = require("node:module");
const path = require("node:path");
const { pathToFileURL } = require("node:url");

const [extension, workspace, specFile, scenario] = process.argv.slice(2);
const seen = { messages: [], panels: [], shown: [], started: [] };
const commands = {};
const listeners = {};
const providers = {};
const on = (name) => (listener) => ((listeners[name] ??= []).push(listener), { dispose() {} });
const fire = (name, value) => (listeners[name] ?? []).forEach((listener) => listener(value));
const until = async (condition) => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 20));
};

class Uri {
  constructor(parts) {
    Object.assign(this, { query: "" }, parts);
    this.fsPath = this.path;
  }
  static from(parts) {
    return new Uri(parts);
  }
  toString() {
    return this.scheme === "file" ? pathToFileURL(this.path).href : `${this.scheme}:${this.path}?${this.query}`;
  }
}

class EventEmitter {
  listeners = [];
  event = (listener) => this.listeners.push(listener);
  fire(value) {
    this.listeners.forEach((listener) => listener(value));
  }
}

const spec = {
  uri: new Uri({ scheme: "file", path: specFile }),
  languageId: "alexc-net",
  version: 1,
  text: fs.readFileSync(specFile, "utf-8"),
};

const vscode = {
  Uri,
  EventEmitter,
  ViewColumn: { Beside: -2 },
  ColorThemeKind: { Light: 1, Dark: 2, HighContrast: 3, HighContrastLight: 4 },
  commands: {
    registerCommand: (name, action) => ((commands[name] = action), { dispose() {} }),
    executeCommand: async () => undefined,
  },
  extensions: { getExtension: () => undefined },
  workspace: {
    isTrusted: scenario !== "untrusted",
    workspaceFolders: [{ uri: new Uri({ scheme: "file", path: workspace }) }],
    getConfiguration: () => ({ get: () => [] }),
    registerTextDocumentContentProvider: (scheme, provider) => ((providers[scheme] = provider), { dispose() {} }),
    openTextDocument: async (uri) => ({ uri, text: await providers[uri.scheme].provideTextDocumentContent(uri) }),
    onDidChangeTextDocument: on("change"),
    onDidCloseTextDocument: on("close"),
    onDidChangeConfiguration: on("configuration"),
    onDidGrantWorkspaceTrust: on("trust"),
  },
  window: {
    activeTextEditor: { document: spec },
    activeColorTheme: { kind: 1 },
    onDidChangeActiveColorTheme: on("theme"),
    showErrorMessage: async (message) => void seen.messages.push(message),
    showInformationMessage: async (message) => void seen.messages.push(message),
    showTextDocument: async (document) => void seen.shown.push(document.text),
    createWebviewPanel: (type, title) => {
      const panel = {
        title,
        posted: [],
        webview: {
          html: "",
          onDidReceiveMessage: (listener) => setTimeout(listener),
          postMessage: async (message) => void panel.posted.push(message),
        },
        onDidDispose: () => undefined,
        reveal: () => undefined,
      };
      seen.panels.push(panel);
      return panel;
    },
  },
};

// As much of vscode-languageclient as the extension uses.
class LanguageClient {
  constructor(id, name, server) {
    Object.assign(this, { server, number: 0, waiting: new Map(), received: Buffer.alloc(0) });
  }

  async start() {
    seen.started.push(this.server);
    this.process = spawn(this.server.command, this.server.args, { stdio: ["pipe", "pipe", "ignore"] });
    const ended = new Promise((_, refuse) => this.process.on("close", () => refuse(new Error("the server ended"))));
    ended.catch(() => undefined);
    this.process.stdin.on("error", () => undefined);
    this.process.stdout.on("data", (data) => this.read(data));
    await Promise.race([this.sendRequest("initialize", { processId: null, rootUri: null, capabilities: {} }), ended]);
    this.notify("initialized", {});
    const item = { uri: spec.uri.toString(), languageId: spec.languageId, version: 1, text: spec.text };
    this.notify("textDocument/didOpen", { textDocument: item });
  }

  async stop() {
    if (this.process?.exitCode === null) {
      await this.sendRequest("shutdown");
      this.notify("exit");
    }
  }

  sendRequest(method, params) {
    const id = ++this.number;
    this.send({ id, method, params });
    return new Promise((resolve, refuse) => this.waiting.set(id, { resolve, refuse }));
  }

  notify(method, params) {
    this.send({ method, params });
  }

  send(message) {
    const body = Buffer.from(JSON.stringify({ jsonrpc: "2.0", ...message }));
    this.process.stdin.write(`Content-Length: ${body.length}\r\n\r\n`);
    this.process.stdin.write(body);
  }

  read(data) {
    this.received = Buffer.concat([this.received, data]);
    for (;;) {
      const end = this.received.indexOf("\r\n\r\n");
      const length = end < 0 ? 0 : Number(/Content-Length: (\d+)/i.exec(this.received.subarray(0, end))[1]);
      if (end < 0 || this.received.length < end + 4 + length) return;
      const message = JSON.parse(this.received.subarray(end + 4, end + 4 + length));
      this.received = this.received.subarray(end + 4 + length);
      const waiting = message.method === undefined && this.waiting.get(message.id);
      if (waiting) {
        message.error ? waiting.refuse(new Error(message.error.message)) : waiting.resolve(message.result);
      }
    }
  }
}

const load = Module._load;
Module._load = (name, ...rest) =>
  name === "vscode" ? vscode : name === "vscode-languageclient/node" ? { LanguageClient } : load(name, ...rest);

function type(text) {
  const client = clientOf();
  spec.text = text;
  const textDocument = { uri: spec.uri.toString(), version: ++spec.version };
  client.notify("textDocument/didChange", { textDocument, contentChanges: [{ text }] });
  fire("change", { document: spec });
}

let last;
const clientOf = () => last;
const start = LanguageClient.prototype.start;
LanguageClient.prototype.start = function () {
  last = this;
  return start.call(this);
};

const scenarios = {
  async views() {
    await commands["alexc.showPicture"]();
    const [panel] = seen.panels;
    await until(() => panel.posted.length === 1);
    type(spec.text.replace("kernel=3", "kernel=5"));
    await until(() => panel.posted.length === 2);
    type(spec.text.replace("kernel=5", "kernal=5"));
    await until(() => panel.posted.length === 3);
    vscode.window.activeColorTheme.kind = 2;
    fire("theme");
    await until(() => panel.posted.length === 4);
    type(spec.text.replace("kernal=5", "kernel=5"));
    await commands["alexc.showExpanded"]();
    seen.html = panel.webview.html;
  },
  async missing() {
    await until(() => seen.messages.length === 1);
    await commands["alexc.showPicture"]();
    await until(() => seen.panels[0].posted.length === 1);
  },
  async broken() {
    await until(() => seen.messages.length === 1);
  },
};
scenarios.untrusted = scenarios.missing;

(async () => {
  const { activate, deactivate } = require(path.resolve(extension));
  await activate({ subscriptions: [] });
  await scenarios[scenario]();
  await deactivate();
  const panels = seen.panels.map(({ title, posted }) => ({ title, posted }));
  process.stdout.write(JSON.stringify({ ...seen, panels }), () => process.exit(0));
})();
