"""Times several programs in rounds: each round runs each of them once, so that other load affects all equally."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from alexc.runtime.progress import Progress


@dataclass(frozen=True)
class Rounds:
    """The times of each program.

    Attributes:
        seconds: for each name, the seconds of each round, in order.
    """

    seconds: Mapping[str, tuple[float, ...]]

    def median(self, peer: str) -> float:
        """The median of the seconds."""
        return statistics.median(self.seconds[peer])

    def ratio(self, slower: str, faster: str) -> float:
        """The median, over the rounds, of the time of `slower` divided by the time of `faster`."""
        return statistics.median(self._ratios(slower, faster))

    def spread(self, slower: str, faster: str) -> tuple[float, float]:
        """The smallest and the largest of these ratios."""
        ratios = self._ratios(slower, faster)
        return min(ratios), max(ratios)

    def _ratios(self, slower: str, faster: str) -> list[float]:
        return [one / other for one, other in zip(self.seconds[slower], self.seconds[faster], strict=True)]


def run_rounds(
    peers: Mapping[str, Callable[[], object]],
    rounds: int,
    task: str,
    clock: Callable[[], float] = time.perf_counter,
    before: Callable[[], object] = lambda: None,
) -> Rounds:
    """Call each function once to warm it up, then once per round; every other round is in reverse order.

    Args:
        peers: the functions to time, by name.
        rounds: the number of timed rounds.
        task: the text of the progress line.
        clock: returns seconds since a fixed moment.
        before: called before each function, outside the timing.
    """
    seconds: dict[str, list[float]] = {name: [] for name in peers}
    with Progress(task, len(peers) * (rounds + 1), "runs") as progress:
        for number in range(rounds + 1):
            for name in list(peers) if number % 2 else reversed(list(peers)):
                before()
                started = clock()
                peers[name]()
                if number:
                    seconds[name].append(clock() - started)
                progress.advance()
    return Rounds({name: tuple(each) for name, each in seconds.items()})
