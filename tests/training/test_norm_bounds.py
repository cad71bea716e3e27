"""Bounds on the norms of kernels after each step, in float64: those of 2012, and max-norm."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from alexc.compiler.net.spec_text import step_text
from alexc.compiler.pipeline import check_text
from alexc.runtime.training.norm_bounds import bound_norms
from tests.support import tiny_training as tiny
from tests.support.compiled import names_of, network_of

VECTORS = Path(__file__).resolve().parents[3] / "shared" / "oracles" / "lab-2012-vectors.json"


def bounded(weight: Tensor, least: float | None, most: float | None, about: str) -> Tensor:
    """The weight of a layer after a step that leaves it as it is."""

    class Net(nn.Module):
        norm_bounds = {"layer.weight": (least, most, about)}  # noqa: RUF012

    network = Net()
    network.layer = nn.Linear(1, 1)
    network.layer.weight = nn.Parameter(weight.clone())
    network.layer.weight.grad = torch.zeros_like(weight)
    bound_norms(network)
    return network.layer.weight.detach()


KERNELS = torch.randn(6, 3, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
KERNELS *= torch.linspace(0.1, 3, 6, dtype=torch.float64).view(6, 1, 1, 1)


@pytest.mark.parametrize("about", ["zero", "mean"])
@pytest.mark.parametrize(("least", "most"), [(None, 2.0), (1.5, None), (1.0, 2.0), (1.5, 1.5)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_each_kernel_is_scaled_into_its_bounds(
    layout: torch.memory_format, least: float | None, most: float | None, about: str
) -> None:
    found = bounded(KERNELS.to(memory_format=layout), least, most, about)
    changed = 0
    for before, after in zip(KERNELS, found, strict=True):
        around = before - before.mean() if about == "mean" else before
        norm = around.square().sum().sqrt()
        wanted = norm if least is None else norm.clamp(min=least)
        wanted = wanted if most is None else wanted.clamp(max=most)
        torch.testing.assert_close(after, before * (wanted / norm), rtol=1e-14, atol=0)
        if wanted == norm:
            assert torch.equal(after, before)
        else:
            changed += 1
    assert changed


def test_a_kernel_of_zeros_stays() -> None:
    assert torch.equal(bounded(torch.zeros(2, 3, dtype=torch.float64), 1.0, 2.0, "zero"), torch.zeros(2, 3).double())


@pytest.mark.skipif(not VECTORS.is_file(), reason="the recorded values are not present")
def test_the_bounds_of_2012_give_the_recorded_weights() -> None:
    cases: Any = json.loads(VECTORS.read_text())
    ball, norm = cases["wball"], cases["wcnorm"]
    weight = torch.tensor(ball["weights_rows_are_filters"], dtype=torch.float64)
    found = bounded(weight, None, ball["wball"] * weight.shape[1], "zero")
    torch.testing.assert_close(found, torch.tensor(ball["output"], dtype=torch.float64), rtol=1e-12, atol=1e-15)
    weight = torch.tensor(norm["weights_rows_are_filters"], dtype=torch.float64)
    found = bounded(weight, norm["wcNormMin"] * weight.shape[1], norm["wcNormMax"] * weight.shape[1], "mean")
    torch.testing.assert_close(found, torch.tensor(norm["output"], dtype=torch.float64), rtol=1e-12, atol=1e-15)


SPEC = """
network N {
  input 3x8x8
  conv1: conv 4 kernel=3 max_norm=0.5 -> relu
  conv2: conv 4 kernel=3 min_norm=0.1 max_norm=0.2 norm_about=mean
  fc: linear 2 max_norm=3 -> softmax
}
"""


def test_the_bounds_of_a_spec_are_in_the_class() -> None:
    checked = check_text(SPEC, "n.net")
    assert checked.graph is not None, checked.diagnostics
    assert names_of(checked.graph)["N"].norm_bounds == {
        "conv1.weight": (None, 0.5, "zero"),
        "conv2.weight": (0.1, 0.2, "mean"),
        "fc.weight": (None, 3.0, "zero"),
    }
    kinds = [node.layer.kind for node in checked.graph.nodes if node.weights]
    assert step_text(kinds[1]) == "conv 4 kernel=3 min_norm=0.1 max_norm=0.2 norm_about=mean"


def test_weights_that_are_not_trained_stay() -> None:
    network = network_of(check_text(SPEC.replace("max_norm=3", "max_norm=3 weight_rate=0"), "n.net").graph, "cpu")  # type: ignore[arg-type]
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.get_parameter("conv2.weight").grad = torch.zeros(4, 4, 3, 3)
    network.get_parameter("fc.weight").grad = torch.zeros(2, 64)
    with torch.no_grad():
        network.get_parameter("fc.weight").mul_(100)
    before["fc.weight"] *= 100
    bound_norms(network)
    changed = [name for name, value in network.state_dict().items() if not torch.equal(value, before[name])]
    assert changed == ["conv2.weight"]


def test_contradicting_bounds_are_refused() -> None:
    (problem,) = check_text(SPEC.replace("max_norm=0.2", "max_norm=0.05"), "n.net").diagnostics
    assert (problem.code, problem.span.text) == ("E0204", "min_norm=0.1")
    assert "has `min_norm=0.1` above `max_norm=0.05`" in problem.headline


def test_a_training_bounds_the_norms_in_every_step(tmp_path: Path) -> None:
    tiny.make_store(tmp_path)
    bounds = '    norm_bounds = {"fc.weight": (None, 0.25, "zero")}\n'
    path = tiny.write_network(tmp_path, ("    input_shape = (3, 16, 16)\n", f"    input_shape = (3, 16, 16)\n{bounds}"))
    tiny.run_to(tiny.options(path, tmp_path / "store", tmp_path / "run"), steps=2)
    weights = tiny.checkpoint(tmp_path / "run" / "last.pt")["weights"]
    torch.testing.assert_close(weights["fc.weight"].norm(dim=1), torch.full((4,), 0.25))
