"""No part of a spec becomes code: hostile names, comments, numbers and file names, and the check of the syntax tree."""

from __future__ import annotations

from pathlib import Path

import pytest
from jinja2 import Environment, StrictUndefined, Template

from alexc.compiler.files import pytorch
from alexc.compiler.files.pytorch import write_pytorch
from alexc.compiler.files.rendered_check import UnexpectedText, require_expected_form
from alexc.compiler.pipeline import check_text
from tests.conftest import ROOT, Alexc

IMPORTS = ["from typing import ClassVar", "import torch", "from torch import Tensor, nn"]
CALLS = ["nn.Conv2d", "self.a", "torch.tanh"]
SOUND = '''"""A network."""

from typing import ClassVar

import torch
from torch import Tensor, nn


class Net(nn.Module):
    """A class."""

    input_shape: ClassVar[tuple[int, int, int]] = (3, 8, 8)

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 4, kernel_size=1)
        self.reset_parameters()

    def reset_parameters(self, seed: int | None = None) -> None:
        """Draw the initial values."""

    def forward(self, x: Tensor) -> Tensor:
        """The outputs."""
        x = torch.tanh(self.a(x))
        return x
'''


def require(text: str) -> None:
    require_expected_form(text, ["Net"], IMPORTS, CALLS)


def test_the_sound_file_passes() -> None:
    require(SOUND)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("import torch\n", "import torch\nimport os\n"),
        ("import torch\n", "import torch as os\n"),
        ("from torch import Tensor, nn", "from torch import Tensor, nn, hub"),
        ("from torch import Tensor, nn", "from torch import *"),
        ('"""A network."""', '"""A network.""" + __import__("os").system("touch owned")'),
        ('"""A network."""', 'f"""{print()}"""'),
        ('"""A network."""', "x = 1"),
        ("torch.tanh(", "torch.load("),
        ("torch.tanh(self.a(x))", "torch.tanh(self.b(x))"),
        ("torch.tanh(self.a(x))", "eval(x)"),
        ("torch.tanh(self.a(x))", "x.__class__"),
        ("torch.tanh(self.a(x))", "x._weight"),
        ("torch.tanh(self.a(x))", "(lambda: x)()"),
        ("torch.tanh(self.a(x))", "[x for x in x]"),
        ("torch.tanh(self.a(x))", "x if x else x"),
        ("torch.tanh(self.a(x))", "x @ x"),
        ("torch.tanh(self.a(x))", "unknown"),
        ("        return x", "        while x:\n            return x"),
        ("        return x", "        if x:\n            return x\n        return x"),
        ("        return x", "        import os\n        return x"),
        ("        return x", "        torch = x\n        return x"),
        ("        return x", "        x\n        return x"),
        ("        return x", "        return await x"),
        ("        return x", "        del x\n        return x"),
        ("    def forward", "    @torch.tanh\n    def forward"),
        ("    def forward", "    def __getattr__"),
        ("= (3, 8, 8)", '= torch.tanh("code")'),
        ("class Net(nn.Module)", "class Net(nn.Module, metaclass=nn)"),
        ("class Net(nn.Module)", "class Net(nn.Linear)"),
        ("class Net(nn.Module)", "class Other(nn.Module)"),
        ("class Net(nn.Module)", "class Net(nn.Module):\n    pass\n\n\nclass Net(nn.Module)"),
        ("        return x\n", "        return x\n\n\nnn.Conv2d(1, 1, 1)\n"),
        ("        return x\n", "        return x\n\n\nOTHER = nn.Conv2d(1, 1, 1)\n"),
        ("        return x\n", "        return (\n"),
        ("        return x\n", "        return x\0\n"),
    ],
)
def test_anything_else_is_caught(old: str, new: str) -> None:
    assert old in SOUND
    with pytest.raises(UnexpectedText):
        require(SOUND.replace(old, new, 1))


def planted(line: str) -> Template:
    text = (ROOT / "compiler" / "files" / "pytorch.py.jinja").read_text()
    environment = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(
        text.replace("        super().__init__()\n", f"        super().__init__()\n{line}\n")
    )


def test_a_bad_template_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = check_text("network Net {\n input 3x8x8\n linear 2\n}\n", "net.net").graph
    assert graph is not None
    monkeypatch.setattr(pytorch, "_template", lambda: planted("        self.reset_parameters()"))
    write_pytorch(graph, "net.net")
    monkeypatch.setattr(pytorch, "_template", lambda: planted("        self.{{ made_by }} = exec(class_name)"))
    with pytest.raises(UnexpectedText):
        write_pytorch(graph, "net.net")
    monkeypatch.setattr(pytorch, "_template", lambda: planted("        print(self)"))
    with pytest.raises(UnexpectedText, match=r"print\(self\)"):
        write_pytorch(graph, "net.net")


def test_a_file_name_is_no_code() -> None:
    graph = check_text("network Net {\n input 3x8x8\n linear 2\n}\n", "net.net").graph
    assert graph is not None
    for name in ('a."""\nimport os\n"""', 'a.""" + exec("1") + """'):
        with pytest.raises(UnexpectedText):
            write_pytorch(graph, name)


@pytest.mark.parametrize(
    "name", ['a.""" + exec("1") + """', "a.py", "a", "a.net\nimport os", "../a.txt", "class.net", "a b.net"]
)
def test_a_spec_with_a_name_that_could_lead_elsewhere_is_not_compiled(tmp_path: Path, alexc: Alexc, name: str) -> None:
    spec = tmp_path / Path(name).name
    spec.write_text("network Net {\n input 3x8x8\n linear 2\n}\n")
    result = alexc("compile", spec)
    assert result.returncode == 1
    assert "rename the file" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "generated").exists()


NAMES = [
    "__import__", "exec", "eval", "print", "self", "x", "nn", "torch", "F", "Tensor", "forward", "__init__", "class",
    "None", "training", "image", "a__b", "ａ", "а", "naïve", "a\u200bb", "a\u202eb", "x" * 65,
    "multipliers", "RECIPE", "match",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "form", ["network {} {{\n input 3x8x8\n linear 2\n}}\n", "network N {{\n input 3x8x8\n {}: linear 2\n}}\n"]
)
def test_a_name_that_python_or_torch_takes_is_refused(name: str, form: str) -> None:
    assert check_text(form.format(name), "net.net").graph is None


@pytest.mark.parametrize(
    "value",
    [
        "1" * 5000,
        "1e999",
        "1e99999",
        "0x10",
        "1_000",
        "1" * 16,
        "9" * 9 + "x" + "9" * 9,
        "-" * 1000 + "1",
        "1.0e",
        "inf",
        "nan",
    ],
)
def test_a_number_that_is_none_or_too_long_is_refused(value: str) -> None:
    for line in (
        f"conv {value} kernel=3",
        f"conv 4 kernel=3 bias={value}",
        f"conv 4 kernel=3 weight=normal(0, {value})",
    ):
        assert check_text(f"network N {{\n input 3x8x8\n {line}\n}}\n", "net.net").graph is None, line


def test_a_comment_reaches_no_python() -> None:
    sound = "network Net {\n input 3x8x8\n linear 2\n}\n"
    hostile = sound.replace("linear 2", 'linear 2 # """ + exec("1") + """ \\N{BULLET} \u2028 \x0c {{ 1 }} {% raw %}')
    made = []
    for text in (sound, hostile):
        graph = check_text(text, "net.net").graph
        assert graph is not None
        made.append(write_pytorch(graph, "net.net"))
    assert made[0] == made[1]
