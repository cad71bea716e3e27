// Starts the language server `alexc lsp`, which has all features for specs.

const vscode = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

async function activate() {
  const [command, ...args] = vscode.workspace.getConfiguration("alexc").get("command");
  client = new LanguageClient(
    "alexc",
    "alexc",
    { command, args },
    { documentSelector: [{ language: "alexc-net" }] },
  );
  await client.start();
}

async function deactivate() {
  await client?.stop();
}

module.exports = { activate, deactivate };
