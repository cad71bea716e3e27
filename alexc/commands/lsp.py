"""`alexc lsp`: starts the language server."""

from __future__ import annotations

from importlib.util import find_spec

from alexc.runtime.errors import UserError


def lsp() -> None:
    """Start the language server for editors.

    It uses standard input and output; docs/editor.md shows how to set up each editor.
    """
    if find_spec("pygls") is None:
        raise UserError("the language server needs pygls: pip install pygls")
    from alexc.language_server.server import run

    run()
