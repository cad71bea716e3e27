"""The commands of docs/first-hour.md do what the page says; real digits are used if they are beside the repository."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from alexc.cli import app
from alexc.compiler.layers.kind import Shape
from alexc.compiler.net.spec_text import recipe_texts
from alexc.compiler.pipeline import check_file, check_text
from alexc.compiler.text.source import Source
from alexc.importers.foreign.network import Assumptions
from alexc.importers.pipeline import import_sources
from alexc.runtime.data.store import open_store
from alexc.runtime.network_file import load_module_file
from alexc.runtime.runs.run_folder import RunFolder
from tests.conftest import ROOT
from tests.support.digits import draw_digits, write_idx
from tests.support.one_process import make_shards_here
from tests.support.tiny_training import metrics

PAGE = (ROOT / "docs" / "first-hour.md").read_text(encoding="utf-8")
LENET = ROOT / "examples" / "lenet.net"
REAL = ROOT.parent / "shared" / "data" / "mnist"
PLENTY = 1_600  # steps of 64 digits: less than two epochs of MNIST
# Caffe's own files, as far as they say what the network is and how it is trained.
CAFFES = """
name: "LeNet"
layer { name: "mnist" type: "Data" top: "data" top: "label" include { phase: TRAIN }
  transform_param { scale: 0.00390625 } data_param { batch_size: 64 } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" param { lr_mult: 1 } param { lr_mult: 2 }
  convolution_param { num_output: 20 kernel_size: 5 stride: 1 weight_filler { type: "xavier" } } }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "conv2" type: "Convolution" bottom: "pool1" top: "conv2" param { lr_mult: 1 } param { lr_mult: 2 }
  convolution_param { num_output: 50 kernel_size: 5 stride: 1 weight_filler { type: "xavier" } } }
layer { name: "pool2" type: "Pooling" bottom: "conv2" top: "pool2"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "ip1" type: "InnerProduct" bottom: "pool2" top: "ip1" param { lr_mult: 1 } param { lr_mult: 2 }
  inner_product_param { num_output: 500 weight_filler { type: "xavier" } } }
layer { name: "relu1" type: "ReLU" bottom: "ip1" top: "ip1" }
layer { name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2" param { lr_mult: 1 } param { lr_mult: 2 }
  inner_product_param { num_output: 10 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }
"""
SOLVER = """
base_lr: 0.01 momentum: 0.9 weight_decay: 0.0005 lr_policy: "inv" gamma: 0.0001 power: 0.75 max_iter: 10000
"""


def commands() -> list[list[str]]:
    """The three commands, without the word alexc."""
    section = PAGE.split("## Three commands\n")[1].split("\n## ")[0]
    (block,) = re.findall(r"^```\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    words = [shlex.split(line) for line in block.splitlines()]
    assert [line[0] for line in words] == ["alexc"] * 3
    return [line[1:] for line in words]


def follow(folder: Path, steps: int, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """Run the three commands in a folder that has `mnist` and `digit.png`, with a shorter training."""
    monkeypatch.chdir(folder)
    make_shards_here(monkeypatch)
    (folder / "generated").symlink_to(ROOT / "generated")
    train, *others = commands()
    app.main([*train, "--steps", str(steps), "--device", "cpu"], standalone_mode=False)
    for command in others:
        app.main(command, standalone_mode=False)
    return RunFolder(folder / "runs" / "lenet")


@pytest.mark.slow
def test_the_three_commands_learn_digits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for split, count, seed in (("train", 640, 1), ("t10k", 100, 2)):
        write_idx(*draw_digits(count, seed), tmp_path / "mnist", split)
    Image.fromarray(draw_digits(10, 3)[0][4]).convert("RGB").save(tmp_path / "digit.png")
    run = follow(tmp_path, 64, monkeypatch)
    said = capsys.readouterr().out
    assert min(record["val_error"] for record in metrics(run.path) if "val_error" in record) < 0.4
    store = open_store(Path(run.read_record()["store"]["path"]))
    assert store.train.image(0).shape == (28, 28, 1)
    guesses = re.findall(r"^ *[\d.]+% +(\d)$", said.split("digit.png")[-1], re.MULTILINE)
    assert len(set(guesses)) == 5, said


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason="no real digits beside the repository")
def test_over_97_percent_of_real_digits_are_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mnist").symlink_to(REAL)
    Image.fromarray(draw_digits(10, 3)[0][4]).save(tmp_path / "digit.png")
    run = follow(tmp_path, PLENTY, monkeypatch)
    assert min(record["val_error"] for record in metrics(run.path) if "val_error" in record) < 0.03


def test_the_page_shows_the_network_and_a_variant_that_compiles(tmp_path: Path) -> None:
    shown, variant = re.findall(r"^```\n(network .*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert shown.strip() in LENET.read_text(encoding="utf-8")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "wide.net").write_text(variant)
    checked = check_file(tmp_path / "wide.net")
    assert checked.graph is not None
    assert checked.diagnostics == ()
    assert (ROOT / "generated" / "lenet.py").read_text().count("\n") == 80


def test_lenet_is_caffes() -> None:
    """The import of Caffe's files has the same layers, initial values, rates and recipe."""
    sources = [Source("lenet_train_test.prototxt", CAFFES), Source("lenet_solver.prototxt", SOLVER)]
    imported = import_sources(sources, Assumptions(input=Shape((1, 28, 28))))
    assert imported.text is not None, imported.findings
    made, own = check_text(imported.text, "imported.net").graph, check_file(LENET).graph
    assert made is not None
    assert own is not None
    of_both = [
        [
            (
                node.layer.name,
                type(node.layer.kind),
                node.output,
                node.weights,
                getattr(node.layer.kind, "bias_rate", None),
            )
            for node in graph.nodes
        ]
        for graph in (made, own)
    ]
    assert of_both[0] == of_both[1]
    assert made.net.recipe is not None
    assert own.net.recipe is not None
    assert recipe_texts(made.net.recipe) == recipe_texts(own.net.recipe)


# Table I of the paper: the maps of s2 that each map of c3 reads.
TABLE = [
    "012", "123", "234", "345", "045", "015", "0123", "1234", "2345", "0345", "0145", "0125", "0134", "1245", "0235",
    "012345",
]  # fmt: skip


def test_the_maps_of_lenet5_read_those_of_the_papers_table() -> None:
    network = load_module_file(ROOT / "generated" / "lenet5.py").build(seed=1)
    modules = dict(network.named_modules())
    seen: dict[str, torch.Tensor] = {}
    for name in ("s2_avgpool1_conv", "s4_avgpool1_conv"):
        modules[name].register_forward_hook(lambda _, __, output, name=name: seen.update({name: output}))
    network(torch.rand(1, 1, 28, 28))
    connected = []
    for number in range(16):  # a map of s4 reads its own map of c3 alone
        (slope,) = torch.autograd.grad(
            seen["s4_avgpool1_conv"][0, number].sum(), seen["s2_avgpool1_conv"], retain_graph=True
        )
        connected.append("".join(str(place) for place in range(6) if slope[0, place].abs().max() > 0))
    assert connected == TABLE


def test_the_squashing_of_lenet5_is_the_papers() -> None:
    """c1 and its squashing, then s2: a times the sum of four values plus b, squashed, in float64 by numpy."""
    network = load_module_file(ROOT / "generated" / "lenet5.py").build(seed=1).double()
    image = torch.rand(1, 1, 28, 28, dtype=torch.float64)
    modules = dict(network.named_modules())
    seen: dict[str, torch.Tensor] = {}
    modules["m15"].register_forward_pre_hook(lambda _, given: seen.update(s2=given[0]))
    network(image)

    def squash(values: np.ndarray) -> np.ndarray:
        return 1.7159 * np.tanh(values * 2 / 3)

    c1 = squash(modules["c1"](image)[0].detach().numpy())
    sums = c1[:, ::2, ::2] + c1[:, 1::2, ::2] + c1[:, ::2, 1::2] + c1[:, 1::2, 1::2]
    weight, bias = (each.detach().numpy().reshape(6, 1, 1) for each in modules["s2_avgpool1_conv"].parameters())
    np.testing.assert_allclose(seen["s2"][0].detach().numpy(), squash(weight * sums + bias), rtol=1e-6)
