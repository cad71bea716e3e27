"""Times the commands about specs as whole processes, and the compiler per layer in networks of 10^3 to 10^5 layers.

`python -m benchmarks.compile` writes benchmarks/results/compile.md. For comparison, the same rounds time a bare Python,
`import torch`, and a program that counts the parameters of torchvision's AlexNet without memory for its weights. The
time per layer is processor time, so that other programs on the machine have little influence.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from alexc.compiler.files.pytorch import write_pytorch
from alexc.compiler.graph import summary
from alexc.compiler.pipeline import check_text
from alexc.runtime.progress import Progress
from benchmarks.processor_time import seconds_of_children
from benchmarks.result_file import markdown_table, write_result
from benchmarks.side_by_side import Rounds, run_rounds

ROUNDS = 20
SPEC = str(Path(__file__).parent.parent / "spec" / "alexnet.net")
ALEXC = str(Path(sys.executable).with_name("alexc"))
IMPORT_TORCH = "import torch"
BY_HAND = (
    "import torch, torchvision\n"
    "with torch.device('meta'):\n"
    "    network = torchvision.models.alexnet()\n"
    "print(sum(each.numel() for each in network.parameters()))\n"
)
PROCESSES = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "alexc check": [ALEXC, "check", SPEC],
    "alexc summary": [ALEXC, "summary"],
    "alexc compile": [ALEXC, "compile", SPEC],
    "import torch": [sys.executable, "-c", IMPORT_TORCH],
    "torchvision's alexnet, counted": [sys.executable, "-c", BY_HAND],
}
PROCESSES_HEAD = (
    "## Whole processes",
    "",
    "spec/alexnet.net from the start of the process to its end, with compiled bytecode at hand: medians of",
    f"{ROUNDS} rounds, and how many times the processor seconds of `alexc summary`.",
    "",
)
LAYERS_HEAD = (
    "",
    "## Layers",
    "",
    "Microseconds of processor time per layer, `check` + `summary` + rendering, with every layer counted after blocks",
    "and repetitions are written out. One run of each, in one process; the forms are in benchmarks/compile.py.",
    "",
)
SIZES = (10**3, 10**4, 10**5)
BLOCK = "block unit(width) {\n  conv width kernel=1 -> relu\n}\n\n"


@dataclass(frozen=True)
class Measured:
    """Processor time for a spec, in microseconds per layer."""

    check: float
    summary: float
    rendering: float

    @property
    def total(self) -> float:
        """The sum of all parts."""
        return self.check + self.summary + self.rendering


def chain(layers: int) -> str:
    """A chain with two layers per line."""
    return _network("  conv 8 kernel=1 -> relu\n" * (layers // 2))


def branches(layers: int) -> str:
    """Groups of four layers: two branches that are then joined; each line has a name."""
    group = "  l{0}: conv 4 kernel=1 -> relu\n  r{0}: l{0} -> conv 4 kernel=1\n  j{0}: concat l{0} r{0}\n"
    return _network("".join(group.format(number) for number in range(layers // 4)))


def repeated(layers: int) -> str:
    """Two layers inside `repeat`."""
    return _network(f"  repeat {layers // 2} {{\n    conv 8 kernel=1 -> relu\n  }}\n")


def blocks(layers: int) -> str:
    """A block of two layers, with one line per use."""
    return BLOCK + _network("  unit 8\n" * (layers // 2))


def repeated_blocks(layers: int) -> str:
    """A block of two layers, used twice inside `repeat`."""
    return BLOCK + _network(f"  repeat {layers // 4} {{\n    unit 8 -> unit 8\n  }}\n")


def variant(layers: int) -> str:
    """The chain, and a network that extends it and changes one kind everywhere."""
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
    """Check a spec with this number of layers, and make its summary and its Python file."""
    text = form(layers)
    start = time.process_time()
    graph = check_text(text, f"{form.__name__}.net").graph
    checked = time.process_time()
    assert graph is not None
    assert len(graph.nodes) == layers
    summary.rows(graph)
    summary.total(graph)
    summed_up = time.process_time()
    write_pytorch(graph, f"{form.__name__}.net")
    end = time.process_time()
    seconds = (checked - start, summed_up - checked, end - summed_up)
    return Measured(*(each / layers * 1e6 for each in seconds))


def run_processes(processes: dict[str, list[str]], rounds: int) -> tuple[Rounds, Rounds]:
    """Run each process once per round; returns processor seconds and wall-clock seconds."""
    seconds: dict[str, list[float]] = {name: [] for name in processes}

    def run(name: str) -> None:
        with TemporaryDirectory() as folder:
            started = time.perf_counter()
            start(processes[name], folder)
            seconds[name].append(time.perf_counter() - started)

    peers = {name: lambda name=name: run(name) for name in processes}
    processor = run_rounds(peers, rounds, "starting", clock=seconds_of_children)
    return processor, Rounds({name: tuple(each[1:]) for name, each in seconds.items()})  # the first one warms up


def start(process: Sequence[str], folder: str | Path) -> None:
    """Run a process in a folder until it ends; it may write bytecode files, as a user's process does."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(process, cwd=folder, env=environment, stdout=subprocess.DEVNULL, check=True)  # noqa: S603


def main() -> None:
    """Run the processes, measure every form at every size, and write the tables."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    processor, wall = run_processes(PROCESSES, ROUNDS)
    lines = [*PROCESSES_HEAD, *markdown_table(_process_rows(processor, wall)), *LAYERS_HEAD]
    lines += markdown_table(_layer_rows())
    packages = ["jinja2", "lark", "pydantic", "typer", "torch", "torchvision"]
    write_result("compile", "Time to start and to compile", lines, packages)


def _process_rows(processor: Rounds, wall: Rounds) -> list[list[str]]:
    rows = [["process", "processor s", "wall s", "× summary"]]
    for name in PROCESSES:
        ratio = processor.ratio(name, "alexc summary")
        rows.append([f"`{name}`", f"{processor.median(name):.3f}", f"{wall.median(name):.3f}", f"{ratio:.2f}"])
    return rows


def _layer_rows() -> list[list[str]]:
    measure(chain, 100)  # the parser and the kinds are loaded once
    runs = [(name, layers) for name in FORMS for layers in SIZES]
    measured: dict[tuple[str, int], Measured] = {}
    with Progress("measuring", len(runs), "specs") as progress:
        for name, layers in runs:
            measured[name, layers] = measure(FORMS[name], layers)
            progress.advance()
    rows = [["spec", *(f"{size:,} layers" for size in SIZES)]]
    return rows + [[name, *(_cell(measured[name, size]) for size in SIZES)] for name in FORMS]


def _network(lines: str) -> str:
    return f"network Long {{\n  input 3x8x8\n{lines}}}\n"


def _cell(measured: Measured) -> str:
    return f"{measured.check:.1f} + {measured.summary:.1f} + {measured.rendering:.1f}"


if __name__ == "__main__":
    main()
