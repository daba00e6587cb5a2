"""The agent all processors are made of: acknowledge an event only after Kafka has confirmed everything made from it.

One event at a time is transformed, up to a bound are under way. What cannot be understood becomes a quarantine record; any
error of the hub's own, and any record Kafka refuses, ends the process at once: a clean stop might commit past the event
that failed. The supervisor restarts it and the event is taken again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol

from processors.ledger import Entry, Ledger
from runtime import metrics
from schemas import topics

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from collections.abc import Set as AbstractSet

    import faust
    from faust.types import EventT, StreamT
    from prometheus_client import Counter

    from processors.output import Output, Work
    from runtime.clock import Clock
    from runtime.publisher import Ack, Publisher

log = logging.getLogger(__name__)
MAX_EVENTS: Final = 2000
MAX_BYTES: Final = 32 * 1024 * 1024
_COMMERCE: Final = frozenset(topic.name for topic in topics.COMMERCE.values())
EXIT_CODE: Final = 70  # EX_SOFTWARE: the supervisor restarts


class Incoming(Protocol):
    """A record as Faust hands it over. `timestamp` in seconds."""

    topic: str
    partition: int
    offset: int
    value: bytes | None
    timestamp: float | None
    headers: Sequence[tuple[str, bytes]] | None


def die(why: str) -> NoReturn:
    """End the process at once, without committing anything."""
    log.critical("ending the process: %s", why, exc_info=sys.exc_info()[1])
    logging.shutdown()
    os._exit(EXIT_CODE)


def _count(output: Output) -> None:
    counter = _counter(output.topic.name, output.label)
    if counter is not None:
        counter.inc()


@cache
def _counter(topic: str, label: str) -> Counter | None:
    if topic == topics.DELIVERIES.name:
        return metrics.ROUTED
    if topic == topics.UNROUTED.name:
        return metrics.UNROUTED.labels(label)
    if topic == topics.QUARANTINED.name:
        return metrics.QUARANTINED.labels(label)
    if topic in _COMMERCE:
        return metrics.EVENTS.labels(label)
    return None


@cache
def _processed(agent: str, outcome: str) -> Counter:
    return metrics.PROCESSED.labels(agent, outcome)


class ConfirmedAgent:
    """Consumes one topic."""

    def __init__(
        self,
        *,
        app: faust.App,
        topic: str,
        name: str,
        transform: Callable[[Incoming], Awaitable[Work]],
        publisher: Publisher,
        clock: Clock,
        fail: Callable[[str], NoReturn] = die,
    ) -> None:
        self.topic, self.name = topic, name
        self._progress = 0
        self._app, self._transform, self._publisher, self._clock, self._fail = app, transform, publisher, clock, fail
        self._ledger: Ledger[tuple[EventT[Any], Work]] = Ledger(self._acknowledge, max_events=MAX_EVENTS, max_bytes=MAX_BYTES)
        self._room = asyncio.Event()
        self._seconds = metrics.PROCESS_SECONDS.labels(name)
        source = app.topic(topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
        app.agent(source, name=name, concurrency=1)(self._run)

    @property
    def under_way(self) -> int:
        """Events taken and not yet acknowledged."""
        return len(self._ledger)

    def read_progress(self) -> int:
        """Grows with every event acknowledged, and while a state is being restored."""
        return self._progress

    def touch(self) -> None:
        """Say that work goes on, though no event is acknowledged."""
        self._progress += 1

    def revoke(self, partitions: AbstractSet[tuple[str, int]]) -> None:
        """These partitions are gone: their events belong to whoever has them now."""
        forgotten = self._ledger.revoke(partitions)
        if forgotten:
            log.warning("events under way were revoked", extra={"agent": self.name, "events": forgotten})
        self._room.set()

    async def _run(self, stream: StreamT[Any]) -> None:
        async for event in stream.noack().events():  # type: ignore[attr-defined]  # missing in Faust's own type
            try:
                await self._take(event)
            except Exception as e:  # noqa: BLE001 - whatever it is, the event must not be passed over
                self._fail(f"{self.name} failed at {event.message!r}: {type(e).__name__}: {e}")

    async def _take(self, event: EventT[Any]) -> None:
        while self._ledger.full:
            await self._wait_for_room()
        message: Any = event.message
        work = await self._transform(message)
        entry = self._ledger.take((event, work), message.tp)
        for output in work.outputs:
            while self._ledger.heavy:
                await self._wait_for_room()
            await self._send(entry, output)
        self._ledger.all_sent(entry)

    async def _send(self, entry: Entry[tuple[EventT[Any], Work]], output: Output) -> None:
        size = len(output.value)
        _count(output)
        self._ledger.sent(entry, size)
        done = partial(self._confirmed, entry, size)
        while True:
            try:
                self._publisher.send(output.topic, output.key, output.value, done, output.headers, output.partition)
                return
            except BufferError:  # the producer's own queue is full: Kafka is slower than we are
                await asyncio.sleep(0.005)

    def _confirmed(self, entry: Entry[tuple[EventT[Any], Work]], size: int, ack: Ack) -> None:
        if ack.error is not None:
            self._fail(f"{self.name}: Kafka did not take a record: {ack.error}")
        self._ledger.confirmed(entry, size)
        self._room.set()

    async def _wait_for_room(self) -> None:
        self._room.clear()
        await self._room.wait()

    def _acknowledge(self, item: tuple[EventT[Any], Work]) -> None:
        event, work = item
        # After a rebalance the event is some other process's, or is fetched anew: acknowledging would move its offset.
        if event.message.generation_id != self._app.consumer_generation_id:
            return
        event.ack()
        self._progress += 1
        _processed(self.name, work.outcome).inc()
        self._seconds.observe(max(self._clock.now_ms() - work.received_at, 0) / 1000)
