"""Which offsets of one partition are finished, whatever the order they finish in.

Only received offsets count: gaps (compaction, transaction markers) are normal. One thread calls `received`
and `position`; `Entry.done` may be set from another.
"""

from __future__ import annotations

from collections import deque


class Entry:
    """One received record."""

    __slots__ = ("done", "offset")

    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.done = False


class Tracker:
    """Low watermark of one assigned partition. `revoked` and `gone` tell whoever still holds its records to let go."""

    __slots__ = (
        "_entries", "_next", "committed", "gone", "owed", "released", "released_bytes", "revoked", "taken", "taken_bytes", "under_way",
    )  # fmt: skip

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque()
        self._next: int | None = None  # offset behind the newest record received
        self.committed: int | None = None
        self.revoked = False  # nothing more is started; what is under way may still be settled
        self.gone = False  # another worker may have it already: nothing more may be written of it
        self.under_way = 0  # attempts started and not ended
        self.owed = 0  # records on their way to Kafka, made from records of this partition
        # Each pair of counters has one writer: the lane's thread takes, the engine's releases.
        self.taken = self.taken_bytes = 0
        self.released = self.released_bytes = 0

    def received(self, offset: int) -> Entry:
        """Note a record; its `done` is to be set when nothing of it can be lost any more."""
        entry = Entry(offset)
        self._entries.append(entry)
        self._next = offset + 1
        return entry

    @property
    def unsettled(self) -> bool:
        """Whether attempts are under way, or records made from it on their way to Kafka."""
        return self.under_way > 0 or self.owed > 0

    @property
    def held(self) -> tuple[int, int]:
        """Records in memory and their bytes."""
        return self.taken - self.released, self.taken_bytes - self.released_bytes

    def position(self) -> int | None:
        """Offset to commit: everything before it is done. None before the first record."""
        while self._entries and self._entries[0].done:
            self._entries.popleft()
        return self._entries[0].offset if self._entries else self._next
