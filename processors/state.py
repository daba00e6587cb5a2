"""A keyed store over a compacted topic, one part a partition: restored when first used, dropped when revoked.

The state of a key lies in the partition of the same number as the records it comes from, and is written there by number,
so that no partitioner has to agree with another. Values are kept encoded: a tenth of the memory of objects. Each carries the
offset it was made at (header `made-at`): one that comes after a value made later was written by a process that had lost the
partition, or by a second run, and is merged with it instead of taking its place.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from typing import TYPE_CHECKING, Any, Final

from processors.output import MADE_AT
from runtime.kafka import OFFSET_BEGINNING, KafkaException, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runtime.kafka import Consumer, Kafka, Message
    from schemas.records import Record
    from schemas.topics import Topic

log = logging.getLogger(__name__)
TIMEOUT_S: Final = 30.0


class Store:
    """States by partition and key. `alive` is called while a long restore goes on."""

    def __init__(
        self, kafka: Kafka, topic: Topic[Record], *, merge: Callable[[bytes, bytes], bytes], alive: Callable[[], None]
    ) -> None:
        self._kafka, self._name, self._merge, self._alive = kafka, kafka.name(topic), merge, alive
        self._parts: dict[int, dict[str, bytes]] = {}
        self._epoch = 0

    async def part(self, partition: int) -> dict[str, bytes]:
        """The states of a partition, read from the topic the first time. Raises KafkaException when Kafka cannot tell them for long."""
        part = self._parts.get(partition)
        if part is None:
            epoch = self._epoch
            part = await asyncio.get_running_loop().run_in_executor(None, self._restore, partition)
            if epoch == self._epoch:  # else the partition may be another's by now: use it once, keep nothing
                self._parts[partition] = part
        return part

    def drop(self, partitions: Iterable[int]) -> None:
        """Forget partitions that were revoked: whoever has them next writes on."""
        self._epoch += 1
        for partition in partitions:
            self._parts.pop(partition, None)

    def __len__(self) -> int:
        return sum(len(part) for part in self._parts.values())

    def _restore(self, partition: int) -> dict[str, bytes]:
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            consumer = self._kafka.consumer(f"state-{uuid.uuid4()}")
            try:
                return self._read(consumer, partition)
            except KafkaException as e:  # a leader that moves, mostly
                if time.monotonic() > deadline:
                    raise
                log.warning("cannot read states yet", extra={"topic": self._name, "partition": partition, "error": str(e)})
                time.sleep(0.5)
            finally:
                consumer.close()

    def _read(self, consumer: Consumer, partition: int) -> dict[str, bytes]:
        where = TopicPartition(self._name, partition, OFFSET_BEGINNING)
        first, end = consumer.get_watermark_offsets(where, timeout=TIMEOUT_S)
        consumer.assign([where])
        part: dict[str, bytes] = {}
        made_at: dict[str, int] = {}
        position = first
        while position < end:
            first_message = consumer.poll(1.0)  # consume(n, t) would wait t out for the last few records
            batch = [] if first_message is None else [first_message, *consumer.consume(1000, 0)]
            for message in batch:
                if (error := message.error()) is not None:
                    raise KafkaException(error)
                self._take(part, made_at, message)
            if batch:
                self._alive()
            # Compaction can leave nothing at the very end: the position says how far the client has read.
            position = max(position, consumer.position([where])[0].offset)
        log.info("states restored", extra={"topic": self._name, "partition": partition, "states": len(part)})
        return part

    def _take(self, part: dict[str, bytes], made_at: dict[str, int], message: Message) -> None:
        key, value = (message.key() or b"").decode("utf-8", "replace"), message.value()
        if value is None:
            part.pop(key, None)
            made_at.pop(key, None)
            return
        now, before = _made_at(message), made_at.get(key, -1)
        part[key] = self._merge(part[key], value) if now < before else value
        made_at[key] = max(now, before)


def _made_at(message: Message) -> int:
    headers: Any = message.headers() or ()
    for name, value in headers:
        if name == MADE_AT and value is not None:
            return int(value)
    return -1
