"""The language server: answers the requests of the protocol from the state of each open document."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path

from alexc.compiler.text.source import Span
from alexc.compiler.tree.format import format_spec

from .code_actions import quick_fixes
from .completion import Completion, complete
from .diagnostics import diagnostics, location
from .document import Document
from .document_symbols import document_symbols
from .folding import folding_ranges
from .hover import hover
from .inlay_hints import DETAILS, Detail, inlay_hints
from .rename import RenameError, rename, renameable
from .semantic_tokens import LEGEND, semantic_tokens
from .signature_help import signature_help
from .spec import Spec
from .views import ViewError, expanded, picture

_PAUSE = 0.15  # seconds without typing before a text is checked
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
        super().__init__("alexc", version("alexc"), text_document_sync_kind=types.TextDocumentSyncKind.Incremental)
        self._specs: dict[str, Spec] = {}
        self._documents: dict[str, Document] = {}
        self.hints: Detail = "layers"

    def open(self, item: types.TextDocumentItem) -> None:
        """Keep a document that the editor opened, in place of the one that pygls made."""
        documents = self.workspace.text_documents
        self._documents[item.uri] = Document(item.uri, item.text, item.version, self._encoding)
        for key in [key for key, each in documents.items() if each.uri == item.uri]:
            documents[key] = self._documents[item.uri]

    def document(self, uri: str) -> Document | None:
        """An open document."""
        return self._documents.get(uri)

    def spec(self, uri: str) -> Spec | None:
        """The state of a document, checked again if it or an open file that it may extend changed; None if not open."""
        document, known = self.document(uri), self._specs.get(uri)
        if document is None:
            return None
        paths = {_path_of(each.uri): each.text for each in self._documents.values()}
        opened = {path.resolve(): text for path, text in paths.items() if path is not None}
        if known is None or known.text != document.text or (known.extends_files and known.opened != opened):
            known = Spec.read(uri, document.text, _path_of(uri), opened, self._encoding, known)
            self._specs[uri] = known
        return known

    async def settled(self, uri: str) -> Spec | None:
        """The state of the newest version of a document, checked once nothing has been typed for a moment."""
        while (document := self.document(uri)) is not None:
            known, version = self._specs.get(uri), document.version
            if known is None or known.text == document.text:
                break
            await asyncio.sleep(_PAUSE)
            if document.version == version:
                break
        return self.spec(uri)

    @property
    def _encoding(self) -> str:
        encoding = self.workspace.position_encoding or types.PositionEncodingKind.Utf16
        return str(getattr(encoding, "value", encoding))

    def publish(self, uri: str) -> None:
        """Send the diagnostics of a document."""
        document, spec = self.document(uri), self.spec(uri)
        if document is not None and spec is not None:
            found = types.PublishDiagnosticsParams(uri, diagnostics(spec), document.version)
            self.text_document_publish_diagnostics(found)

    def publish_all(self, first: str) -> None:
        """Send the diagnostics of a document, then those of the open documents that may extend it."""
        self.publish(first)
        others = [uri for uri, known in self._specs.items() if uri != first and known.extends_files]
        for uri in others:
            self.publish(uri)
        if others:  # their texts did not change, so the editor does not ask again by itself
            self.refresh()

    def refresh(self) -> None:
        """Ask the editor to request hints and colours again, if it can."""
        workspace = self.client_capabilities.workspace
        if workspace is not None and workspace.inlay_hint is not None and workspace.inlay_hint.refresh_support:
            self.workspace_inlay_hint_refresh(None)
        if (
            workspace is not None
            and workspace.semantic_tokens is not None
            and workspace.semantic_tokens.refresh_support
        ):
            self.workspace_semantic_tokens_refresh(None)

    def configure(self, settings: object) -> None:
        """Take the settings of the editor: `alexc.inlayHints` is `off`, `lines` or `layers`."""
        own = settings.get("alexc", settings) if isinstance(settings, dict) else getattr(settings, "alexc", settings)
        detail = own.get("inlayHints") if isinstance(own, dict) else getattr(own, "inlayHints", None)
        if detail in DETAILS and detail != self.hints:
            self.hints = detail
            self.refresh()

    def forget(self, uri: str) -> None:
        """Drop the state of a closed document and clear its diagnostics."""
        self._specs.pop(uri, None)
        self._documents.pop(uri, None)
        self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, []))


def _path_of(uri: str) -> Path | None:
    """The path of a document, or None if it is not a file."""
    path = to_fs_path(uri)
    return Path(path) if path else None


def run() -> None:
    """Serve one editor over standard input and output until it ends the session."""
    logging.getLogger("pygls.protocol.json_rpc").addFilter(_is_no_refusal)
    _make_server().start_io()


def _is_no_refusal(record: logging.LogRecord) -> bool:
    """Drops log records of refused requests: a refusal is an answer and needs no traceback."""
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, JsonRpcException) and error.code == types.LSPErrorCodes.RequestFailed)


def _make_server() -> SpecServer:
    """A server with a handler for each feature."""
    server = SpecServer()

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def opened(ls: SpecServer, params: types.DidOpenTextDocumentParams) -> None:
        ls.open(params.text_document)
        ls.publish_all(params.text_document.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    async def changed(ls: SpecServer, params: types.DidChangeTextDocumentParams) -> None:
        await asyncio.sleep(_PAUSE)
        document = ls.document(params.text_document.uri)
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

    _add_quick_fixes(server)
    _add_signatures(server)
    _add_decorations(server)
    _add_views(server)
    return server


def _add_quick_fixes(server: SpecServer) -> None:
    options = types.CodeActionOptions(code_action_kinds=[types.CodeActionKind.QuickFix])

    @server.feature(types.TEXT_DOCUMENT_CODE_ACTION, options)
    async def fixes(ls: SpecServer, params: types.CodeActionParams) -> list[types.CodeAction]:
        uri, only = params.text_document.uri, params.context.only
        if only is not None and not any(each in ("", types.CodeActionKind.QuickFix) for each in only):
            return []
        spec, document = await ls.settled(uri), ls.document(uri)
        if spec is None or document is None:
            return []
        actions = []
        for action, edit in quick_fixes(spec, params.range):
            action.edit = types.WorkspaceEdit(changes={uri: [edit]})
            if _takes_versions(ls.client_capabilities):  # so that the editor refuses the edit of an older text
                versioned = types.OptionalVersionedTextDocumentIdentifier(uri, document.version)
                action.edit = types.WorkspaceEdit(document_changes=[types.TextDocumentEdit(versioned, [edit])])
            actions.append(action)
        return actions


def _takes_versions(capabilities: types.ClientCapabilities) -> bool:
    edits = capabilities.workspace.workspace_edit if capabilities.workspace is not None else None
    return edits is not None and bool(edits.document_changes)


def _add_signatures(server: SpecServer) -> None:
    options = types.SignatureHelpOptions(trigger_characters=[" ", "=", "(", ","])

    @server.feature(types.TEXT_DOCUMENT_SIGNATURE_HELP, options)
    def signed(ls: SpecServer, params: types.SignatureHelpParams) -> types.SignatureHelp | None:
        spec = ls.spec(params.text_document.uri)
        found = signature_help(spec, spec.positions.offset(params.position)) if spec is not None else None
        if found is None:
            return None
        words = zip(found.parameters, found.places, strict=True)
        parameters = [types.ParameterInformation(place, each.description) for each, place in words]
        text = types.MarkupContent(types.MarkupKind.Markdown, found.documentation)
        signature = types.SignatureInformation(found.label, text, parameters, found.active)
        return types.SignatureHelp([signature], 0, found.active)


def _add_decorations(server: SpecServer) -> None:
    @server.feature(types.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL, LEGEND)
    async def meant(ls: SpecServer, params: types.SemanticTokensParams) -> types.SemanticTokens:
        spec = await ls.settled(params.text_document.uri)
        return types.SemanticTokens(semantic_tokens(spec) if spec is not None else [])

    @server.feature(types.TEXT_DOCUMENT_FOLDING_RANGE)
    async def folded(ls: SpecServer, params: types.FoldingRangeParams) -> list[types.FoldingRange]:
        spec = await ls.settled(params.text_document.uri)
        return folding_ranges(spec) if spec is not None else []

    @server.feature(types.TEXT_DOCUMENT_INLAY_HINT)
    async def hinted(ls: SpecServer, params: types.InlayHintParams) -> list[types.InlayHint]:
        spec = await ls.settled(params.text_document.uri)
        return inlay_hints(spec, params.range, ls.hints) if spec is not None else []

    @server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)
    def configured(ls: SpecServer, params: types.DidChangeConfigurationParams) -> None:
        ls.configure(params.settings)


def _add_views(server: SpecServer) -> None:
    @server.command("alexc.server.expanded")
    async def written_out(ls: SpecServer, uri: str) -> dict[str, object]:
        return _shown(await ls.settled(uri), expanded)

    @server.command("alexc.server.picture")
    async def drawn(ls: SpecServer, uri: str, theme: str) -> dict[str, object]:
        return _shown(await ls.settled(uri), lambda spec: picture(spec, "dark" if theme == "dark" else "light"))


def _shown(spec: Spec | None, view: Callable[[Spec], dict[str, object]]) -> dict[str, object]:
    try:
        if spec is None:
            raise ViewError("the document is not open")
        return view(spec)
    except ViewError as refused:
        raise _refusal(refused) from None


def _refusal(refused: RenameError | ViewError) -> JsonRpcException:
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
