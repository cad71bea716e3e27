"""`alexc summary`, `alexc draw` and `Net.from_file` on files of other programs, which need not be imported first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from alexc import Net, SpecError
from alexc.compiler.text.source import Source
from alexc.importers.foreign.network import Assumptions
from alexc.importers.pipeline import import_sources
from tests.conftest import ROOT, Alexc

FOREIGN = ROOT / "tests" / "importers" / "files"
TWO_GPUS = ("cuda_convnet/alexnet-two-gpus.cfg", "cuda_convnet/alexnet-two-gpus-params.cfg")
ALEXNET = "60,965,224 parameters, 659,272 neurons, 724,406,816 multiply-adds per image"


@pytest.mark.parametrize(
    ("arguments", "total"),
    [
        (("caffe/alexnet_train.prototxt",), ALEXNET),
        (("caffe/alexnet_v1.prototxt",), ALEXNET),
        ((*TWO_GPUS, "--input", "3x227x227"), ALEXNET),
        (("cuda_convnet/cifar-80sec.cfg", "--input", "3x32x32"), "145,578 parameters"),
        (("darknet/darknet19.cfg",), "20,842,376 parameters"),
    ],
)
def test_summary_counts_what_the_file_describes(alexc: Alexc, arguments: tuple[str, ...], total: str) -> None:
    result = alexc("summary", *arguments, cwd=FOREIGN)
    assert result.returncode == 0, result.stderr
    assert total in result.stdout
    assert "Traceback" not in result.stderr


def test_draw_draws_the_towers_of_two_gpus(alexc: Alexc, tmp_path: Path) -> None:
    result = alexc("draw", *(FOREIGN / file for file in TWO_GPUS), "--input", "3x227x227")
    assert result.returncode == 0, result.stderr
    assert "2 towers" in (tmp_path / "alexnet-two-gpus.svg").read_text()


@pytest.mark.slow
def test_what_the_file_leaves_open_is_asked_for(alexc: Alexc) -> None:
    result = alexc("summary", FOREIGN / "cuda_convnet/cifar-80sec.cfg")
    assert (result.returncode, result.stdout) == (1, "")
    assert "give it: `--input" in result.stderr
    wrong = alexc("summary", FOREIGN / "cuda_convnet/cifar-80sec.cfg", "--input", "32")
    assert (wrong.returncode, "--input 32: must be channels x height x width" in wrong.stderr) == (1, True)


def test_what_a_spec_cannot_say_is_told_beside_the_table(alexc: Alexc) -> None:
    result = alexc("summary", FOREIGN / "darknet/alexnet.cfg")
    assert result.returncode == 0
    assert "62,378,344 parameters" in result.stdout
    assert "warning[W0901]" in result.stderr
    assert "angle=7" in result.stderr


def test_from_python_with_the_findings_at_hand() -> None:
    net = Net.from_file(FOREIGN / "darknet/alexnet.cfg")
    assert net.graph.parameters == 62_378_344
    assert {each.code for each in net.warnings} == {"W0901"}
    assert net.text.startswith(("network ", "#"))
    assert Net.from_text(net.text).graph.parameters == 62_378_344
    with pytest.raises(SpecError, match="a solver by itself has no network") as caught:
        Net.from_file(FOREIGN / "caffe/alexnet_solver.prototxt")
    assert [each.code for each in caught.value.findings] == ["E0906"]


@pytest.mark.slow
def test_a_network_of_torchvision_by_its_name(alexc: Alexc) -> None:
    result = alexc("summary", "torchvision:resnet18")
    assert result.returncode == 0, result.stderr
    assert "11,689,512 parameters" in result.stdout


def test_specs_stand_alone(alexc: Alexc) -> None:
    result = alexc("summary", ROOT / "spec/alexnet.net", ROOT / "examples/small.net")
    assert (result.returncode, result.stdout) == (1, "")
    assert "small.net: a spec is one file" in result.stderr


def test_no_torch_is_loaded_for_a_file(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom alexc import Net\nNet.from_file(sys.argv[1]).summary()\nassert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, FOREIGN / "caffe/alexnet_train.prototxt"], check=True)


def test_a_spec_with_another_ending_is_still_a_spec(tmp_path: Path) -> None:
    path = tmp_path / "small.txt"
    path.write_text((ROOT / "examples" / "small.net").read_text())
    assert Net.from_file(path).graph.parameters == 332_682


def test_a_number_of_sixteen_digits_is_written_with_an_exponent() -> None:
    text = (FOREIGN / "caffe/alexnet_train.prototxt").read_text().replace("lr_mult: 2", "lr_mult: 1000000000000000")
    result = import_sources([Source("net.prototxt", text)], Assumptions())
    assert result.text is not None, result.findings
    assert "bias_rate=1e15" in result.text
