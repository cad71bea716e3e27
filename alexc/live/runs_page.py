"""The page of `alexc runs --live`: the runs under a folder while they are trained. It only reads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from alexc.printable import printable
from alexc.runtime.duration import duration
from alexc.runtime.runs.epoch_metrics import CURVES, epoch_header, epoch_row
from alexc.runtime.runs.metrics import EPOCH_VALUES
from alexc.runtime.runs.run_list import HEADER, NUMERIC, run_row
from alexc.runtime.runs.watched_runs import RunCurves, RunNow, WatchedRuns

from .run_settings import RunSettings
from .server import LivePage

MOST_SHOWN = 10
_MOST_ROWS = 500  # of the table of epochs


class RunsPage:
    """The page about the runs under a folder.

    Its requests are answered by threads, since they read files. A request with the version that the page has is
    answered without content if nothing has changed.

    Args:
        folder: the folder.
    """

    def __init__(self, folder: Path) -> None:
        self._runs = WatchedRuns(folder)
        self._settings = RunSettings()

    def page(self) -> LivePage:
        """The page for `serve`."""
        routes = [Route("/list", self._list), Route("/names", _names), Route("/curves/{identity}", self._curves)]
        return LivePage("runs.html", [Mount("/runs", routes=routes, middleware=[Middleware(GZipMiddleware)])])

    def _list(self, request: Request) -> Response:
        """All runs, newest first. `shown` names those whose metrics are read first."""
        shown = request.query_params.get("shown", "").split(",")[:MOST_SHOWN]
        look = self._runs.look(shown)
        folder = self._runs.folder
        content = {
            "folder": printable(folder),
            "runs": [_as_json(run, folder) for run in look.runs],
            "damaged": look.damaged[:MOST_SHOWN],
            "damagedInAll": len(look.damaged),
            "leftOut": look.left_out,
            "complete": look.is_complete,
        }
        return _answer(request, content)

    def _curves(self, request: Request) -> Response:
        """The curves of a run, its epochs as a table, its notes and its settings."""
        curves = self._runs.curves(request.path_params["identity"])
        if curves is None:
            return Response(status_code=404)
        return _answer(request, _curves_as_json(curves) | {"settings": self._settings.of(curves.files)})


def _names(_request: Request) -> Response:
    """The names of columns and curves, which do not change."""
    return JSONResponse(
        {
            "columns": HEADER,
            "numeric": sorted(NUMERIC),
            "curves": CURVES,
            "mostShown": MOST_SHOWN,
        }
    )


def _answer(request: Request, content: Mapping[str, Any]) -> Response:
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    version = hashlib.sha256(text.encode()).hexdigest()[:16]
    if request.query_params.get("since") == version:
        return Response(status_code=204)
    return Response(f'{{"version":"{version}",{text[1:]}', media_type="application/json")


def _as_json(run: RunNow, folder: Path) -> dict[str, Any]:
    total = run.listed.epochs * run.steps_per_epoch if run.steps_per_epoch else None
    done = run.step / total if total else run.listed.epochs_done / run.listed.epochs
    return {
        "id": run.identity,
        "cells": run_row(run.listed, folder),
        "state": run.condition.state,
        "reason": run.condition.reason,
        "left": None if run.seconds_left is None else duration(min(run.seconds_left, 1e9)),
        "step": run.step,
        "done": round(min(1.0, done), 3),
        "written": run.written,
        "read": round(run.share_read, 2),
        "damagedLines": run.damaged_lines,
    }


def _curves_as_json(curves: RunCurves) -> dict[str, Any]:
    rows = curves.epochs[-_MOST_ROWS:]
    names = [name for name in EPOCH_VALUES if curves.top5 or name != "val_top5_error"]
    return {
        "steps": {name: [getattr(point, name) for point in curves.steps] for name in ("step", "loss", "rate")},
        "epochs": {name: [each[name] for each in curves.epochs] for name in ("epoch", "step", *names)},
        "allSteps": curves.all_steps,
        "stepsPerEpoch": curves.steps_per_epoch,
        "header": epoch_header(curves.top5),
        "rows": [epoch_row(each, curves.top5) for each in rows],
        "best": curves.best_epoch,
        "notes": [[f"epoch {epoch}, step {step:,}", printable(text)] for epoch, step, text in curves.notes],
    }
