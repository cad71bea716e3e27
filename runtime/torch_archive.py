"""Reads what `torch.save` wrote, from unknown sources: no code is run, and a small file does not fill the memory."""

from __future__ import annotations

import os
import warnings
import zipfile
from collections.abc import Iterator
from typing import BinaryIO

import torch
from torch import Tensor

_ZIP = b"PK\x03\x04"
_LARGEST_EXPANSION = 64  # tensors may share their numbers, as tied weights do
# The unpickler of torch allows `bytearray(n)`, which fills n bytes. torch.save never writes it for weights.
_EXPANDING = b"bytearray"
_PART = 1 << 24  # bytes that are read at once
_NOT_PLAIN = "without running code from it"


class UnreadableArchive(Exception):  # noqa: N818 - a finding about a file; the caller adds its name
    """The file is not what `torch.save` writes, or would fill the memory.

    The message is the rest of a sentence that begins with "it cannot be read".
    """


def load_archive(file: BinaryIO) -> object:
    """The object in a file of `torch.save`, on the CPU.

    Raises:
        UnreadableArchive: it cannot be read without running code from it, is damaged, or would need far more memory
            than the file has bytes.
    """
    size = file.seek(0, os.SEEK_END)
    _check_expansion(file, size)
    file.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about formats that the caller refuses
            loaded: object = torch.load(file, map_location="cpu", weights_only=True)
    except Exception:  # broken pickles raise nearly anything; torch's own messages advise to load the file unsafely
        raise UnreadableArchive(_NOT_PLAIN) from None
    total = 0
    for tensor in _tensors_in(loaded):
        total += tensor.numel() * tensor.element_size() if _has_numbers(tensor) else 0
        if total > max(size, 1) * _LARGEST_EXPANSION:
            raise UnreadableArchive(f"because its tensors need {total:,} bytes of memory or more, and it has {size:,}")
    return loaded


def _check_expansion(file: BinaryIO, size: int) -> None:
    """Check that nothing in a file of `size` bytes becomes larger when it is read: `torch.save` does not compress."""
    file.seek(0)
    if file.read(len(_ZIP)) == _ZIP:  # files of before torch 1.6 are no archives
        try:
            with zipfile.ZipFile(file) as archive:
                entries = archive.infolist()
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, ValueError, EOFError):
            raise UnreadableArchive("because it is cut off or damaged") from None
        if sum(entry.file_size for entry in entries) > size or any(entry.compress_type for entry in entries):
            raise UnreadableArchive("because it is compressed, which torch.save does not do")
    if _contains(file, _EXPANDING):
        raise UnreadableArchive(_NOT_PLAIN)


def _contains(file: BinaryIO, text: bytes) -> bool:
    file.seek(0)
    end = b""
    while part := file.read(_PART):
        if text in end + part:
            return True
        end = part[-len(text) :]
    return False


def _has_numbers(tensor: Tensor) -> bool:
    """Whether it is on the CPU, with memory for each of its values."""
    return tensor.device.type == "cpu" and tensor.layout is torch.strided and not tensor.is_nested


def _tensors_in(loaded: object) -> Iterator[Tensor]:
    """Every tensor in nested dicts, lists and tuples, once."""
    waiting, seen = [loaded], set[int]()
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, dict):
            waiting += [*value, *value.values()]
        elif isinstance(value, list | tuple | set):
            waiting += value
