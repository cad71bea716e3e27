"""From the files of a foreign network to a spec: find the program, read the files, write the spec.

To add a program, write a module with the functions `recognises(source)` and `read(sources, assumed)`, and add a line to
`formats()`.
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
    """The file format of a program.

    Attributes:
        name: its name in messages: "Caffe's prototxt".
        recognises: whether a file has the format, by the suffix of its name or by its content.
        read: reads all files of one network, in any order.
    """

    name: str
    recognises: Callable[[Source], bool]
    read: Callable[[Sequence[Source], Assumptions], ReadResult]


def formats() -> tuple[Format, ...]:
    """All formats, in the order in which a file is tried."""
    return (
        Format("Caffe's prototxt", caffe.recognises, caffe.read),
        Format("darknet's cfg", darknet.recognises, darknet.read),
        Format("cuda-convnet's cfg", cuda_convnet.recognises, cuda_convnet.read),
    )


def import_sources(sources: Sequence[Source], assumed: Assumptions) -> ImportResult:
    """The spec of the network in these files, and the diagnostics.

    An error (a code that begins with E) means that the spec would be a different network; then there is no text.
    """
    found = [_format_of(source) for source in sources]
    unknown = [source for source, format_ in zip(sources, found, strict=True) if format_ is None]
    if unknown:
        return ImportResult(None, tuple(map(_unknown, unknown)))
    different = dict.fromkeys(each.name for each in found if each is not None)
    if len(different) > 1:
        message = f"the files come from different programs: {list_in_words(list(different))}"
        return ImportResult(None, (_at_start(sources[1], message),))
    assert found[0] is not None
    return to_spec(found[0].read(sources, assumed), assumed.most_parameters)


def is_foreign(source: Source) -> bool:
    """Whether a file has a format that can be imported."""
    return _format_of(source) is not None


def to_spec(read: ReadResult, most_parameters: int) -> ImportResult:
    """The spec of what a reader returned. There is no text if it found errors or more than `most_parameters`."""
    if read.network is None or any(each.severity == "error" for each in read.findings):
        return ImportResult(None, read.findings)
    written = write_spec(read.network, most_parameters)
    return ImportResult(written.text, (*read.findings, *written.findings))


def _format_of(source: Source) -> Format | None:
    return next((each for each in formats() if each.recognises(source)), None)


def _unknown(source: Source) -> Diagnostic:
    """The error for a file that no reader recognises."""
    if source.name.endswith(".net"):
        message, help_ = (
            "this is already a spec of alexc",
            "`alexc check`, `alexc summary` and `alexc compile` read it",
        )
    else:
        known = list_in_words([each.name for each in formats()], "or")
        message = f"alexc cannot import this file; it imports {known}"
        help_ = "name the file that describes the layers, such as train_val.prototxt or layers.cfg, or torchvision:NAME"
    return _at_start(source, message, help_)


def _at_start(source: Source, message: str, help_: str = "") -> Diagnostic:
    return Diagnostic("E0906", message, Span(source, 0, 0), help=help_)
