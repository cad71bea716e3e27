"""A client of the language server: JSON-RPC over the standard input and output of its process."""

from __future__ import annotations

import json
import os
import queue
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.commands import Command

PATIENCE = 60.0  # seconds for an answer, on a busy machine


class RequestError(Exception):
    """The server answered a request with an error."""


class Client:
    """A session with `alexc lsp`. An unexpected message of the server fails an assertion."""

    def __init__(self, folder: Path, encodings: list[str] | None = None) -> None:
        own = Path(tempfile.mkdtemp(dir=folder))
        pipes = own / "input", own / "output"
        for pipe in pipes:
            os.mkfifo(pipe)
        self._process = Command("lsp", cwd=folder, pipes=pipes)
        self._stdin, self._stdout = pipes[0].open("wb"), pipes[1].open("rb")  # in the order in which it opens them
        self._received: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._findings: dict[str, list[dict[str, Any]]] = {}
        self._versions: dict[str, int] = {}
        self._published: dict[str, int] = {}
        self._numbers = 0
        threading.Thread(target=self._read, daemon=True).start()
        general = {"positionEncodings": encodings} if encodings else {}
        document = {"rename": {"prepareSupport": True}, "publishDiagnostics": {"relatedInformation": True}}
        self.capabilities: dict[str, Any] = self.request(
            "initialize",
            {
                "processId": None,
                "rootUri": folder.as_uri(),
                "capabilities": {
                    "general": general,
                    "textDocument": document,
                    "workspace": {"workspaceEdit": {"documentChanges": True}},
                },
            },
        )["capabilities"]
        self.notify("initialized", {})

    def open(self, path: Path, text: str) -> str:
        """Open a document; returns its URI."""
        uri = path.as_uri()
        self._versions[uri] = 1
        document = {"uri": uri, "languageId": "alexc-net", "version": 1, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": document})
        return uri

    def change(self, uri: str, text: str) -> None:
        """Replace the text of a document."""
        self.edit(uri, [{"text": text}])

    def edit(self, uri: str, changes: list[dict[str, Any]]) -> None:
        """Change parts of a document, one after the other."""
        self._versions[uri] += 1
        document = {"uri": uri, "version": self._versions[uri]}
        self.notify("textDocument/didChange", {"textDocument": document, "contentChanges": changes})

    def findings(self, uri: str) -> list[dict[str, Any]]:
        """The diagnostics of the current version of a document."""
        while self._published.get(uri) != self._versions[uri]:
            self._handle(self._next())
        return self._findings[uri]

    def next_findings(self, uri: str) -> list[dict[str, Any]]:
        """The next diagnostics of a document, after a change of another document."""
        self._published.pop(uri, None)
        return self.findings(uri)

    def ask(self, method: str, uri: str, position: tuple[int, int] | None = None, **more: object) -> Any:  # noqa: ANN401
        """The answer to a request about a document, or a place in it."""
        params: dict[str, Any] = {"textDocument": {"uri": uri}, **more}
        if position is not None:
            params["position"] = {"line": position[0], "character": position[1]}
        return self.request(f"textDocument/{method}", params)

    def request(self, method: str, params: Mapping[str, Any] | None) -> Any:  # noqa: ANN401
        """The answer to a request."""
        self._numbers += 1
        self._send({"id": self._numbers, "method": method, **({} if params is None else {"params": params})})
        while True:
            message = self._next()
            if message.get("id") != self._numbers or "method" in message:
                self._handle(message)
            elif "error" in message:
                assert "Traceback" not in json.dumps(message["error"]), message["error"]
                raise RequestError(message["error"]["message"])
            else:
                return message["result"]

    def notify(self, method: str, params: Mapping[str, Any] | None) -> None:
        """Send a notification, which has no answer."""
        self._send({"method": method, **({} if params is None else {"params": params})})

    def close(self) -> None:
        """End the session as an editor does, and check that the server ends without an error."""
        self.request("shutdown", None)
        self.notify("exit", None)
        _, log = self._process.communicate(PATIENCE)
        assert self._process.returncode == 0, log
        assert "Traceback" not in log, log
        self._stdin.close()

    def vanish(self) -> None:
        """Close the streams as an editor that crashes, and check that the server ends too."""
        self._stdin.close()
        self._process.wait(PATIENCE)

    def kill(self) -> None:
        """Kill the server if it still runs."""
        if self._process.poll() is None:
            self._process.kill()

    def _handle(self, message: dict[str, Any]) -> None:
        assert message["method"] != "window/showMessage", message
        if message["method"] == "textDocument/publishDiagnostics":
            uri = message["params"]["uri"]
            self._findings[uri] = message["params"]["diagnostics"]
            self._published[uri] = message["params"].get("version", self._versions.get(uri))

    def _next(self) -> dict[str, Any]:
        message = self._received.get(timeout=PATIENCE)
        assert message is not None, "the server ended"
        return message

    def _send(self, message: Mapping[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self._stdin.flush()

    def _read(self) -> None:
        with self._stdout as stream:
            while line := stream.readline():
                length = 0
                while line.strip():
                    name, _, value = line.partition(b":")
                    length = int(value) if name.lower() == b"content-length" else length
                    line = stream.readline()
                self._received.put(json.loads(stream.read(length)))
        self._received.put(None)
