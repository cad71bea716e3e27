"""Builds the editor of `alexc live` from the packages that tools/codemirror/ pins: one file, and their licences.

Run it with `python -m tools.codemirror_bundle`; it needs npm. To take newer packages, change the versions in
package.json and run `npm install --package-lock-only` in that folder first.
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

SOURCE = ROOT / "tools" / "codemirror"
TARGET = ROOT / "alexc" / "live" / "static" / "codemirror.js"
LICENCES = TARGET.with_name("codemirror.LICENCES.txt")
_SMALLEST = (
    "--bundle",
    "--minify",
    "--format=esm",
    "--target=es2022",
    "--charset=utf8",
    "--legal-comments=none",
    "--log-level=warning",
)


def main() -> None:
    """Install the packages in a temporary folder, and write the bundle and the licences of what is in it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in SOURCE.iterdir():
            shutil.copy(path, folder)
        subprocess.run(["npm", "ci", "--silent"], cwd=folder, check=True)  # noqa: S607
        bundle, parts = folder / "codemirror.js", folder / "parts.json"
        esbuild = folder / "node_modules" / ".bin" / "esbuild"
        command = [str(esbuild), "entry.js", *_SMALLEST, f"--outfile={bundle}", f"--metafile={parts}"]
        subprocess.run(command, cwd=folder, check=True)  # noqa: S603
        bundled = bundle.read_text(encoding="utf-8")
        first = f"// CodeMirror 6, built by tools/codemirror_bundle.py; the licences are in {LICENCES.name}.\n"
        TARGET.write_text(first + bundled, encoding="utf-8")
        LICENCES.write_text(_licences(folder, json.loads(parts.read_text())["inputs"]), encoding="utf-8")
    print(f"{TARGET.relative_to(ROOT)}: {TARGET.stat().st_size:,} bytes")


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
