"""Files of weights from unknown sources: refused in one line, without code from them and without much memory."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from alexc.runtime.data import dataset_statistics
from alexc.runtime.data.dataset_statistics import load_statistics
from alexc.runtime.errors import UserError
from alexc.runtime.runs.checkpoint import DamagedCheckpoint, load_checkpoint, save_checkpoint
from alexc.runtime.runs.starting_weights import starting_weights
from alexc.runtime.tensor_files import read_tensors


class Expanding:
    """An object that becomes a billion bytes when it is unpickled; the unpickler of torch allows that."""

    def __reduce__(self) -> tuple[Any, ...]:
        return bytearray, (1_000_000_000,)


def header_only(path: Path, entries: Mapping[str, tuple[int, ...]]) -> None:
    """A safetensors file with tensors of these shapes, and no numbers."""
    described = {name: {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]} for name, shape in entries.items()}
    content = json.dumps(described).encode()
    path.write_bytes(struct.pack("<Q", len(content)) + content)


def compressed(path: Path, name: str = "") -> None:
    """A file of torch.save, compressed; the entries whose names end in `name` become a mebibyte of zeros."""
    written = io.BytesIO()
    torch.save({"a.weight": torch.zeros(4)}, written)
    with zipfile.ZipFile(written) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in source.infolist():
            large = bool(name) and entry.filename.endswith(name)
            archive.writestr(entry.filename, bytes(1 << 20) if large else source.read(entry))


def overlapping(path: Path) -> None:
    """A file of torch.save whose directory names its numbers a thousand times."""
    torch.save({"a.weight": torch.zeros(4000)}, path)
    with zipfile.ZipFile(path, "a") as archive:
        (numbers,) = [entry for entry in archive.infolist() if entry.filename.endswith("data/0")]
        archive.filelist += [numbers] * 1000
        archive._didModify = True  # type: ignore[attr-defined]


def saved(value: object) -> Callable[[Path], None]:
    return lambda path: torch.save(value, path)


def nested() -> Tensor:
    made: Tensor = torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])
    return made


def old_form(path: Path) -> None:
    torch.save({"a.weight": torch.zeros(1).expand(10**12)}, path, _use_new_zipfile_serialization=False)


def cut_off(path: Path) -> None:
    torch.save({"a.weight": torch.zeros(100)}, path)
    path.write_bytes(path.read_bytes()[:-100])


REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "float8.safetensors": (
        lambda path: save_file({"a.weight": torch.ones(4).to(torch.float8_e4m3fn)}, path),
        "`a.weight` holds torch.float8_e4m3fn: expected dense floating-point numbers, of 16 bits or more",
    ),
    "float8.pth": (saved({"a.weight": torch.ones(4).to(torch.float8_e5m2)}), "holds torch.float8_e5m2"),
    "empty.safetensors": (lambda path: header_only(path, {"a.weight": (0,)}), "`a.weight` holds no numbers"),
    "wide.safetensors": (lambda path: header_only(path, {"a.weight": (0, 2**62, 2**62)}), "holds no numbers"),
    "many.safetensors": (
        lambda path: header_only(path, {f"a{number}.weight": (0,) for number in range(20_001)}),
        "holds 20,001 tensors: at most 20,000 are read",
    ),
    "meta.pth": (saved({"a.weight": torch.ones(3, device="meta")}), "`a.weight` is a tensor of kind meta"),
    "nested.pth": (lambda path: torch.save({"a.weight": nested()}, path), "`a.weight` is a tensor of kind nested"),
    "expanded.pth": (
        saved({"a.weight": torch.zeros(1).expand(10**12)}),
        "because its tensors need 4,000,000,000,000 bytes of memory or more, and it has 1,",
    ),
    "old.pth": (old_form, "because its tensors need 4,000,000,000,000 bytes"),
    "hidden.pth": (
        saved({"state_dict": {"a.weight": torch.ones(1)}, "more": [(torch.ones(1).expand(10**12),)]}),
        "need",
    ),
    "bytes.pth": (saved({"a": Expanding()}), "is not a checkpoint that can be read without running code from it"),
    "bomb.pth": (lambda path: compressed(path, "data/0"), "because it is compressed, which torch.save does not do"),
    "pickle.pth": (lambda path: compressed(path, "data.pkl"), "because it is compressed"),
    "overlap.pth": (overlapping, "because it is compressed"),
    "cut.pth": (cut_off, "because it is cut off or damaged"),
}


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_would_fill_the_memory_or_holds_no_plain_numbers_is_refused(name: str, tmp_path: Path) -> None:
    make, message = REFUSED[name]
    make(tmp_path / name)
    with pytest.raises(UserError, match=name) as mistake:
        read_tensors(tmp_path / name)
    assert message in str(mistake.value)
    assert "\n" not in str(mistake.value)


def test_a_compressed_file_is_refused_before_torch_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("torch read it"))
    compressed(tmp_path / "bomb.pth", "data/0")
    with pytest.raises(UserError, match="because it is compressed"):
        read_tensors(tmp_path / "bomb.pth")


def test_numbers_that_two_layers_share_are_read(tmp_path: Path) -> None:
    shared = torch.randn(100)
    torch.save({"a.weight": shared, "b.weight": shared, "c.weight": shared[20:30]}, tmp_path / "a.pth")
    read = read_tensors(tmp_path / "a.pth")
    assert torch.equal(read["b.weight"], shared)
    assert torch.equal(read["c.weight"], shared[20:30])


@pytest.mark.parametrize("value", [{"weights": {"a": torch.zeros(1).expand(10**12)}}, {"weights": Expanding()}])
def test_a_checkpoint_is_held_to_the_same(value: dict[str, Any], tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a.pt", value)
    with pytest.raises(DamagedCheckpoint, match="torch cannot read it"):
        load_checkpoint(tmp_path / "a.pt")


def test_no_message_advises_to_load_a_file_unsafely(tmp_path: Path) -> None:
    """torch and numpy say in their messages how to run the code in a file."""

    class Code:
        def __reduce__(self) -> tuple[Any, ...]:
            return print, ("run",)

    save_checkpoint(tmp_path / "a.pt", {"weights": Code()})
    torch.save({"weights": Code()}, tmp_path / "a.pth")
    np.savez(tmp_path / "data.npz", classes=np.array([object()]), geometry=np.array([1, 1]))
    np.savez(tmp_path / "object.npz", geometry=np.array([object()]))
    (tmp_path / "whole.npz").write_bytes(b"\x80\x04N.")
    said = []
    for read, name in (
        (load_checkpoint, "a.pt"),
        (read_tensors, "a.pth"),
        (load_statistics, "data.npz"),
        (load_statistics, "object.npz"),
        (load_statistics, "whole.npz"),
    ):
        with pytest.raises((UserError, DamagedCheckpoint)) as mistake:
            read(tmp_path / name)
        said.append(str(mistake.value))
    for advice in ("trust", "unsafe", "weights_only", "allow_pickle", "add_safe_globals"):
        assert not any(advice in each for each in said), said


def test_statistics_of_a_run_cannot_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset_statistics, "_LARGEST_BYTES", 1_000_000)
    np.savez_compressed(tmp_path / "data.npz", geometry=np.array([1, 1]), mean_image=np.zeros(1_000_000))
    with pytest.raises(UserError, match=r"data\.npz is damaged \(it holds more than 1,000,000 bytes\)"):
        load_statistics(tmp_path / "data.npz")


@pytest.mark.parametrize("key", ["state_dict", "model", "model_state_dict", "net"])
def test_weights_under_the_usual_keys_of_a_checkpoint_are_read(key: str, tmp_path: Path) -> None:
    torch.save({"epoch": 3, key: {"a.weight": torch.ones(2)}, "optimizer": {"state": {}}}, tmp_path / "a.pt")
    assert read_tensors(tmp_path / "a.pt")["a.weight"].tolist() == [1, 1]


def test_weights_under_another_key_are_refused_with_what_is_expected(tmp_path: Path) -> None:
    torch.save({"net_g": {"a.weight": torch.ones(2)}}, tmp_path / "a.pt")
    with pytest.raises(UserError, match="alone or under the key state_dict or model or model_state_dict or net"):
        read_tensors(tmp_path / "a.pt")


def test_a_training_from_a_file_of_torch_names_the_command_that_converts_it(tmp_path: Path) -> None:
    torch.save({"a.weight": torch.ones(2)}, tmp_path / "plain.pt")
    with pytest.raises(UserError, match=r"`alexc weights import .*plain\.pt --into NETWORK` converts"):
        starting_weights(tmp_path / "plain.pt", {"a.weight": torch.ones(2)})
