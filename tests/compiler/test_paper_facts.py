"""The flagship spec has the counts of the paper's table."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from alexc import Net
from alexc.compiler.graph.graph import Graph
from alexc.compiler.graph.summary import rows, total
from alexc.compiler.pipeline import check_file, check_text
from alexc.compiler.recipe.steps import SGD
from tests.conftest import ROOT, Alexc

# layer: output, weights, biases, neurons, multiply-adds, input
PAPER = {
    "conv1": ("96x55x55", 34_848, 96, 290_400, 105_415_200, "image"),
    "conv2": ("256x27x27", 307_200, 256, 186_624, 223_948_800, "tower"),
    "conv3": ("384x13x13", 884_736, 384, 64_896, 149_520_384, "all"),
    "conv4": ("384x13x13", 663_552, 384, 64_896, 112_140_288, "tower"),
    "conv5": ("256x13x13", 442_368, 256, 43_264, 74_760_192, "tower"),
    "fc6": ("4096", 37_748_736, 4_096, 4_096, 37_748_736, "all"),
    "fc7": ("4096", 16_777_216, 4_096, 4_096, 16_777_216, "all"),
    "fc8": ("1000", 4_096_000, 1_000, 1_000, 4_096_000, "all"),
}


def graph_of(path: Path) -> Graph:
    checked = check_file(path)
    assert checked.graph is not None, checked.diagnostics
    return checked.graph


@pytest.fixture(scope="module")
def flagship() -> Graph:
    return graph_of(ROOT / "spec" / "alexnet.net")


def test_every_row_of_the_table(flagship: Graph) -> None:
    found = {
        row.layer: (row.output, row.weights, row.biases, row.neurons, row.multiply_adds, row.reads)
        for row in rows(flagship)
    }
    assert found == PAPER


def test_totals(flagship: Graph) -> None:
    assert flagship.parameters == 60_965_224
    assert flagship.neurons == 659_272
    assert flagship.multiply_adds == 724_406_816
    assert (total(flagship).weights, total(flagship).biases) == (60_954_656, 10_568)


def test_overlapping_pools_go_from_55_to_27_to_13_to_6(flagship: Graph) -> None:
    assert [row.leaves for row in rows(flagship) if "maxpool" in row.then] == ["96x27x27", "256x13x13", "256x6x6"]


def test_the_spec_has_the_recipe_of_the_paper(flagship: Graph) -> None:
    recipe = flagship.net.recipe
    assert recipe is not None
    assert [type(step).__name__ for step in recipe.prepare] == ["Resize", "CenterCrop", "Subtract"]
    assert recipe.optimizer == SGD(lr=0.01, momentum=0.9, weight_decay=0.0005)
    assert (recipe.batch, recipe.epochs) == (128, 90)
    assert recipe.schedule.model_dump() == {
        "of": "val_error", "divide": 10.0, "times": 3, "patience": 3, "least": 0.0
    }  # fmt: skip


def test_the_spec_has_the_three_placements(flagship: Graph) -> None:
    placements = {each.name: each for each in flagship.net.placements}
    assert list(placements) == ["two_gpus", "one_weird_trick", "pod"]
    trick = placements["one_weird_trick"]
    assert [(split.what, split.statements) for split in trick.splits] == [
        ("images", ("conv1", "conv2", "conv3", "conv4", "conv5")),
        ("channels", ("fc6", "fc7", "fc8")),
    ]
    assert [(axis.name, axis.devices) for axis in placements["pod"].mesh] == [("copy", 4), ("tower", 2)]


def test_without_towers_the_count_is_that_of_one_gpu() -> None:
    assert graph_of(ROOT / "examples" / "alexnet_one_gpu.net").parameters == 62_378_344


def test_another_kernel_size_changes_all_numbers_that_depend_on_it() -> None:
    text = (ROOT / "spec" / "alexnet.net").read_text().replace("kernel=11", "kernel=7")
    graph = check_text(text, "variant.net").graph
    assert graph is not None
    first, second, *_, last = rows(graph)
    assert first.output == "96x56x56"  # (227 - 7) / 4 + 1
    assert first.weights == 96 * 3 * 7 * 7
    assert first.neurons == 96 * 56 * 56
    assert first.multiply_adds == first.weights * 56 * 56
    assert second.output == "256x27x27"
    assert last.weights == 4_096_000


def test_summary_without_a_file_is_that_of_the_flagship(alexc: Alexc, root: Path) -> None:
    alone = alexc("summary")
    assert alone.returncode == 0, alone.stderr
    assert alone.stdout == alexc("summary", root / "spec" / "alexnet.net").stdout
    for _, weights, biases, neurons, multiply_adds, _ in PAPER.values():
        for count in (weights, biases, neurons, multiply_adds):
            assert f" {count:,}" in alone.stdout
    assert "60,965,224 parameters, 659,272 neurons, 724,406,816 multiply-adds" in alone.stdout


def test_the_table_is_aligned(alexc: Alexc) -> None:
    lines = alexc("summary").stdout.splitlines()
    header, *body = lines[2:-2]
    end = header.index("weights") + len("weights")
    assert len(body) == 9
    assert all(line[end - 1].isdigit() and line[end] == " " for line in body)


def test_summary_as_json(alexc: Alexc) -> None:
    data = json.loads(alexc("summary", "--format", "json").stdout)
    assert (data["parameters"], data["neurons"], data["multiply_adds"]) == (60_965_224, 659_272, 724_406_816)
    assert {row["layer"]: row["weights"] for row in data["layers"]} == {name: row[1] for name, row in PAPER.items()}


def test_summary_as_csv(alexc: Alexc) -> None:
    table = list(csv.DictReader(io.StringIO(alexc("summary", "--format", "csv").stdout)))
    assert [row["layer"] for row in table] == [*PAPER, "total"]
    assert [int(row["neurons"]) for row in table] == [*(row[3] for row in PAPER.values()), 659_272]


def test_summary_as_markdown(alexc: Alexc) -> None:
    lines = [line for line in alexc("summary", "--format", "markdown").stdout.splitlines() if line.startswith("|")]
    assert len(lines) == 11
    assert {line.count("|") for line in lines} == {12}
    assert "| 34,848 |" in lines[2]


@pytest.mark.parametrize(
    ("shape", "pad", "note"),
    [
        # The paper says 224x224, which the first layer's windows of 11 at every fourth pixel do not cover.
        ("3x224x224", "0", "conv1 leaves 1 row and 1 column of the image unread; it reads all of 227x227"),
        ("3x227x224", "0", "conv1 leaves 1 column of the image unread; it reads all of 227x227"),
        ("3x226x227", "0", "conv1 leaves 3 rows of the image unread; it reads all of 227x227"),
        ("3x227x227", "0", ""),
        ("3x224x224", "2", ""),
        ("3x224x224", "same", ""),
    ],
)
def test_pixels_that_the_first_layer_does_not_read_are_told(shape: str, pad: str, note: str) -> None:
    text = f"network N {{\n input {shape}\n conv 4 kernel=11 stride=4 pad={pad} -> relu\n}}\n"
    summary = Net.from_text(text).summary()
    assert summary.note == note
    assert str(summary).endswith(f"\nnote: {note}" if note else "per image")
