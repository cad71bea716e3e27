"""Reads what a batch of CIFAR's Python version holds, without running the pickle that it is.

A pickle is a program, and Python's unpickler runs it. An unpickler that finds no function but numpy's would still run
numpy's code on the file's values: they choose the types and sizes of arrays, and the memory of the unpickler's memo. So
nothing is unpickled here: the instructions are read one by one, those that a batch needs change a stack of plain
values, any other one is an error, and a call of numpy stays the note that it was called. Their number and the length of
the file bound time and memory. The pixels are not read: where they begin is enough.
"""

from __future__ import annotations

import mmap
import pickletools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from alexc.printable import printable

from ..errors import UserError
from .packed_file import PackedFile

_MOST_INSTRUCTIONS = 3_000_000  # CIFAR-100's batch of 50,000 images has about 300,000
_LARGEST = 1 << 30  # bytes; CIFAR-100's batch has 155 million
_LONGEST_TEXT = 4096  # bytes; longer ones can only be pixels
_STARTS = (b"\x80", b"(d", b"}")
_KEYS = (b"label_names", b"batch_label", b"labels", b"filenames")
_LENGTH_BYTES = {"SHORT_BINSTRING": 1, "SHORT_BINBYTES": 1, "BINSTRING": 4, "BINBYTES": 4, "BINBYTES8": 8}
_TEXTS = (*_LENGTH_BYTES, "STRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE")
_NUMBERS = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1")
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_RECONSTRUCT = ("numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct")
_DTYPE = "numpy dtype"
_CALLED = (*_RECONSTRUCT, _DTYPE)
_NAMED = (*_CALLED, "numpy ndarray")
_MARK = object()


@dataclass(frozen=True)
class _Bytes:
    """Bytes of the file, which are not read."""

    start: int
    length: int


@dataclass(frozen=True)
class _Global:
    name: str


@dataclass
class _Called:
    name: str
    arguments: tuple[Any, ...]
    state: Any = None


@dataclass(frozen=True)
class PixelRows:
    """The pixels of a batch: `images` rows of `values` bytes, from byte `start` of the file on."""

    start: int
    images: int
    values: int


def is_batch(file: PackedFile) -> bool:
    """Whether a file begins as a batch or its list of names does."""
    return file.head.startswith(_STARTS) and any(key in file.head for key in _KEYS)


def read_batch(file: PackedFile) -> dict[str, Any]:
    """The lists of numbers and texts of a batch by their names, and its `PixelRows`.

    Args:
        file: uncompressed on disk.

    Raises:
        UserError: it is damaged, or holds something else than a batch.
    """
    shown = printable(file.path)
    if not 0 < file.size <= _LARGEST:
        raise UserError(f"{shown} has {file.size:,} bytes: expected a batch of CIFAR")
    try:
        with file.disk.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
            content.seek(file.offset)
            found = _value(content)
        if not isinstance(found, dict):
            raise ValueError("it holds no dictionary")
        return {str(key): _pixels(value, file) if isinstance(value, _Called) else value for key, value in found.items()}
    except Exception as error:  # pickletools raises almost any exception for broken data
        reason = printable(error) or type(error).__name__
        raise UserError(f"{shown} is damaged or no batch of CIFAR ({reason}): download it again") from None


def _value(content: mmap.mmap) -> object:
    """The value that a pickle describes."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    for number, (opcode, argument, place) in enumerate(_instructions(content)):
        if number > _MOST_INSTRUCTIONS:
            raise ValueError("it has far more instructions than a batch")
        name = opcode.name
        if name in _TEXTS:
            stack.append(_text(name, argument, place or 0))
        elif name in _NUMBERS:
            stack.append(int(argument))
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name in ("GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD"):
            _call(name, argument, stack)
        elif name == "STOP":
            return stack.pop()
        elif name not in ("PROTO", "FRAME"):
            _collect(name, stack)
    raise ValueError("it ends in the middle")


def _instructions(content: mmap.mmap) -> Iterator[tuple[pickletools.OpcodeInfo, Any, int | None]]:
    return pickletools.genops(content)  # type: ignore[arg-type]  # it reads from anything with `read` and `readline`


def _text(name: str, argument: str | bytes, place: int) -> str | _Bytes:
    if len(argument) > _LONGEST_TEXT:
        if name not in _LENGTH_BYTES:
            raise ValueError("its pixels are stored as text: expected a batch as it is distributed")
        return _Bytes(place + 1 + _LENGTH_BYTES[name], len(argument))
    return argument if isinstance(argument, str) else argument.decode("latin-1")


def _call(name: str, argument: str, stack: list[Any]) -> None:
    """Note a function of numpy, or that it is called; nothing is called."""
    if name == "GLOBAL" or name == "STACK_GLOBAL":
        if name == "STACK_GLOBAL":
            attribute, module = stack.pop(), stack.pop()
            argument = f"{module} {attribute}"
        if argument not in _NAMED:
            raise ValueError(f"it would run {argument[:100]!r}, which a batch does not need")
        stack.append(_Global(argument))
    elif name == "REDUCE":
        arguments, function = stack.pop(), stack.pop()
        if not isinstance(function, _Global) or function.name not in _CALLED or not isinstance(arguments, tuple):
            raise ValueError("it calls something else than numpy's functions")
        stack.append(_Called(function.name, arguments))
    else:
        state = stack.pop()
        if not isinstance(stack[-1], _Called):
            raise ValueError("it gives a state to something else than an array")
        stack[-1].state = state


def _collect(name: str, stack: list[Any]) -> None:
    """The instructions of lists, tuples and dictionaries."""
    if name == "MARK":
        stack.append(_MARK)
    elif name in ("EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE"):
        stack.append({"EMPTY_DICT": {}, "EMPTY_LIST": [], "EMPTY_TUPLE": ()}[name])
    elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
        length = int(name[-1])
        stack[-length:] = [tuple(stack[-length:])]
    elif name in ("TUPLE", "LIST", "DICT"):
        items = _since_mark(stack)
        stack.append(tuple(items) if name == "TUPLE" else items if name == "LIST" else _dictionary(items))
    elif name in ("APPEND", "APPENDS"):
        items = [stack.pop()] if name == "APPEND" else _since_mark(stack)
        if not isinstance(stack[-1], list):
            raise ValueError("it extends something else than a list")
        stack[-1].extend(items)
    elif name in ("SETITEM", "SETITEMS"):
        items = [stack.pop(), stack.pop()][::-1] if name == "SETITEM" else _since_mark(stack)
        if not isinstance(stack[-1], dict):
            raise ValueError("it fills something else than a dictionary")
        stack[-1].update(_dictionary(items))
    else:
        raise ValueError(f"it has the instruction {name}, which a batch does not need")


def _since_mark(stack: list[Any]) -> list[Any]:
    items: list[Any] = []
    while (item := stack.pop()) is not _MARK:
        items.append(item)
    return items[::-1]


def _dictionary(items: list[Any]) -> dict[str, Any]:
    keys, values = items[::2], items[1::2]
    if not all(isinstance(key, str) for key in keys):
        raise ValueError("it has a name that is no text")
    return dict(zip(keys, values, strict=True))


def _pixels(array: _Called, file: PackedFile) -> PixelRows:
    """The pixels of an array: (version, shape, type, whether columns come first, bytes) is its state."""
    _, shape, type, by_columns, content = array.state
    images, values = shape
    if array.name not in _RECONSTRUCT or not isinstance(type, _Called) or type.name != _DTYPE:
        raise ValueError("it has no array of pixels")
    if type.arguments[0] != "u1" or by_columns or not isinstance(content, _Bytes):
        raise ValueError("its pixels are no plain bytes")
    if not all(isinstance(each, int) and each > 0 for each in shape) or images * values != content.length:
        raise ValueError("its array has another size than its pixels")
    if content.start + content.length > file.offset + file.size:
        raise ValueError("it ends in the middle of the pixels")
    return PixelRows(content.start - file.offset, images, values)
