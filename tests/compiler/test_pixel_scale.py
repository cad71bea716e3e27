"""`check` warns where pixels that are not scaled meet initial weights that keep the scale of their input."""

from __future__ import annotations

from pathlib import Path

import pytest

from alexc.compiler.pipeline import Checked, check_file, check_text
from tests.conftest import ROOT

MEAN, COLOR, NORMAL = " -> subtract mean_image", " -> subtract mean_color", " -> normalize"
CONV = "conv1: conv 8 kernel=3 pad=1"
END = "fc: linear 10 -> softmax"


def warned(lines: str, prepare: str) -> list[str]:
    """The layers of the network that the warnings name."""
    return [each.headline.split("`")[1] for each in checked_with(lines, prepare).diagnostics]


def checked_with(lines: str, prepare: str) -> Checked:
    recipe = (
        f"prepare resize 32 -> center_crop 32{prepare}\ntest center 32\nloss cross_entropy\noptimizer sgd lr=0.01\n"
        "schedule constant\nbatch 16\nepochs 2"
    )
    checked = check_text(f"network Net {{\ninput 3x32x32\n{lines}\n}}\ntrain {{\n{recipe}\n}}\n", "net.net")
    assert checked.graph is not None, checked.diagnostics
    assert {each.code for each in checked.diagnostics} <= {"W0501"}
    return checked


@pytest.mark.parametrize("prepare", ["", MEAN, COLOR])
@pytest.mark.parametrize(
    ("lines", "layers"),
    [
        (f"{CONV} -> relu\n{END}", ["conv1"]),  # `kaiming` is the default
        (f"{CONV} weight=kaiming -> relu\n{END}", ["conv1"]),
        (f"{CONV} weight=xavier(0.5) -> relu\n{END}", ["conv1"]),
        (f"{CONV} weight=normal(0, 0.01) -> relu\n{END}", []),
        (f"{CONV} weight=lecun -> relu\n{END}", []),  # Caffe's xavier, with which published networks train
        (f"default conv weight=xavier\n{CONV} -> tanh\n{END}", ["conv1"]),
        (f"avgpool 2 -> dropout 0.1 scale=train\n{CONV} -> relu\n{END}", ["conv1"]),
        (f"local1: local 4 kernel=3 -> relu\n{END}", ["local1"]),
        (END, ["fc"]),  # the end of the network, without another layer
        (f"{CONV} -> batchnorm -> relu\n{END}", []),
        (f"{CONV} -> relu -> maxpool 2 -> batchnorm\n{END}", []),
        (f"{CONV} -> layernorm -> relu\n{END}", []),
        (f"batchnorm\n{CONV} -> relu\n{END}", []),
        (f"{CONV} -> lrn size=5 k=2 alpha=1e-4 beta=0.75 norm=sum -> relu\n{END}", ["conv1"]),
        (
            "left: input -> conv 8 kernel=3 pad=1\nright: input -> conv 8 kernel=1 weight=normal(0, 0.01)\n"
            f"concat left right\n{END}",
            ["left"],
        ),
        (f"{CONV}\nmore: conv1 -> batchnorm\nplain: conv1 -> relu\nadd more plain\n{END}", ["conv1"]),
    ],
)
def test_pixels_that_are_not_scaled_are_told(prepare: str, lines: str, layers: list[str]) -> None:
    assert warned(lines, prepare) == layers
    assert warned(lines, NORMAL) == []


@pytest.mark.parametrize(
    ("normalize", "largest"),
    [
        (" mean=rgb(0.48, 0.46, 0.41) std=rgb(0.0039215686, 0.0039215686, 0.0039215686)", 150),  # as Caffe subtracts
        (" mean=rgb(0, 0, 0) std=rgb(0.23, 0.23, 0.004)", 250),
        (" mean=rgb(0.5, 0.5, 0.5) std=rgb(0.5, 0.5, 0.5)", None),
        (" mean=rgb(0, 0, 0) std=rgb(1, 1, 1)", None),
        (" mean=rgb(0.48, 0.46, 0.41) std=rgb(0.06, 0.06, 0.06)", None),
    ],
)
def test_a_normalisation_that_does_not_scale_is_told(normalize: str, largest: int | None) -> None:
    lines = f"{CONV} -> relu\n{END}"
    assert warned(lines, f"{NORMAL}{normalize}") == ([] if largest is None else ["conv1"])
    if largest is not None:
        (warning,) = checked_with(lines, f"{NORMAL}{normalize}").diagnostics
        assert warning.others[0].text == f"leaves values of up to {largest}"


@pytest.mark.parametrize("spec", sorted((ROOT / "examples").glob("*.net")), ids=lambda spec: spec.stem)
def test_no_example_is_warned_of(spec: Path) -> None:
    assert check_file(spec).diagnostics == ()
