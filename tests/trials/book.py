"""The books of live traffic: when each numbered event was sent and when it first arrived; latencies of any stretch. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tests.trials.finding import quantile

if TYPE_CHECKING:
    from collections.abc import Callable


class Book:
    """Times are seconds of one clock. Only what was accepted counts: the rest is not the hub's."""

    def __init__(self) -> None:
        self.sent: dict[int, float] = {}
        self.first: dict[int, float] = {}
        self.repeats = 0

    def accept(self, number: int, sent_at: float) -> None:
        """The hub answered 2xx to an event that was sent at that time."""
        self.sent[number] = sent_at

    def arrive(self, number: int, at: float) -> None:
        """It has reached its endpoint, perhaps again."""
        if number in self.first:
            self.repeats += 1
        else:
            self.first[number] = at

    def latencies(
        self, since: float = 0.0, until: float = math.inf, only: Callable[[int], bool] = lambda _number: True
    ) -> list[float]:
        """Of events sent in that stretch; without end for one that has not arrived."""
        chosen = [(n, at) for n, at in self.sent.items() if since <= at < until and only(n)]
        return [self.first.get(n, math.inf) - at for n, at in chosen]

    def missing(self, only: Callable[[int], bool] = lambda _number: True) -> int:
        """Accepted and never arrived."""
        return sum(n not in self.first for n in self.sent if only(n))

    def p99_ms(self, since: float = 0.0, until: float = math.inf, only: Callable[[int], bool] = lambda _number: True) -> float:
        """99 of 100 events of that stretch took no longer."""
        return quantile(self.latencies(since, until, only), 0.99) * 1000

    def flow_again(self, since: float) -> float:
        """Seconds from `since` until an event that was sent after it arrived."""
        return min((self.first[n] for n, at in self.sent.items() if at >= since and n in self.first), default=math.inf) - since

    def calm_again(self, since: float, until: float, late_s: float) -> float:
        """Seconds from `since` until the last event of that stretch arrived that took longer than `late_s`; 0: none did."""
        late = [
            self.first.get(n, math.inf) - since
            for n, at in self.sent.items()
            if since <= at < until and self.first.get(n, math.inf) - at > late_s
        ]
        return max(late, default=0.0)
