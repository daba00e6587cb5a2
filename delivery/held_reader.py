"""Reads `deliveries.held` back: whole partitions when they are assigned, single records when their turn has come.

Each `HeldReader` is a thread with a consumer of its own, outside any group: who owns a partition of `deliveries` owns the one of
the same number here, and nothing is committed, because what is done is deleted. Results go into an inbox of the engine.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
import uuid
from typing import TYPE_CHECKING, Final, NamedTuple

from runtime.kafka import OFFSET_BEGINNING, KafkaException, TopicPartition
from schemas import topics

if TYPE_CHECKING:
    from collections.abc import Callable

    from delivery.tracker import Tracker
    from runtime.kafka import Consumer, Kafka, Message

log = logging.getLogger(__name__)
RESTORE_BATCH: Final = 1000
FETCH_COUNT: Final = 500
FETCH_BYTES: Final = 4 * 1024 * 1024
READ_ON: Final = 2000  # records that are rather read over than the client sent elsewhere
AGAIN_S: Final = 0.2
PATIENCE_S: Final = 10.0  # how long one record may take to come before it is asked for again


class Mark(NamedTuple):
    """A key that was read while a partition is restored. `deleted`: its record is done."""

    key: bytes
    offset: int
    deleted: bool


class Restored(NamedTuple):
    """A piece of what a partition holds, in the order it was written; `whole` once that was the end."""

    tracker: Tracker
    partition: int
    marks: list[Mark]
    whole: bool


class Record(NamedTuple):
    """A record that was fetched."""

    offset: int
    key: bytes
    value: bytes | None


class Fetched(NamedTuple):
    """What lies at `offset` and around it, by offset. Without that record when it is gone."""

    tracker: Tracker
    partition: int
    offset: int
    records: list[Record]


Answer = Restored | Fetched


class HeldReader:
    """One thread that answers one request after the other; `deliver` gets the answers and is called from that thread."""

    def __init__(self, name: str, kafka: Kafka, deliver: Callable[[Answer], None]) -> None:
        self._kafka, self._deliver = kafka, deliver
        self._topic = kafka.name(topics.HELD)
        self._requests: queue.SimpleQueue[tuple[Tracker, int, int | None] | None] = queue.SimpleQueue()
        self._at: tuple[int, int] | None = None  # partition and offset the client would read next
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def restore(self, tracker: Tracker, partition: int) -> None:
        """Ask for all that a partition holds."""
        self._requests.put((tracker, partition, None))

    def fetch(self, tracker: Tracker, partition: int, offset: int) -> None:
        """Ask for the record at `offset`; some of what lies behind it comes along."""
        self._requests.put((tracker, partition, offset))

    def close(self) -> None:
        """End the thread."""
        self._requests.put(None)
        self._thread.join(5)

    def _run(self) -> None:
        consumer = self._kafka.consumer(f"held-{uuid.uuid4()}", fetch_wait_max_ms=100, queued_max_messages_kbytes=4096)
        try:
            while (request := self._requests.get()) is not None:
                while not request[0].revoked and not self._answered(consumer, *request):
                    time.sleep(AGAIN_S)
        except Exception:
            log.critical("what is held cannot be read, ending the process", exc_info=True)
            os._exit(70)
        finally:
            consumer.close()

    def _answered(self, consumer: Consumer, tracker: Tracker, partition: int, offset: int | None) -> bool:
        """Answer a request. False when Kafka could not: it is away, or does not know yet who leads the partition."""
        try:
            if offset is None:
                self._restore(consumer, tracker, partition)
            else:
                self._deliver(Fetched(tracker, partition, offset, self._fetch(consumer, tracker, partition, offset)))
        except KafkaException as e:
            log.warning("what is held cannot be read yet", extra={"partition": partition, "error": str(e)})
            self._at = None
            return False
        return True

    def _restore(self, consumer: Consumer, tracker: Tracker, partition: int) -> None:
        at = TopicPartition(self._topic, partition, OFFSET_BEGINNING)
        first, end = consumer.get_watermark_offsets(at, timeout=30)
        reached = first
        if first < end:
            consumer.assign([at])
        while reached < end and not tracker.revoked:
            messages = _good(consumer.consume(RESTORE_BATCH, 0.2))
            if messages:
                reached = (messages[-1].offset() or 0) + 1
                marks = [Mark(m.key() or b"", m.offset() or 0, m.value() is None) for m in messages]
                self._deliver(Restored(tracker, partition, marks, whole=False))
            else:  # compaction can leave nothing at the end: the position says how far the client has read
                reached = max(reached, consumer.position([at])[0].offset)
        if not tracker.revoked:
            self._deliver(Restored(tracker, partition, [], whole=True))

    def _fetch(self, consumer: Consumer, tracker: Tracker, partition: int, offset: int) -> list[Record]:
        """Records from where the client stands if that is a little before `offset`, so that a backlog is read in one go."""
        at = self._at
        if at is None or at[0] != partition or not 0 <= offset - at[1] <= READ_ON:
            consumer.assign([TopicPartition(self._topic, partition, offset)])
        records: list[Record] = []
        size, waited = 0, 0.0
        while (not records or records[-1].offset < offset) and not tracker.revoked:
            first = consumer.poll(0.5)
            if first is None:
                waited += 0.5
                if waited >= PATIENCE_S:
                    consumer.assign([TopicPartition(self._topic, partition, offset)])
                    waited = 0.0
                continue
            for message in _good([first, *consumer.consume(FETCH_COUNT, 0)]):
                value = message.value()
                records.append(Record(message.offset() or 0, message.key() or b"", value))
                size += len(value or b"")
            if size > FETCH_BYTES:  # what was passed over is of no use if it is too much
                records = [record for record in records if record.offset >= offset]
        self._at = (partition, records[-1].offset + 1) if records else None
        return records


def _good(messages: list[Message]) -> list[Message]:
    return [m for m in messages if m.error() is None]
