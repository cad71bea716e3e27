"""Checks the checkout before setuptools builds alexc from it; pyproject.toml has everything else."""

from pathlib import Path

from setuptools import setup

LINKS = ("compiler", "importers", "language_server", "runtime", "spec")

broken = [name for name in LINKS if not (Path(__file__).parent / "alexc" / name).is_dir()]
if broken:
    raise SystemExit(
        f"alexc/{broken[0]} is not a link to the folder {broken[0]}/: git has checked it out as a text file.\n"
        "On Windows, turn on Developer Mode and run in this folder:\n"
        "    git config core.symlinks true\n"
        "    git checkout -- alexc"
    )

setup()
