"""Checks the syntax tree of a generated file: it contains nothing but what the compiler means to write.

This is the last of several checks. Earlier stages check the names and numbers of a spec. If one of them has a hole, or
the template has a mistake, the tree of the file differs from what is allowed here, and the file is not written.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence, Set

from .imports import single_import

_STATEMENTS = (ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef, ast.Assign, ast.AnnAssign, ast.Expr)
_STATEMENTS_IN_METHODS = (ast.Assign, ast.Expr, ast.Return, ast.If)
_EXPRESSIONS = (
    ast.Name,
    ast.Attribute,
    ast.Call,
    ast.Constant,
    ast.Slice,
    ast.Tuple,
    ast.List,
    ast.Dict,
    ast.BinOp,
    ast.UnaryOp,
    ast.Compare,
)
_PARTS = (
    ast.keyword,
    ast.alias,
    ast.arguments,
    ast.arg,
    ast.Load,
    ast.Store,
    ast.Add,
    ast.Mult,
    ast.FloorDiv,
    ast.Eq,
    ast.BitOr,
    ast.USub,
)
_ALLOWED = (ast.Module, ast.Subscript, *_STATEMENTS, *_STATEMENTS_IN_METHODS, *_EXPRESSIONS, *_PARTS)

_METHODS = ("__init__", "reset_parameters", "forward")
_BUILTIN_CALLS = ("super", "super().__init__", "self.reset_parameters")
_BUILTIN_NAMES = ("self", "x", "seed", "mesh", "super", "len", "int", "str", "float", "tuple", "dict")
_CONSTANTS = ("RECIPE", "PLACEMENT")


class UnexpectedText(Exception):  # noqa: N818 - the text is what is unexpected
    """A rendered file contains something that the compiler never writes: a bug of alexc, not of the spec."""


def require_expected_form(
    text: str,
    class_names: Sequence[str],
    imports: Iterable[str],
    calls: Iterable[str],
    *,
    defined: Set[str] = frozenset(),
) -> None:
    """Check a rendered file before it is written.

    Args:
        text: the content of the file.
        class_names: the names of its classes, in order.
        imports: the import statements that it may contain, each with one name.
        calls: the functions that it may call, as they are written: `nn.Conv2d`, `self.conv1`.
        defined: names that the file will define after this text.

    Raises:
        UnexpectedText: the file contains anything else.
    """
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise UnexpectedText(f"it is not Python: {error}") from None
    nodes = list(ast.walk(module))  # once: walking takes longer than parsing
    for node in nodes:
        if not isinstance(node, _ALLOWED):
            raise _unexpected(node)
    _check_top(module, class_names, _single_imports("\n".join(imports)))
    _check_calls(nodes, {*calls, *_BUILTIN_CALLS})
    _check_names(module, nodes, defined)


def _check_top(module: ast.Module, class_names: Sequence[str], imports: set[str]) -> None:
    docstring, *body = module.body
    if not isinstance(docstring, ast.Expr) or not _is_text(docstring):
        raise _unexpected(docstring)
    classes: list[str] = []
    for node in body:
        match node:
            case ast.Import() | ast.ImportFrom():
                if not _single_imports(ast.unparse(node)) <= imports:
                    raise _unexpected(node)
            case ast.ClassDef(name=name, bases=[base], keywords=[], decorator_list=[]):
                if ast.unparse(base) != "nn.Module":
                    raise _unexpected(node)
                classes.append(name)
                _check_class(node)
            case ast.Assign(targets=[ast.Name(name)], value=ast.Call()) if name in _CONSTANTS:
                pass
            case _:
                raise _unexpected(node)
    if classes != list(class_names):
        raise UnexpectedText(f"it has the classes {', '.join(classes)}")


def _check_class(definition: ast.ClassDef) -> None:
    for node in definition.body:
        match node:
            case ast.FunctionDef(name=name, decorator_list=[]) if name in _METHODS:
                _check_body(node.body)
            case ast.AnnAssign(target=ast.Name()) if not any(isinstance(each, ast.Call) for each in ast.walk(node)):
                pass
            case ast.Expr() if _is_text(node):
                pass
            case _:
                raise _unexpected(node)


def _check_body(body: list[ast.stmt]) -> None:
    for node in body:
        if not isinstance(node, _STATEMENTS_IN_METHODS):
            raise _unexpected(node)
        match node:
            case ast.Expr(value=value) if not _is_text(node) and not isinstance(value, ast.Call):
                raise _unexpected(node)
            case ast.If(test=test, body=inner, orelse=[]):
                if ast.unparse(test) != "self.training":
                    raise _unexpected(node)
                _check_body(inner)
            case ast.If():
                raise _unexpected(node)


def _check_calls(nodes: Sequence[ast.AST], calls: set[str]) -> None:
    for node in nodes:
        if isinstance(node, ast.Call):
            match node.func:
                case ast.Attribute(value=ast.Name(), attr="flatten"):
                    pass
                case called if ast.unparse(called) not in calls:
                    raise _unexpected(node)


def _check_names(module: ast.Module, nodes: Sequence[ast.AST], defined: Set[str]) -> None:
    """Each name is imported, defined or assigned in the file, or a builtin name.

    No attribute starts with `_` but `__init__`.
    """
    imports = [node for node in module.body if isinstance(node, ast.Import | ast.ImportFrom)]
    imported = {alias.asname or alias.name for node in imports for alias in node.names}
    assigned = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    fixed = {*imported, *defined}
    known = {*fixed, *assigned, *_BUILTIN_NAMES}
    for node in nodes:
        if isinstance(node, ast.Name) and node.id not in known:
            raise _unexpected(node)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in {*fixed, "self", "super"}:
            raise _unexpected(node)
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and node.attr != "__init__":
            raise _unexpected(node)


def _single_imports(text: str) -> set[str]:
    """Split import statements so that each has one name."""
    found: set[str] = set()
    for node in ast.parse(text).body:
        assert isinstance(node, ast.Import | ast.ImportFrom)
        found.update(single_import(node, alias) for alias in node.names)
    return found


def _is_text(node: ast.Expr) -> bool:
    return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _unexpected(node: ast.AST) -> UnexpectedText:
    line = getattr(node, "lineno", 0)
    text = ast.unparse(node).split("\n")[0]
    return UnexpectedText(f"line {line} of the generated file would be `{text[:100]}`, which alexc never writes")
