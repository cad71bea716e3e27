"""Which program a foreign file was written for, and from several files of one network to a spec.

A reader of a further program is a module with two functions, `recognises(source)` and `read(sources, assumed)`, and a
line in `formats()`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from alexc.compiler.text.diagnostics import Diagnostic, list_in_words
from alexc.compiler.text.source import Source, Span

from .caffe import reader as caffe
from .cuda_convnet import reader as cuda_convnet
from .darknet import reader as darknet
from .foreign.network import Assumptions, ReadResult
from .foreign.spec_writer import ImportResult, write_spec


@dataclass(frozen=True)
class Format:
    """A program's files.

    Attributes:
        name: as messages call them: "Caffe's prototxt".
        recognises: whether a file is one of them, told by its name's ending and its content.
        read: all files that belong to one network, in any order, to the network; reports the findings.
    """

    name: str
    recognises: Callable[[Source], bool]
    read: Callable[[Sequence[Source], Assumptions], ReadResult]


def formats() -> tuple[Format, ...]:
    """All formats, in the order in which files are shown to them."""
    return (
        Format("Caffe's prototxt", caffe.recognises, caffe.read),
        Format("darknet's cfg", darknet.recognises, darknet.read),
        Format("cuda-convnet's cfg", cuda_convnet.recognises, cuda_convnet.read),
    )


def import_sources(sources: Sequence[Source], assumed: Assumptions) -> ImportResult:
    """The spec of a network that lies in these files, and everything that there is to say about them.

    Findings with a code that begins with E say that the spec would be another network; there is no text then.
    """
    found = [_format_of(source) for source in sources]
    unknown = [source for source, format_ in zip(sources, found, strict=True) if format_ is None]
    if unknown:
        return ImportResult(None, tuple(map(_unknown, unknown)))
    different = dict.fromkeys(each.name for each in found if each is not None)
    if len(different) > 1:
        message = f"the files are of different programs: {list_in_words(list(different))}"
        return ImportResult(None, (_at_start(sources[1], message),))
    assert found[0] is not None
    return to_spec(found[0].read(sources, assumed), assumed.most_parameters)


def is_foreign(source: Source) -> bool:
    """Whether a file is one of a program whose files can be imported."""
    return _format_of(source) is not None


def to_spec(read: ReadResult, most_parameters: int) -> ImportResult:
    """The spec of what a reader made; none where it found errors, or more than `most_parameters`."""
    if read.network is None or any(each.severity == "error" for each in read.findings):
        return ImportResult(None, read.findings)
    written = write_spec(read.network, most_parameters)
    return ImportResult(written.text, (*read.findings, *written.findings))


def _format_of(source: Source) -> Format | None:
    return next((each for each in formats() if each.recognises(source)), None)


def _unknown(source: Source) -> Diagnostic:
    """What a file is that no reader knows, and what takes it."""
    if source.name.endswith(".net"):
        message, way_out = (
            "this is a spec of alexc already",
            "`alexc check`, `alexc summary` and `alexc compile` take it",
        )
    else:
        known = list_in_words([each.name for each in formats()], "or")
        message = f"this is no file that alexc can import: {known}"
        way_out = (
            "name the file that describes the layers, such as train_val.prototxt or layers.cfg, or torchvision:NAME"
        )
    return _at_start(source, message, way_out)


def _at_start(source: Source, message: str, way_out: str = "") -> Diagnostic:
    return Diagnostic("E0906", message, Span(source, 0, 0), help=way_out)
