"""Decodes an image file of any supported format to RGB pixels, or says why it cannot."""

from __future__ import annotations

import io
import os
import stat
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from alexc import git_lfs

from .decoding_work import LARGEST_PIXELS, BadImage, CountedReads, check_content, check_opened
from .plain_jpeg import plain_jpeg
from .store import Geometry

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM")  # JPEG includes MPO, a format of 3D cameras and phones
LARGEST_FILE = 1 << 30
BACKGROUND = (255, 255, 255)
TREATMENTS = {
    "greyscale": "one channel copied to three",
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
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TIFF_BITS_PER_SAMPLE = 258


def load_image(path: Path, exif: bool = False) -> tuple[NDArray[np.uint8], frozenset[str]]:
    """The pixels of an image, (H, W, 3), RGB, and the conversions that it needed, keys of `TREATMENTS`.

    Args:
        path: a file in one of `FORMATS`, recognised by its content.
        exif: apply the EXIF orientation; by default it is ignored, which is ImageNet's convention, and only counted.

    Raises:
        BadImage: the file is not a complete, decodable image of bounded size.
    """
    return decode(read_file(path), path.suffix, exif)


def read_file(path: Path) -> bytes:
    """The bytes of a regular file of bounded size.

    Raises:
        BadImage: it cannot be read, is not a regular file, is empty, or is larger than `LARGEST_FILE` bytes.
    """
    try:
        # O_NONBLOCK: a named pipe would otherwise wait for a writer for ever.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:  # noqa: PTH123 - a descriptor, not a path
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


def decode(content: bytes, ending: str, exif: bool = False) -> tuple[NDArray[np.uint8], frozenset[str]]:
    """As `load_image`, from the bytes of a file; `ending` is the ending of its name, such as ".jpg"."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's warnings are errors below, or harmless
            return _decode(content, ending, exif)
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


def square(pixels: NDArray[np.uint8], geometry: Geometry) -> NDArray[np.uint8]:
    """Scale the shorter side to `geometry.resize` and crop the central square (section 2 of the paper).

    Equal bit for bit to torchvision's v2 `Resize` (bilinear, antialiased) and `CenterCrop` of a uint8 tensor. Their
    results for a PIL image differ in photographs by 0.003 grey levels on average: a few values by 1, hardly any by 2.

    Args:
        pixels: (H, W, 3), writable.
        geometry: the two sizes.

    Returns:
        (crop, crop, 3), uint8, contiguous.

    Raises:
        BadImage: the image is so narrow that it would have more than `LARGEST_PIXELS` pixels when scaled.
    """
    # Importing takes over a second, and the process that only distributes the work does not need it.
    import torch
    from torch.nn.functional import interpolate

    height, width, _ = pixels.shape
    shorter, longer = sorted((width, height))
    scaled = int(geometry.resize * longer / shorter)
    if scaled * geometry.resize > LARGEST_PIXELS:
        raise BadImage(f"too narrow: {width} x {height} pixels")
    size = (scaled, geometry.resize) if width <= height else (geometry.resize, scaled)
    if size != (height, width):
        image = torch.from_numpy(pixels).unsqueeze(0).permute(0, 3, 1, 2)  # channels last, for which the kernel is fast
        pixels = interpolate(image, size, mode="bilinear", antialias=True)[0].permute(1, 2, 0).numpy()
    top, left = (round((side - geometry.crop) / 2) for side in size)
    return np.ascontiguousarray(pixels[top : top + geometry.crop, left : left + geometry.crop])


def jpeg_of(pixels: NDArray[np.uint8], quality: int) -> bytes:
    """A JPEG file of (H, W, 3) RGB pixels."""
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "JPEG", quality=quality)
    return content.getvalue()


def _decode(content: bytes, ending: str, exif: bool) -> tuple[NDArray[np.uint8], frozenset[str]]:
    scans = check_content(content)
    image = Image.open(CountedReads(content), formats=FORMATS)
    check_opened(image, scans)
    treatments = {"16-bit"} if _has_16_bits(image) else set()
    pixels = None
    if image.format in ("JPEG", "MPO") and image.mode in ("L", "RGB"):
        pixels = plain_jpeg(content, image.width, image.height)
    if pixels is None:
        image.load()  # also decides about files that are not plain JPEGs
        pixels = _rgb(image, treatments)
    else:
        treatments |= _color_treatments(image.mode)
    if _is_animated(image):
        treatments.add("several frames")
    if ending.lower() in KNOWN_ENDINGS - _ENDINGS[image.format or ""]:
        treatments.add("wrong ending")
    orientation = _orientation(image)
    if orientation in _UPRIGHT:
        treatments.add("orientation")
        if exif:
            pixels = np.array(Image.fromarray(pixels).transpose(_UPRIGHT[orientation]))
    return pixels, frozenset(treatments)


def _rgb(image: Image.Image, treatments: set[str]) -> NDArray[np.uint8]:
    """(H, W, 3), writable, of a loaded image; adds the conversions that it needs."""
    treatments |= _color_treatments(image.mode)
    if image.mode.startswith("I"):
        image = _to_8_bits(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema() != (255, 255):
            treatments.add("transparent")
            image = Image.alpha_composite(Image.new("RGBA", image.size, (*BACKGROUND, 255)), image)
    return np.array(image.convert("RGB"))


def _color_treatments(mode: str) -> set[str]:
    if mode in ("1", "L", "LA", "La") or mode.startswith("I"):
        return {"greyscale"}
    if mode in ("P", "PA"):
        return {"palette"}
    if mode == "CMYK":
        return {"cmyk"}
    if mode in ("RGB", "RGBA", "RGBa", "RGBX"):
        return set()
    if mode == "F":
        raise BadImage("floating-point pixels have no fixed range: save it with 8 bits per channel")
    return {"other colors"}


def _has_16_bits(image: Image.Image) -> bool:
    """Whether the file, not loaded yet, has 16 bits per channel; Pillow keeps the upper 8 of colour images."""
    if image.mode.startswith("I"):
        return True
    return any(";16" in str(tile.args) for tile in getattr(image, "tile", ()))


def _to_8_bits(image: Image.Image) -> Image.Image:
    """16-bit greyscale to 8 bits; keeps the one value that a PNG may declare as transparent."""
    if image.mode == "I" and image.format != "PPM":
        raise BadImage("32-bit pixels have no fixed range: save it with 8 bits per channel")
    if _bits_per_sample(image) not in (None, 16):
        raise BadImage(f"{_bits_per_sample(image)} bits per channel: save it with 8")
    values = np.asarray(image).astype(np.uint32)
    grey = Image.fromarray(((values + 128) // 257).astype(np.uint8))
    transparent = image.info.get("transparency")
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
