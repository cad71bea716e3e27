"""The command line: every command by its name."""

from __future__ import annotations

import typer

from alexc.check import check
from alexc.compile import compile_
from alexc.diff import diff
from alexc.doctor import doctor
from alexc.draw import draw
from alexc.evaluate import evaluate
from alexc.explain import explain
from alexc.export import export
from alexc.fmt import fmt
from alexc.import_ import import_
from alexc.inspect import inspect
from alexc.lsp import lsp
from alexc.plan import plan_
from alexc.predict import predict
from alexc.prepare import prepare
from alexc.report import report
from alexc.runs import runs
from alexc.summary import summary
from alexc.train import train
from alexc.weights import weights

app = typer.Typer(
    name="alexc",
    help="Compile a description of a neural network to PyTorch, and train it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
SPECS = (check, diff, explain, fmt, summary, draw, plan_, compile_, import_, lsp)
RUNS = (doctor, prepare, inspect, train, runs, evaluate, predict, report, export)
for command in (*SPECS, *RUNS):
    app.command(command.__name__.rstrip("_"))(command)
app.add_typer(weights)
