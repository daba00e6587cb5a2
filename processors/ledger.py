"""Which events may be acknowledged: from the head only, once Kafka has every record made from them. Pure.

Faust commits past an event that was acknowledged out of order (0.15.3, Consumer._new_offset), so the order of arrival is
the order of acknowledgement, whatever order the confirmations come in.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Container

E = TypeVar("E")


class Entry(Generic[E]):
    """An event under way. `open` counts the records Kafka has yet to confirm, and one until all have been sent."""

    __slots__ = ("event", "open", "partition")

    def __init__(self, event: E, partition: tuple[str, int]) -> None:
        self.event = event
        self.partition = partition
        self.open = 1


class Ledger(Generic[E]):
    """Events in the order they came. `acknowledge` is called for each, in that order."""

    def __init__(self, acknowledge: Callable[[E], None], *, max_events: int, max_bytes: int) -> None:
        self._acknowledge = acknowledge
        self._entries: deque[Entry[E]] = deque()
        self._max_events, self._max_bytes = max_events, max_bytes
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def full(self) -> bool:
        """Whether to wait before taking or sending more."""
        return len(self._entries) >= self._max_events or self.bytes >= self._max_bytes

    @property
    def heavy(self) -> bool:
        """Whether the records under way alone are too many bytes: one event can make thousands."""
        return self.bytes >= self._max_bytes

    def take(self, event: E, partition: tuple[str, int]) -> Entry[E]:
        """Write down an event that is being worked on."""
        entry = Entry(event, partition)
        self._entries.append(entry)
        return entry

    def sent(self, entry: Entry[E], size: int) -> None:
        """A record made from the event was handed to the producer."""
        entry.open += 1
        self.bytes += size

    def confirmed(self, entry: Entry[E], size: int) -> None:
        """Kafka has that record."""
        self.bytes -= size
        self._close(entry)

    def all_sent(self, entry: Entry[E]) -> None:
        """Nothing more will be made from the event."""
        self._close(entry)

    def revoke(self, partitions: Container[tuple[str, int]]) -> int:
        """Forget the events of partitions that are another process's now; they are never acknowledged. Answers how many."""
        kept = [e for e in self._entries if e.partition not in partitions]
        forgotten = len(self._entries) - len(kept)
        self._entries = deque(kept)
        self._advance()
        return forgotten

    def _close(self, entry: Entry[E]) -> None:
        entry.open -= 1
        if not entry.open and self._entries and entry is self._entries[0]:
            self._advance()

    def _advance(self) -> None:
        entries = self._entries
        while entries and not entries[0].open:
            self._acknowledge(entries.popleft().event)
