"""A writer of Caffe's binary files, bytes by hand after Protocol Buffers' description of its encoding.

It shares nothing with the reader: tests that read what it wrote check the reader against bytes. The numbers of fields
are those of Caffe's `caffe.proto`.
"""

from __future__ import annotations

import struct

from torch import Tensor


def varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; all but the last have the high bit set. Negative ones in 64 bits."""
    value &= 2**64 - 1
    low = bytes([value & 127])
    return low if value < 128 else bytes([low[0] | 128]) + varint(value >> 7)


def field(number: int, content: bytes | str) -> bytes:
    """A field of wire type 2: tag, length, bytes."""
    raw = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def integer(number: int, value: int) -> bytes:
    """A field of wire type 0."""
    return varint(number << 3) + varint(value)


def dimensions(*sides: int) -> bytes:
    """BlobProto.shape (7), a BlobShape whose `dim` (1) is packed."""
    return field(7, field(1, b"".join(map(varint, sides))))


def legacy_dimensions(*sides: int) -> bytes:
    """BlobProto.num, channels, height, width (1 to 4)."""
    padded = (1,) * (4 - len(sides)) + sides
    return b"".join(integer(number, side) for number, side in enumerate(padded, start=1))


def floats(values: list[float]) -> bytes:
    """BlobProto.data (5), packed."""
    return field(5, struct.pack(f"<{len(values)}f", *values))


def doubles(values: list[float]) -> bytes:
    """BlobProto.double_data (8), packed."""
    return field(8, struct.pack(f"<{len(values)}d", *values))


def blob(tensor: Tensor) -> bytes:
    """A BlobProto of Caffe since 2014."""
    return floats(tensor.flatten().tolist()) + dimensions(*tensor.shape)


def legacy_blob(tensor: Tensor) -> bytes:
    """A BlobProto of before: four axes, the first ones 1."""
    return legacy_dimensions(*tensor.shape) + floats(tensor.flatten().tolist())


def layer(kind: str, name: str, bottom: str, top: str, *blobs: bytes, more: bytes = b"") -> bytes:
    """NetParameter.layer (100), a LayerParameter; without `bottom` where that is empty."""
    ends = (field(3, bottom) if bottom else b"") + field(4, top)
    return field(100, field(1, name) + field(2, kind) + ends + b"".join(field(7, each) for each in blobs) + more)


def v1_layer(kind: int, name: str, bottom: str, top: str, *blobs: bytes) -> bytes:
    """NetParameter.layers (2), a V1LayerParameter, whose type is the number of an enumeration."""
    ends = (field(2, bottom) if bottom else b"") + field(3, top)
    return field(2, ends + field(4, name) + integer(5, kind) + b"".join(field(6, each) for each in blobs))


def v0_layer(kind: str, name: str, bottom: str, top: str, *blobs: bytes) -> bytes:
    """NetParameter.layers (2) with a V0LayerParameter (1) in it, as the first release had it."""
    inner = field(1, name) + field(2, kind) + b"".join(field(50, each) for each in blobs)
    return field(2, field(1, inner) + field(2, bottom) + field(3, top))
