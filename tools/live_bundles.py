"""Builds the JavaScript of the live pages and of the site from the packages that tools/live_packages/ pins.

Each file there that ends with `.js` becomes a file of the page, with the licences of what is in it beside it. Run this
with `python -m tools.live_bundles`; it needs npm. To take newer packages, change the versions in package.json and run
`npm install --package-lock-only` in that folder first.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests.conftest import ROOT

SOURCE = ROOT / "tools" / "live_packages"
_TARGET = ROOT / "alexc" / "live" / "static"
_SITE = ROOT / "docs" / "site"
_TAKEN = {  # files that are taken as they are
    _TARGET / "uplot.css": "uplot/dist/uPlot.min.css",
    _SITE / "iframe-worker.js": "iframe-worker/shim/index.js",
    _SITE / "iframe-worker.LICENSE": "iframe-worker/LICENSE",
}
_SMALLEST = ("--bundle", "--minify", "--format=esm", "--target=es2022", "--charset=utf8", "--legal-comments=none")


def main() -> None:
    """Install the packages in a temporary folder, and write the bundles with the licences of what is in them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in SOURCE.iterdir():
            shutil.copy(path, folder)
        subprocess.run(["npm", "ci", "--silent"], cwd=folder, check=True)  # noqa: S607
        for source in sorted(SOURCE.glob("*.js")):
            _bundle(folder, source.name)
        for target, source_file in _TAKEN.items():
            shutil.copy(folder / "node_modules" / source_file, target)


def _bundle(folder: Path, name: str) -> None:
    """Bundle a file of an installed folder."""
    target, bundle, parts = _TARGET / name, folder / "bundle.js", folder / "parts.json"
    licences = target.with_suffix(".LICENCES.txt")
    esbuild = folder / "node_modules" / ".bin" / "esbuild"
    command = [str(esbuild), name, *_SMALLEST, f"--outfile={bundle}", f"--metafile={parts}"]
    subprocess.run(command, cwd=folder, check=True)  # noqa: S603
    first = f"// Built by tools/live_bundles.py; the licences of its packages are in {licences.name}.\n"
    target.write_text(first + bundle.read_text(encoding="utf-8"), encoding="utf-8")
    licences.write_text(_licences(folder, json.loads(parts.read_text())["inputs"]), encoding="utf-8")
    print(f"{target.relative_to(ROOT)}: {target.stat().st_size:,} bytes")


def _licences(folder: Path, inputs: Iterable[str]) -> str:
    """The licence of each package that a file of the bundle is from; equal texts once."""
    found = (re.match(r"node_modules/(?:@[^/]+/)?[^/]+", each) for each in inputs)
    by_text: dict[str, list[str]] = {}
    for package in sorted({folder / each[0] for each in found if each}):
        described = json.loads((package / "package.json").read_text(encoding="utf-8"))
        text = next(package.glob("LICEN[CS]E*")).read_text(encoding="utf-8").strip()
        by_text.setdefault(text, []).append(f"{described['name']} {described['version']}")
    return "\n\n\n".join(f"{', '.join(names)}\n\n{text}" for text, names in by_text.items()) + "\n"


if __name__ == "__main__":
    main()
