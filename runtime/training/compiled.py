"""Runs a network through torch.compile, and explains why it cannot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from alexc.printable import printable

from ..errors import UserError


def compile_network(network: nn.Module, replayed: bool) -> None:
    """Make a network run compiled code from its next call on; its layers, names and weights stay.

    torch compiles once per input shape, in training and in evaluation mode. Random draws of the layers stay the same.

    Args:
        network: the network.
        replayed: whether a GPU records the launches of a pass once and then replays them. A replay overwrites the
            gradients of the one before, so micro-batches cannot add to them.
    """
    network.compile(dynamic=False, options={"fallback_random": True, "triton.cudagraphs": replayed})


@contextmanager
def explain_compile_errors(go_on: str) -> Iterator[None]:
    """Turn an error of torch.compile into a message.

    Args:
        go_on: the command that continues the run without --compile.

    Raises:
        UserError: torch cannot compile the network.
    """
    try:
        yield
    except Exception as error:
        from torch._dynamo.exc import TorchDynamoException  # takes a second to import, so only after an error

        if not isinstance(error, TorchDynamoException):
            raise
        why = next((line for line in reversed(str(error).splitlines()) if ": " in line), type(error).__name__)
        raise UserError(
            f"--compile: torch cannot compile this network here ({printable(why.strip())}): on the CPU it needs a C++ "
            f"compiler, g++ or the one that CXX names; on a GPU, Triton. "
            f"Without --compile the run continues with: {go_on}"
        ) from error
