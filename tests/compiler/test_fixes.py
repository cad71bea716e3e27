"""The edits that come with the help of a diagnostic: each one removes the diagnostic."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from alexc.compiler.pipeline import check_text
from alexc.compiler.text.diagnostics import TITLES, Diagnostic
from alexc.compiler.text.explain import explanation
from alexc.compiler.text.fixes import Fix, Help
from alexc.compiler.text.source import Source, Span
from tests.compiler.test_broken_specs import SPECS

EXPLAINED = [code for code in TITLES if explanation(code).language == "net"]
# Helps that name an edit with a part that only the user knows, or that show an example.
OPEN = re.compile(r"…|<|example|as in|such as|use numbers|sizes of at least|write other arguments|after `?alexc")
NET = "network A {{\n  input 3x8x8\n{}}}\n"
TOWERS = "network A {{\n  input 3x8x8\n  towers {}\n  c: conv 8 kernel=3\n  {}\n}}\n"
TRAIN = """train {
  prepare resize 8 -> center_crop 8 -> normalize
  test ten_crop 8
  loss cross_entropy
  optimizer sgd lr=0.01 momentum=0.9
  schedule constant
  batch 8
  epochs 1
"""


def diagnostics_of(text: str, path: Path | None = None) -> tuple[Diagnostic, ...]:
    return check_text(text, "mine.net", path).diagnostics


def fixed(text: str, fix: Fix) -> str:
    assert fix.span.source.text == text
    return text[: fix.span.start] + fix.replacement + text[fix.span.end :]


def check_fixes(text: str, path: Path | None = None) -> list[str]:
    """Apply each edit of a text by itself, and check that its diagnostic is gone; returns the titles of the edits."""
    titles = []
    diagnostics = diagnostics_of(text, path)
    before = [found.headline for found in diagnostics]
    for found in diagnostics:
        assert len({fix.title for fix in found.fixes}) == len(found.fixes)
        for fix in found.fixes:
            after = [each.headline for each in diagnostics_of(fixed(text, fix), path)]
            assert after.count(found.headline) < before.count(found.headline), fix.title
            titles.append(fix.title)
    return titles


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.stem)
def test_each_edit_removes_its_diagnostic_from_a_broken_spec(spec: Path) -> None:
    text = spec.read_bytes().decode()
    if not check_fixes(text):
        return
    for found in diagnostics_of(re.sub(r"\r?\n", "\r\n", text)):
        assert all(re.search(r"(?<!\r)\n", fix.replacement) is None for fix in found.fixes)


@pytest.mark.parametrize("code", EXPLAINED)
def test_each_edit_removes_its_diagnostic_from_the_example_of_an_explanation(code: str) -> None:
    check_fixes(explanation(code).example)


def test_a_help_that_names_an_edit_has_it() -> None:
    """A new help such as "write `a`", "add `b`" or "did you mean `c`?" must have its edit."""
    texts = {spec.stem: spec.read_bytes().decode() for spec in SPECS if spec.stem != "repeat_too_often"} | {
        code: explanation(code).example for code in EXPLAINED
    }
    without = {
        name
        for name, text in texts.items()
        for found in diagnostics_of(text)
        if re.search(r"did you mean|\b(write|add|remove|leave|swap) ", found.help)
        and not OPEN.search(found.help)
        and not found.fixes
    }
    # A `;` between two statements; values that only the user knows
    assert without == {"several_syntax_mistakes", "softmax_of_maps", "distribution_incomplete"}


@pytest.mark.parametrize(
    ("text", "titles"),
    [
        ("network A {\n  input 3x8x8;\n  conv 4 kernel=3 ; # few\n}\n", ["remove `;`", "remove `;`"]),
        ("network A {\n  input 3x8x8\n  conv 4 kernel=3  # few", ["add `}`"]),
        (NET.format("  c: conv 4 kernel=3 -> rleu\n"), ["replace `rleu` by `relu`"]),
        (
            NET.format("  default conv pad=1\n  default conv pad=2\n  conv 4 kernel=3\n"),
            ["remove `default conv pad=2`", "remove `default conv pad=1`"],
        ),
        (NET.format("  default conv pad=1 pad=2\n  conv 4 kernel=3\n"), ["remove `pad=2`", "remove `pad=1`"]),
        (NET.format("  towers 2\n  default conv reads=tower\n  c: conv 4 kernel=3\n"), ["add `reads=all`"]),
        (NET.format("  blur 4 std=1\n"), ["replace `4` by `5`"]),
        (NET.format("  maxpool 2 pad=2x1\n"), ["replace `pad=2x1` by `pad=1`"]),
        (NET.format("  lrn 3 k=1 alpha=1 beta=1 norm=sum within=map over=all\n"), ["remove `over=all`"]),
        (NET.format("  lrn 3 k=1 alpha=1 beta=1 norm=sum about=mean\n"), ["add `within=map`", "remove `about=mean`"]),
        (NET.format("  conv 4 kernel=3 shared_bias=no bias=none\n"), ["remove `shared_bias=no`", "remove `bias=none`"]),
        (
            TOWERS.format(2, "conv 8 kernel=3 reads=tower towers=1"),
            ["replace `reads=tower` by `reads=all`", "remove `towers=1`"],
        ),
        (
            TOWERS.format("2x2", "conv 8 kernel=3 reads=row shuffles=2"),
            ["replace `reads=row` by `reads=tower`", "replace `reads=row` by `reads=all`", "remove `shuffles=2`"],
        ),
        (TOWERS.format(2, "relu -> reorg 2"), ["add `towers=1`"]),
        (TOWERS.format(2, "relu -> widen 16"), ["add `towers=1`"]),
        ("placement {\n  mesh a=2\n  split images by a\n}\n" + NET.format("  conv 4 kernel=3\n"), ["add `two_gpus`"]),
        (NET.format("  conv 4 kernel=3\n") + "placement p { mesh a=2 }\n", ["add `split images by a`"]),
        (
            NET.format("  conv 4 kernel=3\n") + "placement p {\n  mesh a=2 a=4\n  split images by a\n}\n",
            ["remove `a=4`", "remove `a=2`"],
        ),
        (
            NET.format("  c: conv 4 kernel=8 -> flatten -> softmax\n") + TRAIN + "  batch 4\n}\n",
            ["remove `batch 4`", "remove `batch 8`"],
        ),
        (
            NET.format("  c: conv 4 kernel=8 -> flatten -> softmax\n")
            + TRAIN
            + "  layers freeze d after=1 -> freeze c after=2\n}\n",
            ["replace `d` by `c`"],
        ),
        (
            NET.format("  c: conv 4 kernel=8 -> flatten -> softmax\n")
            + TRAIN
            + "  augment color_jitter hue=0.1 -> mirror\n}\n",
            ["replace `augment color_jitter hue=0.1 -> mirror` by `augment mirror -> color_jitter hue=0.1`"],
        ),
    ],
    ids=lambda each: "" if isinstance(each, list) else each.split("\n")[-3].strip()[:30],
)
def test_edits(text: str, titles: list[str]) -> None:
    assert check_fixes(text) == titles


def test_an_empty_recipe_gets_one_statement_after_the_other() -> None:
    text = NET.format("  c: conv 4 kernel=8 -> flatten -> softmax\n") + "train {\n}\n"
    for _ in range(7):
        check_fixes(text)
        text = fixed(text, diagnostics_of(text)[0].fixes[0])
    assert "train {\n  prepare resize 256 -> center_crop 256 -> subtract mean_image\n  test ten_crop 227\n" in text
    assert {each.code for each in diagnostics_of(text)} == {"E0501"}
    assert check_fixes(text) == ["replace `227` by `8`", "replace `input 3x8x8` by `input 3x227x227`"]


def test_edits_of_the_name_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    network = NET.format("  conv 4 kernel=3\n")
    (tmp_path / "folder" / "first.net").write_text(network)
    two = "placement a {\n  mesh x=2\n  split images by x\n}\n"
    (tmp_path / "two.net").write_text(network + two + two.replace("a {", "b {"))
    path = tmp_path / "mine.net"
    assert check_fixes('network B extends "fisrt.net" {\n}\n', path) == ["replace `fisrt.net` by `folder/first.net`"]
    assert check_fixes('network B extends "folder/fisrt.net" A {\n}\n', path) == [
        "replace `folder/fisrt.net` by `folder/first.net`"
    ]
    assert check_fixes('network B extends "alexnt.net" {\n}\n', path) == ["replace `alexnt.net` by `alexnet.net`"]
    variant = 'network B extends "two.net" {\n}\nplacement p extends "two.net" {\n}\n'
    assert check_fixes(variant, path) == [
        'replace `"two.net"` by `"two.net" a`',
        'replace `"two.net"` by `"two.net" b`',
    ]


def test_a_title_is_one_line_and_not_too_long() -> None:
    source = Source("mine.net", "conv\n" * 1000)
    assert len(Fix(Span(source, 0, 5000), "").title) < 100
    assert "\n" not in Fix(Span(source, 0, 5000), "a\nb" * 100).title
    assert Help("text", None).fixes == ()
