"""Reads the events of a range, in partition order, with progress; knows nothing of what they are for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from runtime.kafka import KafkaException, TopicPartition
from schemas import topics
from schemas.codec import DecodeError
from schemas.records import Event  # noqa: TC001 - msgspec resolves the annotation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hub.replay.where import Range
    from runtime.kafka import Consumer, Kafka, Message
    from schemas.codec import Codec

BATCH: Final = 500
STALLED: Final = 60  # empty polls of half a second before the broker counts as gone


class Found(msgspec.Struct, frozen=True):
    """An event and where it lies. `event` is None where the record cannot be read; `at_ms` is the record's time."""

    topic: str
    partition: int
    offset: int
    at_ms: int
    event: Event | None


def event_topics(kafka: Kafka) -> dict[str, topics.Topic]:  # type: ignore[type-arg]
    """The topics that hold events, by full name."""
    return {kafka.name(t): t for t in topics.COMMERCE.values()}


def spots(kafka: Kafka, consumer: Consumer) -> list[tuple[str, int]]:
    """Every partition that holds events."""
    found = kafka.partitions(event_topics(kafka), consumer)
    return [(topic, partition) for topic, partitions in found.items() for partition in partitions]


def scan(kafka: Kafka, codec: Codec, consumer: Consumer, ranges: Sequence[Range]) -> Iterator[list[Found]]:
    """Batches of what lies in the ranges. Raises TimeoutError when the broker stops answering, KafkaException."""
    kinds = event_topics(kafka)
    left = {(r.topic, r.partition): r.end for r in ranges}
    consumer.assign([TopicPartition(r.topic, r.partition, r.start) for r in ranges])
    silent = 0
    while left:
        messages = consumer.consume(BATCH, 0.5)
        silent = 0 if messages else silent + 1
        if silent > STALLED:
            raise TimeoutError(f"no more records from {kafka.bootstrap}: is the broker up?")
        batch = [_found(codec, kinds, m) for m in messages if _within(m, left)]
        if batch:
            yield batch
        _drop_finished(consumer, left)


def _within(message: Message, left: dict[tuple[str, int], int]) -> bool:
    error = message.error()
    if error is not None:
        raise KafkaException(error)
    end = left.get((message.topic() or "", message.partition() or 0))
    return end is not None and (message.offset() or 0) < end


def _drop_finished(consumer: Consumer, left: dict[tuple[str, int], int]) -> None:
    """Partitions read to their end. The position counts, not the last record: compaction and markers leave gaps."""
    for at in consumer.position([TopicPartition(*spot) for spot in left]):
        if at.offset >= left[at.topic, at.partition]:
            del left[at.topic, at.partition]
            consumer.incremental_unassign([TopicPartition(at.topic, at.partition)])


def _found(codec: Codec, kinds: dict[str, topics.Topic], message: Message) -> Found:  # type: ignore[type-arg]
    topic = message.topic() or ""
    try:
        event = codec.decode(message.value(), kinds[topic].record)
    except (DecodeError, LookupError):
        event = None
    return Found(topic, message.partition() or 0, message.offset() or 0, message.timestamp()[1], event)
