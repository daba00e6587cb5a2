"""What the worker holds: a record, where it lies in Kafka, and what is still owed before its offset may be committed."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict, Unpack

if TYPE_CHECKING:
    from delivery.tracker import Entry, Tracker
    from schemas.records import Delivery
    from schemas.topics import Tier


class HeldFields(TypedDict):
    """What every received record has."""

    topic: str
    partition: int
    tracker: Tracker
    entry: Entry
    size: int


class Held:
    """A received record. It is done when every record produced from it is acknowledged (`owed` back to 0)."""

    __slots__ = ("entry", "finished", "offset", "owed", "partition", "size", "topic", "tracker")

    def __init__(self, topic: str, partition: int, *, tracker: Tracker, entry: Entry, size: int) -> None:
        self.topic, self.partition, self.offset = topic, partition, entry.offset
        self.tracker, self.entry = tracker, entry
        self.size = size  # bytes it takes, near enough
        self.owed = 0
        self.finished = False  # nothing more will be produced from it
        tracker.taken += 1
        tracker.taken_bytes += size

    def acknowledged(self) -> None:
        """One record made from it is in Kafka."""
        self.owed -= 1
        self.settle()

    def settle(self) -> None:
        """Mark it done when it is finished and nothing is owed: its offset may be committed."""
        if self.finished and self.owed == 0:
            self.entry.done = True
            self.tracker.released += 1
            self.tracker.released_bytes += self.size


class Item(Held):
    """A delivery. `written_ms` is when the record was written; `tier` the retry topic it lies in, if it does."""

    __slots__ = ("delivery", "tier", "written_ms")

    def __init__(self, delivery: Delivery, written_ms: int, tier: Tier | None, **held: Unpack[HeldFields]) -> None:
        super().__init__(**held)
        self.delivery, self.written_ms, self.tier = delivery, written_ms, tier


class Poison(Held):
    """A record that is no delivery, and why."""

    __slots__ = ("detail",)

    def __init__(self, detail: str, **held: Unpack[HeldFields]) -> None:
        super().__init__(**held)
        self.detail = detail
