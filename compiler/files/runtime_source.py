"""Copies definitions from the source text of the runtime's layers, with all that they use.

The text is read, not imported, so the compiler needs no torch. Of a layer that uses meshes or kernels, the form in
`runtime/layers/torch_only` is copied.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from importlib.util import resolve_name
from textwrap import wrap

from .imports import single_import
from .line_breaks import LINE_LENGTH

_LAYERS, _TORCH_ONLY = "alexc.runtime.layers", "alexc.runtime.layers.torch_only"
_Filter = Callable[[ast.AST], bool]
_IMPORT = re.compile(r"from (alexc\.\S+) import (\w+)")


@dataclass(frozen=True)
class CopiedSource:
    """Definitions of the runtime, with everything that they use except imports.

    Attributes:
        text: the definitions; those that others use come first.
        names: what the text defines.
        imports: the import statements that it needs, one name in each. None is of alexc.
    """

    text: str
    names: frozenset[str]
    imports: frozenset[str]


def copied_source(imports: Iterable[str], called: Set[str]) -> CopiedSource:
    """Copy what import statements name.

    Args:
        imports: import statements of the runtime's layers, one name in each, in the order of the copies.
        called: the constructors that the network calls, such as `nn.Conv2d`. Statements for other layers are left out.
    """
    copy = _Copy(called)
    for statement in imports:
        found = _IMPORT.fullmatch(statement)
        assert found is not None, statement
        copy.take(_torch_only_form(found[1], found[2]), found[2])
    modules = list(copy.modules_in_order())
    names = [name for module in modules for name in copy.names[module]]
    assert len(set(names)) == len(names), f"two modules define one name: {sorted(names)}"
    text = "\n\n\n".join(module.text_of(copy.names[module], copy.is_left_out) for module in modules)
    return CopiedSource(text, frozenset(names), frozenset(copy.imports))


def _torch_only_form(module: str, name: str) -> _Module:
    short = module.removeprefix(f"{_LAYERS}.")
    if _file(f"{_TORCH_ONLY}.{short}").is_file() and name in _module(f"{_TORCH_ONLY}.{short}").definitions:
        return _module(f"{_TORCH_ONLY}.{short}")
    return _module(module)


class _Copy:
    """The names to copy of each module, and the imports that they need."""

    def __init__(self, called: Set[str]) -> None:
        self.names: dict[_Module, set[str]] = {}
        self.imports: set[str] = set()
        self._called = called
        self._uses: dict[_Module, list[_Module]] = {}

    def take(self, module: _Module, name: str) -> None:
        """Copy a definition, and what it uses."""
        names, uses = self.names.setdefault(module, set()), self._uses.setdefault(module, [])
        if name in names:
            return
        names.add(name)
        for node in _walk(module.definitions[name], self.is_left_out):
            if not isinstance(node, ast.Name):
                continue
            if node.id in module.definitions:
                self.take(module, node.id)
            elif node.id in module.of_runtime:
                uses.append(_module(module.of_runtime[node.id]))
                self.take(uses[-1], node.id)
            elif node.id in module.imports:
                self.imports.add(module.imports[node.id])

    def is_left_out(self, node: ast.AST) -> bool:
        """Whether it is an `if isinstance(layer, …)` for layers that the network does not have."""
        match node:
            case ast.If(test=ast.Call(func=ast.Name("isinstance"), args=[ast.Name("layer"), kinds]), orelse=[]):
                return self._called.isdisjoint(ast.unparse(kinds).split(" | "))
        return False

    def modules_in_order(self) -> Iterator[_Module]:
        """The modules in the order in which they were asked for, each after those that it uses."""
        done: set[_Module] = set()

        def visit(module: _Module) -> Iterator[_Module]:
            if module not in done:
                done.add(module)
                for used in self._uses[module]:
                    yield from visit(used)
                yield module

        for module in self.names:
            yield from visit(module)


@dataclass(frozen=True, eq=False)
class _Module:
    """A module of the runtime: its full name, its text and its syntax tree."""

    name: str
    text: str
    tree: ast.Module

    @cached_property
    def definitions(self) -> dict[str, ast.stmt]:
        """Classes, functions and constants by name, in order."""
        found: dict[str, ast.stmt] = {}
        for node in self.tree.body:
            match node:
                case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.Assign(targets=[ast.Name(name)]):
                    found[name] = node
        return found

    @cached_property
    def imports(self) -> dict[str, str]:
        """The import statement of each name from outside alexc."""
        return {
            alias.asname or alias.name: single_import(node, alias)
            for node in self.tree.body
            if isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and not node.level)
            for alias in node.names
        }

    @cached_property
    def of_runtime(self) -> dict[str, str]:
        """The module of each name from elsewhere in the runtime."""
        package = self.name.rpartition(".")[0]
        return {
            alias.name: resolve_name("." * node.level + (node.module or ""), package)
            for node in self.tree.body
            if isinstance(node, ast.ImportFrom) and node.level
            for alias in node.names
        }

    def text_of(self, names: Set[str], is_left_out: _Filter) -> str:
        """The definitions with these names under the docstring of the module, which becomes a comment."""
        text, last = self._heading(), None
        for name, node in self.definitions.items():
            if name in names:
                constants = isinstance(node, ast.Assign) and isinstance(last, ast.Assign)
                text += ("\n" if constants else "\n\n\n") + "\n".join(self._lines(node, is_left_out))
                last = node
        return text

    def _heading(self) -> str:
        paragraphs = (ast.get_docstring(self.tree) or "").split("\n\n")
        return "\n#\n".join("\n".join(f"# {line}" for line in wrap(each, LINE_LENGTH - 2)) for each in paragraphs)

    def _lines(self, definition: ast.stmt, is_left_out: _Filter) -> list[str]:
        """The lines of a definition, with its decorators and the comment above, without what is left out."""
        assert definition.end_lineno is not None
        first = min([definition.lineno, *(each.lineno for each in getattr(definition, "decorator_list", []))])
        every = self.text.splitlines()
        while every[first - 2].startswith("#"):
            first -= 1
        lines = dict(enumerate(every[first - 1 : definition.end_lineno], first))
        for node in ast.walk(definition):
            if is_left_out(node):
                assert isinstance(node, ast.If)
                assert node.end_lineno is not None
                for number in range(node.lineno, node.end_lineno + 1):
                    lines.pop(number, None)
        return list(lines.values())


def _walk(node: ast.AST, is_left_out: _Filter) -> Iterator[ast.AST]:
    """A node and those in it, except what is left out."""
    if not is_left_out(node):
        yield node
        for child in ast.iter_child_nodes(node):
            yield from _walk(child, is_left_out)


@cache
def _module(name: str) -> _Module:
    text = _file(name).read_text(encoding="utf-8")
    return _Module(name, text, ast.parse(text))


def _file(module: str) -> Traversable:
    package, *folders, last = module.split(".")
    return files(package).joinpath(*folders, f"{last}.py")
