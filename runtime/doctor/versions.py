"""Lists the versions of the packages that alexc needs and tries to import them; this module imports none at the top."""

from __future__ import annotations

import importlib
import platform
from importlib.metadata import PackageNotFoundError, version

from ..packages import PACKAGES
from .section import Finding, Section

_REMEDIES = {
    "torch": "install it again: pip install --force-reinstall torch torchvision",
    # Its operators are compiled against one version of torch.
    "torchvision": "it and torch must be of releases that belong together: pip install --upgrade torch torchvision",
}


def versions() -> Section:
    """The versions; a finding for torch or torchvision when it cannot be imported."""
    rows = [("python", platform.python_version()), *((name, _version(name)) for name in PACKAGES)]
    findings = [finding for name in _REMEDIES if (finding := _import(name)) is not None]
    return Section("versions", tuple(rows), tuple(findings))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _import(package: str) -> Finding | None:
    try:
        importlib.import_module(package)
    except Exception as error:  # a library that does not fit raises OSError, RuntimeError, AttributeError ...
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        return Finding(
            f"{package} {_version(package)} cannot be imported ({reason}): {_REMEDIES[package]}", is_error=True
        )
    return None
