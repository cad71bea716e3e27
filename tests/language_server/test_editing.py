"""What the language server offers while a spec is edited: quick fixes, signatures, colours, folding, hints, views."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol.types import FoldingRangeKind, Position, Range

from alexc.compiler.pipeline import check_text
from alexc.compiler.text.diagnostics import in_order
from alexc.highlighting import words_of
from alexc.language_server.code_actions import quick_fixes
from alexc.language_server.folding import folding_ranges
from alexc.language_server.inlay_hints import inlay_hints
from alexc.language_server.positions import Positions
from alexc.language_server.semantic_tokens import LEGEND, semantic_tokens
from alexc.language_server.signature_help import signature_help
from alexc.language_server.spec import Spec
from alexc.language_server.views import MOST_DRAWN, ViewError, expanded, picture
from tests.compiler.test_broken_specs import SPECS
from tests.compiler.test_fixes import fixed
from tests.language_server.test_language_server import (
    BLOCKS,
    FLAGSHIP,
    IN_NETWORK,
    offset_of,
    position_of,
    spec_of,
)
from tests.support.language_client import Client, RequestError

STRANGE = "# 🙂\u2028\x0c\r\nnetwork\tA {\r\n  input 3x8x8  # 🙂\r\n\x0c  kern: conv 4 kernal=3 -> rleu\r\n}\r\n"


def applied(spec: Spec, edit: object) -> str:
    return spec.positions.edited(edit.range, edit.new_text)  # type: ignore[attr-defined]


class TestQuickFixes:
    @pytest.mark.parametrize("path", [each for each in SPECS if "too" not in each.stem], ids=lambda path: path.stem)
    def test_every_edit_of_a_broken_spec_is_offered(self, path: Path) -> None:
        """`test_fixes` shows that each of these edits removes its diagnostic."""
        spec = spec_of(path.read_bytes().decode())
        offered = [(action.title, applied(spec, edit)) for action, edit in quick_fixes(spec, spec.positions.whole())]
        found = in_order(spec.source, spec.checked.diagnostics)
        assert offered == [(fix.title, fixed(spec.text, fix)) for each in found for fix in each.fixes]

    def test_only_those_of_the_place_are_offered(self) -> None:
        text = BLOCKS.replace("stride=2", "strid=2", 1).replace("wide=96", "wid=96")
        spec = spec_of(text)
        for word, title in (("strid=", "replace `strid` by `stride`"), ("wid=", "replace `wid` by `wide`")):
            place = spec.positions.position(offset_of(text, word) + 2)
            assert [action.title for action, _ in quick_fixes(spec, Range(place, place))] == [title]
        assert list(quick_fixes(spec, Range(Position(0, 0), Position(0, 3)))) == []

    def test_those_of_another_file_are_not_offered(self, tmp_path: Path) -> None:
        (tmp_path / "base.net").write_text("network A {\n  input 3x8x8\n  conv 4 kernal=3\n}\n")
        spec = spec_of('network B extends "base.net" {\n}\n', path=tmp_path / "mine.net")
        assert len(spec.checked.diagnostics) == 1
        assert list(quick_fixes(spec, spec.positions.whole())) == []

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
    def test_places_are_right_behind_wide_characters_and_in_crlf(self, encoding: str) -> None:
        spec = Spec.read("file:///mine.net", STRANGE, None, {}, encoding, None)
        for _ in range(2):
            _, edit = next(quick_fixes(spec, spec.positions.whole()))
            spec = Spec.read("file:///mine.net", applied(spec, edit), None, {}, encoding, None)
        assert spec.text == STRANGE.replace("kernal", "kernel").replace("rleu", "relu")
        assert spec.checked.diagnostics == ()


class TestSignatureHelp:
    @pytest.mark.parametrize(
        ("text", "label", "active"),
        [
            (IN_NETWORK.format("conv |"), "conv <kernels> kernel=… [dilation=1]", "kernels"),
            (IN_NETWORK.format("conv 96 |"), "conv <kernels>", "kernel"),
            (IN_NETWORK.format("conv 96 str|"), "conv <kernels>", "stride"),
            (IN_NETWORK.format("conv 96 pad=|"), "conv <kernels>", "pad"),
            (IN_NETWORK.format("conv 96 kernel=3 |"), "conv <kernels>", ""),
            (IN_NETWORK.format("conv 96 weight=normal(0, |"), "normal(mean, std)", "std"),
            (IN_NETWORK.format("fc: conv1 -> linear |"), "linear <units> [reads=…]", "units"),
            (IN_NETWORK.format("default conv kernel=|"), "conv <kernels>", "kernel"),
            (IN_NETWORK.format("default conv pad=1 |"), "conv <kernels>", ""),
            (IN_NETWORK.format("concat |"), "concat", ""),
            (BLOCKS.replace("fire 16 wide=96", "fire 16 |"), "fire <narrow> [wide=64]", "wide"),
            (BLOCKS.replace("thin -> conv wide kernel=1 ", "thin -> conv |"), "conv <kernels>", "kernels"),
            ("train {\n  optimizer sgd mo|\n}\n", "sgd lr=… ", "momentum"),
            ("train {\n  prepare resize |\n}\n", "resize <shorter>", "shorter"),
            ("train {\n  prepare resize 8 -> center_crop |\n}\n", "center_crop <size>", "size"),
        ],
    )
    def test_words(self, text: str, label: str, active: str) -> None:
        offset = text.index("|")
        found = signature_help(spec_of(text.replace("|", "")), offset)
        assert found is not None
        assert found.label.startswith(label)
        assert [found.label[start:end] for start, end in found.places] == [each.form for each in found.parameters]
        names = [each.name for each in found.parameters]
        assert found.active == (names.index(active) if active else len(names))

    def test_elsewhere_there_is_none(self) -> None:
        for text in (
            "|",
            "network A |",
            IN_NETWORK.format("# conv |"),
            IN_NETWORK.format("|"),
            'network A extends "|',
            IN_NETWORK.format("conv1: |"),
        ):
            assert signature_help(spec_of(text.replace("|", "")), text.index("|")) is None


def colours(text: str) -> Iterator[tuple[str, str, bool]]:
    """Each word of a text with its type, and whether it is a declaration, as an editor reads the tokens."""
    spec = spec_of(text)
    lines = re.split(r"\r\n|\r|\n", text)
    data = semantic_tokens(spec)
    line = column = 0
    for number in range(0, len(data), 5):
        lines_on, columns_on, length, type_, modifiers = data[number : number + 5]
        line, column = line + lines_on, columns_on + (0 if lines_on else column)
        word = lines[line].encode("utf-16-le")[2 * column : 2 * (column + length)].decode("utf-16-le")
        yield word, LEGEND.token_types[type_], bool(modifiers & 1)


class TestSemanticTokens:
    def test_names_have_the_colour_of_what_they_mean(self) -> None:
        found = list(colours(BLOCKS.replace("side", "mirror")))  # also the name of a step of `augment`
        assert found[:4] == [
            ("block", "keyword", False),
            ("fire", "macro", True),
            ("narrow", "parameter", True),
            ("wide", "parameter", True),
        ]
        for each in (
            ("mirror", "variable", True),
            ("mirror", "variable", False),
            ("more2", "variable", False),
            ("add1", "variable", False),
            ("thin", "variable", False),
            ("fire", "macro", False),
            ("Squeezed", "class", True),
            ("four", "namespace", False),
            ("part", "typeParameter", False),
            ("conv", "function", False),
            ("kernel", "property", False),
            ("7", "number", False),
        ):
            assert each in found, each
        assert {type_ for word, type_, _ in found if word == "1"} == {"number"}

    def test_a_word_without_meaning_has_none(self) -> None:
        found = list(colours("network A {\n  input 3x8x8\n  c: sgd 4 -> nothing\n}\n"))
        assert not {"sgd", "nothing"} & {word for word, _, _ in found}

    def test_columns_count_utf_16_units(self) -> None:
        text = 'network A extends "🙂.net" B {\r\n  c: kernel=3  # 🙂\r\n}\r\n'
        words = [word for word, _, _ in colours(text)]
        assert words == ["network", "A", "extends", '"🙂.net"', "kernel", "=", "3", "# 🙂"]

    def test_every_word_of_the_flagship_is_coloured_once(self) -> None:
        words = [FLAGSHIP[start:end] for start, end, role in words_of(FLAGSHIP) if role != "punctuation"]
        assert [word for word, _, _ in colours(FLAGSHIP)] == words


class TestFolding:
    def test_blocks_repetitions_and_comments(self) -> None:
        text = "# one\n# two\n\n# alone\n" + BLOCKS
        found = [(each.start_line, each.end_line, each.kind) for each in folding_ranges(spec_of(text))]
        comment = FoldingRangeKind.Comment
        assert found == [(0, 1, comment), (4, 8, None), (17, 18, None), (11, 24, None), (27, 30, None), (33, 35, None)]

    def test_a_text_with_errors_folds_too(self) -> None:
        found = [
            (each.start_line, each.end_line) for each in folding_ranges(spec_of("a {\n b {\n ?\n }\n x }\n } \n {"))
        ]
        assert found == [(1, 2), (0, 3)]


def hints(spec: Spec, detail: str = "layers") -> list[tuple[int, str]]:
    found = inlay_hints(spec, spec.positions.whole(), detail)  # type: ignore[arg-type]
    return [(each.position.line, str(each.label)) for each in found]


class TestInlayHints:
    def test_layers(self) -> None:
        found = hints(spec_of(FLAGSHIP))
        assert found[:4] == [
            (9, "96x55x55 · 34.8K"),
            (9, "96x27x27"),
            (10, "256x27x27 · 307K"),
            (10, "256x13x13"),
        ]
        (first, *_) = inlay_hints(spec_of(FLAGSHIP), Range(Position(9, 0), Position(9, 99)), "layers")
        assert FLAGSHIP.split("\n")[9][: first.position.character].endswith("bias=0") or first.position.character > 0
        assert first.tooltip == "conv1: output 96x55x55; 34,848 weights and 96 biases"

    def test_lines_and_off(self) -> None:
        assert hints(spec_of(FLAGSHIP), "off") == []
        found = hints(spec_of(FLAGSHIP), "lines")
        assert [text for line, text in found if line == 9] == ["96x27x27"]
        assert len(found) == len({line for line, _ in found})

    def test_a_line_of_a_block_stands_for_several_layers(self) -> None:
        assert (2, "64x14x14 … 96x14x14") in hints(spec_of(BLOCKS))

    def test_with_errors_the_last_valid_hints_stay_at_unchanged_lines(self) -> None:
        before = spec_of(FLAGSHIP)
        text = FLAGSHIP.replace("kernel=11", "\n\nkernal=11")
        after = spec_of(text, before)
        assert after.checked.graph is None
        assert hints(after) == [(line + 2, hint) for line, hint in hints(before)]

    def test_layers_of_another_file_have_none(self, tmp_path: Path) -> None:
        (tmp_path / "base.net").write_text("network A {\n  input 3x8x8\n  c: conv 4 kernel=3\n}\n")
        text = 'network B extends "base.net" {\n  after c: conv 8 kernel=3\n}\n'
        assert hints(spec_of(text, path=tmp_path / "mine.net")) == [(1, "8x4x4 · 288")]

    def test_an_edit_of_a_variant_has_the_hint_of_the_layer(self, tmp_path: Path) -> None:
        (tmp_path / "base.net").write_text("network A {\n  input 3x8x8\n  c: conv 4 kernel=3 -> conv 4 kernel=3\n}\n")
        text = 'network B extends "base.net" {\n  c: kernels=8 pad=1\n  default conv bias=none\n}\n'
        assert hints(spec_of(text, path=tmp_path / "mine.net")) == [(1, "8x8x8 · 216")]
        text = 'network B extends "base.net" {\n  every conv: pad=2\n}\n'
        assert hints(spec_of(text, path=tmp_path / "mine.net")) == [(1, "4x10x10 … 4x12x12")]

    def test_a_sum_of_equal_shapes_changes_no_shape(self) -> None:
        text = "network A {\n  input 3x8x8\n  c: conv 3 kernel=3 pad=1\n  s: add c input\n  concat c s\n}\n"
        assert hints(spec_of(text)) == [(4, "6x8x8")]


class TestViews:
    def test_the_expanded_spec(self) -> None:
        found = expanded(spec_of(BLOCKS))
        assert found["current"] is True
        assert "repeat" not in str(found["text"])
        assert check_text(str(found["text"]), "mine.net").diagnostics == ()

    def test_the_picture_in_both_themes(self) -> None:
        light, dark = picture(spec_of(FLAGSHIP), "light"), picture(spec_of(FLAGSHIP), "dark")
        assert str(light["svg"]).startswith("<svg ")
        assert light["svg"] != dark["svg"]

    def test_with_errors_the_last_valid_version_is_shown(self) -> None:
        broken = FLAGSHIP.replace("kernel=11", "kernal=11")
        found = picture(spec_of(broken, spec_of(FLAGSHIP)), "light")
        assert (found["current"], found["svg"]) == (False, picture(spec_of(FLAGSHIP), "light")["svg"])
        note, _, text = str(expanded(spec_of(broken, spec_of(FLAGSHIP)))["text"]).partition("\n")
        assert note == "# The file has errors; this is its last valid version."
        assert text == expanded(spec_of(FLAGSHIP))["text"]
        with pytest.raises(ViewError, match="fix the errors in this file first: `conv` has no argument `kernal`"):
            expanded(spec_of(broken))

    def test_a_very_large_picture_is_refused(self) -> None:
        lines = "".join(f"  x{number}: relu\n" for number in range(MOST_DRAWN + 1))
        with pytest.raises(ViewError, match=r"2,001 layers.*`alexc draw`"):
            picture(spec_of(f"network A {{\n  input 3x8x8\n{lines}}}\n"), "light")


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.text("a\r\n🙂\u2028\x0c", max_size=4)), max_size=6)
)
def test_changes_of_parts_give_the_editors_text(edits: list[tuple[int, int, str]]) -> None:
    text = "ab🙂\r\ncd\u2028e\x0cf\n"
    for first, second, new in edits:
        start, end = sorted((min(first, len(text)), min(second, len(text))))
        if "\r\n" in (text[start - 1 : start + 1], text[end - 1 : end + 1]):
            continue  # no position lies between the two
        positions = Positions(text)
        assert positions.edited(Range(positions.position(start), positions.position(end)), new) == (
            text[:start] + new + text[end:]
        )
        text = text[:start] + new + text[end:]


@pytest.mark.slow
def test_a_session_with_a_file_whose_name_needs_escapes(tmp_path: Path) -> None:
    client = Client(tmp_path)
    try:
        assert client.capabilities["textDocumentSync"]["change"] == 2  # incremental
        text = "# \u2028🙂\r\n" + BLOCKS
        uri = client.open(tmp_path / "my nets" / "größe.net", text)
        assert "%20" in uri
        assert client.findings(uri) == []
        line, column = position_of(text, "stride=2")
        start = {"line": line, "character": column}
        gone, back = {"start": start, "end": {"line": line, "character": column + 6}}, {"start": start, "end": start}
        client.edit(uri, [{"range": gone, "text": ""}, {"range": back, "text": "strid"}])
        (finding,) = client.findings(uri)
        place = finding["range"]
        (action,) = client.ask("codeAction", uri, range=place, context={"diagnostics": [finding], "only": ["quickfix"]})
        assert client.ask("codeAction", uri, range=place, context={"diagnostics": []}) == [action]
        assert (action["title"], action["kind"]) == ("replace `strid` by `stride`", "quickfix")
        assert action["diagnostics"] == [finding]
        (change,) = action["edit"]["documentChanges"]
        assert change == {
            "textDocument": {"uri": uri, "version": 2},
            "edits": [{"range": place, "newText": "stride"}],
        }
        assert client.ask("codeAction", uri, range=place, context={"diagnostics": [], "only": ["refactor"]}) == []
        client.edit(uri, [{"range": place, "text": "stride"}])
        (whole,) = [{"start": {"line": 0, "character": 0}, "end": {"line": 99, "character": 0}}]
        shown = client.ask("inlayHint", uri, range=whole)  # answered for the newest text
        assert (shown[0]["position"]["line"], shown[0]["label"]) == (line, "32x29x29 · 4.7K")
        client.notify("workspace/didChangeConfiguration", {"settings": {"alexc": {"inlayHints": "off"}}})
        assert client.ask("inlayHint", uri, range=whole) == []
        assert len(client.ask("semanticTokens/full", uri)["data"]) % 5 == 0
        assert client.ask("foldingRange", uri)[0] == {"startLine": 1, "endLine": 5}
        signature = client.ask("signatureHelp", uri, position_of(text, "kernel=7"))
        assert signature["signatures"][0]["label"].startswith("conv <kernels> kernel=…")
        assert signature["activeParameter"] == 1
        view = client.request("workspace/executeCommand", {"command": "alexc.server.expanded", "arguments": [uri]})
        assert view["current"]
        assert "more2" in view["text"]
        drawn = {"command": "alexc.server.picture", "arguments": [uri, "dark"]}
        assert client.request("workspace/executeCommand", drawn)["svg"].startswith("<svg")
        with pytest.raises(RequestError, match="not open"):
            client.request("workspace/executeCommand", {**drawn, "arguments": ["file:///no.net", "dark"]})
        client.close()
    finally:
        client.kill()


@pytest.mark.slow
@pytest.mark.parametrize("text", [FLAGSHIP, BLOCKS, STRANGE], ids=["flagship", "blocks", "strange"])
def test_every_request_is_answered_while_text_is_typed(text: str) -> None:
    rng = random.Random(1)
    spec: Spec | None = spec_of(text)
    for length in sorted(rng.randrange(len(text)) for _ in range(40)):
        for typed in (text[:length], text[:length] + text[length + 5 :]):
            spec = spec_of(typed, spec)
            assert len(semantic_tokens(spec)) % 5 == 0
            assert all(each.start_line < each.end_line for each in folding_ranges(spec))
            inlay_hints(spec, spec.positions.whole(), "layers")
            list(quick_fixes(spec, spec.positions.whole()))
            signature_help(spec, min(length, len(typed)))


@pytest.mark.slow
@pytest.mark.parametrize(
    "hostile",
    [
        "{" * 50_000,
        "{\n" * 25_000 + "}\n" * 25_000,
        "#\n" * 25_000,
        "a=" * 25_000,
        "x" + ".a" * 25_000,
        "network A {\n input 3x8x8\n c: conv 4 kernel=3\n" + "x -> " * 8_000 + "relu\n}\n",
        "network A {\n input 3x8x8\n" + "".join(f"x{n}: relu\n" for n in range(5_000)) + "}\n",
        "network A {\n input 3x8x8\n" + "".join(f"x{n}: rleu\n" for n in range(5_000)) + "}\n",
        "network A {\n input 3x8x8\n c: conv 4 kernel=3 weight=normal" + "(" * 25_000,
        "network A {\n input 3x8x8\n repeat 5000 { c: conv 4 kernel=1 }\n}\n",
    ],
    ids=lambda hostile: hostile[:6] + hostile[-6:],
)
def test_long_texts_are_answered_in_time(hostile: str) -> None:
    started = time.process_time()
    spec = spec_of(hostile)
    semantic_tokens(spec)
    folding_ranges(spec)
    inlay_hints(spec, spec.positions.whole(), "layers")
    list(quick_fixes(spec, spec.positions.whole()))
    for offset in (0, len(hostile) // 2, len(hostile)):
        signature_help(spec, offset)
    after = spec_of(hostile + ";", spec)
    inlay_hints(after, after.positions.whole(), "layers")
    assert time.process_time() - started < 30
