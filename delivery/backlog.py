"""What waits in `deliveries.held`: put there, found again after a restart, and taken back when its endpoint can have it.

The topic is compacted and holds what waits and nothing else: one record when a delivery starts to wait, one deletion when it
is done, however long that lasts. In memory there is its place in a line. Which deliveries go there is decided elsewhere
(`admission`, `order`); this module keeps the lines, and hands back what was fetched.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from delivery import held_key
from delivery.held_key import HeldKey
from delivery.held_reader import Fetched, Restored
from delivery.item import OVERHEAD, Stored
from delivery.line import Line
from delivery.place import UNWRITTEN, Place, mark_of
from schemas.codec import DecodeError
from schemas.records import Delivery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from delivery.held_reader import Answer, HeldReader, Record
    from delivery.item import Due, Item
    from delivery.outbox import Outbox
    from delivery.receiver import Receiver
    from delivery.tracker import Tracker
    from runtime.clock import Clock
    from schemas.codec import Codec

log = logging.getLogger(__name__)
CACHE_BYTES: Final = 16 * 1024 * 1024
LOADED_BYTES: Final = 48 * 1024 * 1024


class Shelf:
    """One assigned partition: what it holds is known once it is restored."""

    def __init__(self, tracker: Tracker) -> None:
        self.tracker = tracker
        self.restored = False
        self.early: list[Item] = []  # for ordered endpoints: they wait to learn what stands before them


class Backlog:
    """The lines of all endpoints. Belongs to the engine's thread; `receive` may be called from the readers'."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        codec: Codec,
        clock: Clock,
        restorer: HeldReader,
        fetcher: HeldReader,
        names: tuple[str, str],
        receiver: Callable[[str], Receiver | None],
    ) -> None:
        self._outbox, self._codec, self._clock = outbox, codec, clock
        self._restorer, self._fetcher = restorer, fetcher
        self._topic, self._topic_held = names  # of `deliveries` and `deliveries.held`
        self._receiver = receiver  # of an endpoint, made when there is none; None when nobody knows the endpoint
        self._shelves: dict[int, Shelf] = {}
        self._cache: dict[tuple[int, int], Record] = {}
        self._cached_bytes = 0
        self._asked: dict[tuple[int, int], list[Callable[[Record | None], None]]] = {}
        self._orphans: dict[int, list[Place]] = {}  # of endpoints that are deleted, by partition
        self.count = 0  # places known
        self._loaded_bytes = 0  # of what was taken back and is not done

    # --- partitions

    def assign(self, partition: int, tracker: Tracker) -> None:
        """A partition is ours: find out what it holds."""
        self._shelves[partition] = Shelf(tracker)
        self._restorer.restore(tracker, partition)

    def revoke(self, partition: int) -> None:
        """A partition is another's."""
        self._shelves.pop(partition, None)
        self._orphans.pop(partition, None)
        for known in [key for key in self._cache if key[0] == partition]:
            self._drop(known)
        for asked in [key for key in self._asked if key[0] == partition]:
            del self._asked[asked]

    def shelf(self, partition: int) -> Shelf | None:
        """An assigned partition."""
        return self._shelves.get(partition)

    def take_in(self, answer: Answer) -> Shelf | None:
        """What a reader found. Answers the shelf that is whole by it."""
        shelf = self._shelves.get(answer.partition)
        if shelf is None or shelf.tracker is not answer.tracker:
            return None
        if isinstance(answer, Fetched):
            self._fetched(answer)
            return None
        self._restore(answer)
        shelf.restored = shelf.restored or answer.whole
        return shelf if answer.whole else None

    def orphans(self, partition: int) -> Iterator[Place]:
        """Places of endpoints that do not exist any more."""
        return iter(self._orphans.pop(partition, []))

    def _restore(self, answer: Restored) -> None:
        for mark in answer.marks:
            try:
                key = held_key.parse(mark.key)
            except ValueError as e:
                self._outbox.set_aside(self._topic_held, answer.partition, mark.offset, f"key: {e}", self._clock.now_ms())
                continue
            receiver = self._receiver(key.endpoint_id)
            if receiver is None:
                self._restore_orphan(answer.partition, key, mark.offset, deleted=mark.deleted)
                continue
            receiver.partition = answer.partition
            line = self.line(receiver, key.line)
            if mark.deleted:
                self.count -= line.places.remove(key.position)
            elif key.position not in line.taken:
                self.put(line, Place(key.position, mark.offset, mark_of(key.delivery_id)))

    def _restore_orphan(self, partition: int, key: HeldKey, offset: int, *, deleted: bool) -> None:
        known = self._orphans.setdefault(partition, [])
        known[:] = [place for place in known if place.position != key.position]
        if not deleted:
            known.append(Place(key.position, offset, mark_of(key.delivery_id)))

    @property
    def crowded(self) -> bool:
        """Whether nothing more should be taken back for now: memory is for what is under way."""
        return self._loaded_bytes > LOADED_BYTES

    # --- lines

    def line(self, receiver: Receiver, name: str) -> Line:
        """A line of an endpoint by its name; an unordered one has a single line."""
        if not receiver.ordered:
            return receiver.rest
        found = receiver.lines.get(name)
        if found is None:
            found = receiver.lines[name] = Line()
        return found

    def put(self, line: Line, place: Place) -> None:
        """Let a place stand in a line."""
        before = len(line.places)
        line.places.put(place)
        self.count += len(line.places) - before

    def hold(self, line: Line, name: str, item: Due, delivery: Delivery, then: Callable[[], None]) -> None:
        """Write a delivery down, at its place. `then` is called when it lies there: only then it can be fetched."""
        key = HeldKey(delivery.endpoint_id, item.position, delivery.id, name)
        place = Place(item.position, UNWRITTEN, mark_of(delivery.id))
        self.put(line, place)
        line.taken.discard(item.position)
        tracker = item.tracker

        def written(offset: int) -> None:
            if not tracker.revoked:
                line.places.put(place._replace(offset=offset))
                then()

        if isinstance(item, Stored):
            item.release = self._keep  # it goes on lying there, only its record is a newer one
        self._outbox.hold(item, key, delivery, written)
        self._outbox.finish(item)

    def take_place(self, line: Line, place: Place) -> None:
        """A place leaves its line: its record is about to be fetched."""
        self.count -= line.places.remove(place.position)
        line.taken.add(place.position)

    def put_back(self, line: Line, item: Stored) -> None:
        """Give a delivery its place again, untried and unchanged: nothing is written."""
        line.taken.discard(item.position)
        self._loaded_bytes -= item.size
        self.put(line, item.place)

    # --- taking back

    def fetch(self, partition: int, place: Place, then: Callable[[Record | None], None]) -> None:
        """Get the record of a place; `then` is called with it now or later, with None when it is gone."""
        where = (partition, place.offset)
        found = self._cache.get(where)
        if found is not None:
            self._drop(where)
            then(found)
            return
        waiting = self._asked.get(where)
        if waiting is not None:
            waiting.append(then)
            return
        self._asked[where] = [then]
        shelf = self._shelves[partition]
        self._fetcher.fetch(shelf.tracker, partition, place.offset)

    def stored(self, partition: int, line: Line, place: Place, record: Record | None) -> Stored | None:
        """The delivery of a record that was fetched; it leaves its line. None when it cannot be read: then it is set aside."""
        self.take_place(line, place)
        shelf = self._shelves[partition]
        if record is None or record.value is None:
            log.error("a held record is gone", extra={"partition": partition, "offset": place.offset})
            line.taken.discard(place.position)
            return None
        key = held_key.parse(record.key)
        try:
            delivery = self._codec.decode(record.value, Delivery)
        except (DecodeError, LookupError) as e:
            self._outbox.set_aside(self._topic_held, partition, place.offset, str(e), self._clock.now_ms())
            self._outbox.forget(partition, key)
            line.taken.discard(place.position)
            return None
        size = len(record.value) + OVERHEAD
        self._loaded_bytes += size
        return Stored(
            delivery,
            place,
            key,
            topic=self._topic,
            partition=partition,
            tracker=shelf.tracker,
            size=size,
            release=lambda item: self._release(line, item),
        )

    def _release(self, line: Line, item: Stored) -> None:
        line.taken.discard(item.position)
        self._loaded_bytes -= item.size
        if not item.tracker.gone:
            self._outbox.forget(item.partition, item.key)

    def _keep(self, item: Stored) -> None:
        self._loaded_bytes -= item.size

    def _fetched(self, answer: Fetched) -> None:
        for record in answer.records:
            self._remember((answer.partition, record.offset), record)
        where = (answer.partition, answer.offset)
        waiting = self._asked.pop(where, [])
        found = self._cache.get(where)
        if found is not None:
            self._drop(where)
        for then in waiting:
            then(found)

    def _remember(self, where: tuple[int, int], record: Record) -> None:
        if record.value is None or where in self._cache:
            return
        self._cache[where] = record
        self._cached_bytes += len(record.value)
        while self._cached_bytes > CACHE_BYTES and len(self._cache) > 1:
            self._drop(next(iter(self._cache)))

    def _drop(self, where: tuple[int, int]) -> None:
        self._cached_bytes -= len(self._cache.pop(where).value or b"")
