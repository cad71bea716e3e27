"""A device that is ahead of the results that are read, as a GPU is: the training is the same, bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from alexc.runtime.data.batch_loader import Batch
from alexc.runtime.errors import UserError
from alexc.runtime.training.set_up import set_up
from alexc.runtime.training.trainer import Stopped
from tests.support import tiny_training as tiny

AHEAD = 2
# The gradient is infinite from the sixth step on, the second of the second epoch.
BREAKS = (
    "        return self.fc(self.torchs_drop(self.drop(x.flatten(1))))",
    "        self.norm.weight.register_hook(lambda gradient: gradient / (self.norm.num_batches_tracked < 6))\n"
    "        return self.fc(self.torchs_drop(self.drop(x.flatten(1))))",
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ahead")
    tiny.make_store(folder)
    tiny.write_network(folder)
    tiny.write_network(folder, BREAKS, name="breaks.py")
    return folder


def train(
    home: Path,
    run: str,
    ahead: int,
    network: str = "tiny.py",
    steps: int | None = None,
    interrupted: Callable[[], bool] = lambda: False,
    **changes: Any,  # noqa: ANN401
) -> Path:
    with set_up(tiny.options(home / network, home / "store", home / run, **changes)) as trainer, suppress(Stopped):
        replace(trainer, ahead=ahead).train(interrupted, steps)
    return home / run


@pytest.mark.parametrize("save_every", [1, 3, 1000])
def test_a_training_ahead_is_the_same(home: Path, save_every: int) -> None:
    expected = train(home, f"read-{save_every}", 0, save_every=save_every)
    tiny.assert_same_run(train(home, f"ahead-{save_every}", AHEAD, save_every=save_every), expected)


@pytest.mark.parametrize("steps", [1, 5, 6])
def test_it_stops_and_goes_on_at_any_step(home: Path, steps: int) -> None:
    expected, name = train(home, f"whole-{steps}", 0), f"parts-{steps}"
    run = train(home, name, AHEAD, steps=steps)
    assert tiny.checkpoint(run / "last.pt")["state"]["step"] == steps
    tiny.assert_same_run(train(home, name, AHEAD, resume=True), expected)


def test_it_stops_when_asked_and_loses_no_step(home: Path) -> None:
    asked = iter([False] * 4 + [True] * 100)
    run = train(home, "asked", AHEAD, interrupted=lambda: next(asked))
    step = tiny.checkpoint(run / "last.pt")["state"]["step"]
    assert 0 < step <= 4 + 2 * AHEAD
    tiny.assert_same_run(train(home, "asked", AHEAD, resume=True), train(home, "not-asked", 0))


def test_a_step_that_is_not_finite_is_named_as_ever(home: Path) -> None:
    found = []
    for ahead in (0, AHEAD):
        with pytest.raises(UserError) as error:
            train(home, f"breaks-{ahead}", ahead, "breaks.py")
        found.append((str(error.value).replace(f"breaks-{ahead}", "RUN"), tiny.metrics(home / f"breaks-{ahead}")))
    assert "a gradient is not finite at step 6 (epoch 2)" in found[0][0]
    assert found[0] == found[1]


@pytest.mark.parametrize("optimizer", ["SGD(lr=0.02, momentum=0.9, weight_decay=0.0005)", "Adam(lr=0.001)"])
def test_a_step_that_is_not_finite_does_not_happen(home: Path, tmp_path: Path, optimizer: str) -> None:
    """The device decides, before anything is read."""
    network = tiny.write_network(tmp_path, ("SGD(lr=0.02, momentum=0.9, weight_decay=0.0005)", optimizer))
    with set_up(tiny.options(network, home / "store", tmp_path / "run")) as made:
        trainer = replace(made, ahead=AHEAD)
        before = {name: value.clone() for name, value in trainer.model.network.named_parameters()}
        images = torch.full((2, 3, tiny.SIZE, tiny.SIZE), torch.inf).contiguous(memory_format=torch.channels_last)
        batch = Batch(images, torch.tensor([0, 1]), 2)
        assert list(trainer.take_step(2, [(batch, True)], lambda: False)) == []
        assert all(torch.equal(before[name], value) for name, value in trainer.model.network.named_parameters())
        with pytest.raises(UserError, match="the loss is nan at step 1"):
            list(trainer.results(lambda: False))
