"""A real browser without a window, driven by its own protocol over two pipes: what a page is when it is looked at.

The protocol is that of https://chromedevtools.github.io/devtools-protocol: JSON messages, each ended by a zero byte,
from descriptor 4 of the browser and to its descriptor 3.
"""

from __future__ import annotations

import base64
import io
import json
import os
import shlex
import shutil
import subprocess
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

NAMES = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next((path for path in map(shutil.which, NAMES) if path), None)


def _without_network() -> list[str]:
    """What starts a command where there is no network, where the system lets it."""
    command = ["unshare", "--net"]
    try:
        return command if subprocess.run([*command, "true"], capture_output=True).returncode == 0 else []
    except FileNotFoundError:
        return []


class Browser:
    """One page of a browser; a context manager.

    Args:
        profile: a folder for what the browser writes.

    Attributes:
        complaints: what it wrote to the page's console and log: errors, refused content.
        requests: the addresses that the page asked for.
    """

    def __init__(self, profile: Path) -> None:
        assert BROWSER is not None
        self.complaints: list[str] = []
        self.requests: list[str] = []
        read_by_browser, write = os.pipe()
        read, written_by_browser = os.pipe()
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe"]
        command = [*_without_network(), BROWSER, *options, f"--user-data-dir={profile}", "about:blank"]
        line = f"exec {shlex.join(command)} 3<&{read_by_browser} 4>&{written_by_browser}"
        self._process = subprocess.Popen(
            ["bash", "-c", line],
            pass_fds=(read_by_browser, written_by_browser),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(read_by_browser)
        os.close(written_by_browser)
        self._to, self._from = os.fdopen(write, "wb"), os.fdopen(read, "rb")
        self._numbers = count(1)
        self._rest = b""
        self._session: str | None = None

    def __enter__(self) -> Browser:
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._ask(f"{domain}.enable")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._session = None
        self._ask("Browser.close")
        self._to.close()
        self._process.wait(timeout=60)
        self._from.close()

    def open(self, page: Path) -> None:
        """Load a file and wait until it and its images are there."""
        self._ask("Page.navigate", url=page.resolve().as_uri())
        self.value(
            "new Promise(done => { const look = () => document.readyState === 'complete' ? done() : "
            "setTimeout(look, 20); look(); })"
        )

    def look(self, width: int, dark: bool = False, medium: str = "screen") -> None:
        """See the page so many pixels wide, in the light or the dark, on a screen or in print."""
        self._ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._ask("Emulation.setEmulatedMedia", media=medium, features=[scheme])

    def value(self, expression: str) -> Any:  # noqa: ANN401 - JSON is any of them
        """What an expression of JavaScript comes to; promises are waited for."""
        answer = self._ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def write(self, text: str) -> None:
        """Write a text where the cursor is."""
        self._ask("Input.insertText", text=text)

    def picture(self) -> NDArray[np.uint8]:
        """(H, W, 3): the whole page from top to bottom."""
        width, height = self.value("[innerWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        answer = self._ask("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(answer["data"]))).convert("RGB"))

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON is any of them
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        self._to.write(json.dumps(message).encode() + b"\0")
        self._to.flush()
        while True:
            answer = self._next()
            if answer.get("id") == number:
                assert "error" not in answer, (method, answer["error"])
                result: dict[str, Any] = answer["result"]
                return result
            self._note(answer)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            chunk = os.read(self._from.fileno(), 1 << 20)
            assert chunk, "the browser has ended"
            self._rest += chunk
        message, _, self._rest = self._rest.partition(b"\0")
        parsed: dict[str, Any] = json.loads(message)
        return parsed

    def _note(self, event: dict[str, Any]) -> None:
        match event:
            case {"method": "Log.entryAdded", "params": {"entry": {"level": level, "text": text}}}:
                self.complaints.append(f"{level}: {text}")
            case {"method": "Runtime.exceptionThrown" | "Runtime.consoleAPICalled" as name, "params": content}:
                self.complaints.append(f"{name}: {content}")
            case {"method": "Network.requestWillBeSent", "params": {"request": {"url": url}}}:
                self.requests.append(url)
