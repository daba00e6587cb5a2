"""The agent all processors are made of: acknowledge an event only after Kafka has confirmed everything made from it.

Events are taken a lot at a time, and what is made of a lot is handed to the producer at once, topic by topic, so that Kafka
gets few large requests: it is they that cost it time, not the records. A lot is what there is, so a single event waits for
nobody. What cannot be understood becomes a quarantine record; any error of the hub's own, and any record Kafka refuses,
ends the process at once: a clean stop might commit past the event that failed. The supervisor restarts it and the event
is taken again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections import Counter as Tally
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn, Protocol

from processors.ledger import Entry, Ledger
from runtime import metrics
from schemas import topics

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

    import faust
    from faust.types import StreamT
    from prometheus_client import Counter

    from processors.output import Output, Work
    from runtime.clock import Clock
    from runtime.kafka import KafkaError
    from runtime.sender import Confirm, Sender

log = logging.getLogger(__name__)
LOT: Final = 100  # events taken together: 20 ms of work
MAX_EVENTS: Final = 2000
MAX_BYTES: Final = 32 * 1024 * 1024
SEND_RECORDS: Final = 2000  # one event may make thousands: sent before they are that many, or that large
SEND_BYTES: Final = 1024 * 1024
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
    generation_id: int
    tp: tuple[str, int]


class Done(NamedTuple):
    """An event that was worked on, and what to count when it is acknowledged."""

    message: Incoming
    outcome: str
    received_at: int


def die(why: str) -> NoReturn:
    """End the process at once, without committing anything."""
    log.critical("ending the process: %s", why, exc_info=sys.exc_info()[1])
    logging.shutdown()
    os._exit(EXIT_CODE)


def _count(outputs: Sequence[Output]) -> None:
    for (topic, label), count in Tally((output.topic.name, output.label) for output in outputs).items():
        counter = _counter(topic, label)
        if counter is not None:
            counter.inc(count)


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
    """Consumes one topic, of which Faust hands over batches (`processors.intake`)."""

    def __init__(
        self,
        *,
        app: faust.App,
        topic: str,
        name: str,
        transform: Callable[[Incoming], Awaitable[Work]],
        sender: Sender,
        clock: Clock,
        fail: Callable[[str], NoReturn] = die,
    ) -> None:
        self.topic, self.name = topic, name
        self._progress = 0
        self._app, self._transform, self._sender, self._clock, self._fail = app, transform, sender, clock, fail
        self._ledger: Ledger[list[Done]] = Ledger(self._acknowledge, max_events=MAX_EVENTS, max_bytes=MAX_BYTES)
        self._room = asyncio.Event()
        self._seconds = metrics.PROCESS_SECONDS.labels(name)
        source = app.topic(topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw", maxsize=1)
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
        async for batch in stream:
            for start in range(0, len(batch), LOT):
                await self._take(batch[start : start + LOT])

    async def _take(self, lot: Sequence[Incoming]) -> None:
        while self._ledger.full:
            await self._wait_for_room()
        if self._stale(lot[0]) or not self._app.flow_control.is_active():
            return
        # A rebalance waits until these are acknowledged; what still lies in Faust's queue it throws away.
        self._app.consumer.unacked.update(lot)  # type: ignore[arg-type]  # messages they are
        done: list[Done] = []
        entry = self._ledger.take(done, len(lot), {message.tp for message in lot})
        outputs: list[Output] = []
        size = 0
        for message in lot:
            for output in await self._work(message, done):
                outputs.append(output)
                size += len(output.value)
                if size >= SEND_BYTES or len(outputs) >= SEND_RECORDS:
                    await self._send(entry, outputs, size)
                    outputs, size = [], 0
        if outputs:
            await self._send(entry, outputs, size)
        self._ledger.all_sent(entry)

    async def _work(self, message: Incoming, done: list[Done]) -> Iterator[Output]:
        try:
            work = await self._transform(message)
        except Exception as e:  # noqa: BLE001 - whatever it is, the event must not be passed over
            self._fail(f"{self.name} failed at {message!r}: {type(e).__name__}: {e}")
        done.append(Done(message, work.outcome, work.received_at))
        return iter(work.outputs)

    async def _send(self, entry: Entry[list[Done]], outputs: list[Output], size: int) -> None:
        while self._ledger.heavy:
            await self._wait_for_room()
        _count(outputs)
        self._ledger.sent(entry, size)
        confirm = self._confirmation(entry, len(outputs), size)
        outputs.sort(key=_topic_name)  # a topic's records one after the other fill its requests; their order stays
        for output in outputs:
            while True:
                try:
                    self._sender.send(output.topic, output.key, output.value, confirm, output.headers, output.partition)
                    break
                except BufferError:  # the producer's own queue is full: Kafka is slower than we are
                    await asyncio.sleep(0.005)

    def _confirmation(self, entry: Entry[list[Done]], left: int, size: int) -> Confirm:
        def confirm(error: KafkaError | None, _: object) -> None:
            nonlocal left
            if error is not None:
                self._fail(f"{self.name}: Kafka did not take a record: {error.name()}: {error.str()}")
            left -= 1
            if not left:
                self._ledger.confirmed(entry, size)
                self._room.set()

        return confirm

    async def _wait_for_room(self) -> None:
        self._room.clear()
        await self._room.wait()

    def _stale(self, message: Incoming) -> bool:
        """After a rebalance an event is some other process's, or is fetched anew."""
        return message.generation_id != self._app.consumer_generation_id

    def _acknowledge(self, done: list[Done]) -> None:
        if self._stale(done[0].message):  # acknowledging would move another's offset
            return
        now, ack, observe = self._clock.now_ms(), self._app.consumer.ack, self._seconds.observe
        for message, _, received_at in done:
            ack(message)  # type: ignore[arg-type]
            observe(max(now - received_at, 0) / 1000)
        self._progress += len(done)
        for outcome, count in Tally(outcome for _, outcome, _ in done).items():
            _processed(self.name, outcome).inc(count)


def _topic_name(output: Output) -> str:
    return output.topic.name
