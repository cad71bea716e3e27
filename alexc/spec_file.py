"""A spec that the user names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.resources import as_file, files
from pathlib import Path

from alexc.compiler.diagnostics import Diagnostic
from alexc.compiler.pipeline import Checked, check_file, read_source
from alexc.compiler.source import Source
from alexc.spec_error import SpecError


def read_spec(path: Path) -> Checked:
    """Read and check a spec.

    Raises:
        SpecError: the file cannot be read.
    """
    with _reading(path):
        return check_file(path)


def read_unchecked(path: Path) -> tuple[Source, list[Diagnostic]]:
    """The text of a spec; empty, with what is wrong, where the file is no text.

    Raises:
        SpecError: the file cannot be read.
    """
    with _reading(path):
        return read_source(path, str(path))


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise SpecError(f"{path}: there is no such file; a spec is a `.net` file, such as spec/alexnet.net") from None
    except IsADirectoryError:
        raise SpecError(f"{path}: this is a folder; name a `.net` file in it") from None
    except OSError as error:
        raise SpecError(f"{path}: cannot be read: {error.strerror}") from None


def flagship() -> AbstractContextManager[Path]:
    """The spec that is shipped with alexc: AlexNet."""
    return as_file(files("alexc.spec").joinpath("alexnet.net"))
