"""Records read back from their offsets: payloads, responses and refused requests stay in Kafka.

One thread owns one Consumer; a read assigns a partition at an offset, takes what was asked for and lets go.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar
from uuid import uuid4

from runtime.kafka import KafkaError, KafkaException, TopicPartition
from schemas import topics
from schemas.codec import DecodeError
from schemas.records import Attempt, Delivery, Record, WebhookReceived, WebhookRejected

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.kafka import Consumer, Kafka, Message
    from schemas.codec import Codec

R = TypeVar("R", bound=Record)
TIMEOUT_S: Final = 10.0
SEEK_OVER: Final = 500  # unwanted records from which on a seek is cheaper than reading through them
FETCH_BYTES: Final = 64 * 1024  # a read wants one record, not what lies behind it


class RecordGoneError(LookupError):
    """The record is no longer in Kafka: it is older than its topic's retention."""


class RecordUnavailableError(RuntimeError):
    """Kafka did not hand the record out in time."""


class Payloads:
    """Reads single records and runs of them. `start` is not needed; `close` ends the thread."""

    def __init__(self, kafka: Kafka, codec: Codec) -> None:
        self._kafka, self._codec = kafka, codec
        self._thread = ThreadPoolExecutor(1, "payloads")
        self._consumer: Consumer | None = None

    async def delivery(self, topic: str, partition: int, offset: int) -> Delivery:
        """The delivery record at an offset. Raises RecordGoneError, RecordUnavailableError."""
        return await self._one(topic, partition, offset, Delivery)

    async def attempt(self, partition: int, offset: int) -> Attempt:
        """The attempt record at an offset. Raises RecordGoneError, RecordUnavailableError."""
        return await self._one(topics.ATTEMPTS.name, partition, offset, Attempt)

    async def attempts(self, coordinates: Sequence[tuple[int, int]]) -> dict[tuple[int, int], Attempt]:
        """Attempt records by (partition, offset); those no longer in Kafka are missing. Raises RecordUnavailableError."""
        found: dict[tuple[int, int], Attempt] = {}
        for partition in sorted({p for p, _ in coordinates}):
            offsets = sorted(o for p, o in coordinates if p == partition)
            for offset, record in (await self.run(topics.ATTEMPTS.name, partition, offsets, Attempt)).items():
                found[partition, offset] = record
        return found

    async def rejected(self, partition: int, offset: int) -> WebhookRejected:
        """The refused request at an offset. Raises RecordGoneError, RecordUnavailableError."""
        return await self._one(topics.REJECTED.name, partition, offset, WebhookRejected)

    async def received(self, partition: int, offset: int) -> WebhookReceived:
        """The raw webhook at an offset. Raises RecordGoneError, RecordUnavailableError."""
        return await self._one(topics.RECEIVED.name, partition, offset, WebhookReceived)

    async def run(self, topic: str, partition: int, offsets: Sequence[int], record: type[R]) -> dict[int, R]:
        """Records of one partition by offset; those no longer in Kafka, or not decodable, are missing.

        `offsets` ascend. Raises RecordUnavailableError.
        """
        raw = await asyncio.get_running_loop().run_in_executor(self._thread, self._read, topic, partition, offsets)
        found: dict[int, R] = {}
        for offset, value in raw.items():
            try:
                found[offset] = self._codec.decode(value, record)
            except (DecodeError, LookupError):
                continue
        return found

    def close(self) -> None:
        """Let the consumer go."""
        self._thread.submit(self._drop).result()
        self._thread.shutdown()

    async def _one(self, topic: str, partition: int, offset: int, record: type[R]) -> R:
        found = await self.run(topic, partition, [offset], record)
        if offset not in found:
            raise RecordGoneError(f"{topic}[{partition}]@{offset} is no longer in Kafka: it is older than the topic's retention")
        return found[offset]

    def _read(self, topic: str, partition: int, offsets: Sequence[int]) -> dict[int, bytes]:
        # Records hold the topic's full name; the read model may be rebuilt by a deployment that says it with or without.
        name = topic if self._kafka.prefix and topic.startswith(self._kafka.prefix) else self._kafka.prefix + topic
        try:
            return self._read_run(name, partition, offsets)
        except KafkaException as e:
            self._drop()
            raise RecordUnavailableError(f"cannot read {name}[{partition}]: {e.args[0].str()}") from e
        finally:
            if self._consumer is not None:
                self._consumer.unassign()  # or it would go on fetching

    def _read_run(self, name: str, partition: int, offsets: Sequence[int]) -> dict[int, bytes]:
        consumer = self._consumer = self._consumer or self._new_consumer()
        found: dict[int, bytes] = {}
        position: int | None = None
        deadline = time.monotonic() + TIMEOUT_S
        for offset in offsets:
            if position is None or offset - position > SEEK_OVER:
                consumer.assign([TopicPartition(name, partition, offset)])
                position = offset
            while position is not None and position <= offset:
                message = _next(consumer, deadline, f"{name}[{partition}]@{offset}")
                if message is None:
                    position = None  # this offset does not exist; the next one may
                    continue
                position = (message.offset() or 0) + 1
                if message.offset() == offset:
                    found[offset] = message.value() or b""
        return found

    def _new_consumer(self) -> Consumer:
        return self._kafka.consumer(
            f"payloads-{uuid4()}",
            auto_offset_reset="error",
            enable_partition_eof=True,
            fetch_message_max_bytes=FETCH_BYTES,
        )

    def _drop(self) -> None:
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None


def _next(consumer: Consumer, deadline: float, what: str) -> Message | None:
    """The next record; None where there is none any more, or none yet. Raises RecordUnavailableError at the deadline."""
    while True:
        message = consumer.poll(max(0.0, deadline - time.monotonic()))
        if message is None:
            raise RecordUnavailableError(f"cannot read {what}: no answer within {TIMEOUT_S:g} s")
        error = message.error()
        if error is None:
            return message
        if error.code() in {KafkaError._PARTITION_EOF, KafkaError._AUTO_OFFSET_RESET}:  # noqa: SLF001 - named so
            return None
        if error.code() in {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_PARTITION}:  # noqa: SLF001 - named so
            raise KafkaException(error)
