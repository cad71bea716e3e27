"""The data layers of a Caffe net: the shape of the images, and how they are preprocessed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from alexc.compiler.layers.arguments import LARGEST_SIZE
from alexc.compiler.layers.kind import Shape
from alexc.compiler.net.spec_text import argument_text
from alexc.compiler.text.diagnostics import Diagnostic
from alexc.compiler.text.source import Span

from .fields import Fields
from .layer import CaffeLayer

SOURCES = ("Data", "ImageData", "MemoryData", "HDF5Data", "DummyData", "Input")
_PARAMETERS = {
    "Data": "data_param",
    "ImageData": "image_data_param",
    "MemoryData": "memory_data_param",
    "HDF5Data": "hdf5_data_param",
    "DummyData": "dummy_data_param",
    "Input": "input_param",
}
# Where images are stored and how they are loaded: part of neither the network nor the recipe.
_STORAGE = (
    "source", "backend", "prefetch", "rand_skip", "shuffle", "root_folder", "force_encoded_color", "data_filler",
)  # fmt: skip


@dataclass(frozen=True)
class Images:
    """The settings of a data layer.

    Attributes:
        span: the layer's type.
        shape: channels x height x width, or None if the file does not give it.
        batch: the batch size, or None.
        crop: the side of the square crop, or None.
        stored: the side of the square, or height and width, that images are resized to first; or None.
        mirror: whether images are mirrored at random.
        scale: the factor that multiplies every value at the end.
        mean_file: whether a mean image is subtracted.
        mean_values: the value to subtract from each channel, in Caffe's order: blue, green, red.
    """

    span: Span
    shape: Shape | None = None
    batch: int | None = None
    crop: int | None = None
    stored: int | tuple[int, int] | None = None
    mirror: bool = False
    scale: float = 1.0
    mean_file: bool = False
    mean_values: tuple[float, ...] = ()

    def in_words(self) -> str:
        """The preprocessing in words, for a comment."""
        subtracted = ", ".join(f"{value:g}" for value in self.mean_values) or (
            "the mean image" if self.mean_file else ""
        )
        words = {
            "resized to": argument_text(self.stored) if self.stored else "",
            "cropped to": self.crop or "",
            "mirrored": "at random" if self.mirror else "",
            "minus": subtracted,
            "multiplied by": f"{self.scale:g}" if self.scale != 1 else "",
            "in batches of": self.batch or "",
        }
        return "; ".join(f"{word} {value}" for word, value in words.items() if value) or "used as they are"

    @property
    def shown(self) -> int | tuple[int, int] | None:
        """The side of the square, or height and width, that the network gets, or None if the layer does not say it."""
        return self.crop or self.stored

    def same_values(self, other: Images) -> bool:
        """Whether the network gets these images and the others in the same size and on the same scale."""
        mine = (self.scale, self.mean_file, self.mean_values)
        same_size = self.shown == other.shown or None in (self.shown, other.shown)
        return same_size and mine == (other.scale, other.mean_file, other.mean_values)


def read_images(layer: CaffeLayer, findings: list[Diagnostic]) -> Images:
    """The settings of a layer whose type is in `SOURCES`."""
    own = layer.fields.message(_PARAMETERS[layer.type])
    transform = layer.fields.message("transform_param")
    own.ignore(*_STORAGE)
    transform.ignore("force_color")
    crop = max(own.whole("crop_size", 0), transform.whole("crop_size", 0))
    gray = transform.flag("force_gray", False) or not own.flag("is_color", True)
    high, wide = own.whole("new_height", 0), own.whole("new_width", 0)
    mean_files = [*own.texts("mean_file"), *transform.texts("mean_file")]
    channels = 1 if gray else 3
    declared = next(_shapes(own), None)
    seen = _shape([channels, crop, crop] if crop else [channels, high, wide])
    batch = own.whole("batch_size", 0)
    images = Images(
        layer.span,
        declared or seen,
        batch if batch > 0 else None,
        crop or None,
        (high if high == wide else (high, wide)) if high and wide else None,
        own.flag("mirror", False) or transform.flag("mirror", False),
        own.number("scale", 1) * transform.number("scale", 1),
        bool(mean_files),
        tuple(transform.numbers("mean_value")),
    )
    findings += [
        Diagnostic("W0901", f"`{each.name}` of images has no counterpart", each.span) for each in layer.fields.unread()
    ]
    return images


def stored_size(images: Images, testing: Sequence[Images]) -> int | tuple[int, int] | None:
    """The size of the stored images, or None if neither this layer nor those of testing imply it.

    A layer of testing without a crop shows whole images, which then have the size that the network reads.
    """
    sizes = [each.stored for each in (images, *testing) if each.stored]
    whole = [images.crop for each in testing if each.shown is None]
    return next(iter([*sizes, *whole]), None)


def declared_input(net: Fields, findings: list[Diagnostic]) -> tuple[list[str], Images | None]:
    """The blobs that `input` declares in a net for deployment, and the shape of the first, the images."""
    names = net.texts("input")
    sizes = net.whole_numbers("input_dim")
    shapes = [shape.whole_numbers("dim") for shape in net.messages("input_shape")]
    shapes += [sizes[start : start + 4] for start in range(0, len(sizes), 4)]
    if not names:
        return [], None
    span = net.span_of("input_shape", "input_dim", "input")
    shape = _shape(shapes[0][1:]) if shapes else None
    if shapes and shape is None:
        message = "the shape of the input is images x channels x height x width"
        findings.append(Diagnostic("E0904", message, span, help="as in `dim: 10 dim: 3 dim: 227 dim: 227`"))
    return names, Images(span, shape)


def _shapes(own: Fields) -> Iterator[Shape]:
    """The shapes that the layer's own parameter gives, without the batch size."""
    sizes = [own.whole(name, 0) for name in ("channels", "height", "width")]
    own.ignore("num")
    found = [each.whole_numbers("dim")[1:] for each in own.messages("shape")]
    for each in [*found, sizes]:
        shape = _shape(each)
        if shape is not None:
            yield shape


def _shape(sizes: list[int]) -> Shape | None:
    """(channels, height, width), or None if these are not the sizes of an image."""
    good = len(sizes) == 3 and all(1 <= size <= LARGEST_SIZE for size in sizes)
    return Shape(tuple(sizes)) if good else None
