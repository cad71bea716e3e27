"""One page of a real browser without a window: what a page is when it is looked at."""

from __future__ import annotations

import base64
import io
import shutil
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next((path for path in map(shutil.which, NAMES) if path), None)


class LookedAt:
    """A page without network; a context manager.

    Args:
        chromium: the browser, as the fixture of this name gives it.

    Attributes:
        complaints: what it wrote to the page's console and log: errors, refused content.
        requests: the addresses that the page asked for.
    """

    def __init__(self, chromium: Browser) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self._page = chromium.new_page(offline=True)
        self._page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        self._page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self._page.on("request", lambda request: self.requests.append(request.url))
        self._devtools = self._page.context.new_cdp_session(self._page)

    def __enter__(self) -> LookedAt:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._page.close()

    def open(self, page: Path) -> None:
        """Load a file and wait until it and its images are there."""
        self._page.goto(page.resolve().as_uri(), timeout=60_000)

    def look(self, width: int, dark: bool = False, medium: str = "screen") -> None:
        """See the page so many pixels wide, in the light or the dark, on a screen or in print."""
        self._devtools.send(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._devtools.send("Emulation.setEmulatedMedia", {"media": medium, "features": [scheme]})

    def value(self, expression: str) -> Any:  # noqa: ANN401 - JSON is any of them
        """What an expression of JavaScript comes to; promises are waited for."""
        return self._page.evaluate(expression)

    def write(self, text: str) -> None:
        """Write a text where the cursor is."""
        self._page.keyboard.insert_text(text)

    def picture(self) -> NDArray[np.uint8]:
        """(H, W, 3): the whole page from top to bottom."""
        width, height = self.value("[innerWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        given = {"format": "png", "clip": clip, "captureBeyondViewport": True}
        answer = self._devtools.send("Page.captureScreenshot", given)
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(answer["data"]))).convert("RGB"))
