"""Places of records that lie in `deliveries.held`: where they stand, where they lie, whose they are. Pure, and small."""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left
from typing import Final, NamedTuple

UNWRITTEN: Final = -1  # offset of a place whose record Kafka has not acknowledged yet
_COMPACT_AT: Final = 1024  # dropped places at the front before the arrays are cut


class Place(NamedTuple):
    """A record of `deliveries.held`. `position` orders it: its offset in `deliveries`. `mark` is a hash of its id."""

    position: int
    offset: int
    mark: int


def mark_of(delivery_id: str) -> int:
    """63 bits of a hash: enough to tell the deliveries that wait at one endpoint apart."""
    return int.from_bytes(hashlib.blake2b(delivery_id.encode(), digest_size=8).digest()) >> 1


class Places:
    """Places by position. 24 bytes each: a backlog of a million must not take the worker's memory."""

    __slots__ = ("_marks", "_offsets", "_positions", "_start")

    def __init__(self) -> None:
        self._positions, self._offsets, self._marks = array("q"), array("q"), array("q")
        self._start = 0

    def __len__(self) -> int:
        return len(self._positions) - self._start

    def __getitem__(self, index: int) -> Place:
        at = self._start + index
        return Place(self._positions[at], self._offsets[at], self._marks[at])

    def put(self, place: Place) -> None:
        """Add a place, or give the one of that position its new offset."""
        at = self._find(place.position)
        if at < len(self._positions) and self._positions[at] == place.position:
            self._offsets[at] = place.offset
            return
        self._positions.insert(at, place.position)
        self._offsets.insert(at, place.offset)
        self._marks.insert(at, place.mark)

    def remove(self, position: int) -> bool:
        """Take a place out. Answers whether it was there."""
        at = self._find(position)
        if at == len(self._positions) or self._positions[at] != position:
            return False
        if at == self._start:
            self._start += 1
            if self._start >= _COMPACT_AT and self._start * 2 > len(self._positions):
                for one in (self._positions, self._offsets, self._marks):
                    del one[: self._start]
                self._start = 0
            return True
        for one in (self._positions, self._offsets, self._marks):
            del one[at]
        return True

    def has(self, position: int) -> bool:
        """Whether there is a place of that position."""
        at = self._find(position)
        return at < len(self._positions) and self._positions[at] == position

    def marked(self, mark: int) -> Place | None:
        """The place of a delivery, by the mark of its id."""
        try:
            at = self._marks.index(mark, self._start)
        except ValueError:
            return None
        return self[at - self._start]

    def _find(self, position: int) -> int:
        if self._positions and position > self._positions[-1]:
            return len(self._positions)
        return bisect_left(self._positions, position, self._start)
