"""The command line: every command with its module and its line of help."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

if TYPE_CHECKING:
    from typer._click import Command, Context, HelpFormatter


@dataclass(frozen=True)
class Entry:
    """A command, as `alexc --help` lists it.

    Attributes:
        target: where its function is, or the `typer.Typer` that has several: `module:name`, below `alexc.commands`.
        help: the first sentence of its documentation.
    """

    target: str
    help: str


PANELS = {
    "About a spec": {
        "new": Entry("new:new", "Write a spec to start from."),
        "examples": Entry("examples:examples", "List the specs that ship with alexc, or copy them."),
        "check": Entry("check:check", "Check specs and report every error."),
        "summary": Entry("summary:summary", "Show the shapes, weights, neurons and multiply-adds of every layer."),
        "compile": Entry("compile:compile_", "Write the PyTorch module of each spec."),
        "draw": Entry("draw:draw", "Draw a network."),
        "live": Entry("live:live", "Show a spec in the browser, and compile it while you type."),
        "plan": Entry("plan:plan_", "Show what each device of a placement stores, computes and sends."),
        "diff": Entry("diff:diff", "Compare two specs, and say whether the weights of one load in the other."),
        "fmt": Entry("fmt:fmt", "Format specs in the canonical style."),
        "import": Entry(
            "import_:import_", "Convert a network of Caffe, cuda-convnet, darknet or torchvision to a spec."
        ),
        "explain": Entry("explain:explain", "Explain an error code, with an example and its fix."),
        "lsp": Entry("lsp:lsp", "Start the language server for editors."),
    },
    "About training": {
        "prepare": Entry("prepare:prepare", "Decode images once, into the store that training reads."),
        "inspect": Entry("inspect:inspect", "Show what a store contains."),
        "train": Entry("train:train", "Train a network with the recipe in its file."),
        "runs": Entry("runs:runs", "List training runs side by side."),
        "evaluate": Entry("evaluate:evaluate", "Measure the best weights of a run on the validation images."),
        "predict": Entry("predict:predict", "Print the most likely classes of each image."),
        "report": Entry("report:report", "Write an HTML page about a run."),
        "export": Entry("export:export", "Export a trained network to ONNX or torch.export."),
        "weights": Entry("weights:weights", "Import or export weights."),
        "doctor": Entry("doctor:doctor", "Check the versions, devices, memory and disk of this machine."),
    },
}
COMMANDS = {name: entry for panel in PANELS.values() for name, entry in panel.items()}


class PlainHelp(TyperCommand):
    """A command whose help has two columns. typer's boxes have six, which leave little for the texts at 80 columns."""

    def format_help(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write the help; a line that begins with a dash begins an item of a list."""
        from .table import wrapped

        def item(found: re.Match[str]) -> str:
            return "\n".join(wrapped(" ".join(found[0].split()), formatter.width - 2, "  "))

        text = re.sub(r"(?m)^- .+(\n  .+)*", item, self.help or "")
        self.help = text.replace("\n\n- ", "\n\n\b\n- ")  # \b keeps the lines of a paragraph
        super(TyperCommand, self).format_help(ctx, formatter)


class _Lazy(TyperCommand):
    """A command whose module is imported when the command is called, not when `alexc --help` lists it."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: Context | None = None,
        **extra: Any,  # noqa: ANN401 - as the class above has it
    ) -> Context:
        assert self.name is not None
        return load(self.name).make_context(info_name, args, parent, **extra)


def load(name: str) -> Command:
    """Import a command, or a group of commands, from its module."""
    found = resolve_name(f"alexc.commands.{COMMANDS[name].target}")
    if isinstance(found, typer.Typer):
        return get_command(found)
    alone = typer.Typer(add_completion=False)
    alone.command(name, cls=PlainHelp)(found)
    return get_command(alone)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"alexc {version('alexc')}")
        raise typer.Exit


_typer = typer.Typer(name="alexc", no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})


@_typer.callback()
def _alexc(
    _version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Compile a description of a neural network to PyTorch, and train it."""


app = get_command(_typer)
assert isinstance(app, TyperGroup)
for panel, commands in PANELS.items():
    for name, entry in commands.items():
        app.add_command(_Lazy(name, help=entry.help, rich_help_panel=panel))
