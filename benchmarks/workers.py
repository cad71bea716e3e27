"""Processes that stay alive, and do what they are asked one thing after the other."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from torch import multiprocessing

Made = TypeVar("Made")
Given = ParamSpec("Given")
Answer = TypeVar("Answer")


class WorkerFailed(Exception):  # noqa: N818 - an ending, not always a fault of its own
    """A process raised, with its traceback; or died, or did not answer in time."""


class Worker(Generic[Made]):
    """A process of its own, started anew, that makes something and keeps it.

    It ends when it has raised, so that peers which wait for it learn of it; and with the process that started it.

    Args:
        name: what messages call it.
        make: makes what it keeps; it and its arguments are pickled.
        arguments: of `make`.
    """

    def __init__(self, name: str, make: Callable[Given, Made], *arguments: Given.args, **options: Given.kwargs) -> None:
        self._name = name
        context = multiprocessing.get_context("spawn")
        self._pipe, there = context.Pipe()
        self._process = context.Process(target=_work, args=(there, make, arguments, options), daemon=True)
        self._process.start()
        there.close()

    @property
    def pid(self) -> int:
        """The number of the process."""
        assert self._process.pid is not None
        return self._process.pid

    def ask(
        self, function: Callable[Concatenate[Made, Given], Any], *arguments: Given.args, **options: Given.kwargs
    ) -> None:
        """Have it call `function` with what it has made and these arguments; all are pickled."""
        with suppress(BrokenPipeError):  # its answer says why it has ended
            self._pipe.send((function, arguments, options))

    def answer(self, timeout: float) -> Any:  # noqa: ANN401 - what the function returned
        """What came of it.

        Raises:
            WorkerFailed: nothing did.
        """
        if not self._pipe.poll(timeout):
            raise WorkerFailed(f"{self._name} did not answer in {timeout} s")
        try:
            answer, failure = self._pipe.recv()
        except (EOFError, ConnectionResetError):
            raise WorkerFailed(f"{self._name} died") from None
        if failure is not None:
            raise WorkerFailed(f"{self._name}:\n{failure}")
        return answer

    def end(self) -> None:
        """End it, whatever it does."""
        self._pipe.close()
        self._process.join(5)
        self._process.kill()
        self._process.join()


def ask_all(
    workers: Sequence[Worker[Made]],
    timeout: float,
    function: Callable[Concatenate[Made, Given], Answer],
    *arguments: Given.args,
    **options: Given.kwargs,
) -> list[Answer]:
    """Have all of them call a function at the same time, and return what each one's call returned.

    Raises:
        WorkerFailed: of any, with what each of those said that did not do it.
    """
    for worker in workers:
        worker.ask(function, *arguments, **options)
    answers, failures = [], []
    for worker in workers:
        try:
            answers.append(worker.answer(timeout))
        except WorkerFailed as failed:
            failures.append(str(failed))
    if failures:
        raise WorkerFailed("\n".join(failures))
    return answers


def _work(pipe: Connection, make: Callable[..., Any], arguments: Sequence[Any], options: dict[str, Any]) -> None:
    try:
        made = make(*arguments, **options)
        while True:
            try:
                function, arguments, options = pipe.recv()
            except (EOFError, ConnectionResetError):
                return
            pipe.send((function(made, *arguments, **options), None))
    except BaseException:
        pipe.send((None, traceback.format_exc()))
