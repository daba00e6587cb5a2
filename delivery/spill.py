"""Who is moved aside when room in memory gets short: pure.

A slow endpoint is one that is much slower than the quickest of those served beside it and whose queue would take too
long at the pace it shows. When all are alike slow, it is the machine or the receivers' common network: moving anybody
aside would only make work, so the window fills up and Kafka keeps the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

QUEUE: Final = 64  # queued deliveries from which on an endpoint may be found too slow
QUEUE_LEAST: Final = 4  # the same where very many are served: together they take what one would
SLOWER: Final = 4.0  # times the quickest one's pace
WAIT_S: Final = 2.0  # a longer wait is not borne while others are served beside it
WAIT_ALONE_S: Final = 10.0  # the same where nobody else has anything here: only others not yet read can be held up
DELAY_S: Final = 5.0  # first delay of what is moved
DELAY_MAX_S: Final = 300.0


class Load(NamedTuple):
    """What one endpoint has queued, and seconds per delivery at the pace it shows."""

    waiting: int
    pace_s: float


def excess(loads: Sequence[Load], room: int) -> list[int]:
    """How many queued deliveries of each endpoint are to be moved: what is left can be sent in half the bearable wait.

    `room`: deliveries one endpoint may have in memory.
    """
    least = max(QUEUE_LEAST, min(QUEUE, room // max(1, len(loads))))
    quickest = min((load.pace_s for load in loads), default=0.0)
    alone = len(loads) == 1
    bearable_s = WAIT_ALONE_S if alone else WAIT_S
    return [
        load.waiting - int(bearable_s / load.pace_s / 2)
        if load.waiting >= least and load.waiting * load.pace_s > bearable_s and (alone or load.pace_s > SLOWER * quickest)
        else 0
        for load in loads
    ]


class Delay:
    """The delay of what is moved: doubles each time a whole delay went by without a single delivery."""

    def __init__(self) -> None:
        self._delay_s = DELAY_S
        self._moved_at: float | None = None

    def delivered(self) -> None:
        """It took one: begin anew."""
        self._delay_s, self._moved_at = DELAY_S, None

    def next(self, now: float) -> float:
        """Seconds for what is moved now."""
        if self._moved_at is None:
            self._moved_at = now
        elif now - self._moved_at >= self._delay_s:
            self._moved_at = now
            self._delay_s = min(self._delay_s * 2, DELAY_MAX_S)
        return self._delay_s
