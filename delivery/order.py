"""Deliveries of one object one after the other, at endpoints that ask for it.

Of each line the head goes, alone. While it is tried its followers wait in memory; once it has failed, the whole line lies
in `deliveries.held`, so that nothing is lost and no offset is held back however long the retries take. `latest` is the same
with lines of one: whatever waits when a newer event comes is not sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from delivery.item import Stored
from delivery.place import UNWRITTEN, mark_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from delivery.backlog import Backlog
    from delivery.fate import Fate
    from delivery.held_reader import Record
    from delivery.item import Due, Item
    from delivery.line import Line
    from delivery.place import Place
    from delivery.receiver import Receiver
    from runtime.clock import Clock
    from schemas.records import Delivery

FOLLOWERS: Final = 100  # of one object in memory; more of them lie in Kafka
PARK: Final = "park"


class Order:
    """The lines of ordered endpoints. `enqueue` lets a delivery be attempted, `wake` asks for `tend_line` at a time."""

    def __init__(
        self,
        *,
        backlog: Backlog,
        fate: Fate,
        clock: Clock,
        enqueue: Callable[[Receiver, Due], None],
        wake: Callable[[int, Receiver, str], None],
        refill_soon: Callable[[Receiver], None],
    ) -> None:
        self._backlog, self._fate, self._clock = backlog, fate, clock
        self._enqueue, self._wake, self._refill_soon = enqueue, wake, refill_soon
        self._skips: dict[int, set[int]] = {}  # id(receiver) -> marks of deliveries to be given up when they come back

    # --- in

    def admit(self, receiver: Receiver, item: Item, now: float) -> None:
        """A delivery out of `deliveries`: it goes if it is the first of its line, else it waits."""
        delivery = item.delivery
        name = receiver.line_name(delivery.object_key, delivery.event_type)
        line = self._backlog.line(receiver, name)
        if self._known(receiver, name, line, item, now):
            self._fate.drop(item)
            return
        if receiver.ordering == "latest" and self._stale(receiver, line, item):
            self._fate.supersede(item)
            return
        item.line = name
        now_ms = self._clock.now_ms()
        if line.places or line.parked or receiver.shut(now) or max(line.due_ms, delivery.not_before) > now_ms:
            if line.empty:
                line.due_ms = max(line.due_ms, delivery.not_before)
            self._hold_followers(receiver, name, line)
            self._hold(receiver, name, line, item, delivery)
        elif line.busy:
            line.memory.append(item)
            if len(line.memory) > FOLLOWERS:
                self._hold_followers(receiver, name, line)
        else:
            line.busy = True
            self._enqueue(receiver, item)

    def _known(self, receiver: Receiver, name: str, line: Line, item: Item, now: float) -> bool:
        """Whether it waits already: it is read again after a restart, or a person wants the head of a line tried now."""
        if line.places.has(item.position) or item.position in line.taken:
            return True
        place = line.places.marked(mark_of(item.delivery.id))
        if place is None:
            return False
        if place == line.places[0]:
            line.due_ms, line.parked, line.urged = 0, False, True
            receiver.breaker.probe_now(now)
            self._want(receiver, name, line)
        return True

    def _stale(self, receiver: Receiver, line: Line, item: Item) -> bool:
        """For `latest`: whether something newer is there; if not, what waits is older and is not sent."""
        if not line.empty and item.delivery.sequence < line.sequence:
            return True
        line.sequence = item.delivery.sequence
        while line.memory:
            self._fate.supersede(line.memory.popleft())
        for place in [line.places[i] for i in range(len(line.places))]:
            self._take_out(receiver, line, place, self._fate.supersede)
        return False

    # --- out

    def ended(self, receiver: Receiver, item: Due) -> None:
        """The head of a line was delivered or given up: the next one goes."""
        name = item.line or ""
        line = receiver.lines.get(name)
        if line is not None:
            line.busy, line.due_ms = False, 0
            self._want(receiver, name, line)

    def outlook(self, receiver: Receiver, item: Due) -> str | None:
        """Why a head that failed is not to be tried again: `skipped` by a person, or `superseded`; None when it is."""
        marks = self._skips.get(id(receiver))
        if marks is not None and (mark := mark_of(item.delivery.id)) in marks:
            marks.discard(mark)
            if not marks:
                del self._skips[id(receiver)]
            return "skipped"
        line = receiver.lines.get(item.line or "")
        return "superseded" if receiver.ordering == "latest" and line is not None and len(line) else None

    def failed(self, receiver: Receiver, item: Due, again: Delivery) -> None:
        """The head of a line has to wait for its next attempt, and all behind it with it."""
        name = item.line or ""
        line = self._backlog.line(receiver, name)
        line.busy, line.due_ms = False, again.not_before
        self._hold(receiver, name, line, item, again)
        self._hold_followers(receiver, name, line)

    def set_down(self, receiver: Receiver, item: Due) -> None:
        """A head that was about to go cannot: it waits again, untried."""
        name = item.line or ""
        line = self._backlog.line(receiver, name)
        line.busy = False
        if isinstance(item, Stored):
            self._backlog.put_back(line, item)
        else:
            self._hold(receiver, name, line, item, item.delivery)
        self._hold_followers(receiver, name, line)
        self._want(receiver, name, line)

    def awaken(self, receiver: Receiver) -> None:
        """All its lines are known, or it may be served again: see which of them can go."""
        for name, line in list(receiver.lines.items()):
            self._want(receiver, name, line)

    def _hold(self, receiver: Receiver, name: str, line: Line, item: Due, delivery: Delivery) -> None:
        self._backlog.hold(line, name, item, delivery, lambda: self._want(receiver, name, line))

    def _hold_followers(self, receiver: Receiver, name: str, line: Line) -> None:
        while line.memory:
            follower = line.memory.popleft()
            if not follower.tracker.revoked:
                self._hold(receiver, name, line, follower, follower.delivery)

    # --- the next one

    def _want(self, receiver: Receiver, name: str, line: Line) -> None:
        """See whether the head of a line can go now, or when."""
        if line.busy or line.parked:
            return
        if line.empty:
            if receiver.lines.get(name) is line:
                del receiver.lines[name]
        elif line.due_ms > self._clock.now_ms():
            self._wake(line.due_ms, receiver, name)
        elif line.places:
            if line.places[0].offset != UNWRITTEN:
                receiver.hungry.append(name)
                self._refill_soon(receiver)
        else:
            line.busy = True
            self._enqueue(receiver, line.memory.popleft())

    def tend_line(self, receiver: Receiver, name: str) -> None:
        """Its time has come."""
        line = receiver.lines.get(name)
        if line is not None:
            self._want(receiver, name, line)

    def tend(self, receiver: Receiver) -> None:
        """Fetch heads of lines as far as there is room in its queue."""
        room = receiver.room
        while receiver.hungry and room > 0:
            name = receiver.hungry.popleft()
            line = receiver.lines.get(name)
            if line is None or line.busy or line.parked or not line.places or receiver.partition is None:
                continue
            place = line.places[0]
            if place.offset == UNWRITTEN:
                continue
            line.busy = True
            room -= 1
            self._backlog.fetch(receiver.partition, place, self._head(receiver, name, line, place))

    def _head(self, receiver: Receiver, name: str, line: Line, place: Place) -> Callable[[Record | None], None]:
        def fetched(record: Record | None) -> None:
            line.busy = False
            if not line.places or line.places[0] != place or receiver.partition is None:  # it moved on meanwhile
                self._want(receiver, name, line)
                return
            item = self._backlog.stored(receiver.partition, line, place, record)
            if item is None:
                self._want(receiver, name, line)
                return
            item.line = name
            if not line.urged and (item.delivery.command == PARK or item.delivery.not_before > self._clock.now_ms()):
                # Known only now, after a restart: until then it was but a place.
                line.parked, line.due_ms = item.delivery.command == PARK, item.delivery.not_before
                self._backlog.put_back(line, item)
                self._want(receiver, name, line)
                return
            if receiver.ordering == "latest" and len(line):  # written down when a newer one could not be seen yet
                self._fate.supersede(item)
                self._want(receiver, name, line)
                return
            line.busy, line.urged = True, False
            self._enqueue(receiver, item)

        return fetched

    # --- commands of a person

    def command(self, receiver: Receiver, item: Item) -> None:
        """Skip or park a waiting delivery."""
        delivery = item.delivery
        name = receiver.line_name(delivery.object_key, delivery.event_type)
        line, mark = self._backlog.line(receiver, name), mark_of(delivery.id)
        place = line.places.marked(mark)
        if place is not None and place.offset != UNWRITTEN:
            if delivery.command == PARK:
                self._take_out(receiver, line, place, lambda taken: self._park(receiver, name, line, taken))
            else:
                self._take_out(receiver, line, place, lambda taken: self._skip(receiver, name, line, taken))
        elif delivery.command != PARK:
            self._skip_in_memory(receiver, line, mark)
        self._fate.drop(item)

    def _skip(self, receiver: Receiver, name: str, line: Line, item: Due) -> None:
        self._fate.bury(item, "skipped")
        if not line.busy:
            line.due_ms, line.parked = 0, False
            self._want(receiver, name, line)

    def _skip_in_memory(self, receiver: Receiver, line: Line, mark: int) -> None:
        for follower in line.memory:
            if mark_of(follower.delivery.id) == mark:
                line.memory.remove(follower)
                self._fate.bury(follower, "skipped")
                return
        if line.busy:
            self._skips.setdefault(id(receiver), set()).add(mark)

    def _park(self, receiver: Receiver, name: str, line: Line, item: Due) -> None:
        line.parked = True
        self._hold(receiver, name, line, item, msgspec.structs.replace(item.delivery, command=PARK))

    def _take_out(self, receiver: Receiver, line: Line, place: Place, then: Callable[[Due], None]) -> None:
        """Get a waiting delivery out of the middle of its line. It leaves the line at once, so that nobody else takes it."""
        if receiver.partition is None or place.offset == UNWRITTEN:
            return
        partition = receiver.partition
        self._backlog.take_place(line, place)

        def fetched(record: Record | None) -> None:
            item = self._backlog.stored(partition, line, place, record)
            if item is not None:
                then(item)

        self._backlog.fetch(partition, place, fetched)
