"""A run keeps the spec of its network: found again by its name and its bytes, or named by the user."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
from importlib.metadata import version
from pathlib import Path

import pytest

from alexc.compiler.files.pytorch import write_pytorch
from alexc.compiler.pipeline import check_file, check_text
from alexc.runtime.errors import UserError
from alexc.runtime.network_file import load_network_file
from alexc.runtime.training.options import FoundSpec
from alexc.spec_search import find_spec
from tests.conftest import ROOT, Alexc
from tests.support import tiny_training as tiny

SPEC = """network Tiny {
  input 3x16x16

  conv1: conv 6 kernel=5 -> relu -> maxpool 2
  fc2:   linear 4 -> softmax
}

placement two {
  mesh  gpu=2
  split images by gpu
}

train {
  prepare   resize 24 -> center_crop 20 -> subtract mean_image
  augment   random_crop 16 -> mirror
  test      ten_crop 16
  loss      cross_entropy
  optimizer sgd lr=0.01 momentum=0.9 weight_decay=0.0005
  schedule  plateau of=val_loss divide=2 times=3 patience=1 least=10
  batch     8
  epochs    3
}
"""
VARIANT = 'network Wider extends "../specs/tiny-net.net" {\n  conv1: kernels=8\n}\n'


def compile_into(folder: Path, spec: Path, placement: str | None = None) -> Path:
    checked = check_file(spec)
    assert checked.graph is not None, checked.diagnostics
    folder.mkdir(exist_ok=True)
    path = folder / f"{spec.stem.replace('-', '_')}{f'_{placement}' if placement else ''}.py"
    path.write_text(write_pytorch(checked.graph, spec.name, checked.placed[placement] if placement else None))
    return path


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with specs/tiny-net.net, variants/wider.net, and an empty folder to be in."""
    for name, text in (("specs/tiny-net.net", SPEC), ("variants/wider.net", VARIANT)):
        path = tmp_path / "project" / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "elsewhere" / "deep")
    return tmp_path / "project"


def found(network: Path, given: Path | None = None) -> FoundSpec:
    return find_spec(load_network_file(network), given)


def assert_makes(spec: FoundSpec, network: Path, name: str, placement: str | None = None) -> None:
    """What was found stands alone, is laid out, and compiles to the bytes of the network."""
    assert spec.text is not None, spec.note
    checked = check_text(spec.text, name)  # a text that extends a file has mistakes
    assert checked.graph is not None, checked.diagnostics
    placed = checked.placed[placement] if placement else None
    assert write_pytorch(checked.graph, name, placed) == network.read_text()


@pytest.mark.parametrize("placement", [None, "two"])
def test_it_is_found_in_a_folder_beside_that_of_the_network(project: Path, placement: str | None) -> None:
    network = compile_into(project / "made", project / "specs" / "tiny-net.net", placement)
    assert_makes(found(network), network, "tiny-net.net", placement)


def test_a_variant_is_kept_with_what_it_extends(project: Path) -> None:
    network = compile_into(project / "made", project / "variants" / "wider.net")
    assert_makes(found(network), network, "wider.net")
    assert "extends" not in str(found(network).text)


@pytest.mark.parametrize("place", [".", "..", "specs", "../specs"])
def test_it_is_found_around_the_current_folder(project: Path, tmp_path: Path, place: str) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    network = compile_into(tmp_path / "a" / "b" / "made", project / "specs" / "tiny-net.net")
    shutil.move(project / "specs", tmp_path / "moved")
    assert found(network).text is None
    Path(place).mkdir(exist_ok=True)
    shutil.copy(tmp_path / "moved" / "tiny-net.net", place)
    assert_makes(found(network), network, "tiny-net.net")


def test_the_flagship_is_found_wherever_one_is(project: Path) -> None:
    network = compile_into(project / "made", ROOT / "spec" / "alexnet.net", "two_gpus")
    assert_makes(found(network), network, "alexnet.net", "two_gpus")


def test_the_network_of_a_run_has_its_spec_beside_it(project: Path, tmp_path: Path) -> None:
    network = compile_into(project / "made", project / "specs" / "tiny-net.net")
    kept = found(network).text
    run = tmp_path / "other" / "runs" / "one"
    run.mkdir(parents=True)
    shutil.copy(network, run / "network.py")
    (run / "network.net").write_text(str(kept))
    assert found(run / "network.py").text == kept


def test_another_spec_of_the_name_is_passed_over_and_told(project: Path) -> None:
    network = compile_into(project / "made", project / "specs" / "tiny-net.net")
    spec = project / "specs" / "tiny-net.net"
    for text in (SPEC.replace("kernel=5", "kernel=3"), "no spec", SPEC + "\0"):
        spec.write_text(text)
        assert found(network) == FoundSpec(
            note=f"note: tiny-net.net, which {network} was made from, was not found as it was then, so the run does "
            "not hold it; name it by --spec SPEC"
        )
    spec.unlink()
    os.mkfifo(spec)  # which nobody writes to: opening it would wait for ever
    assert found(network).text is None
    (project / "another").mkdir()
    (project / "another" / "tiny-net.net").write_text(SPEC)
    assert_makes(found(network), network, "tiny-net.net")


def test_a_network_written_by_hand_has_none(tmp_path: Path) -> None:
    network = tiny.write_network(tmp_path)
    assert found(network) == FoundSpec()
    (tmp_path / "spec.net").write_text(SPEC)
    with pytest.raises(UserError, match="was not made by `alexc compile`"):
        found(network, tmp_path / "spec.net")


def test_a_spec_that_is_named_is_the_one_or_refused(project: Path, tmp_path: Path) -> None:
    network = compile_into(project / "made", project / "specs" / "tiny-net.net", "two")
    renamed = (project / "specs" / "tiny-net.net").rename(tmp_path / "old.net")
    assert_makes(found(network, renamed), network, "tiny-net.net", "two")
    renamed.write_text(SPEC.replace("epochs    3", "epochs    4"))
    with pytest.raises(UserError, match=r"old.net does not compile to .*run alexc compile \S*old.net --placement two"):
        found(network, renamed)
    renamed.write_text("network {")
    with pytest.raises(UserError, match=r"old.net has mistakes: see alexc check \S*old.net$"):
        found(network, renamed)
    with pytest.raises(UserError, match="there is no such file"):
        found(network, tmp_path / "none.net")


def assert_is_described(run: Path, network: Path) -> None:
    """The folder holds the files that docs/training.md lists, and run.json what it says of it."""
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    rows = [
        line
        for line in page.partition("## The folder of a run")[2].partition("\n## ")[0].splitlines()
        if line.startswith("| `")
    ]
    listed = {name.rstrip("/") for row in rows for name in re.findall(r"`(.+?)`", row.split("|")[1])}
    assert {path.name for path in run.iterdir()} == listed - {"report.html", "wandb"}
    record = json.loads((run / "run.json").read_text())
    (command,) = record["commands"]
    assert command["command"][1:4] == ["train", str(network), "--data"]
    assert command["versions"] == {"python": platform.python_version()} | {
        package: version(package) for package in ("alexc", "torch", "torchvision", "numpy", "pillow", "simplejpeg")
    }
    assert (record["seed"], record["epochs"], record["batch"]) == (0, 1, 8)
    assert (command["host"], command["device"], command["compile"]) == (platform.node(), "cpu", False)


@pytest.mark.slow
def test_the_command_keeps_it(project: Path, alexc: Alexc, tmp_path: Path) -> None:
    tiny.make_store(tmp_path)
    network = compile_into(project / "made", project / "variants" / "wider.net")
    plain = ("train", network, "--data", tmp_path / "store", "--device", "cpu")
    begun = alexc(*plain, "--epochs", "1", "--out", "run")
    assert begun.returncode == 0, begun.stderr
    assert "note: wider" not in begun.stdout
    kept = (tmp_path / "run" / "network.net").read_text()
    assert_makes(FoundSpec(kept), network, "wider.net")
    assert_is_described(tmp_path / "run", network)
    shutil.move(project / "variants" / "wider.net", tmp_path / "away.net")
    missed = alexc(*plain, "--steps", "1", "--out", "without")
    assert missed.returncode == 0, missed.stderr
    assert missed.stdout.count("name it by --spec SPEC") == 1
    assert not (tmp_path / "without" / "network.net").exists()
    (tmp_path / "away.net").write_text(kept)
    named = alexc(*plain, "--steps", "1", "--out", "named", "--spec", "away.net")
    assert named.returncode == 0, named.stderr
    assert (tmp_path / "named" / "network.net").read_text() == kept
    wrong = alexc(*plain, "--out", "wrong", "--spec", project / "specs" / "tiny-net.net")
    assert wrong.returncode == 1
    assert "does not compile to" in wrong.stderr
    assert not (tmp_path / "wrong").exists()
