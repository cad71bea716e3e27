"""The language server: answers the requests of the protocol from the state of each open document."""

from __future__ import annotations

import asyncio
import logging
from importlib.metadata import version
from pathlib import Path

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path

from alexc.compiler.text.source import Span
from alexc.compiler.tree.format import format_spec

from .completion import Completion, complete
from .diagnostics import diagnostics, location
from .document_symbols import document_symbols
from .hover import hover
from .rename import RenameError, rename, renameable
from .spec import Spec

PAUSE = 0.15  # seconds without typing before a text is checked
_KINDS = {
    "keyword": types.CompletionItemKind.Keyword,
    "kind": types.CompletionItemKind.Function,
    "block": types.CompletionItemKind.Class,
    "argument": types.CompletionItemKind.Property,
    "value": types.CompletionItemKind.EnumMember,
    "layer": types.CompletionItemKind.Variable,
    "axis": types.CompletionItemKind.Variable,
    "parameter": types.CompletionItemKind.TypeParameter,
    "network": types.CompletionItemKind.Module,
    "file": types.CompletionItemKind.File,
}


class SpecServer(LanguageServer):
    """A server that keeps the latest state of each open document."""

    def __init__(self) -> None:
        super().__init__("alexc", version("alexc"), text_document_sync_kind=types.TextDocumentSyncKind.Full)
        self._specs: dict[str, Spec] = {}

    def spec(self, uri: str) -> Spec | None:
        """The state of a document, checked again if it or an open file that it may extend changed; None if not open."""
        documents = self.workspace.text_documents
        if uri not in documents:
            return None
        text, known = documents[uri].source, self._specs.get(uri)
        paths = {name: path_of(name) for name in documents}
        opened = {path.resolve(): documents[name].source for name, path in paths.items() if path is not None}
        if known is None or known.text != text or (known.extends_files and known.opened != opened):
            encoding = self.workspace.position_encoding or types.PositionEncodingKind.Utf16
            known = Spec.read(uri, text, path_of(uri), opened, str(getattr(encoding, "value", encoding)), known)
            self._specs[uri] = known
        return known

    def publish(self, uri: str) -> None:
        """Send the diagnostics of a document."""
        spec = self.spec(uri)
        if spec is not None:
            self.text_document_publish_diagnostics(
                types.PublishDiagnosticsParams(uri, diagnostics(spec), self.workspace.text_documents[uri].version)
            )

    def publish_all(self, first: str) -> None:
        """Send the diagnostics of a document, then those of the open documents that may extend it."""
        self.publish(first)
        for uri in list(self.workspace.text_documents):
            if uri != first and (known := self._specs.get(uri)) is not None and known.extends_files:
                self.publish(uri)

    def forget(self, uri: str) -> None:
        """Drop the state of a closed document and clear its diagnostics."""
        self._specs.pop(uri, None)
        self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, []))


def path_of(uri: str) -> Path | None:
    """The path of a document, or None if it is not a file."""
    path = to_fs_path(uri)
    return Path(path) if path else None


def run() -> None:
    """Serve one editor over standard input and output until it ends the session."""
    logging.getLogger("pygls.protocol.json_rpc").addFilter(_is_no_refusal)
    make_server().start_io()


def _is_no_refusal(record: logging.LogRecord) -> bool:
    """Drops log records of refused renames: a refusal is an answer and needs no traceback."""
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, JsonRpcException) and error.code == types.LSPErrorCodes.RequestFailed)


def make_server() -> SpecServer:
    """A server with a handler for each feature."""
    server = SpecServer()

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def opened(ls: SpecServer, params: types.DidOpenTextDocumentParams) -> None:
        ls.publish_all(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    async def changed(ls: SpecServer, params: types.DidChangeTextDocumentParams) -> None:
        await asyncio.sleep(PAUSE)
        document = ls.workspace.text_documents.get(params.text_document.uri)
        if document is not None and document.version == params.text_document.version:
            ls.publish_all(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    def saved(ls: SpecServer, params: types.DidSaveTextDocumentParams) -> None:
        ls.publish_all(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def closed(ls: SpecServer, params: types.DidCloseTextDocumentParams) -> None:
        ls.forget(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    def hovered(ls: SpecServer, params: types.HoverParams) -> types.Hover | None:
        spec = ls.spec(params.text_document.uri)
        found = hover(spec, spec.positions.offset(params.position)) if spec is not None else None
        if spec is None or found is None:
            return None
        text, start, end = found
        return types.Hover(
            types.MarkupContent(types.MarkupKind.Markdown, text), spec.positions.range(Span(spec.source, start, end))
        )

    @server.feature(types.TEXT_DOCUMENT_DEFINITION)
    def defined(ls: SpecServer, params: types.DefinitionParams) -> types.Location | None:
        spec = ls.spec(params.text_document.uri)
        span = spec.definition(spec.positions.offset(params.position)) if spec is not None else None
        return location(spec, span) if spec is not None and span is not None else None

    @server.feature(types.TEXT_DOCUMENT_REFERENCES)
    def referred(ls: SpecServer, params: types.ReferenceParams) -> list[types.Location] | None:
        spec = ls.spec(params.text_document.uri)
        found = spec.symbols.at(spec.positions.offset(params.position)) if spec is not None else None
        if spec is None or found is None:
            return None
        alike = [each for each in spec.symbols.occurrences if each.definition == found.definition]
        if not params.context.include_declaration:
            alike = [each for each in alike if each.span != each.definition]
        return [types.Location(spec.uri, spec.positions.range(each.span)) for each in alike]

    @server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=["=", '"']))
    def completed(ls: SpecServer, params: types.CompletionParams) -> types.CompletionList:
        spec = ls.spec(params.text_document.uri)
        if spec is None:
            return types.CompletionList(is_incomplete=False, items=[])
        offset = spec.positions.offset(params.position)
        completions, start = complete(spec, offset)
        written = spec.positions.range(Span(spec.source, start, offset))
        items = [_item(completion, number, written) for number, completion in enumerate(completions)]
        return types.CompletionList(is_incomplete=False, items=items)

    @server.feature(types.TEXT_DOCUMENT_FORMATTING)
    def formatted(ls: SpecServer, params: types.DocumentFormattingParams) -> list[types.TextEdit] | None:
        spec = ls.spec(params.text_document.uri)
        text = format_spec(spec.source)[0] if spec is not None else None
        if spec is None or text is None:
            return None
        return [] if text == spec.text else [types.TextEdit(spec.positions.whole(), text)]

    @server.feature(types.TEXT_DOCUMENT_PREPARE_RENAME)
    def prepared(ls: SpecServer, params: types.PrepareRenameParams) -> types.Range | None:
        spec = ls.spec(params.text_document.uri)
        if spec is None:
            return None
        try:
            return spec.positions.range(renameable(spec, spec.positions.offset(params.position)))
        except RenameError as refused:
            raise _refusal(refused) from None

    @server.feature(types.TEXT_DOCUMENT_RENAME)
    def renamed(ls: SpecServer, params: types.RenameParams) -> types.WorkspaceEdit | None:
        spec = ls.spec(params.text_document.uri)
        if spec is None:
            return None
        try:
            spans = rename(spec, spec.positions.offset(params.position), params.new_name)
        except RenameError as refused:
            raise _refusal(refused) from None
        edits = [types.TextEdit(spec.positions.range(span), params.new_name) for span in spans]
        return types.WorkspaceEdit(changes={spec.uri: edits})

    @server.feature(types.TEXT_DOCUMENT_DOCUMENT_SYMBOL)
    def outlined(ls: SpecServer, params: types.DocumentSymbolParams) -> list[types.DocumentSymbol]:
        spec = ls.spec(params.text_document.uri)
        return document_symbols(spec) if spec is not None else []

    return server


def _refusal(refused: RenameError) -> JsonRpcException:
    return JsonRpcException(str(refused), types.LSPErrorCodes.RequestFailed)


def _item(completion: Completion, number: int, written: types.Range) -> types.CompletionItem:
    """The protocol's form of a completion, which replaces the range `written`."""
    return types.CompletionItem(
        label=completion.word,
        kind=_KINDS[completion.kind],
        detail=completion.detail or None,
        documentation=types.MarkupContent(types.MarkupKind.Markdown, completion.documentation or completion.detail),
        sort_text=f"{number:05}",
        text_edit=types.TextEdit(written, completion.word),
    )
