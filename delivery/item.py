"""What the worker holds: a delivery, where it lies in Kafka, and what is still owed before it may be let go of there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypedDict, Unpack

if TYPE_CHECKING:
    from collections.abc import Callable

    from delivery.held_key import HeldKey
    from delivery.place import Place
    from delivery.tracker import Entry, Tracker
    from schemas.records import Delivery
    from schemas.topics import Tier

OVERHEAD: Final = 600  # bytes of an item beside its record


class HeldFields(TypedDict):
    """What every received record has."""

    topic: str
    partition: int
    tracker: Tracker
    entry: Entry
    size: int


class Held:
    """A record. It is done when it is finished and every record produced from it is acknowledged (`owed` back to 0)."""

    __slots__ = ("finished", "offset", "owed", "partition", "size", "topic", "tracker")

    def __init__(self, topic: str, partition: int, offset: int, *, tracker: Tracker, size: int) -> None:
        self.topic, self.partition, self.offset = topic, partition, offset
        self.tracker = tracker
        self.size = size  # bytes it takes, near enough
        self.owed = 0
        self.finished = False  # nothing more will be produced from it

    def owe(self) -> None:
        """One record made from it is on its way to Kafka."""
        self.owed += 1
        self.tracker.owed += 1

    def acknowledged(self) -> None:
        """One record made from it is in Kafka."""
        self.owed -= 1
        self.tracker.owed -= 1
        self.settle()

    def settle(self) -> None:
        """Let go of it when it is finished and nothing is owed."""
        if self.finished and self.owed == 0:
            self._done()

    def _done(self) -> None:
        raise NotImplementedError


class Received(Held):
    """A record a lane received; done, its offset may be committed."""

    __slots__ = ("entry",)

    def __init__(self, topic: str, partition: int, *, tracker: Tracker, entry: Entry, size: int) -> None:
        super().__init__(topic, partition, entry.offset, tracker=tracker, size=size)
        self.entry = entry
        tracker.taken += 1
        tracker.taken_bytes += size

    def _done(self) -> None:
        self.entry.done = True
        self.tracker.released += 1
        self.tracker.released_bytes += self.size


class Item(Received):
    """A delivery. `written_ms` is when the record was written; `tier` the retry topic it lies in, if it does.

    `live`: it lies in `deliveries`, so this worker owns its endpoint's order and backlog.
    """

    __slots__ = ("delivery", "line", "live", "queued_s", "tier", "written_ms")

    def __init__(
        self, delivery: Delivery, written_ms: int, tier: Tier | None, *, live: bool = False, **held: Unpack[HeldFields]
    ) -> None:
        super().__init__(**held)
        self.delivery, self.written_ms, self.tier, self.live = delivery, written_ms, tier, live
        self.line: str | None = None  # the line it is the head of, at an ordered endpoint
        self.queued_s = 0.0

    @property
    def position(self) -> int:
        """What orders it at its endpoint."""
        return self.offset


class Stored(Held):
    """A delivery taken back from `deliveries.held`; done, its record there is deleted."""

    __slots__ = ("delivery", "key", "line", "live", "place", "queued_s", "release", "tier", "written_ms")

    def __init__(
        self,
        delivery: Delivery,
        place: Place,
        key: HeldKey,
        *,
        topic: str,
        partition: int,
        tracker: Tracker,
        size: int,
        release: Callable[[Stored], None],
    ) -> None:
        # What people are shown is the record in `deliveries`: the one in `deliveries.held` is deleted soon.
        super().__init__(topic, partition, place.position, tracker=tracker, size=size)
        self.delivery, self.place, self.key = delivery, place, key
        self.release = release
        self.tier, self.live, self.written_ms = None, True, 0
        self.line: str | None = None
        self.queued_s = 0.0

    @property
    def position(self) -> int:
        """What orders it at its endpoint."""
        return self.place.position

    def _done(self) -> None:
        self.release(self)


Due = Item | Stored
"""A delivery that can be attempted."""


class Poison(Received):
    """A record that is no delivery, and why."""

    __slots__ = ("detail",)

    def __init__(self, detail: str, **held: Unpack[HeldFields]) -> None:
        super().__init__(**held)
        self.detail = detail
