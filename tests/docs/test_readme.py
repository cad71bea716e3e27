"""What the README and the pages of docs/ say is what a user gets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from alexc.compiler.layers.registry import kinds
from alexc.compiler.pipeline import check_file, check_text
from alexc.compiler.recipe.steps import CHOICES
from alexc.compiler.text.diagnostics import render
from setup import index_readme
from tests.conftest import ROOT, Alexc

README = (ROOT / "README.md").read_text(encoding="utf-8")
FLAGSHIP = (ROOT / "spec" / "alexnet.net").read_text(encoding="utf-8")


def test_the_summary(alexc: Alexc) -> None:
    assert alexc("summary").stdout in README


def test_the_table_of_examples() -> None:
    shown: dict[str, str] = {}
    for names, millions in re.findall(r"^\| (.*?) \| .* \| ([\d., ]+) \|$", README, re.MULTILINE):
        paths = re.findall(r"\]\((examples/\S+?\.net)\)", names)
        shown |= dict(zip(paths, millions.split(", "), strict=True)) if paths else {}
    assert {Path(path).name for path in shown} == {path.name for path in (ROOT / "examples").glob("*.net")}
    for path, millions in shown.items():
        graph = check_file(ROOT / path).graph
        assert graph is not None
        assert f"{graph.parameters / 1e6:.1f}" == millions, path


def test_the_mistake() -> None:
    text = FLAGSHIP.replace("kernel=11", "kernel=7").replace("pad=2 reads=tower", "pad=2")
    (diagnostic,) = check_text(text, "mine.net").diagnostics
    assert render(diagnostic) in README


def squeezed(text: str) -> str:
    return " ".join(re.sub(r"#.*", "", text).split())


def test_the_eight_lines_are_those_of_the_spec() -> None:
    shown = README.split("```\nnetwork AlexNet {")[1].split("```")[0]
    for line in re.findall(r"^  ((?:conv|fc)\d: +(?:.|\n         )*)", shown, re.MULTILINE):
        assert squeezed(line.removesuffix(" }")) in squeezed(FLAGSHIP), line


def test_the_generated_lines_are_in_the_file() -> None:
    generated = (ROOT / "generated" / "alexnet.py").read_text(encoding="utf-8")
    shown = README.split("```python\nclass AlexNet")[1].split("```")[0]
    for line in shown.splitlines()[1:]:
        before, _, after = line.partition("…")
        assert before.rstrip() in generated
        assert after in generated


PAGES = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))),
)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    path = ROOT / page
    for target in re.findall(r"\]\((?!https:)([^)#]+)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target


def test_the_files_that_a_contributor_changes_exist() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = [path for path in re.findall(r"`((?:\w+/)+\w*(?:\.\w+)?)`", page) if not re.search("NAME|MODULE", path)]
    assert len(paths) >= 15
    assert [path for path in paths if not (ROOT / path).exists()] == []


def relative_targets(text: str) -> list[str]:
    return [target for target in re.findall(r"\]\(([^)]*)\)", text) if not target.startswith(("https://", "#"))]


def test_on_a_package_index_no_link_or_image_is_broken() -> None:
    assert len(relative_targets(README)) > 20
    assert relative_targets(index_readme(README, "")) == []
    text = index_readme(README, "https://example.org/alexc")
    assert relative_targets(text) == []
    assert re.search(r"!\[[^]]+\]\(https://example.org/alexc/raw/main/docs/pictures/alexnet.svg\)", text)
    assert "[docs/tutorial.md](https://example.org/alexc/blob/main/docs/tutorial.md)" in text


def test_the_language_page_has_every_kind_and_every_step() -> None:
    page = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
    keywords = [*kinds(), *(step.keyword for steps in CHOICES.values() for step in steps), *CHOICES]
    assert [word for word in keywords if not re.search(rf"`{word}\b", page)] == []
