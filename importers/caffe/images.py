"""Where a Caffe net's images come from: their shape, and what is done to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from alexc.compiler.layers.arguments import LARGEST_SIZE
from alexc.compiler.layers.kind import Shape
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
# Where images lie and how they are fetched: neither the network nor the recipe.
_STORAGE = (
    "source", "backend", "prefetch", "rand_skip", "shuffle", "root_folder", "force_encoded_color", "data_filler",
)  # fmt: skip


@dataclass(frozen=True)
class Images:
    """What a layer that gives images says of them.

    Attributes:
        span: the layer's type.
        shape: channels x height x width, or None where the file does not say it.
        batch: how many at once, or None.
        crop: the side of the square that is cut out, or None.
        stored: the side of the squares that images are scaled to before, or None.
        mirror: whether they are mirrored now and then.
        scale: what every value is multiplied by in the end.
        mean_file: whether a mean image is subtracted.
        mean_values: what is subtracted from each channel, in Caffe's order: blue, green, red.
    """

    span: Span
    shape: Shape | None = None
    batch: int | None = None
    crop: int | None = None
    stored: int | None = None
    mirror: bool = False
    scale: float = 1.0
    mean_file: bool = False
    mean_values: tuple[float, ...] = ()

    def in_words(self) -> str:
        """What is done to the images, for a comment."""
        subtracted = ", ".join(f"{value:g}" for value in self.mean_values) or ("mean image" if self.mean_file else "")
        words = {
            "scaled to": self.stored or "",
            "cropped to": self.crop or "",
            "mirrored": "now and then" if self.mirror else "",
            "subtracted:": subtracted,
            "multiplied by": f"{self.scale:g}" if self.scale != 1 else "",
            "in batches of": self.batch or "",
        }
        return "; ".join(f"{word} {value}" for word, value in words.items() if value) or "shown as they are"

    def same_values(self, other: Images) -> bool:
        """Whether the other ones reach the network in the same size and on the same scale."""
        mine = (self.crop, self.scale, self.mean_file, self.mean_values)
        return mine == (other.crop, other.scale, other.mean_file, other.mean_values)


def read_images(layer: CaffeLayer, findings: list[Diagnostic]) -> Images:
    """What a layer of one of the types of `SOURCES` says."""
    own = layer.fields.message(_PARAMETERS[layer.type])
    transform = layer.fields.message("transform_param")
    own.ignore(*_STORAGE)
    transform.ignore("force_color")
    crop = max(own.whole("crop_size", 0), transform.whole("crop_size", 0))
    gray = transform.flag("force_gray", False) or not own.flag("is_color", True)
    high, wide = own.whole("new_height", 0), own.whole("new_width", 0)
    mean_files = [*own.texts("mean_file"), *transform.texts("mean_file")]
    channels = 1 if gray else 3
    said = next(_shapes(own), None)
    seen = _shape([channels, crop, crop] if crop else [channels, high, wide])
    batch = own.whole("batch_size", 0)
    images = Images(
        layer.span,
        said or seen,
        batch if batch > 0 else None,
        crop or None,
        high if high and high == wide else None,
        own.flag("mirror", False) or transform.flag("mirror", False),
        own.number("scale", 1) * transform.number("scale", 1),
        bool(mean_files),
        tuple(transform.numbers("mean_value")),
    )
    findings += [
        Diagnostic("W0901", f"`{each.name}` of images has no counterpart", each.span) for each in layer.fields.unread()
    ]
    return images


def declared_input(net: Fields, findings: list[Diagnostic]) -> tuple[list[str], Images | None]:
    """The blobs that a net for use names with `input`, and the shape of the first: images."""
    names = net.texts("input")
    sizes = net.whole_numbers("input_dim")
    shapes = [shape.whole_numbers("dim") for shape in net.messages("input_shape")]
    shapes += [sizes[start : start + 4] for start in range(0, len(sizes), 4)]
    if not names:
        return [], None
    span = net.span_of("input_shape", "input_dim", "input")
    shape = _shape(shapes[0][1:]) if shapes else None
    if shapes and shape is None:
        message = "an image is channels x height x width, behind the number of images"
        findings.append(Diagnostic("E0904", message, span, help="as in `dim: 10 dim: 3 dim: 227 dim: 227`"))
    return names, Images(span, shape)


def _shapes(own: Fields) -> Iterator[Shape]:
    """Those that a layer says in words of its own, without the number of images."""
    sizes = [own.whole(name, 0) for name in ("channels", "height", "width")]
    own.ignore("num")
    found = [each.whole_numbers("dim")[1:] for each in own.messages("shape")]
    for each in [*found, sizes]:
        shape = _shape(each)
        if shape is not None:
            yield shape


def _shape(sizes: list[int]) -> Shape | None:
    """(channels, height, width) where these are sizes of an image."""
    good = len(sizes) == 3 and all(1 <= size <= LARGEST_SIZE for size in sizes)
    return Shape(tuple(sizes)) if good else None
