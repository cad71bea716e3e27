"""How long a spec takes to check and to sum up, in microseconds per layer, for networks of 10^3 to 10^5 layers.

`python -m benchmarks.compile` writes benchmarks/results/compile.md. Times are those of the processor, so that what else
runs on the machine counts little.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

from alexc.compiler import summary
from alexc.compiler.pipeline import check_text
from alexc.runtime.progress import Progress
from benchmarks.result_file import markdown_table, write_result

HEAD = (
    "Microseconds of processor time per layer, `check` + `summary`, with every layer counted after blocks and",
    "repetitions are written out. One run of each, in one process; the forms are in benchmarks/compile.py.",
    "",
)
SIZES = (10**3, 10**4, 10**5)
BLOCK = "block unit(width) {\n  conv width kernel=1 -> relu\n}\n\n"


@dataclass(frozen=True)
class Measured:
    """Processor time for one spec, in microseconds per layer."""

    check: float
    summary: float

    @property
    def total(self) -> float:
        """Both together."""
        return self.check + self.summary


def chain(layers: int) -> str:
    """Every layer written out, two in a line."""
    return _network("  conv 8 kernel=1 -> relu\n" * (layers // 2))


def branches(layers: int) -> str:
    """Groups of four layers, two of them side by side and then joined, each line with a name of its own."""
    group = "  l{0}: conv 4 kernel=1 -> relu\n  r{0}: l{0} -> conv 4 kernel=1\n  j{0}: concat l{0} r{0}\n"
    return _network("".join(group.format(number) for number in range(layers // 4)))


def repeated(layers: int) -> str:
    """Two layers in `repeat`."""
    return _network(f"  repeat {layers // 2} {{\n    conv 8 kernel=1 -> relu\n  }}\n")


def blocks(layers: int) -> str:
    """A block of two layers, written as often as it is used."""
    return BLOCK + _network("  unit 8\n" * (layers // 2))


def repeated_blocks(layers: int) -> str:
    """A block of two layers twice in `repeat`."""
    return BLOCK + _network(f"  repeat {layers // 4} {{\n    unit 8 -> unit 8\n  }}\n")


def variant(layers: int) -> str:
    """The chain, and a network that changes one kind in all of it."""
    return chain(layers) + "\nnetwork Changed extends Long {\n  every relu: tanh\n}\n"


FORMS: dict[str, Callable[[int], str]] = {
    "chain": chain,
    "branches": branches,
    "repeat": repeated,
    "blocks": blocks,
    "blocks in repeat": repeated_blocks,
    "variant": variant,
}


def measure(form: Callable[[int], str], layers: int) -> Measured:
    """Check a spec of so many layers and make its summary."""
    text = form(layers)
    start = time.process_time()
    graph = check_text(text, f"{form.__name__}.net").graph
    checked = time.process_time()
    assert graph is not None
    assert len(graph.nodes) == layers
    summary.rows(graph)
    summary.total(graph)
    end = time.process_time()
    return Measured((checked - start) / layers * 1e6, (end - checked) / layers * 1e6)


def main() -> None:
    """Measure every form at every size and write the table."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    measure(chain, 100)  # the parser and the kinds are loaded once
    runs = [(name, layers) for name in FORMS for layers in SIZES]
    measured: dict[tuple[str, int], Measured] = {}
    with Progress("measuring", len(runs), "specs") as progress:
        for name, layers in runs:
            measured[name, layers] = measure(FORMS[name], layers)
            progress.advance()
    rows = [["spec", *(f"{size:,} layers" for size in SIZES)]]
    rows += [[name, *(_cell(measured[name, size]) for size in SIZES)] for name in FORMS]
    write_result("compile", "Time to check a spec", [*HEAD, *markdown_table(rows)], ["lark", "pydantic"])


def _network(lines: str) -> str:
    return f"network Long {{\n  input 3x8x8\n{lines}}}\n"


def _cell(measured: Measured) -> str:
    return f"{measured.check:.1f} + {measured.summary:.1f}"


if __name__ == "__main__":
    main()
