"""Writes the parts of docs/language.md that come from the compiler: `python -m tools.language_reference`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable

from alexc.compiler.layers.arguments import Arguments
from alexc.compiler.layers.initial_values import DISTRIBUTIONS
from alexc.compiler.layers.kind import Kind
from alexc.compiler.layers.registry import kinds
from alexc.compiler.layers.trained import Trained
from alexc.compiler.recipe.steps import CHOICES
from alexc.compiler.reference import arguments_in_order, default_of, documentation, title, usage
from alexc.compiler.text.diagnostics import TITLES
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "language.md"
_MADE = "written by `python -m tools.language_reference` from the compiler's own documentation"


def with_parts(page: str) -> str:
    """The page with the current text between each pair of markers."""
    for name, write in _PARTS.items():
        before, start, rest = page.partition(f"<!-- {name}: {_MADE} -->\n")
        _, end, after = rest.partition(f"<!-- end of {name} -->\n")
        assert start, f"docs/language.md has no place for {name}"
        assert end, f"docs/language.md does not end its {name}"
        page = f"{before}{start}\n{write()}\n\n{end}{after}"
    return page


def _kinds() -> str:
    multipliers = inspect.getdoc(Trained)
    assert multipliers is not None
    rates = ["#### Multipliers", multipliers.split("\n\n")[1], _table(Trained, Trained.model_fields)]
    return "\n\n".join([*map(_kind, kinds().values()), *rates])


def _kind(kind: type[Kind]) -> str:
    own = [name for name in arguments_in_order(kind) if name not in Trained.model_fields]
    parts = [f"#### `{usage(kind)}`: {title(kind)}", documentation(kind), _table(kind, own)]
    if issubclass(kind, Trained):
        parts.append("It has [multipliers](#multipliers), too.")
    return "\n\n".join(filter(None, parts))


def _distributions() -> str:
    rows = [documentation(distribution).split(": ", 1) for distribution in DISTRIBUTIONS.values()]
    return _rows(("distribution", ""), [(how, what) for how, what in rows])


def _recipe() -> str:
    rows: list[tuple[str, ...]] = []
    for statement, steps in CHOICES.items():
        wider = [name for name, others in CHOICES.items() if set(steps) < set(others)]
        if wider:
            missing = ", ".join(f"`{step.keyword}`" for step in CHOICES[wider[0]] if step not in steps)
            rows.append((f"`{statement}`", f"those of `{wider[0]}`, without {missing}", "", ""))
            continue
        rows += [
            (f"`{statement}`" if number == 0 else "", f"`{usage(step)}`", documentation(step), _brief(step))
            for number, step in enumerate(steps)
        ]
    return _rows(("statement", "choice", "", "arguments"), rows)


def _codes() -> str:
    return _rows(
        ("code", ""),
        [(f"[{code}](../compiler/text/explanations/{code}.md)", title) for code, title in TITLES.items()],
    )


def _table(kind: type[Arguments], names: Iterable[str]) -> str:
    rows = [(f"`{name}`", kind.expectation(name).words, default_of(kind, name)) for name in names]
    return _rows(("argument", "must be", "default"), rows) if rows else ""


def _brief(kind: type[Arguments]) -> str:
    return "; ".join(
        f"`{name}`: {kind.expectation(name).words}" + (f", {default}" if (default := default_of(kind, name)) else "")
        for name in arguments_in_order(kind)
    )


def _rows(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    cells = [header, tuple("---" for _ in header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in cells)


_PARTS: dict[str, Callable[[], str]] = {
    "kinds": _kinds,
    "distributions": _distributions,
    "recipe": _recipe,
    "codes": _codes,
}

if __name__ == "__main__":
    PAGE.write_text(with_parts(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
