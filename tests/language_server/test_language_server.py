"""The language server: sessions with `alexc lsp` over standard input and output, and each of its functions alone."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol.types import DiagnosticSeverity

import alexc.commands.lsp
from alexc.compiler.layers.registry import kinds
from alexc.compiler.pipeline import check_text
from alexc.compiler.text.source import Span
from alexc.highlighting import words_of
from alexc.language_server.completion import complete
from alexc.language_server.diagnostics import diagnostics
from alexc.language_server.document_symbols import document_symbols
from alexc.language_server.hover import hover
from alexc.language_server.positions import Positions
from alexc.language_server.rename import RenameError, rename, renameable
from alexc.language_server.spec import Spec
from alexc.runtime.errors import UserError
from tests.conftest import ROOT
from tests.support.language_client import Client, RequestError

FLAGSHIP = (ROOT / "spec" / "alexnet.net").read_text(encoding="utf-8")
BLOCKS = """\
block fire(narrow, wide=64) {
  thin:  conv narrow kernel=1               -> relu
  left:  thin -> conv wide kernel=1         -> relu
  right: thin -> conv wide kernel=3 pad=1   -> relu
  concat left right
}

network Squeezed {
  input 3x64x64

  stem:  conv 32 kernel=7 stride=2  -> relu -> maxpool 3 stride=2
  fire2: fire 16
  fire3: fire 16 wide=96            -> maxpool 2
  repeat 2 {
    more: conv 64 kernel=3 pad=1 -> relu
  }
  side:    more1 ->      conv 64 kernel=1
  add side more2
  thinner: fire2.thin -> conv 8  kernel=1   -> maxpool 2
  concat add1 thinner
  last:    conv 10 kernel=1                 -> global_avgpool -> softmax
}

placement four {
  mesh  copy=2 part=2
  split images   by copy
  split channels by part in stem
}

placement wide extends four {
  split images   by copy
  split channels by part in stem, last
}
"""


def offset_of(text: str, what: str, number: int = 0) -> int:
    """The offset of an occurrence of `what` in a text."""
    return [match.start() for match in re.finditer(re.escape(what), text)][number]


def position_of(text: str, what: str, number: int = 0) -> tuple[int, int]:
    """The same as line and column, for ASCII text."""
    offset = offset_of(text, what, number)
    return text[:offset].count("\n"), offset - (text.rfind("\n", 0, offset) + 1)


Start = Callable[..., Client]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts sessions; at the end, each must end in order or the test fails."""
    clients: list[Client] = []

    def begin(encodings: list[str] | None = None) -> Client:
        clients.append(Client(tmp_path, encodings))
        return clients[-1]

    try:
        yield begin
        for client in clients:
            client.close()
    finally:
        for client in clients:
            client.kill()


class TestSession:
    def test_typing(self, start: Start, tmp_path: Path) -> None:
        client = start()
        uri = client.open(tmp_path / "mine.net", FLAGSHIP)
        assert client.findings(uri) == []
        client.change(uri, FLAGSHIP.replace("kernel=11", "kernal=11"))
        (finding,) = client.findings(uri)
        line, column = position_of(FLAGSHIP, "kernel=11")
        assert finding["range"] == {
            "start": {"line": line, "character": column},
            "end": {"line": line, "character": column + 6},
        }
        assert (finding["code"], finding["severity"], finding["source"]) == ("E0202", 1, "alexc")
        assert finding["message"] == "`conv` has no argument `kernal`\nhelp: did you mean `kernel`?"
        client.change(uri, FLAGSHIP)
        assert client.findings(uri) == []

    def test_every_request(self, start: Start, tmp_path: Path) -> None:
        client = start()
        uri = client.open(tmp_path / "mine.net", BLOCKS)
        assert client.findings(uri) == []
        shown = client.ask("hover", uri, position_of(BLOCKS, "fire3"))
        assert "**fire3.thin** `conv 16 kernel=1`" in shown["contents"]["value"]
        assert shown["range"]["end"]["character"] - shown["range"]["start"]["character"] == len("fire3")
        where = client.ask("definition", uri, position_of(BLOCKS, "fire 16"))
        assert where["uri"] == uri
        assert (where["range"]["start"]["line"], where["range"]["start"]["character"]) == (0, 6)
        places = client.ask("references", uri, position_of(BLOCKS, "more:"), context={"includeDeclaration": True})
        assert [each["range"]["start"]["line"] for each in places] == [14, 16, 17]
        offers = client.ask("completion", uri, position_of(BLOCKS, "kernel=7"))["items"]
        assert [each["label"] for each in sorted(offers, key=lambda each: each["sortText"])][:2] == [
            "dilation=",
            "shuffles=",
        ]
        assert client.ask("formatting", uri, options={"tabSize": 8, "insertSpaces": False}) == []
        symbols = client.ask("documentSymbol", uri)
        assert [each["name"] for each in symbols] == ["fire", "Squeezed", "four", "wide"]
        assert [each["name"] for each in symbols[1]["children"]][:3] == ["input", "stem", "fire2"]
        found = client.ask("prepareRename", uri, position_of(BLOCKS, "more2"))
        assert found["end"]["character"] - found["start"]["character"] == len("more")
        edits = client.ask("rename", uri, position_of(BLOCKS, "more2"), newName="deep")["changes"][uri]
        assert [each["range"]["start"]["line"] for each in edits] == [14, 16, 17]
        with pytest.raises(RequestError, match="`relu` is the name of a layer kind"):
            client.ask("rename", uri, position_of(BLOCKS, "stem"), newName="relu")
        with pytest.raises(RequestError, match="not a name that the file defines"):
            client.ask("prepareRename", uri, position_of(BLOCKS, "kernel"))
        assert client.ask("hover", uri, (900, 900)) is None

    def test_formatting(self, start: Start, tmp_path: Path) -> None:
        client = start()
        untidy = "network A {\n input 3x8x8\n\n\n conv 4   kernel=3 # few\n}"
        uri = client.open(tmp_path / "mine.net", untidy)
        (edit,) = client.ask("formatting", uri, options={"tabSize": 4, "insertSpaces": True})
        assert edit["range"] == {"start": {"line": 0, "character": 0}, "end": {"line": 5, "character": 1}}
        assert edit["newText"] == "network A {\n  input 3x8x8\n\n  conv 4 kernel=3  # few\n}\n"
        client.change(uri, "network A {")
        assert client.ask("formatting", uri, options={"tabSize": 4, "insertSpaces": True}) is None

    @pytest.mark.parametrize(("encoding", "width"), [("utf-16", 2), ("utf-8", 4), ("utf-32", 1)])
    def test_columns_count_in_the_encoding_of_the_editor(
        self, start: Start, tmp_path: Path, encoding: str, width: int
    ) -> None:
        client = start([encoding])
        assert client.capabilities["positionEncoding"] == encoding
        text = '# 🙂\r\n\tnetwork\tA extends "🙂🙂.net" Nope {\r\n\t\twithout lrn\r\n}\r\n'
        uri = client.open(tmp_path / "strange.net", text)
        (finding,) = client.findings(uri)
        assert "🙂🙂.net cannot be read" in finding["message"]
        begin = len("\tnetwork\tA extends ")
        end = begin + len('".net" Nope') + 2 * width
        assert finding["range"] == {"start": {"line": 1, "character": begin}, "end": {"line": 1, "character": end}}
        client.change(uri, "network A {\n\tinput 3x8x8\n\tconv 4 🙂 kernel=3\n}\n")
        (finding,) = client.findings(uri)
        assert finding["range"]["end"]["character"] - finding["range"]["start"]["character"] == width
        assert finding["range"]["start"] == {"line": 2, "character": 8}

    def test_files_that_extend_others(self, start: Start, tmp_path: Path) -> None:
        base, variant = tmp_path / "base.net", tmp_path / "variant.net"
        network = FLAGSHIP[: FLAGSHIP.index("placement")]
        base.write_text(network)
        text = 'network V extends "base.net" {\n  conv1: kernel=7\n  fc7: linear 2048 reads=all -> relu\n}\n'
        variant.write_text(text)
        client = start()
        uri = client.open(variant, text)
        assert client.findings(uri) == []
        where = client.ask("definition", uri, position_of(text, "conv1"))
        assert where["uri"] == base.as_uri()
        assert where["range"]["start"] == dict(zip(("line", "character"), position_of(network, "conv1:"), strict=True))
        assert client.ask("definition", uri, position_of(text, "base.net"))["uri"] == base.as_uri()
        assert "96x56x56" in client.ask("hover", uri, position_of(text, "conv1"))["contents"]["value"]
        with pytest.raises(RequestError, match=r"defined in .*base\.net: rename it in that file"):
            client.ask("rename", uri, position_of(text, "conv1"), newName="first")
        base_uri = client.open(base, network.replace("conv1:", "conv0:"))  # not saved
        assert len(client.findings(base_uri)) == 0
        (finding,) = client.next_findings(uri)
        assert "no layer `conv1`" in finding["message"]
        client.change(base_uri, network.replace("kernel=11", "kernal=11"))
        assert len(client.findings(base_uri)) == 1
        (finding,) = client.next_findings(uri)
        assert "base.net:10:19: `conv` has no argument `kernal`" in finding["message"]
        assert finding["range"]["start"] == {"line": 0, "character": text.index('"')}
        assert finding["relatedInformation"][0]["location"]["uri"] == base_uri

    def test_the_server_ends_when_the_editor_disappears(self, tmp_path: Path) -> None:
        client = Client(tmp_path)
        try:
            client.vanish()
        finally:
            client.kill()

    @pytest.mark.slow
    def test_half_typed_text(self, start: Start, tmp_path: Path) -> None:
        client = start()
        uri = client.open(tmp_path / "mine.net", FLAGSHIP)
        for broken in (
            FLAGSHIP.replace("conv3: conv 384 kernel=3 pad=1 reads=all", "conv3: conv 384 ker"),
            FLAGSHIP.replace("network AlexNet {", "network AlexNet {{"),
        ):
            client.change(uri, broken)
            assert client.findings(uri)
            shown = client.ask("hover", uri, position_of(broken, "conv5:"))
            assert "256x13x13" in shown["contents"]["value"]
            assert "its last valid version" in shown["contents"]["value"]
            where = client.ask("definition", uri, position_of(broken, "fc8"))
            assert where is not None
            client.change(uri, FLAGSHIP)
            assert client.findings(uri) == []

    @pytest.mark.slow
    def test_unsaved_and_closed_documents(self, start: Start, tmp_path: Path) -> None:
        client = start()
        uri = client.open(tmp_path / "mine.net", "network A {\n")
        assert client.findings(uri)
        client.notify("textDocument/didClose", {"textDocument": {"uri": uri}})
        assert client.next_findings(uri) == []
        assert client.ask("hover", uri, (0, 0)) is None
        document = {"uri": "untitled:Untitled-1", "languageId": "alexc-net", "version": 1, "text": BLOCKS}
        client.notify("textDocument/didOpen", {"textDocument": document})
        assert "thin" in client.ask("hover", "untitled:Untitled-1", (1, 3))["contents"]["value"]


def test_a_missing_pygls_is_named_with_its_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alexc.commands.lsp, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"pip install pygls"):
        alexc.commands.lsp.lsp()


def spec_of(text: str, before: Spec | None = None, path: Path | None = None) -> Spec:
    return Spec.read("file:///mine.net", text, path, {}, "utf-16", before)


@given(st.text(alphabet="a\t\r\n🙂é\u2028\x85\x0c", max_size=40), st.sampled_from(["utf-8", "utf-16", "utf-32"]))
def test_offsets_and_positions_are_inverse(text: str, encoding: str) -> None:
    positions = Positions(text, encoding)
    codec, width = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}[encoding]
    for offset in range(len(text) + 1):
        if text[offset - 1 : offset + 1] == "\r\n":
            continue
        position = positions.position(offset)
        lines = re.split(r"\r\n|\r|\n", text[:offset])
        assert (position.line, position.character) == (len(lines) - 1, len(lines[-1].encode(codec)) // width)
        assert positions.offset(position) == offset


class TestDefinition:
    @pytest.mark.parametrize(
        ("text", "word", "number", "defined"),
        [
            (FLAGSHIP, "conv5\n", 0, "conv5: "),
            (FLAGSHIP, "conv1..", 0, "conv1: "),
            (FLAGSHIP, "fc8\n", 0, "fc8: "),
            (FLAGSHIP, "gpu in", 1, "gpu=8"),
            (FLAGSHIP, "copy\n", 0, "copy=4"),
            (BLOCKS, "thin ->", 1, "thin: "),
            (BLOCKS, "right\n", 0, "right: "),
            (BLOCKS, "narrow kernel", 0, "narrow, "),
            (BLOCKS, "wide=96", 0, "wide=64"),
            (BLOCKS, "fire 16 wide", 0, "fire(narrow"),
            (BLOCKS, "more2", 0, "more: "),
            (BLOCKS, "thin -> conv 8", 0, "thin: "),
            (BLOCKS, "fire2.thin", 0, "fire2: "),
            (BLOCKS, "add1", 0, "add side"),
            (BLOCKS, "four {\n  split", 0, "four {\n  mesh"),
            (BLOCKS, "part in stem", 1, "part=2"),
            (BLOCKS, "last\n}", 0, "last: "),
        ],
    )
    def test_names(self, text: str, word: str, number: int, defined: str) -> None:
        found = spec_of(text).definition(offset_of(text, word, number))
        assert found is not None
        assert found.start == offset_of(text, defined)

    def test_definitions_in_a_base_network_of_the_same_file(self) -> None:
        text = "network A {\n  input 3x8x8\n  c: conv 4 kernel=3\n}\nnetwork B extends A {\n  c: kernel=5\n}\n"
        spec = spec_of(text)
        assert spec.checked.diagnostics == ()
        for word, number, defined in (("A {", 1, "A {"), ("c: ", 1, "c: ")):
            found = spec.definition(offset_of(text, word, number))
            assert found is not None
            assert found.start == offset_of(text, defined)
        assert replaced(text, rename(spec, offset_of(text, "c: ", 1), "first"), "first").count("first: ") == 2


class TestHover:
    @pytest.mark.parametrize(
        ("text", "word", "number", "expected"),
        [
            (
                FLAGSHIP,
                "conv2",
                0,
                ["| 307,200 | 256 | 186,624 | 223,948,800", "each of the 2 towers reads its own part"],
            ),
            (FLAGSHIP, "conv3:", 0, ["reads 256x13x13 from `conv2.maxpool`, of all 2 towers"]),
            (FLAGSHIP, "conv5:", 0, ["`two_gpus`: channels split by tower=2; the output per device is 128x13x13"]),
            (
                FLAGSHIP,
                "conv5:",
                0,
                ["`one_weird_trick`: images split by gpu=8; the output per device is 256x13x13, for 1/8 of the images"],
            ),
            (FLAGSHIP, "conv5\n", 0, ["**conv5**", "then `relu` 256x13x13, `maxpool 3 stride=2` 256x6x6"]),
            (FLAGSHIP, "softmax", 0, ["`pod`: with the loss", "a probability distribution over the classes"]),
            (FLAGSHIP, "maxpool", 1, ["**conv2.maxpool**", "| `window` |"]),
            (FLAGSHIP, "stride=4", 0, ["`stride` of `conv`: a whole number", "default `1`"]),
            (FLAGSHIP, "beta=", 0, ["`beta` of `lrn`: a number of at least 0; required"]),
            (FLAGSHIP, "momentum=", 0, ["`momentum` of `sgd`: a number of at least 0 and less than 1"]),
            (FLAGSHIP, "plateau", 0, ["Divide"]),
            (FLAGSHIP, "schedule", 0, ["`schedule`: `plateau` or `constant`"]),
            (FLAGSHIP, "normal", 0, ["`normal(mean, std)`: the normal distribution"]),
            (FLAGSHIP, "gpu in", 0, ["an axis of 8 devices"]),
            (FLAGSHIP, "placement", 0, ["which device computes which part"]),
            (FLAGSHIP, "towers", 0, ["splits the channels"]),
            (BLOCKS, "fire 16", 0, ["`block fire(narrow, wide=64)`"]),
            (BLOCKS, "more:", 0, ["**more1**", "**more2**"]),
            (BLOCKS, "more2", 0, ["**more2**"]),
            (BLOCKS, "thin:", 0, ["**fire2.thin**", "**fire3.thin**"]),
            (BLOCKS, "fire2.thin", 0, ["**fire2.thin** `conv 16 kernel=1`"]),
            (BLOCKS, "add1", 0, ["**add1** `add`"]),
        ],
    )
    def test_words(self, text: str, word: str, number: int, expected: list[str]) -> None:
        found = hover(spec_of(text), offset_of(text, word, number) + 1)
        assert found is not None
        for piece in expected:
            assert piece in found[0]

    def test_one_name_in_a_block_and_in_the_network(self) -> None:
        text = BLOCKS.replace("stem", "left")
        spec = spec_of(text)
        for number, expected in ((0, ["**fire2.left**", "**fire3.left**"]), (2, ["**left**"])):
            found = hover(spec, offset_of(text, "left", number))
            assert found is not None
            assert re.findall(r"\*\*\S+\*\*", found[0]) == expected

    def test_comments_and_blank_lines_have_no_hover(self) -> None:
        for word in ("# the kernels", "kernels of every", "\n\nnetwork"):
            assert hover(spec_of(FLAGSHIP), offset_of(FLAGSHIP, word)) is None

    @pytest.mark.parametrize("kind", list(kinds()))
    def test_every_kind_is_explained_with_every_argument(self, kind: str) -> None:
        text = f"network A {{\n  input 3x8x8\n  {kind} \n}}\n"
        found = hover(spec_of(text), offset_of(text, f"  {kind} ") + 2)
        assert found is not None
        for name in kinds()[kind].model_fields:
            assert f"| `{name}` |" in found[0]


def offered(text: str, path: Path | None = None) -> list[str]:
    """The completions at the `|` of a text."""
    offset = text.index("|")
    return [offer.word for offer in complete(spec_of(text.replace("|", ""), path=path), offset)[0]]


IN_NETWORK = "network A {{\n  input 3x8x8\n  conv1: conv 4 kernel=3 -> relu\n  {}\n}}\n"


class TestCompletion:
    @pytest.mark.parametrize(
        ("text", "some", "none"),
        [
            ("|", ["network", "placement", "train", "block"], ["conv"]),
            ("network A |", ["extends"], ["network"]),
            ("network A {\n}\nnetwork B extends |", ["A"], []),
            (IN_NETWORK.format("|"), ["conv", "relu", "conv1", "default", "repeat", "input"], ["every", "mesh"]),
            (IN_NETWORK.format("fc: |"), ["linear", "conv1"], ["default", "fc"]),
            (IN_NETWORK.format("fc: conv1 -> |"), ["linear"], ["default"]),
            (IN_NETWORK.format("conv 8 |"), ["kernel=", "stride=", "weight=", "bias_rate="], ["kernels=", "conv"]),
            (IN_NETWORK.format("conv 8 kernel=3 ke|"), ["stride="], ["kernel=", "kernels="]),
            (IN_NETWORK.format("conv 8 weight=normal(0, 0.1) |"), ["kernel="], ["kernels=", "weight="]),
            (IN_NETWORK.format("conv 8 reads=|"), ["tower", "all"], ["relu"]),
            (IN_NETWORK.format("conv 8 pad=|"), ["same"], ["none"]),
            (IN_NETWORK.format("conv 8 bias=|"), ["none"], ["same"]),
            (IN_NETWORK.format("conv 8 weight=|"), ["normal", "kaiming"], ["conv"]),
            (IN_NETWORK.format("lrn norm=|"), ["sum", "mean"], []),
            (IN_NETWORK.format("default |"), ["conv", "lrn"], ["conv1"]),
            (IN_NETWORK.format("default lrn |"), ["size=", "beta="], ["kernel="]),
            (IN_NETWORK.format("concat conv1 |"), ["conv1", "input"], ["kernel="]),
            (BLOCKS.replace("fire3: fire 16 wide=96", "fire3: fire |"), ["narrow=", "wide="], ["kernel="]),
            (BLOCKS.replace("thin -> conv wide kernel=1 ", "thin -> conv |"), ["wide", "narrow", "kernel="], []),
            (BLOCKS.replace("concat left right", "concat left |"), ["thin", "left", "right"], ["stem"]),
            (BLOCKS.replace("mesh  copy=2", "|"), ["mesh", "split", "keep"], ["stem"]),
            (BLOCKS.replace("split images   by copy", "split |"), ["images", "channels"], ["by"]),
            (BLOCKS.replace("split images   by copy", "send |"), ["half"], ["images", "by"]),
            (BLOCKS.replace("split images   by copy", "split images |"), ["by"], ["copy"]),
            (BLOCKS.replace("split images   by copy", "split images by |"), ["copy", "part"], ["in"]),
            (BLOCKS.replace("split images   by copy", "split images by copy |"), ["in"], ["copy"]),
            (BLOCKS.replace("split images   by copy", "split images by copy in |"), ["stem", "last"], ["fire2.thin"]),
            (BLOCKS.replace("split images   by copy", "keep |"), ["stem"], ["on"]),
            (BLOCKS.replace("split images   by copy", "keep stem |"), ["on"], []),
            (BLOCKS.replace("split images   by copy", "keep stem on |"), ["copy", "part"], ["stem"]),
            ("train {\n  |\n}\n", ["prepare", "optimizer", "batch", "stop"], ["conv"]),
            ("train {\n  optimizer |\n}\n", ["sgd", "adamw"], ["resize"]),
            ("train {\n  optimizer sgd |\n}\n", ["lr=", "momentum="], ["sgd"]),
            ("train {\n  optimizer sgd form=|\n}\n", ["paper", "nesterov"], []),
            ("train {\n  prepare resize 256 -> |\n}\n", ["center_crop", "subtract"], ["sgd"]),
            ("train {\n  test ten_crop |\n}\n", ["size="], []),
            ("train {\n  prepare resize 256 -> center_crop 227 |\n}\n", [], ["size="]),
            ("train {\n  prepare subtract |\n}\n", ["mean_image", "mean_color"], []),
            ("train {\n  schedule step every=|\n}\n", ["iterations"], ["epochs"]),
            ("train {\n  schedule milestones at=|\n}\n", ["epochs", "iterations"], ["step"]),
            ("# con|", [], ["conv", "network"]),
        ],
    )
    def test_words(self, text: str, some: list[str], none: list[str]) -> None:
        words = offered(text)
        assert set(some) - set(words) == set()
        assert set(none) & set(words) == set()
        assert len(words) == len(set(words))

    def test_variants_and_files(self, tmp_path: Path) -> None:
        (tmp_path / "base.net").write_text(FLAGSHIP)
        path = tmp_path / "variant.net"
        assert offered('network V extends "|" {\n}\n', path) == ["base.net"]
        last_valid = 'network V extends "base.net" {\n  without lrn\n}\n'
        for line, some in (
            ("|", ["every", "without", "conv1", "conv1.relu"]),
            ("every |", ["relu"]),
            ("without |", ["lrn", "fc7"]),
            ("after |", ["conv5"]),
            ("conv1: |", ["kernel=", "conv"]),
            ("conv1: kernel=5 |", ["stride="]),
            ("conv1: reads=|", ["tower"]),
            ("every lrn: |", ["size="]),
        ):
            text = last_valid.replace("without lrn", line)
            before = spec_of(last_valid, path=path)
            spec = spec_of(text.replace("|", ""), before, path)
            words = [offer.word for offer in complete(spec, text.index("|"))[0]]
            assert set(some) - set(words) == set(), line


class TestRenaming:
    @pytest.mark.slow
    @pytest.mark.parametrize(
        "text",
        [
            BLOCKS,
            FLAGSHIP,
            *(
                pytest.param((ROOT / "examples" / f"{name}.net").read_text(), id=name)
                for name in ("googlenet", "squeezenet1_0", "resnet18", "nin")
            ),
        ],
        ids=lambda text: None,
    )
    def test_every_name_and_back_again(self, text: str) -> None:
        """A missed occurrence would break the spec, and so would one too many: `rename` then raises an error."""
        spec = spec_of(text)
        assert spec.checked.diagnostics == ()
        meant = {each.definition.start: each for each in spec.symbols.occurrences}
        assert len(meant) > 5
        for occurrence in meant.values():
            offset = occurrence.definition.start
            spans = rename(spec, offset, "zebra")
            changed = replaced(text, spans, "zebra")
            back = rename(spec_of(changed), offset, occurrence.definition.text)
            assert replaced(changed, back, occurrence.definition.text) == text

    @pytest.mark.parametrize(
        ("word", "name", "reason"),
        [
            ("stem", "conv", "is the name of a layer kind"),
            ("stem", "fire2", "two layers"),
            ("stem", "no good", "is not a valid name"),
            ("stem", "x\n  conv 3", "is not a valid name"),
            ("part=", "copy", "twice"),
            ("fire(", "relu", "is the name of a layer kind"),
            ("wide=64", "narrow", "twice"),
            ("Squeezed", "print", "Python"),
            ("kernel", "size", "not a name that the file defines"),
        ],
    )
    def test_refused(self, word: str, name: str, reason: str) -> None:
        with pytest.raises(RenameError, match=reason):
            rename(spec_of(BLOCKS), offset_of(BLOCKS, word), name)

    def test_a_name_with_another_meaning_is_refused(self) -> None:
        text = BLOCKS.replace("fire(narrow, wide=64)", "fire(narrow, wide=64, other=1)")
        with pytest.raises(RenameError):
            rename(spec_of(text), offset_of(text, "other"), "left")

    def test_a_file_with_errors_is_fixed_first(self) -> None:
        text = BLOCKS.replace("stride=2", "strode=2", 1)
        with pytest.raises(RenameError, match="fix the errors in this file first: `conv` has no argument `strode`"):
            rename(spec_of(text), offset_of(text, "stem"), "root")


def replaced(text: str, spans: list[Span], name: str) -> str:
    for span in reversed(spans):
        text = text[: span.start] + name + text[span.end :]
    return text


def typing_positions(text: str, count: int = 60) -> list[int]:
    """Offsets at which typing may stop: the beginning, one inside each statement, and random ones up to `count`."""
    rng = random.Random(0)
    statements = [(match.start(), match.end()) for match in re.finditer(r"[^\s#].*$", text, re.MULTILINE)]
    first_of_each_form = {re.sub(r"\w+:\s*", "", text[start:end]).split()[0]: (start, end) for start, end in statements}
    offsets = {0, len(text), *(rng.randint(start, end) for start, end in first_of_each_form.values())}
    return sorted(offsets | {rng.randrange(len(text)) for _ in range(count - len(offsets))})


def test_typing_positions_reach_every_form_of_statement() -> None:
    for text, words in (
        (
            FLAGSHIP,
            ["network", "input", "towers", "default", "conv", "placement", "mesh", "split", "train", "schedule"],
        ),
        (BLOCKS, ["block", "conv", "concat", "input", "fire", "repeat", "add", "mesh", "split"]),
    ):
        lines = {text[: offset + 1].count("\n") for offset in typing_positions(text)}
        reached = "\n".join(line for number, line in enumerate(text.split("\n")) if number in lines)
        assert [word for word in words if not re.search(rf"\b{word}\b", reached)] == []


@pytest.mark.slow
@pytest.mark.parametrize("text", [FLAGSHIP, BLOCKS], ids=["flagship", "blocks"])
def test_every_request_is_answered_while_text_is_typed(text: str) -> None:
    spec: Spec | None = spec_of(text)
    for length in typing_positions(text):
        for typed in (text[:length], text[:length] + text[length + 5 :]):
            spec = spec_of(typed, spec)
            diagnostics(spec)
            document_symbols(spec)
            for offset in (length, max(0, length - 1), len(typed) // 2):
                offset = min(offset, len(typed))
                hover(spec, offset)
                spec.definition(offset)
                complete(spec, offset)
                try:
                    renameable(spec, offset)
                    rename(spec, offset, "zebra")
                except RenameError:
                    continue


@pytest.mark.slow
@pytest.mark.parametrize(
    "hostile",
    [
        "1" * 200_000,
        "a" * 200_000,
        "{" * 200_000,
        "->" * 100_000,
        "x" + ".a" * 100_000,
        "3" + "x3" * 100_000 + "_",
        " " * 200_000 + ";",
        "a=" * 100_000,
        "1.1." * 50_000,
        '"' * 100_000,
        "a..b" * 50_000,
        "network A {\n" + "x -> relu\n" * 30_000 + "}\n",
        "network A {\n input 3x8x8\n" + "".join(f"x{n}: relu\n" for n in range(20_000)) + "}\n",
    ],
    ids=lambda hostile: hostile[:6],
)
def test_long_texts_are_answered_in_time(hostile: str) -> None:
    started = time.process_time()
    spec = spec_of(hostile)
    diagnostics(spec)
    document_symbols(spec)
    for offset in (0, len(hostile) // 2, len(hostile)):
        hover(spec, offset)
        spec.definition(offset)
        complete(spec, offset)
        spec.positions.offset(spec.positions.position(offset))
    assert all(start < end for start, end, _ in words_of(hostile))
    assert time.process_time() - started < 60


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", sorted((ROOT / "tests" / "compiler" / "broken_specs").glob("*.net")), ids=lambda path: path.stem
)
def test_every_request_is_answered_for_broken_specs(path: Path) -> None:
    data = path.read_bytes().decode("utf-8", "replace")
    spec = spec_of(data, path=path)
    shown = diagnostics(spec)
    assert len(shown) == len(check_text(data, path.name, path).diagnostics)
    assert all((each.severity == DiagnosticSeverity.Warning) == str(each.code).startswith("W") for each in shown)
    lines = data.count("\n") + 1
    assert all(each.range.start.line <= each.range.end.line < lines + 1 for each in shown)
    document_symbols(spec)
    for offset in range(0, len(data), 7):
        hover(spec, offset)
        complete(spec, offset)
        spec.definition(offset)
