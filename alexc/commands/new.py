"""`alexc new`: writes a spec to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from alexc.compiler.net.name_check import objection
from alexc.compiler.text.source import Source
from alexc.compiler.tree.syntax import parse
from alexc.compiler.vocabulary import NETWORK
from alexc.runtime.errors import UserError
from alexc.runtime.files import check_new, write_new

from ..module_name import require_importable
from ..printable import printable, shell_line
from .examples import example

_START = """\
# A small network for colour images of 64x64 pixels. `alexc summary` shows its layers, `alexc explain` its errors.

network MyNet {
  input 3x64x64

  conv1: conv 32 kernel=3 pad=1  -> batchnorm -> relu -> maxpool 2 stride=2
  conv2: conv 64 kernel=3 pad=1  -> batchnorm -> relu -> maxpool 2 stride=2
  conv3: conv 128 kernel=3 pad=1 -> batchnorm -> relu -> global_avgpool
  fc4:   linear 10               -> softmax                              # the number of classes
}

train {
  prepare   resize 72 -> center_crop 72 -> normalize
  augment   random_crop 64 -> mirror
  test      center 64
  loss      cross_entropy
  optimizer sgd lr=0.05 momentum=0.9 weight_decay=0.0005 form=nesterov
  schedule  cosine
  batch     64
  epochs    30
}
"""


def new(
    spec: Annotated[
        Path | None,
        typer.Argument(metavar="SPEC", help="The file to write, such as mine.net or mine.", show_default=False),
    ] = None,
    example_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="EXAMPLE",
            help="Start from this example; `alexc examples` lists them.",
            show_default="a small network",
        ),
    ] = None,
) -> None:
    """Write a spec to start from.

    Without SPEC, the file is called my_net.net, or like the example.
    """
    text = _START if example_ is None else example(example_).read_text(encoding="utf-8")
    target = spec or Path("my_net.net" if example_ is None else example(example_).name)
    target = target if target.suffix == ".net" else target.with_name(f"{target.name}.net")
    if example_ is None or spec is not None:
        text = _renamed(text, target)
    check_new(target, "SPEC")
    write_new(target, text.encode())
    print(f"{printable(target)}  written; `alexc summary {shell_line(target)}` shows its layers")


def _renamed(text: str, target: Path) -> str:
    """The text with the name of the file as that of its network, which is the last one."""
    name = target.stem.replace("-", "_")
    require_importable(target, name)
    tree, _ = parse(Source(target.name, text))
    block = next(each for each in reversed(tree.blocks) if each.keyword.text == NETWORK)
    assert block.name is not None
    span = block.name.span
    network = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
    if complaint := objection(network):
        raise UserError(
            f"{printable(target)}: a network cannot be called `{network}`: it {complaint}; name another file"
        )
    return text[: span.start] + network + text[span.end :]
