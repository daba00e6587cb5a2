"""How many requests an endpoint may have under way: pure, grows while it answers, shrinks when it says or shows that it cannot.

Additive increase, multiplicative decrease, as TCP does it (RFC 5681): a receiver that answers in 100 ms is not held to a
handful of requests, one that hangs does not get more of the worker than it had.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from delivery.outcome import Outcome

FLOOR: Final = 4
START: Final = 16
SLOW_MS: Final = 2000.0  # an answer that takes longer is no reason to ask for more at once
OVERLOADED: Final = frozenset({429, 502, 503, 504})  # Standard Webhooks: slow down
BROKEN: Final = frozenset({"timeout", "connect", "reset"})


class InFlightLimit:
    """`value` requests may be under way. `ceiling` is the endpoint's setting."""

    __slots__ = ("_ceiling", "_credit", "_cut_at", "_eager", "value")

    def __init__(self, ceiling: int) -> None:
        self._ceiling = ceiling
        self.value = min(START, ceiling)
        self._eager = True  # nothing has gone wrong yet: double each round instead of adding one
        self._credit = 0
        self._cut_at = 0  # ms since the epoch

    def set_ceiling(self, ceiling: int) -> None:
        """The endpoint's setting changed."""
        self._ceiling = ceiling
        self.value = min(max(self.value, min(FLOOR, ceiling)), ceiling)

    def learn(self, outcome: Outcome, *, now_ms: int, full: bool) -> None:
        """Take an outcome in. `full`: as many were under way as the limit allows, so more could have been used."""
        if outcome.status in OVERLOADED or outcome.error_class in BROKEN:
            if outcome.started_at >= self._cut_at:  # what was sent before the last cut tells of the same trouble
                self._cut_at, self._eager, self._credit = now_ms, False, 0
                self.value = max(min(FLOOR, self._ceiling), self.value // 2)
        elif full and outcome.total_ms < SLOW_MS and self.value < self._ceiling:
            self._credit += self.value if self._eager else 1
            if self._credit >= self.value:
                self._credit = 0
                self.value += 1
