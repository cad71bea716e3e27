"""Peers timed side by side: a round runs each of them once, so that whatever else the machine does meets all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from alexc.runtime.progress import Progress


@dataclass(frozen=True)
class Rounds:
    """What each peer took, round by round.

    Attributes:
        seconds: of each peer one figure a round, in the order of the rounds.
    """

    seconds: Mapping[str, tuple[float, ...]]

    def median(self, peer: str) -> float:
        """Seconds that the peer takes."""
        return statistics.median(self.seconds[peer])

    def ratio(self, slower: str, faster: str) -> float:
        """How many times as long the one takes as the other: the median of the ratios within a round."""
        return statistics.median(self._ratios(slower, faster))

    def spread(self, slower: str, faster: str) -> tuple[float, float]:
        """The least and the largest of these ratios."""
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
    """Call each peer once to warm it up, then once a round; every other round goes through them backwards.

    Args:
        peers: what is timed, by its name.
        rounds: how often.
        task: what the progress line calls it.
        clock: seconds since some moment.
        before: called before each call, and not timed.
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
