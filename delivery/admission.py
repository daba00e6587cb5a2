"""What is done with a delivery that arrives: tried, kept waiting (here, in a retry topic, in `deliveries.held`), or given up."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final

from delivery import tiers
from delivery.line import Line
from delivery.place import UNWRITTEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from delivery.backlog import Backlog, Shelf
    from delivery.fate import Fate
    from delivery.held_reader import Record
    from delivery.item import Due, Item
    from delivery.order import Order
    from delivery.place import Place
    from delivery.receiver import Receiver
    from runtime.clock import Clock

EARLY_MS: Final = 2  # a timer may fire this much before its time
PAUSED_LOOK_S: Final = (5.0, 60.0)  # how soon a paused endpoint's retries are looked at again: at first, at most
SHUT_LOOK_S: Final = 5.0  # the least for one whose breaker is open


class Admission:
    """Decides by the endpoint's state, the delivery's time, and what stands before it. Belongs to the engine's thread."""

    def __init__(
        self,
        *,
        backlog: Backlog,
        order: Order,
        fate: Fate,
        clock: Clock,
        receiver: Callable[[str], Receiver | None],
        enqueue: Callable[[Receiver, Due], None],
    ) -> None:
        self._backlog, self._order, self._fate, self._clock = backlog, order, fate, clock
        self._receiver, self._enqueue = receiver, enqueue
        self._waiting: list[tuple[int, int, Item]] = []  # (look at, ms), tie-break, item
        self._count = 0
        self._soon: dict[int, Receiver] = {}  # to be refilled this turn
        self._nobody = Line()  # what is held for endpoints that are deleted

    def admit(self, item: Item, now: float) -> None:
        """Take a delivery in."""
        if item.tracker.revoked:
            return
        receiver = self._receiver(item.delivery.endpoint_id)
        if receiver is None or receiver.endpoint.config.tenant != item.delivery.tenant:
            self._fate.bury(item, "endpoint_deleted")
        elif item.live:
            receiver.partition = item.partition
            self._admit_live(receiver, item, now)
        elif receiver.given_up is not None:
            self._fate.bury(item, receiver.given_up)
        elif item.delivery.not_before - self._clock.now_ms() > EARLY_MS:
            self._wait(item)
        elif receiver.shut(now):
            self.turn_away(receiver, item, now)
        else:
            self._enqueue(receiver, item)

    def turn_away(self, receiver: Receiver, item: Due, now: float) -> None:
        """What came for a retry or a replay waits in a retry topic, no attempt spent."""
        if receiver.paused:
            paused_s = (self._clock.now_ms() - receiver.endpoint.config.updated_at) / 1000
            soonest, latest = PAUSED_LOOK_S
            self._fate.move(item, min(max(paused_s / 4, soonest), latest), "paused")
        else:
            self._fate.move(item, max(receiver.breaker.probe_at - now, SHUT_LOOK_S), "open")

    def _admit_live(self, receiver: Receiver, item: Item, now: float) -> None:
        shelf = self._backlog.shelf(item.partition)
        command = item.delivery.command is not None
        if shelf is not None and not shelf.restored and (receiver.ordered or command):
            shelf.early.append(item)
        elif command:
            self._order.command(receiver, item)
        elif receiver.given_up is not None:
            self._fate.bury(item, receiver.given_up)
        elif receiver.ordered:
            self._order.admit(receiver, item, now)
        elif item.delivery.not_before - self._clock.now_ms() > EARLY_MS:
            self._wait(item)
        elif receiver.rest.places.has(item.position) or item.position in receiver.rest.taken:
            self._fate.drop(item)  # read again after a restart: it waits already
        elif self._has_to_wait(receiver, now):
            self.hold(receiver, item)
        else:
            self._enqueue(receiver, item)

    def _has_to_wait(self, receiver: Receiver, now: float) -> bool:
        """Whether there is no place for it in the queue: the endpoint is not served, or others came first."""
        return receiver.shut(now) or (len(receiver.rest.places) > 0 and receiver.room <= 0)

    def hold(self, receiver: Receiver, item: Due) -> None:
        """Let a delivery of an unordered endpoint wait in `deliveries.held`."""
        self._backlog.hold(receiver.rest, item.delivery.object_key, item, item.delivery, lambda: self.refill_soon(receiver))

    # --- in memory until due

    def _wait(self, item: Item) -> None:
        """What does not lie in a retry topic, or not in the right one, goes there first."""
        due = item.delivery.not_before
        look_at = due if item.tier is None else tiers.look_at(due, item.written_ms, item.tier)
        now = self._clock.now_ms()
        if item.tier is None or look_at <= now:
            self._fate.move(item, (due - now) / 1000, "hop")
            return
        self._count += 1
        heapq.heappush(self._waiting, (look_at, self._count, item))

    def look_at_waiting(self, now: float) -> None:
        """Admit again what has become due."""
        now_ms = self._clock.now_ms()
        while self._waiting and self._waiting[0][0] - now_ms <= EARLY_MS:
            self.admit(heapq.heappop(self._waiting)[2], now)

    @property
    def next_ms(self) -> int | None:
        """When something becomes due."""
        return self._waiting[0][0] if self._waiting else None

    # --- out of `deliveries.held`

    def restored(self, shelf: Shelf, partition: int, receivers: Iterable[Receiver], now: float) -> None:
        """A partition is known: what waited for that goes on."""
        for place in self._backlog.orphans(partition):
            self._bury_orphan(partition, place)
        for receiver in receivers:
            self._order.awaken(receiver)
            self.refill_soon(receiver)
        early, shelf.early = shelf.early, []
        for item in early:
            self.admit(item, now)

    def refill_soon(self, receiver: Receiver) -> None:
        """Fill its queue before this turn ends."""
        self._soon[id(receiver)] = receiver

    def refill(self, now: float) -> None:
        """Fill the queues that want it from what is held, as far as their endpoints may be served."""
        while self._soon and not self._backlog.crowded:
            soon, self._soon = self._soon, {}
            for receiver in soon.values():
                if receiver.given_up is not None or not receiver.shut(now):
                    self._order.tend(receiver)
                    self._take_back(receiver)

    def _take_back(self, receiver: Receiver) -> None:
        line = receiver.rest
        if receiver.fetching or receiver.partition is None or not line.places or receiver.room <= 0:
            return
        place, partition = line.places[0], receiver.partition
        if place.offset == UNWRITTEN:
            return

        def fetched(record: Record | None) -> None:
            receiver.fetching = False
            self.refill_soon(receiver)
            if line.places.has(place.position):
                item = self._backlog.stored(partition, line, place, record)
                if item is not None:
                    self._enqueue(receiver, item)

        receiver.fetching = True
        self._backlog.fetch(partition, place, fetched)

    def _bury_orphan(self, partition: int, place: Place) -> None:
        def fetched(record: Record | None) -> None:
            item = self._backlog.stored(partition, self._nobody, place, record)
            if item is not None:
                self._fate.bury(item, "endpoint_deleted")

        self._backlog.fetch(partition, place, fetched)
