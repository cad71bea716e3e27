"""A network that torch.compile makes faster, and what there is to say where it cannot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from alexc.printable import printable

from ..errors import UserError


def compile_network(network: nn.Module) -> None:
    """Have a network run compiled code from its next call on; it keeps its layers, their names and their weights.

    The code is made once for each shape of input, in training and in evaluation. What layers draw, they draw as before.
    """
    network.compile(dynamic=False, options={"fallback_random": True})


@contextmanager
def telling_why_it_cannot_compile(go_on: str) -> Iterator[None]:
    """Turn what torch raises where it cannot compile into a message.

    Args:
        go_on: the command that goes on without.

    Raises:
        UserError: when the block raised that.
    """
    try:
        yield
    except Exception as error:
        from torch._dynamo.exc import TorchDynamoException  # a second to import, in every process of a training

        if not isinstance(error, TorchDynamoException):
            raise
        why = next((line for line in reversed(str(error).splitlines()) if ": " in line), type(error).__name__)
        raise UserError(
            f"--compile: torch cannot compile this network here ({printable(why.strip())}): on the CPU it needs a C++ "
            f"compiler, such as g++ or what CXX names; on a GPU, Triton. Without it the run goes on by: {go_on}"
        ) from error
