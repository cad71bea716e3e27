"""The command line of a training's options: `alexc` reads it as the same options."""

from __future__ import annotations

from dataclasses import MISSING, fields, replace
from pathlib import Path

import pytest

from alexc.cli import app
from alexc.runtime import allocator
from alexc.runtime.training import command
from alexc.runtime.training.options import AUTO, TrainOptions, command_line, resume_command

EVERYTHING = TrainOptions(
    network=Path("-my net.py"),
    data=Path("-some images"),
    spec=Path("my net.net"),
    out=Path("runs/new"),
    resume=Path("runs/old/last.pt"),
    weights=Path("--weights"),
    freeze=("conv1", "features.3"),
    epochs=7,
    batch=48,
    lr=1e-05,
    weight_decay=0.0,
    accumulate=3,
    class_weights=Path("weights.csv"),
    sampler="weighted",
    amp="bf16",
    steps=11,
    seed=0,
    device="cuda:1",
    ranks=4,
    workers=5,
    cache="device",
    compile=True,
    deterministic=False,
    tf32=True,
    save_every=13,
    print_freq=17,
    tensorboard=False,
    log_wandb=True,
    command=("alexc", "train"),
    find_spec=lambda _file, _spec: pytest.fail("no spec is looked for"),
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[TrainOptions]:
    """The options that `alexc train` was called with, in place of a training."""
    calls: list[TrainOptions] = []

    def run_training(options: TrainOptions) -> int:
        calls.append(options)
        return 0

    monkeypatch.setattr(command, "run_training", run_training)
    monkeypatch.setattr(allocator, "keep_freed_memory", lambda: None)
    return calls


def test_no_option_is_at_its_default_here() -> None:
    """A new option must be in `EVERYTHING`, and so in the command line."""
    for field in fields(TrainOptions):
        assert field.default is MISSING or getattr(EVERYTHING, field.name) != field.default, field.name


@pytest.mark.parametrize(
    "options",
    [
        EVERYTHING,
        replace(EVERYTHING, resume=AUTO, amp="fp16", freeze=()),
        TrainOptions(network=Path("net.py")),
    ],
)
def test_the_command_reads_the_same_options(asked: list[TrainOptions], options: TrainOptions) -> None:
    app(command_line(options), standalone_mode=False)
    (read,) = asked
    assert read.network == options.network
    assert replace(read, command=options.command, find_spec=options.find_spec) == options


@pytest.mark.posix
def test_only_what_differs_from_the_default_is_written() -> None:
    assert command_line(TrainOptions(network=Path("net.py"))) == ["train", "net.py"]
    assert resume_command(Path("my net.py"), Path("run"), "cpu", compiled=True) == (
        "alexc train 'my net.py' --resume run --device cpu --compile"
    )
