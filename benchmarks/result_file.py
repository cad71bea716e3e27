"""Writes the pages in benchmarks/results: the measurements, the machine, the versions and the command."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def write_result(
    name: str, title: str, lines: Sequence[str], packages: Sequence[str], facts: Sequence[str] = ()
) -> None:
    """Write benchmarks/results/NAME.md and print it.

    Args:
        name: the name of the benchmark.
        title: the title of the page.
        lines: the text below the facts.
        packages: the packages whose versions are listed.
        facts: further facts about the device and the run.
    """
    text = "\n".join([f"# {title}", "", *_facts(name, packages), *(f"- {fact}" for fact in facts), "", *lines]) + "\n"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text, encoding="utf-8")
    print(text, end="")


def markdown_table(rows: Sequence[Sequence[str]], text_columns: int = 1) -> list[str]:
    """A table that is also aligned as text. The first row is the header; columns after `text_columns` are numbers."""
    widths = [max(3, *(len(row[column]) for row in rows)) for column in range(len(rows[0]))]
    rule = [
        ":" + "-" * (width - 1) if column < text_columns else "-" * (width - 1) + ":"
        for column, width in enumerate(widths)
    ]
    return [
        "| "
        + " | ".join(
            cell.ljust(width) if column < text_columns else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        + " |"
        for row in [rows[0], rule, *rows[1:]]
    ]


def _facts(name: str, packages: Sequence[str]) -> list[str]:
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    command = " ".join(["python -m", f"benchmarks.{name}", *sys.argv[1:]])
    return [
        f"- Date: {date.today().isoformat()}",
        f"- Python {platform.python_version()}{', ' if versions else ''}{versions}",
        f"- Machine: {os.cpu_count()} cores, {_processor()}, {platform.system()}",
        f"- Command: `{command}`",
    ]


def _processor() -> str:
    """The model of the processor and its vector units, if the system lists them."""
    facts = Path("/proc/cpuinfo")
    if not facts.exists():
        return platform.processor() or platform.machine()
    told = dict(_told(line) for line in facts.read_text(encoding="utf-8").splitlines() if ":" in line)
    units = [unit for unit in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if unit in told.get("flags", "").split()]
    return f"{told.get('model name', platform.machine())}{' with ' if units else ''}{', '.join(units)}"


def _told(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip(), value.strip()
