"""Which events may be acknowledged: from the head only, once Kafka has every record made from them. Pure.

Faust commits past an event that was acknowledged out of order (0.15.3, Consumer._new_offset), so the order of arrival is
the order of acknowledgement, whatever order the confirmations come in.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

E = TypeVar("E")


class Entry(Generic[E]):
    """Events taken together. `open` counts the sendings Kafka has yet to confirm, and one until all have been sent."""

    __slots__ = ("count", "events", "open", "partitions")

    def __init__(self, events: E, count: int, partitions: AbstractSet[tuple[str, int]]) -> None:
        self.events, self.count = events, count
        self.partitions = partitions
        self.open = 1


class Ledger(Generic[E]):
    """Events in the order they came. `acknowledge` is called with each lot, in that order."""

    def __init__(self, acknowledge: Callable[[E], None], *, max_events: int, max_bytes: int) -> None:
        self._acknowledge = acknowledge
        self._entries: deque[Entry[E]] = deque()
        self._max_events, self._max_bytes = max_events, max_bytes
        self._events = 0
        self.bytes = 0

    def __len__(self) -> int:
        return self._events

    @property
    def full(self) -> bool:
        """Whether to wait before taking or sending more."""
        return self._events >= self._max_events or self.bytes >= self._max_bytes

    @property
    def heavy(self) -> bool:
        """Whether the records under way alone are too many bytes: one event can make thousands."""
        return self.bytes >= self._max_bytes

    def take(self, events: E, count: int, partitions: AbstractSet[tuple[str, int]]) -> Entry[E]:
        """Write down `count` events that are being worked on."""
        entry = Entry(events, count, partitions)
        self._entries.append(entry)
        self._events += count
        return entry

    def sent(self, entry: Entry[E], size: int) -> None:
        """Records made from the events, of `size` bytes together, were handed to the producer."""
        entry.open += 1
        self.bytes += size

    def confirmed(self, entry: Entry[E], size: int) -> None:
        """Kafka has those records."""
        self.bytes -= size
        self._close(entry)

    def all_sent(self, entry: Entry[E]) -> None:
        """Nothing more will be made from the events."""
        self._close(entry)

    def revoke(self, partitions: AbstractSet[tuple[str, int]]) -> int:
        """Forget what was taken from partitions that are another process's now, and what was taken together with it: it is
        never acknowledged. Answers how many events."""
        kept = [e for e in self._entries if e.partitions.isdisjoint(partitions)]
        forgotten = self._events - sum(e.count for e in kept)
        self._entries = deque(kept)
        self._events -= forgotten
        self._advance()
        return forgotten

    def _close(self, entry: Entry[E]) -> None:
        entry.open -= 1
        if not entry.open and self._entries and entry is self._entries[0]:
            self._advance()

    def _advance(self) -> None:
        entries = self._entries
        while entries and not entries[0].open:
            entry = entries.popleft()
            self._events -= entry.count
            self._acknowledge(entry.events)
