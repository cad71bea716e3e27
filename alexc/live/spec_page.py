"""The page of `alexc live`: it compiles what the user types, follows the files, and writes them when asked."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

from anyio import CapacityLimiter, sleep, to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from alexc.compiler.text.reading import LARGEST_FILE
from alexc.runtime.errors import UserError

from ..drawing import Theme
from ..highlighting import rules
from .server import LivePage, json_lines
from .spec_on_disk import ChangedOnDisk, SpecOnDisk, Stamp, Version, stamp
from .spec_views import View, check, views

_PAUSE = 0.2  # seconds between two looks at the files
_COMPILATIONS = 2  # at a time: the newest text does not wait for one that takes long
_LARGEST_REQUEST = 4 * LARGEST_FILE  # bytes: two texts, with room for the escapes of JSON


class SpecPage:
    """The state of the page: its specs, and the files that they extend.

    Args:
        paths: one spec, or two that are compared.

    Raises:
        SpecError: a file cannot be read, or it is not the text of a spec.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.specs = [SpecOnDisk(path) for path in paths]
        self._extended: dict[int, frozenset[Path]] = {}
        self._compiling = CapacityLimiter(_COMPILATIONS)

    def page(self) -> LivePage:
        """The page for `serve`."""
        routes = [
            Route("/specs", self._specs, methods=["GET"]),
            Route("/compile", self._compile, methods=["POST"]),
            Route("/save", self._save, methods=["POST"]),
            Route("/changes", self._changes, methods=["GET"]),
        ]
        return LivePage("spec.html", routes)

    async def _specs(self, _request: Request) -> Response:
        versions = [await to_thread.run_sync(spec.now) for spec in self.specs]
        specs = [_as_json(spec, version) for spec, version in zip(self.specs, versions, strict=True)]
        return JSONResponse({"specs": specs, "grammar": rules()})

    async def _compile(self, request: Request) -> Response:
        """The views of the texts of all specs. The page ends the request when it has a newer text."""
        content = await _content(request)
        match content:
            case {"texts": [*texts], "theme": "light" | "dark" as theme} if _are_texts(texts, len(self.specs)):
                return json_lines(self._views(texts, theme))
        return PlainTextResponse("expected texts and a theme", 400)

    async def _views(self, texts: Sequence[str], theme: Theme) -> AsyncIterator[View]:
        steps = self._steps(texts, theme)
        while True:
            # After a cancellation the thread finishes its step, and nobody starts the next one.
            view = await to_thread.run_sync(next, steps, None, abandon_on_cancel=True, limiter=self._compiling)
            if view is None:
                return
            yield view

    def _steps(self, texts: Sequence[str], theme: Theme) -> Iterator[View]:
        checked = []
        for number, (spec, text) in enumerate(zip(self.specs, texts, strict=True)):
            checked.append(check(text, spec.path))
            if checked[-1].extends or checked[-1].graph is not None:  # otherwise a text that cannot be parsed
                self._extended[number] = checked[-1].extends
        yield from views(checked, theme)

    async def _save(self, request: Request) -> Response:
        content = await _content(request)
        match content:
            case {"spec": int(number), "text": str(text), "digest": str(digest)} if 0 <= number < len(self.specs):
                spec = self.specs[number]
            case _:
                return PlainTextResponse("expected a spec, a text and a digest", 400)
        try:
            return JSONResponse(_as_json(spec, await to_thread.run_sync(spec.save, text, digest)))
        except ChangedOnDisk as changed:
            return JSONResponse(_as_json(spec, changed.now), 409)
        except (UserError, OSError) as error:
            return JSONResponse({"problem": str(error)}, 500)

    async def _changes(self, _request: Request) -> Response:
        return json_lines(self.changes())

    async def changes(self) -> AsyncIterator[View]:
        """The versions of files that have changed, from now on; `{"extended": true}` for a file that a spec extends."""
        known = await to_thread.run_sync(self._stamps)
        while True:
            await sleep(_PAUSE)
            stamps = await to_thread.run_sync(self._stamps)
            changed = {path for path in stamps if path in known and known[path] != stamps[path]}
            known = stamps
            own = {spec.path.resolve(): number for number, spec in enumerate(self.specs)}
            for path in sorted(changed):
                if path in own:
                    spec = self.specs[own[path]]
                    yield {"spec": own[path], **_as_json(spec, await to_thread.run_sync(spec.now))}
            if changed.difference(own):
                yield {"extended": True}

    def _stamps(self) -> dict[Path, Stamp]:
        own = [spec.path.resolve() for spec in self.specs]
        return {path: stamp(path) for path in {*own, *frozenset().union(*self._extended.values())}}


def _as_json(spec: SpecOnDisk, version: Version) -> View:
    return {"name": spec.name, "text": version.text, "digest": version.digest, "problem": version.problem}


def _are_texts(texts: Sequence[object], number: int) -> bool:
    return len(texts) == number and all(isinstance(text, str) for text in texts)


async def _content(request: Request) -> object:
    """The JSON of a request; None if it is none, or is larger than two specs can be."""
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > _LARGEST_REQUEST:
            return None
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None
