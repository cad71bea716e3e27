"""Trains small forms of AlexNet as published and as coded in 2012, and of networks between the two.

`python -m benchmarks.paper_and_code IMAGES` writes benchmarks/results/paper_and_code.md. The specs are in
benchmarks/paper_and_code/. IMAGES has ten classes, as CIFAR-10 has. Each network is trained once from each seed; if
the command is interrupted, the same command continues. At the end, it times a step of both networks at full size.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

import torch

from alexc.runtime.device import device_text
from alexc.runtime.runs.metrics import read_metrics
from benchmarks.result_file import markdown_table, write_result
from benchmarks.step import Peer, measure

SPECS = Path(__file__).parent / "paper_and_code"
PAPER, SIDE = "paper", 72
FULL_SIZE = (Peer("paper", "alexnet", "alexc"), Peer("code", "alexnet_2012", "alexc"))
BATCH, ROUNDS = 32, 9
NETWORKS = {
    PAPER: "`spec/alexnet.net`",
    "code": "`examples/alexnet_2012.net`",
    "paper_signed_lrn": "paper, but LRN of signed values, pooling, ReLU in conv1",
    "paper_initial_values": "paper, but initial weights x3 in conv3, conv4 and conv5",
}
SMALLER = """\
All networks are made smaller in the same way: a quarter of the kernels and units; crops of 65 pixels of images of 72;
conv1 with a stride of 3; a pool that rounds up after conv5; a batch size of 32; four epochs at a rate of 0.01 and one
at 0.001. `code` has crops of 64 pixels, to which conv1 adds a row and a column of zeros. Initial standard deviations
are multiplied by 2, and by 6 in fc6, because sums have fewer inputs. The recipes differ only in the crops and the
colour noise; the other differences of the recipe of 2012 are left out.
"""


@dataclass(frozen=True)
class Setting:
    """The options of all runs: where they are, how many seeds, and the images per class to train and to validate."""

    images: Path
    runs: Path
    seeds: int
    to_train: int
    to_validate: int


@dataclass(frozen=True)
class Learned:
    """A run after each epoch: the validation error in percent, and the mean loss of the training images."""

    errors: tuple[float, ...]
    losses: tuple[float, ...]


def main() -> None:
    """Train each network from each seed, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path, help="a folder with train/CLASS/ and test/CLASS/ or val/CLASS/")
    parser.add_argument("--runs", type=Path, default=Path("runs/paper_and_code"), help="the folder of the runs")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each network; 3 by default")
    parser.add_argument("--to-train", type=int, default=500, help="training images per class; 500 by default")
    parser.add_argument("--to-validate", type=int, default=400, help="validation images per class; 400 by default")
    setting = Setting(**vars(parser.parse_args()))
    learned = learn(setting)
    write_result(
        "paper_and_code",
        "AlexNet as published and as coded in 2012, made smaller",
        [*_what_it_is(), "", *_tables(learned), "", *_cost_of_a_step()],
        ["torch"],
        [
            f"Device: {device_text(torch.device('cpu'))}, float32",
            f"Images per class: {setting.to_train} to train, {setting.to_validate} to validate; the first ones by name",
            f"Seeds: 0 to {setting.seeds - 1}",
        ],
    )


def learn(setting: Setting) -> dict[str, list[Learned]]:
    """Train all networks from the first seed, then from the next one, so that an interruption leaves whole seeds."""
    setting.runs.mkdir(parents=True, exist_ok=True)
    store = setting.runs / "store"
    if not store.exists():
        chosen = _chosen(setting)
        _alexc("prepare", chosen, "--resize", SIDE, "--crop", SIDE, "--out", store)
    _alexc("compile", *(SPECS / f"{name}.net" for name in NETWORKS), "-o", setting.runs)
    for seed in range(setting.seeds):
        for name in NETWORKS:
            run = setting.runs / f"{name}-{seed}"
            if not (run / "metrics.jsonl").exists():
                shutil.rmtree(run, ignore_errors=True)
            given = ("--data", store, "--seed", seed, "--out", run, "--resume", "auto", "--no-tensorboard")
            _alexc("train", setting.runs / f"{name}.py", *given, "--spec", SPECS / f"{name}.net", "--device", "cpu")
    seeds = range(setting.seeds)
    return {name: [_learned(setting.runs / f"{name}-{seed}") for seed in seeds] for name in NETWORKS}


def _alexc(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "alexc", *map(str, arguments)], check=True)  # noqa: S603 - ours


def _chosen(setting: Setting) -> Path:
    """Copy the first images of each class into a folder of the runs."""
    chosen = setting.runs / "images"
    validation = "val" if (setting.images / "val").is_dir() else "test"
    for ours, theirs, count in (("train", "train", setting.to_train), ("val", validation, setting.to_validate)):
        for folder in sorted(path for path in (setting.images / theirs).iterdir() if path.is_dir()):
            (chosen / ours / folder.name).mkdir(parents=True, exist_ok=True)
            for image in sorted(folder.iterdir())[:count]:
                shutil.copyfile(image, chosen / ours / folder.name / image.name)
    return chosen


def _learned(run: Path) -> Learned:
    epochs = [record for record in read_metrics(run / "metrics.jsonl") if record["kind"] == "epoch"]
    return Learned(
        tuple(100 * record["val_error"] for record in epochs), tuple(record["train_loss"] for record in epochs)
    )


def _tables(learned: dict[str, list[Learned]]) -> list[str]:
    epochs = len(learned[PAPER][0].errors)
    head = ["network", *(f"epoch {epoch}" for epoch in range(1, epochs + 1)), "deviation", "last loss"]
    rows = [head, *(_course(name, runs) for name, runs in learned.items())]
    seeds = [f"seed {seed}" for seed in range(len(learned[PAPER]))]
    last = [["network", *seeds, "mean minus paper", "smallest", "largest"]]
    for name, runs in learned.items():
        beyond = [ours.errors[-1] - papers.errors[-1] for ours, papers in zip(runs, learned[PAPER], strict=True)]
        differences = [f"{value:+.1f}" for value in (fmean(beyond), min(beyond), max(beyond))]
        last.append([name, *(f"{run.errors[-1]:.1f}" for run in runs), *(differences if name != PAPER else [""] * 3)])
    return [
        "Validation error in percent by the central view, mean over the seeds, with the standard deviation of the last",
        "epoch, and the mean loss of the training images in the last epoch:",
        "",
        *markdown_table(rows),
        "",
        "The last epoch by seed, and the differences from the paper's network of the same seed:",
        "",
        *markdown_table(last),
    ]


def _course(name: str, runs: Sequence[Learned]) -> list[str]:
    means = [fmean(errors) for errors in zip(*(run.errors for run in runs), strict=True)]
    last = [run.errors[-1] for run in runs]
    deviation = f"{stdev(last):.1f}" if len(last) > 1 else ""
    return [name, *(f"{mean:.1f}" for mean in means), deviation, f"{fmean(run.losses[-1] for run in runs):.2f}"]


def _what_it_is() -> list[str]:
    return [SMALLER, *(f"- {name}: {text}" for name, text in NETWORKS.items())]


def _cost_of_a_step() -> list[str]:
    timed, memory = measure(FULL_SIZE, BATCH, torch.device("cpu"), ROUNDS)
    seconds, ratio = [timed.median(str(place)) for place in range(2)], timed.ratio("1", "0")
    return [
        f"A training step at full size, {BATCH} images, the median of {ROUNDS} in turns: `spec/alexnet.net`",
        f"{seconds[0]:.2f} s and {memory['0']:,.0f} MB, `examples/alexnet_2012.net` {seconds[1]:.2f} s and "
        f"{memory['1']:,.0f} MB. The median ratio of the two times within a round is {ratio:.2f}.",
    ]


if __name__ == "__main__":
    main()
