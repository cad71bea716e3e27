"""Network files: compiled ones, hand-written ones, and every way in which a file can be something else."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from alexc.runtime.data.recipe_images import geometry_of
from alexc.runtime.data.store import Geometry
from alexc.runtime.errors import UserError
from alexc.runtime.network_file import load_network_file

HAND_WRITTEN = """\
from torch import Tensor, nn
from alexc.runtime.augmentations.mirror import Mirror
from alexc.runtime.augmentations.pca_color import PCAColor
from alexc.runtime.augmentations.random_crop import RandomCrop
from alexc.runtime.recipes import *


class Tiny(nn.Module):
    input_shape = (3, 12, 12)

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.out = nn.Linear(400, 3)

    def reset_parameters(self, seed: int) -> None:
        import torch
        torch.manual_seed(seed)
        self.conv.reset_parameters()
        self.out.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.conv(x).relu().flatten(1))


RECIPE = Recipe(
    prepare=(Resize(16), CenterCrop(14), Subtract("mean_image")),
    augment=(RandomCrop(12), Mirror(), PCAColor(0.1)),
    test=TenCrop(12),
    loss=CrossEntropy(),
    optimizer=SGD(lr=0.01, momentum=0.9, weight_decay=0.0005),
    schedule=Plateau(of="val_error", divide=10.0, times=3),
    batch=8,
    epochs=2,
)
"""
FLAGSHIP = Path(__file__).resolve().parents[2] / "generated" / "alexnet.py"


def write(folder: Path, text: str | bytes, name: str = "tiny.py") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_reads_a_hand_written_file(tmp_path: Path) -> None:
    file = load_network_file(write(tmp_path, HAND_WRITTEN))
    assert (file.name, file.input_shape, file.size, file.recipe.batch) == ("Tiny", (3, 12, 12), 12, 8)
    assert file.outputs(file.build(0)) == 3
    assert geometry_of(file) == Geometry(16, 14)
    one, same, other = (dict(file.build(seed).named_parameters())["conv.weight"] for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_reads_the_flagship() -> None:
    file = load_network_file(FLAGSHIP)
    assert (file.name, file.input_shape) == ("AlexNet", (3, 227, 227))
    assert geometry_of(file) == Geometry(256, 256)


def test_helper_modules_beside_the_network_are_no_trouble(tmp_path: Path) -> None:
    layer = "class Twice(nn.Module):\n    def forward(self, x: Tensor) -> Tensor:\n        return 2 * x\n\n\n"
    text = HAND_WRITTEN.replace("class Tiny", layer + "class Tiny")
    assert load_network_file(write(tmp_path, text)).name == "Tiny"


SECOND = HAND_WRITTEN[HAND_WRITTEN.index("class Tiny") : HAND_WRITTEN.index("RECIPE")].replace("Tiny", "Other")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def f(:\n  pass\n", r"tiny\.py:1: this is not valid Python \(invalid syntax\)"),
        (HAND_WRITTEN.replace("return self.out", "return (self.out"), r"tiny\.py:23: this is not valid Python"),
        (b"\x89PNG\r\n\x1a\n\0\0", r"tiny\.py.*: this is not valid Python"),
        (b"x = 1\0", r"tiny\.py.*: this is not valid Python"),
        ("import torch\n1 / 0\n", r"tiny\.py:2: it cannot be imported \(ZeroDivisionError: division by zero\)"),
        ("import no_such_module\n", r"tiny\.py:1: it cannot be imported \(ModuleNotFoundError"),
        ("", r"tiny\.py has no RECIPE: expected what `alexc compile` writes"),
        ("RECIPE = 3\n", r"tiny\.py has a RECIPE of type int"),
        (HAND_WRITTEN[: HAND_WRITTEN.index("RECIPE")], r"tiny\.py has no RECIPE"),
        (HAND_WRITTEN.replace("nn.Module", "object"), r"tiny\.py: it has no class of nn\.Module"),
        (HAND_WRITTEN.replace("input_shape", "size"), r"tiny\.py: Tiny has no input_shape"),
        (HAND_WRITTEN.replace("RECIPE", SECOND + "RECIPE"), r"tiny\.py has 2 networks \(Tiny, Other\)"),
        (
            HAND_WRITTEN.replace("(3, 12, 12)", "(5, 12, 12)"),
            r"input_shape is \(5, 12, 12\): expected 1 to 4 channels",
        ),
        (HAND_WRITTEN.replace("(3, 12, 12)", "(0, 12, 14)"), r"input_shape is \(0, 12, 14\)"),
        (HAND_WRITTEN.replace("(3, 12, 12)", "'big'"), r"input_shape is 'big'"),
        (HAND_WRITTEN.replace("def reset_parameters", "def restart"), r"Tiny has no method reset_parameters"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_network_file(write(tmp_path, text))


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.py does not exist: expected a Python file that `alexc compile` wrote"):
        load_network_file(tmp_path / "none.py")
    with pytest.raises(UserError, match="cannot be read"):
        load_network_file(tmp_path)


def test_a_spec_leads_to_the_compiler(tmp_path: Path) -> None:
    path = write(tmp_path, "network A { }", "a.net")
    with pytest.raises(UserError, match=r"a\.net is a spec, not a network file: .* `alexc compile .*a\.net`"):
        load_network_file(path)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("nn.Linear(400, 3)", "nn.Linear(400, -3)", r"tiny\.py:14: Tiny\(\) cannot be made \(RuntimeError"),
        ("self.out.reset", "self.fc.reset", r"tiny\.py:20: Tiny\(\) cannot be made \(AttributeError"),
    ],
)
def test_a_network_that_cannot_be_made(tmp_path: Path, before: str, after: str, message: str) -> None:
    file = load_network_file(write(tmp_path, HAND_WRITTEN.replace(before, after)))
    with pytest.raises(UserError, match=message):
        file.build(0)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("nn.Linear(400, 3)", "nn.Linear(401, 3)", r"tiny\.py:23: Tiny cannot read an image of 3x12x12 \(RuntimeError"),
        (".flatten(1))", ".flatten(1)).view(3, 1)", r"Tiny returns \(3, 1\) for one image: expected \(1, number"),
        (".flatten(1))", ".flatten(1)).tolist()", r"Tiny returns list for one image"),
    ],
)
def test_a_network_that_does_not_classify(tmp_path: Path, before: str, after: str, message: str) -> None:
    file = load_network_file(write(tmp_path, HAND_WRITTEN.replace(before, after)))
    with pytest.raises(UserError, match=message):
        file.outputs(file.build(0))


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("Resize(16), ", "", r"one Resize and one CenterCrop, but has 0 and 1"),
        ("RandomCrop(12)", "RandomCrop(13)", r"RandomCrop\(13\) does not fit Tiny, which reads images of 12x12"),
        ("TenCrop(12)", "TenCrop(11)", r"TenCrop\(11\) does not fit Tiny"),
        ("TenCrop(12)", "CenterView(14)", r"CenterView\(14\) does not fit Tiny"),
        ("CenterCrop(14)", "CenterCrop(11)", r"Tiny reads images of 12x12, but CenterCrop\(11\) stores smaller ones"),
        ("Resize(16)", "Resize(13)", r"resize 13 and crop 14 do not fit"),
        ("RandomCrop(12)", "RandomCrop((12, 13))", r"RandomCrop\(\(12, 13\)\) does not fit Tiny"),
        (
            "CenterCrop(14)",
            "CenterCrop((14, 11))",
            r"images of 12x12, but CenterCrop\(\(14, 11\)\) stores smaller",
        ),
        ("CenterCrop(14)", "CenterCrop((14, 14, 3))", r"\(14, 14, 3\) is not the size of an image"),
        ("Resize(16)", "Resize('big')", r"'big' is not the size of an image: expected a number of pixels, or"),
        ("Resize(16)", "Resize(16, bits=16)", r"images of 3 channels of 16 bits cannot be stored"),
        ('Subtract("mean_image")', "Normalize((0.5,), (0.2, 0.2))", r"Normalize has 1 values of mean and 2 of std"),
        ("batch=8", "batch=0", r"RECIPE's batch is 0: expected more than zero"),
        ("lr=0.01", "lr=float('nan')", r"RECIPE's lr is nan"),
    ],
)
def test_a_recipe_that_does_not_fit(tmp_path: Path, before: str, after: str, message: str) -> None:
    file = load_network_file(write(tmp_path, HAND_WRITTEN.replace(before, after)))
    with pytest.raises(UserError, match=message):
        geometry_of(file)


@pytest.mark.parametrize(
    ("step", "resize", "message"),
    [
        ("ColorJitter(hue=0.1)", "Resize(16)", r"ColorJitter changes images of 3 channels, not of 1"),
        ("ColorJitter(0.1)", "Resize(16, bits=16)", r"ColorJitter changes images of 8 bits, not of 16"),
    ],
)
def test_a_colour_step_that_does_not_fit_a_grey_network(tmp_path: Path, step: str, resize: str, message: str) -> None:
    text = HAND_WRITTEN.replace("(3, 12, 12)", "(1, 12, 12)").replace("PCAColor(0.1)", step)
    text = text.replace(
        "from torch import", "from alexc.runtime.augmentations.color_jitter import ColorJitter\nfrom torch import"
    )
    with pytest.raises(UserError, match=message):
        geometry_of(load_network_file(write(tmp_path, text.replace("Resize(16)", resize))))


@pytest.mark.parametrize(
    "line",
    [
        "from alexc.runtime.recipe import Recipe",  # a module of an older alexc
        "from alexc.runtime import exchange",
        "from alexc.runtime.recipes import RandomCrop",
    ],
)
def test_a_file_of_another_version_of_alexc_is_to_be_compiled_again(tmp_path: Path, line: str) -> None:
    path = tmp_path / "tiny.py"
    path.write_text(f"{line}\n{HAND_WRITTEN}")
    with pytest.raises(UserError, match=r"tiny\.py: it was compiled by another version .* with `alexc compile SPEC`$"):
        load_network_file(path)
    (tmp_path / "tiny.net").write_text("network Tiny { }")
    with pytest.raises(UserError, match=r"with `alexc compile .*tiny\.net -o .*`$"):
        load_network_file(path)
