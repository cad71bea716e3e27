"""Worker processes that stay alive and run one function after the other."""

from __future__ import annotations

import faulthandler
import signal
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from torch import multiprocessing

Made = TypeVar("Made")
Given = ParamSpec("Given")
Answer = TypeVar("Answer")


class WorkerFailed(Exception):  # noqa: N818 - the word says what happened
    """A worker raised an exception (the message has its traceback), died, or did not answer in time."""


class Worker(Generic[Made]):
    """A spawned process that makes an object and keeps it.

    It ends after an exception, so that other workers that wait for it notice, and with the process that started it.

    Args:
        name: its name in messages.
        make: makes the object; the function and its arguments are pickled.
        arguments: the arguments of `make`.
    """

    def __init__(self, name: str, make: Callable[Given, Made], *arguments: Given.args, **options: Given.kwargs) -> None:
        self._name = name
        context = multiprocessing.get_context("spawn")
        self._pipe, there = context.Pipe()
        self._process = context.Process(target=work, args=(there, make, arguments, options), daemon=True)
        self._process.start()
        there.close()

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process.pid is not None
        return self._process.pid

    def ask(
        self, function: Callable[Concatenate[Made, Given], Any], *arguments: Given.args, **options: Given.kwargs
    ) -> None:
        """Let it call `function` with its object and these arguments; all of these are pickled."""
        with suppress(BrokenPipeError):  # `answer` reports why it has ended
            self._pipe.send((function, arguments, options))

    def answer(self, timeout: float) -> Any:  # noqa: ANN401 - what the function returned
        """The result of the last call.

        Raises:
            WorkerFailed: there is no result.
        """
        if not self._pipe.poll(timeout):
            raise WorkerFailed(f"{self._name} did not answer in {timeout} s")
        try:
            answer, failure = self._pipe.recv()
        except (EOFError, ConnectionResetError):
            raise WorkerFailed(f"{self._name} died: {self._cause_of_death()}") from None
        if failure is not None:
            raise WorkerFailed(f"{self._name}:\n{failure}")
        return answer

    def _cause_of_death(self) -> str:
        self._process.join(5)
        return exit_text(self._process.exitcode)

    def end(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join(5)
        self._process.kill()
        self._process.join()


def exit_text(code: int | None) -> str:
    """What the exit code of a process says; minus the number of a signal that ended it, None while it runs."""
    if code is None:
        return "it closed its pipe, but has not ended"
    return f"exit code {code}" if code >= 0 else f"signal {-code}, {signal.strsignal(-code)}"


def ask_all(
    workers: Sequence[Worker[Made]],
    timeout: float,
    function: Callable[Concatenate[Made, Given], Answer],
    *arguments: Given.args,
    **options: Given.kwargs,
) -> list[Answer]:
    """Let all workers call a function at the same time; returns the result of each.

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


def work(pipe: Connection, make: Callable[..., Any], arguments: Sequence[Any], options: dict[str, Any]) -> None:
    """In the process of a worker: make the object, and answer until the pipe is closed."""
    faulthandler.enable()  # prints where a fatal signal came from
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
