"""Decodes an image file of any supported format to pixels of 1 to 4 channels, or says why it cannot."""

from __future__ import annotations

import io
import os
import stat
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from alexc import git_lfs

from .decoding_work import LARGEST_PIXELS, BadImage, CountedReads, check_content, check_opened
from .plain_jpeg import plain_jpeg, plain_size
from .shard_pixels import Pixels
from .store import STEPS_OF_16_BITS, Geometry

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM")  # JPEG includes MPO, a format of 3D cameras and phones
LARGEST_FILE = 1 << 30
BACKGROUND = (255, 255, 255)
TREATMENTS = {
    "greyscale": "one channel copied to three",
    "colour": "converted to grey",
    "opaque": "given a channel of full opacity",
    "cmyk": "converted to RGB",
    "other colors": "converted to RGB",
    "palette": "converted to RGB",
    "16-bit": "scaled to 8 bits",
    "transparent": "put on white",
    "several frames": "the first one taken",
    "orientation": "EXIF says that it was taken turned or mirrored",
    "wrong ending": "decoded by content, not by name",
}

_ENDINGS = {
    "JPEG": {".jpg", ".jpeg", ".jpe", ".jfif"},
    "MPO": {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"},
    "PNG": {".png", ".apng"},
    "GIF": {".gif"},
    "BMP": {".bmp", ".dib"},
    "WEBP": {".webp"},
    "TIFF": {".tif", ".tiff"},
    "PPM": {".ppm", ".pgm", ".pbm", ".pnm", ".pfm"},
}
KNOWN_ENDINGS = frozenset().union(*_ENDINGS.values())
_JPEG_START = b"\xff\xd8"
_EXIF_ORIENTATION = 0x0112
# What makes an image upright, by its EXIF orientation.
_UPRIGHT: dict[int, Callable[[Pixels], Pixels]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90,
}
if sys.platform == "win32":
    _READING = os.O_RDONLY | os.O_BINARY  # line ends are left as they are
else:
    _READING = os.O_RDONLY | os.O_NONBLOCK  # a named pipe would otherwise wait for a writer for ever
_PLAIN_MODES = {1: ("L",), 3: ("L", "RGB")}  # of JPEGs that need no Pillow, by the channels that are wanted
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_WITH_ALPHA = (2, 4)
_COLORS, _GREYS = 3, (1, 2)  # numbers of channels
_TIFF_BITS_PER_SAMPLE = 258


def load_image(path: Path, exif: bool = False, channels: int = 3, bits: int = 8) -> tuple[Pixels, frozenset[str]]:
    """The pixels of an image, (H, W, channels), and the conversions that it needed, keys of `TREATMENTS`.

    One channel is grey, two are grey and alpha, three are RGB, four are RGB and alpha.

    Args:
        path: a file in one of `FORMATS`, recognised by its content.
        exif: apply the EXIF orientation; by default it is ignored, which is ImageNet's convention, and only counted.
        channels: from 1 to 4. Without alpha, transparent images are put on white.
        bits: per channel; with 16, for one channel, the pixels are uint16, and those of 8 bits are multiplied by 257.

    Raises:
        BadImage: the file is not a complete, decodable image of bounded size.
    """
    return decode(read_file(path), path.suffix, exif, channels, bits)


def read_file(path: Path) -> bytes:
    """The bytes of a regular file of bounded size.

    Raises:
        BadImage: it cannot be read, is not a regular file, is empty, or is larger than `LARGEST_FILE` bytes.
    """
    try:
        with open(os.open(path, _READING), "rb") as file:  # noqa: PTH123 - a descriptor, not a path
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise BadImage("not a regular file")
            if status.st_size > LARGEST_FILE:
                raise BadImage(f"a file of {status.st_size:,} bytes; at most {LARGEST_FILE:,} are read")
            content = file.read(status.st_size)  # reading allocates as much as it is asked for
    except OSError as error:
        raise BadImage(f"cannot be read: {(error.strerror or str(error)).lower()}") from None
    if not content:
        raise BadImage("an empty file")
    return content


def decode(
    content: bytes, ending: str, exif: bool = False, channels: int = 3, bits: int = 8
) -> tuple[Pixels, frozenset[str]]:
    """The pixels and the conversions of an image, as `load_image` returns them, from the bytes of its file.

    Args:
        content: the bytes.
        ending: of the name of the file, such as ".jpg".
        exif: as of `load_image`.
        channels: as of `load_image`.
        bits: as of `load_image`.

    Raises:
        BadImage: as `load_image`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's warnings are errors below, or harmless
            return _decode(content, ending, exif, channels, bits)
    except BadImage:
        raise
    except UnidentifiedImageError:
        raise BadImage(_what_else(content)) from None
    except Image.DecompressionBombError:
        raise BadImage(f"over {LARGEST_PIXELS // 1_000_000} megapixels") from None
    except MemoryError:
        raise BadImage("not enough memory to decode it") from None
    except Exception as error:
        # Decoders raise nearly anything at broken data: OSError, SyntaxError, ValueError, struct.error, zlib.error ...
        raise BadImage(_damage(error)) from None


def scale_and_crop(pixels: Pixels, geometry: Geometry) -> Pixels:
    """Scale to `geometry.resize` and cut the centre of the size `geometry.crop` (section 2 of the paper).

    Pixels of 8 bits are equal bit for bit to torchvision's v2 `Resize` (bilinear, antialiased) and `CenterCrop` of a
    uint8 tensor. Their results for a PIL image differ in photographs by 0.003 grey levels on average: a few values by
    1, hardly any by 2. Pixels of 16 bits are scaled in float32 and rounded.

    Args:
        pixels: (H, W, channels), writable.
        geometry: the two sizes.

    Returns:
        (height, width, channels), of the type of `pixels`, contiguous.

    Raises:
        BadImage: the image is so narrow that it would have more than `LARGEST_PIXELS` pixels when scaled.
    """
    size = _scaled_size(pixels.shape[0], pixels.shape[1], geometry)
    if size != pixels.shape[:2]:
        pixels = _scaled(pixels, size)
    height, width, _ = geometry.shape
    top, left = round((size[0] - height) / 2), round((size[1] - width) / 2)
    return np.ascontiguousarray(pixels[top : top + height, left : left + width])


def is_scaled_up(pixels: Pixels, geometry: Geometry) -> bool:
    """Whether `scale_and_crop` enlarges an image, in one direction at least."""
    height, width, _ = pixels.shape
    if isinstance(geometry.resize, int):
        return int(min(height, width)) < geometry.resize
    return bool(height < geometry.resize[0] or width < geometry.resize[1])


def _scaled_size(height: int, width: int, geometry: Geometry) -> tuple[int, int]:
    if not isinstance(geometry.resize, int):
        return geometry.resize
    shorter, longer = sorted((width, height))
    scaled = int(geometry.resize * longer / shorter)
    if scaled * geometry.resize > LARGEST_PIXELS:
        raise BadImage(f"too narrow: {width} x {height} pixels")
    return (scaled, geometry.resize) if width <= height else (geometry.resize, scaled)


def _scaled(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    # Importing takes over a second, and the process that only distributes the work does not need it.
    import torch
    from torch.nn.functional import interpolate

    exact = pixels.dtype == np.uint8
    image = torch.from_numpy(pixels if exact else pixels.astype(np.float32))
    image = image.unsqueeze(0).permute(0, 3, 1, 2)  # channels last, for which the kernel is fast
    scaled: NDArray[np.float32] = interpolate(image, size, mode="bilinear", antialias=True)[0].permute(1, 2, 0).numpy()
    return scaled if exact else np.rint(scaled).astype(np.uint16)


def jpeg_of(pixels: Pixels, quality: int) -> bytes:
    """A JPEG file of (H, W, channels) pixels, grey or RGB."""
    content = io.BytesIO()
    Image.fromarray(pixels if pixels.shape[2] == _COLORS else pixels[..., 0]).save(content, "JPEG", quality=quality)
    return content.getvalue()


def _decode(content: bytes, ending: str, exif: bool, channels: int, bits: int) -> tuple[Pixels, frozenset[str]]:
    scans, described = check_content(content)
    if not described and bits == 8:
        mode, width, height = plain_size(content) or ("", 0, 0)
        if mode in _PLAIN_MODES.get(channels, ()) and width * height * scans <= LARGEST_PIXELS:
            pixels = plain_jpeg(content, width, height, channels)
            if pixels is not None:  # Pillow would find the same, and take its time to open the file
                return pixels, frozenset(_color_treatments(mode, channels) | _ending_treatments("JPEG", ending))
    return _decode_with_pillow(content, scans, ending, exif, channels, bits)


def _decode_with_pillow(
    content: bytes, scans: int, ending: str, exif: bool, channels: int, bits: int
) -> tuple[Pixels, frozenset[str]]:
    image = Image.open(CountedReads(content), formats=FORMATS)
    check_opened(image, scans)
    treatments = {"16-bit"} if _has_16_bits(image) and not (bits == 16 and image.mode.startswith("I")) else set()
    pixels = None
    if image.format in ("JPEG", "MPO") and image.mode in _PLAIN_MODES.get(channels, ()) and bits == 8:
        pixels = plain_jpeg(content, image.width, image.height, channels)
    if pixels is None:
        image.load()  # also decides about files that are not plain JPEGs
        pixels = _pixels(image, treatments, channels, bits)
    else:
        treatments |= _color_treatments(image.mode, channels)
    if _is_animated(image):
        treatments.add("several frames")
    treatments |= _ending_treatments(image.format or "", ending)
    orientation = _orientation(image)
    if orientation in _UPRIGHT:
        treatments.add("orientation")
        if exif:
            pixels = np.array(_UPRIGHT[orientation](pixels))
    return pixels, frozenset(treatments)


def _pixels(image: Image.Image, treatments: set[str], channels: int, bits: int) -> Pixels:
    """(H, W, channels), writable, of a loaded image; adds the conversions that it needs."""
    treatments |= _color_treatments(image.mode, channels)
    if image.mode.startswith("I"):
        values = _values_of_16_bits(image)
        transparent = image.info.get("transparency")
        if bits == 16:
            if transparent is not None and (clear := values == transparent).any():
                treatments.add("transparent")
                values[clear] = 65535
            return values.astype(np.uint16)[..., None]
        image = _to_8_bits(values, transparent)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if channels not in _WITH_ALPHA and image.getchannel("A").getextrema() != (255, 255):
            treatments.add("transparent")
            image = Image.alpha_composite(Image.new("RGBA", image.size, (*BACKGROUND, 255)), image)
    else:
        image = image.convert("RGB")
        treatments |= {"opaque"} if channels in _WITH_ALPHA else set()
    pixels = np.array(image.convert(_MODES[channels])).reshape(image.height, image.width, channels)
    return pixels if bits == 8 else pixels.astype(np.uint16) * np.uint16(STEPS_OF_16_BITS)


def _color_treatments(mode: str, channels: int) -> set[str]:
    grey = channels in _GREYS
    if mode in ("1", "L", "LA", "La") or mode.startswith("I"):
        return set() if grey else {"greyscale"}
    if mode == "F":
        raise BadImage("floating-point pixels have no fixed range: save it with 8 bits per channel")
    if grey:
        return {"colour"}
    if mode in ("P", "PA"):
        return {"palette"}
    if mode == "CMYK":
        return {"cmyk"}
    return set() if mode in ("RGB", "RGBA", "RGBa", "RGBX") else {"other colors"}


def _ending_treatments(form: str, ending: str) -> set[str]:
    return {"wrong ending"} if ending.lower() in KNOWN_ENDINGS - _ENDINGS[form] else set()


def _has_16_bits(image: Image.Image) -> bool:
    """Whether the file, not loaded yet, has 16 bits per channel; Pillow keeps the upper 8 of colour images."""
    if image.mode.startswith("I"):
        return True
    return any(";16" in str(tile.args) for tile in getattr(image, "tile", ()))


def _values_of_16_bits(image: Image.Image) -> NDArray[np.uint32]:
    """(H, W): the values of a greyscale image of 16 bits."""
    if image.mode == "I" and image.format != "PPM":
        raise BadImage("32-bit pixels have no fixed range: save it with 8 bits per channel")
    if _bits_per_sample(image) not in (None, 16):
        raise BadImage(f"{_bits_per_sample(image)} bits per channel: save it with 8")
    return np.asarray(image).astype(np.uint32)


def _to_8_bits(values: NDArray[np.uint32], transparent: int | None) -> Image.Image:
    """16-bit greyscale as 8 bits; keeps the one value that a PNG may declare as transparent."""
    grey = Image.fromarray(((values + 128) // STEPS_OF_16_BITS).astype(np.uint8))
    if transparent is not None:
        grey = Image.merge("LA", (grey, Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8))))
    return grey


def _bits_per_sample(image: Image.Image) -> int | None:
    tags = getattr(image, "tag_v2", None)
    return None if tags is None else int(tags.get(_TIFF_BITS_PER_SAMPLE, (16,))[0])


def _is_animated(image: Image.Image) -> bool:
    try:
        return bool(getattr(image, "is_animated", False))  # `n_frames` would read every frame
    except Exception:  # a damaged later frame does not matter: the first one is whole
        return True


def _orientation(image: Image.Image) -> int | None:
    try:
        value = image.getexif().get(_EXIF_ORIENTATION)
    except Exception:  # a broken EXIF block does not spoil good pixels (ImageNet's n04152593_17460)
        return None
    return value if isinstance(value, int) else None


def _damage(error: Exception) -> str:
    if "MAX_TEXT" in str(error):  # Pillow's own limit, named after its variable
        return "a text chunk unpacks to megabytes, as in a decompression bomb"
    return f"damaged: {str(error) or type(error).__name__}"


def _what_else(content: bytes) -> str:
    if content.startswith(_JPEG_START):
        return "a JPEG of a kind that cannot be decoded (12-bit, lossless or a damaged header)"
    if content.startswith((b"\x89PNG", b"GIF8", b"RIFF", b"II*\0", b"MM\0*", b"BM")):
        return "damaged: its header names an image format, but cannot be read"
    if content.startswith(git_lfs.START):
        return git_lfs.IS_POINTER
    return f"not an image in one of the formats read here: {', '.join(FORMATS)}"
