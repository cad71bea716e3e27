"""Compares weights with those of a network by their names and shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from alexc.printable import printable

_MOST_SHOWN = 5

Tensors = Mapping[str, Tensor]


def differing_names(network: Tensors, given: Tensors) -> list[str]:
    """The names of tensors that only one side has, or that have another shape in the other one."""
    return [name for name in {**network, **given} if _shape(network, name) != _shape(given, name)]


def differences_text(names: Sequence[str], network: Tensors, given: Tensors, places: tuple[str, str]) -> str:
    """The shapes of the first of these tensors, and the number of the others; safe to print.

    Args:
        names: the tensors.
        network: those of the network.
        given: those that were given.
        places: where the given ones and those of the network are, in words.
    """
    there, here = places
    shown = [
        f"{printable(name)} is {_shape(given, name)} {there} and {_shape(network, name)} {here}"
        for name in names[:_MOST_SHOWN]
    ]
    more = [f"and {len(names) - len(shown)} more"] if len(names) > len(shown) else []
    return "; ".join([*shown, *more])


def _shape(tensors: Tensors, name: str) -> str:
    return "x".join(map(str, tensors[name].shape)) if name in tensors else "missing"
