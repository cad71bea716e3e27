"""The command line: every command by its name."""

from __future__ import annotations

from pkgutil import resolve_name
from typing import TYPE_CHECKING

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group

if TYPE_CHECKING:
    from typer._click import Command

SPECS = {
    "check": "alexc.commands.check:check",
    "diff": "alexc.commands.diff:diff",
    "explain": "alexc.commands.explain:explain",
    "fmt": "alexc.commands.fmt:fmt",
    "summary": "alexc.commands.summary:summary",
    "draw": "alexc.commands.draw:draw",
    "plan": "alexc.commands.plan:plan_",
    "compile": "alexc.commands.compile:compile_",
    "import": "alexc.commands.import_:import_",
    "lsp": "alexc.commands.lsp:lsp",
}
RUNS = {
    "doctor": "alexc.commands.doctor:doctor",
    "prepare": "alexc.commands.prepare:prepare",
    "inspect": "alexc.commands.inspect:inspect",
    "train": "alexc.commands.train:train",
    "runs": "alexc.commands.runs:runs",
    "evaluate": "alexc.commands.evaluate:evaluate",
    "predict": "alexc.commands.predict:predict",
    "report": "alexc.commands.report:report",
    "export": "alexc.commands.export:export",
    "weights": "alexc.commands.weights:weights",
}
COMMANDS = SPECS | RUNS


class _Commands(TyperGroup):
    """The commands, each imported when it is asked for: none waits for what only others need."""

    def list_commands(self, _ctx: object) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _ctx: object, cmd_name: str) -> Command | None:
        for name in [cmd_name] if cmd_name in COMMANDS else COMMANDS:  # typer offers similar names of loaded ones
            if name not in self.commands:
                self.commands[name] = _load(name)
        return self.commands.get(cmd_name)


def _load(name: str) -> Command:
    """A command, or a group of them, from its module."""
    found = resolve_name(COMMANDS[name])
    if isinstance(found, typer.Typer):
        return get_command(found)
    alone = typer.Typer(add_completion=False)
    alone.command(name)(found)
    return get_command(alone)


app = get_group(
    typer.Typer(
        name="alexc",
        cls=_Commands,
        help="Compile a description of a neural network to PyTorch, and train it.",
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
)
