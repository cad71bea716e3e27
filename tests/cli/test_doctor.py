"""`alexc doctor`: what it measures is consistent, and every finding appears when its cause is there."""

from __future__ import annotations

import importlib
import math
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch

from alexc.runtime.data.store import Geometry, open_store
from alexc.runtime.doctor import decoder as decoding
from alexc.runtime.doctor import devices as device_rows
from alexc.runtime.doctor import disk as disk_rows
from alexc.runtime.doctor import examination, throughput
from alexc.runtime.doctor.disk import disk, disk_speed
from alexc.runtime.doctor.machine import Memory, container_memory, core_quota, machine, memory_here
from alexc.runtime.doctor.section import Section
from alexc.runtime.doctor.throughput import StepTime, images_of_store, loading_rate, noise_images, step_time
from alexc.runtime.doctor.versions import versions
from alexc.runtime.errors import UserError
from alexc.runtime.network_file import load_network_file
from alexc.runtime.training.needed_bytes import bytes_in_memory, bytes_on_disk
from tests.conftest import Alexc
from tests.support import tiny_training as tiny


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with a network file and a store."""
    tiny.make_store(tmp_path)
    tiny.write_network(tmp_path)
    return tmp_path


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Measure for moments only."""
    monkeypatch.setattr(throughput, "_FEED_SECONDS", 0.05)
    monkeypatch.setattr(throughput, "_LONG_STEP", 0.001)
    monkeypatch.setattr(decoding, "_SECONDS", 0.05)
    monkeypatch.setattr(disk_rows, "MEGABYTES", 2)
    before = torch.are_deterministic_algorithms_enabled()
    yield
    torch.use_deterministic_algorithms(before)


def texts(section: Section) -> list[str]:
    return [finding.text for finding in section.findings]


class TestVersions:
    def test_what_is_installed_and_fits(self) -> None:
        section = versions()
        assert dict(section.rows)["torch"] in torch.__version__
        assert section.findings == ()

    @pytest.mark.parametrize(
        ("package", "error", "words"),
        [
            ("torch", OSError("libtorch_cpu.so: no such file"), "pip install --force-reinstall torch torchvision"),
            ("torchvision", RuntimeError("operator torchvision::nms does not exist\nmore"), "belong together"),
            ("torchvision", ModuleNotFoundError("No module named 'torchvision'"), "belong together"),
        ],
    )
    def test_what_cannot_be_imported(
        self, monkeypatch: pytest.MonkeyPatch, package: str, error: Exception, words: str
    ) -> None:
        real = importlib.import_module

        def failing(name: str) -> ModuleType:
            if name == package:
                raise error
            return real(name)

        monkeypatch.setattr(importlib, "import_module", failing)
        (finding,) = versions().findings
        assert finding.is_error
        assert finding.text.startswith(package)
        assert str(error).splitlines()[0] in finding.text
        assert "more" not in finding.text.partition(":")[0]
        assert words in finding.text


class TestMachine:
    def test_here(self) -> None:
        memory = memory_here()
        assert 0 < memory.usable <= memory.free <= memory.total
        assert dict(machine(memory).rows)["cores"].startswith(str(len(os.sched_getaffinity(0))))

    def test_what_a_container_grants(self, tmp_path: Path) -> None:
        assert (container_memory(tmp_path), core_quota(tmp_path)) == (math.inf, math.inf)
        (tmp_path / "memory.max").write_text("max\n")
        (tmp_path / "cpu.max").write_text("max 100000\n")
        assert (container_memory(tmp_path), core_quota(tmp_path)) == (math.inf, math.inf)
        (tmp_path / "memory.max").write_text("3000000000\n")
        (tmp_path / "cpu.max").write_text("150000 100000\n")
        assert (container_memory(tmp_path), core_quota(tmp_path)) == (3_000_000_000, 1.5)

    def test_little_memory(self) -> None:
        plenty = Memory(64 * 10**9, 32 * 10**9, math.inf)
        assert machine(plenty).findings == ()
        section = machine(replace(plenty, limit=10**9))
        assert ("", "the container grants 1.0 GB") in section.rows
        assert texts(section) == ["only 1.0 GB of memory can be used: end other programs, or take small batches"]


class TestDevices:
    def test_the_cpu_has_a_row(self) -> None:
        assert dict(device_rows.devices().rows)["cpu"].startswith(torch.backends.cpu.get_cpu_capability())

    def test_no_gpu_with_and_without_a_driver(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
        monkeypatch.setattr(device_rows, "_DRIVER", tmp_path / "version")
        assert texts(device_rows.devices())[0].startswith("no GPU: training computes on the CPU")
        (tmp_path / "version").write_text("NVRM")
        assert "install a torch for CUDA" in texts(device_rows.devices())[0]

    def test_a_gpu_that_does_not_compute(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda index: (2 * 10**9, 8 * 10**9))
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: "Old GPU")

        def failing(*arguments: object, **options: object) -> None:
            raise RuntimeError("no kernel image is available\nmore")

        monkeypatch.setattr(torch, "ones", failing)
        section = device_rows.devices()
        assert ("cuda:0", "Old GPU, 8.0 GB, 2.0 GB of it free") in section.rows
        assert section.findings[0].is_error
        assert "cuda:0 cannot compute (no kernel image is available): update its driver" in texts(section)[0]

    def test_rates_are_measured(self) -> None:
        products, memory = device_rows.gpu_rates(torch.device("cpu"), 64, 2**16)
        assert re.fullmatch(r"matrix products, TFLOP/s: \d+ in float32, \d+ in TF32, \d+ in bf16", products)
        assert re.fullmatch(r"memory: [\d.]+ TB/s read and written; from the machine's memory \d+ GB/s", memory)


class TestDisk:
    def test_the_file_is_gone(self, tmp_path: Path) -> None:
        speed = disk_speed(tmp_path, 2)
        assert speed.write > 0
        assert speed.read > 0
        assert list(tmp_path.iterdir()) == []

    def test_no_room(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        usage = shutil.disk_usage(tmp_path)
        monkeypatch.setattr(disk_rows, "MEGABYTES", 1)
        for free, error, words in ((10**9, True, "need 2.0 GB"), (3 * 10**9, False, "has 3.0 GB free")):
            monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: usage._replace(free=free))
            section, speed = disk(tmp_path, 2 * 10**9)
            (finding,) = section.findings
            assert finding.is_error is error
            assert words in finding.text
            assert speed is not None

    def test_a_folder_that_takes_no_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def failing(descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", failing)
        section, speed = disk(tmp_path, 0)
        assert speed is None
        assert section.findings[-1].is_error
        assert "cannot be written (the disk is full): make room, or work in another folder" in texts(section)[-1]
        assert list(tmp_path.iterdir()) == []


def test_the_decoder_is_timed_on_a_photograph_of_usual_size(short: None) -> None:
    assert 40_000 < len(decoding.photograph_like()) < 200_000
    assert decoding.decoded_per_second(decoding.photograph_like(), Geometry()) > 0
    assert "images/s per core, for 500x375 JPEGs" in dict(decoding.decoder(Geometry()).rows)["rate"]


class TestThroughput:
    @pytest.mark.slow
    def test_rates_of_a_store_and_of_a_noise_images(self, home: Path, short: None) -> None:
        file = load_network_file(home / "tiny.py")
        images = images_of_store(open_store(home / "store"))
        assert images.total_bytes == tiny.TRAIN_IMAGES * tiny.STORED**2 * 3
        assert loading_rate(images, file, 1, torch.device("cpu")) > 0
        with noise_images(Geometry()) as noise:
            assert loading_rate(noise, None, 2, torch.device("cpu")) > 0

    @pytest.mark.slow
    def test_a_step_is_timed_and_leaves_the_weights(self, home: Path, short: None) -> None:
        step = step_time(load_network_file(home / "tiny.py"), torch.device("cpu"))
        assert step.batch == tiny.BATCH
        assert 1 <= step.timed <= tiny.BATCH
        assert step.fits
        assert step.images_per_second == pytest.approx(8 / (8 * step.image + step.update))

    @pytest.mark.slow
    def test_a_batch_that_does_not_fit(self, home: Path, short: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(throughput, "_LONG_STEP", 100.0)
        full = (
            "        x = nn.",
            "        if len(x) > 4:\n            raise torch.OutOfMemoryError('full')\n        x = nn.",
        )
        step = step_time(load_network_file(tiny.write_network(home, full)), torch.device("cpu"))
        assert (step.timed, step.fits) == (4, False)
        section = self.section(home, step, loading=1e9)
        assert "8 images do not fit into the device's memory at once, 4 do" in texts(section)[0]

    def section(
        self, home: Path, step: StepTime | None, loading: float, read: float = 1e9, free: float = 1e9
    ) -> Section:
        images = images_of_store(open_store(home / "store"))
        return throughput.throughput(step, loading, 1, images, read, free)

    @pytest.mark.slow
    def test_verdicts(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(throughput, "available_cores", lambda: 4)
        step = StepTime(image=0.01, update=0.0, batch=8, timed=8, fits=True)  # 100 images/s
        section = self.section(home, step, loading=400.0)
        assert dict(section.rows)["verdict"].startswith("the store keeps up: data loading takes 25.0% of a step")
        assert section.findings == ()
        images = len(open_store(home / "store").train)
        two_seconds_an_image = StepTime(image=2.0, update=0.0, batch=8, timed=8, fits=True)
        slow = self.section(home, two_seconds_an_image, loading=400.0)
        assert dict(slow.rows)["epoch"] == f"0:{2 * images:02d} for the {images} images of the store"
        section = self.section(home, step, loading=40.0)
        assert dict(section.rows)["verdict"] == "loading images is the limit: it gives 40% of what the network can take"
        assert texts(section) == ["loading images is 2.5 times too slow: train with --workers 3"]
        section = self.section(home, step, loading=10.0)
        assert "10 threads would need more than the 4 cores here: store smaller images" in texts(section)[0]

    @pytest.mark.slow
    def test_a_store_that_is_read_from_the_disk_each_epoch(self, home: Path) -> None:
        step = StepTime(image=0.01, update=0.0, batch=8, timed=8, fits=True)
        image = tiny.STORED**2 * 3
        section = self.section(home, step, loading=1e6, read=50.0 * image, free=1000)
        assert dict(section.rows)["disk"].startswith("50 images/s: the store is larger than the memory")
        assert dict(section.rows)["verdict"] == "the disk is the limit: it gives 50% of what the network can take"
        assert "the disk must read 2.0 times as fast" in texts(section)[0]

    @pytest.mark.slow
    def test_without_a_network_there_is_no_verdict(self, home: Path) -> None:
        rows = dict(self.section(home, None, loading=10.0).rows)
        assert rows["step"] == "not timed: give a network file"
        assert "verdict" not in rows


class TestExamination:
    @pytest.mark.slow
    def test_all_sections_in_order(self, home: Path, short: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(home)
        before = sorted(home.rglob("*"))
        sections = list(examination.examine(home / "store", home / "tiny.py"))
        titles = [section.title for section in sections]
        assert titles == ["machine", "devices", "disk", "decoder", "training", "throughput"]
        assert not any(finding.is_error for section in sections for finding in section.findings)
        assert sorted(home.rglob("*")) == before

    @pytest.mark.slow
    def test_memory_that_the_optimiser_alone_would_fill(
        self, home: Path, short: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(examination, "memory_here", lambda: Memory(10**6, 100, math.inf))
        found = {section.title: section for section in examination.examine(None, home / "tiny.py")}
        assert found["training"].findings[0].is_error
        assert (
            "Tiny keeps 16.2 kB in memory, and cpu has 0.1 kB free: end what else uses it"
            in texts(found["training"])[0]
        )

    @pytest.mark.slow
    def test_a_store_that_does_not_fit_the_network(self, home: Path) -> None:
        other = tiny.write_network(home, ("CenterCrop(20)", "CenterCrop(21)"), name="other.py")
        with pytest.raises(
            UserError, match=r"holds images with shorter side 24 and crop 20, 3 channels, but Tiny wants .* crop 21, 3"
        ):
            list(examination.examine(home / "store", other))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("optimizer", "average", "kept"),
    [("SGD(lr=0.02, momentum=0.9, weight_decay=0.0005)", "", 2), ("AdamW(lr=0.1)", "average=MovingAverage(0.9),", 4)],
)
def test_needed_bytes_are_those_of_the_files(home: Path, optimizer: str, average: str, kept: int) -> None:
    """Against what a run really holds: last, previous and best, in ZIP archives with little around the numbers."""
    large = (
        ("nn.Linear(216, 4)", "nn.Linear(216, 4000)"),
        ("SGD(lr=0.02, momentum=0.9, weight_decay=0.0005),", f"{optimizer}, {average}"),
    )
    file = load_network_file(tiny.write_network(home, *large))
    network = file.build_without_memory()
    state = sum(value.numel() * value.element_size() for value in network.state_dict().values())
    assert bytes_in_memory(network, file.recipe) == (kept + 1) * state
    assert bytes_on_disk(network, file.recipe, resumed=False) == (3 * kept + 2) * state
    assert bytes_on_disk(network, file.recipe, resumed=True) == (kept + 1) * state
    run = tiny.run_to(tiny.options(file.path, home / "store", home / "run", epochs=1))
    assert run.last.stat().st_size == pytest.approx(kept * state, rel=0.02)
    assert run.best.stat().st_size == pytest.approx(state, rel=0.02)


@pytest.mark.slow
def test_the_command(home: Path, alexc: Alexc) -> None:
    result = alexc("doctor", home / "tiny.py", "--data", home / "store")
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert [line for line in lines if line and not line.startswith(" ")] == [
        "versions", "machine", "devices", "disk", "decoder", "training", "throughput", "findings",
    ]  # fmt: skip
    assert any(line.startswith("  verdict       the store keeps up: data loading takes ") for line in lines)
    assert "\n  " in result.stdout.partition("findings")[2]


@pytest.mark.slow
def test_the_command_ends_with_1_when_something_will_not_work(home: Path, alexc: Alexc) -> None:
    result = alexc("doctor", home / "tiny.py", "--data", home / "nowhere")
    assert result.returncode == 1
    assert "nowhere is not a folder: expected a store" in result.stderr
    (home / "torchvision").mkdir()
    (home / "torchvision" / "__init__.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    result = alexc("doctor", cwd=home)
    assert result.returncode == 1
    assert "error: torchvision" in result.stdout
    assert "operator torchvision::nms does not exist" in result.stdout
    assert "Traceback" not in result.stderr
