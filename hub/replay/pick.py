"""Which events a replay takes: the filter, and the newest n of what it lets through. Pure."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final

import msgspec

from hub.replay.where import Range
from processors.route import covers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hub.replay.scan import Found
    from schemas.records import Event

_GROWTH: Final = 4


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """What an event has to be like. `type` is exact, a prefix such as order.*, or *; None lets everything through."""

    type: str | None = None
    key: str | None = None  # object id
    endpoint: str | None = None

    def lets_through(self, event: Event) -> bool:
        """Whether type and key fit; the endpoint is for the caller to look at."""
        return (self.type is None or covers(self.type, event.type)) and self.key in (None, event.object_id)


def newest(
    scan: Callable[[list[Range]], Iterable[list[Found]]], ranges: list[Range], count: int, wanted: Callable[[Found], bool]
) -> set[tuple[str, int, int]]:
    """Coordinates of the `count` newest wanted events of the ranges, by record time.

    Reads the tails first and ever longer ones while too few are found, so that a few events out of
    millions do not cost a scan of the millions.
    """
    length = count
    while True:
        tails = [Range(r.topic, r.partition, max(r.start, r.end - length), r.end) for r in ranges]
        found: list[tuple[int, str, int, int]] = []
        oldest: dict[tuple[str, int], int] = {}  # time of the first record read of each partition
        for batch in scan(tails):
            for f in batch:
                oldest.setdefault((f.topic, f.partition), f.at_ms)
                if wanted(f):
                    found.append((f.at_ms, f.topic, f.partition, f.offset))
        best = heapq.nlargest(count, found)
        cut = {(t.topic, t.partition) for t, r in zip(tails, ranges, strict=True) if t.start > r.start}
        # Before a tail only older records lie: none of them belongs here once the worst pick is newer than the tail's start.
        if not cut or (len(best) == count and all(oldest.get(spot, 0) <= best[-1][0] for spot in cut)):
            return {(topic, partition, offset) for _, topic, partition, offset in best}
        length *= _GROWTH
