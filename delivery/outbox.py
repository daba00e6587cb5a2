"""Writes the worker's records and settles an item when Kafka has all of them.

Belongs to the engine's thread: `poll` runs the acknowledgements. The producer never gives a record up
(delivery.timeout.ms 0), so an error here is fatal to the process: the supervisor restarts it and nothing
was committed that was not written.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from typing import TYPE_CHECKING, Final

from runtime import metrics
from schemas import topics
from schemas.records import EventQuarantined

if TYPE_CHECKING:
    from collections.abc import Callable

    from delivery.held_key import HeldKey
    from delivery.item import Due, Held, Poison
    from runtime.kafka import Kafka, KafkaError, Message
    from schemas.codec import Codec
    from schemas.records import Attempt, Delivery, EndpointConfig, EndpointStanding, Record, WebhookReceived
    from schemas.topics import Tier, Topic

log = logging.getLogger(__name__)
BY_KEY: Final = -1  # librdkafka chooses the partition by the key
Headers = list[tuple[str, str | bytes | None]]


class Outbox:
    """The producer of a delivery worker."""

    def __init__(self, kafka: Kafka, codec: Codec) -> None:
        self._codec = codec
        self._producer = kafka.producer(linger_ms=5)
        self._names = {t: kafka.name(t) for t in topics.ALL}
        self._written: deque[tuple[Callable[[int], None], int]] = deque()

    def warm(self) -> None:
        """Learn the topics and get the producer's id before the first record has to wait for them."""
        self._producer.list_topics(self._names[topics.ATTEMPTS], timeout=10)

    def attempted(self, item: Due, attempt: Attempt) -> None:
        """Record an attempt."""
        self._write(item, topics.ATTEMPTS, attempt.delivery_id, attempt, attempt.event_type)

    def wait_in(self, item: Due, tier: Tier, delivery: Delivery, why: str) -> None:
        """Let a delivery wait in a retry topic."""
        metrics.RETRIES.labels(tier.topic.name.rsplit(".", 1)[1], why).inc()
        self._write(item, tier.topic, delivery.endpoint_id, delivery, delivery.event_type)

    def bury(self, item: Due, delivery: Delivery) -> None:
        """Put a delivery among the dead."""
        metrics.DEAD.labels(delivery.cause or "unknown").inc()
        self._write(item, topics.DEAD, delivery.endpoint_id, delivery, delivery.event_type)

    def quarantine(self, poison: Poison, now_ms: int) -> None:
        """Set a record aside that is no delivery: only a foreign writer, or a newer one, makes such."""
        self.set_aside(poison.topic, poison.partition, poison.offset, poison.detail, now_ms, poison)
        self.finish(poison)

    def set_aside(self, topic: str, partition: int, offset: int, detail: str, now_ms: int, item: Held | None = None) -> None:
        """Note in `events.quarantined` that a record cannot be read, and why."""
        log.error("not a delivery", extra={"topic": topic, "offset": offset, "error": detail})
        metrics.QUARANTINED.labels("undecodable").inc()
        where = f"{topic}/{partition}/{offset}"
        record = EventQuarantined(
            id=where,
            tenant="",
            source="",
            provider="",
            topic="",
            cause="undecodable",
            detail=detail,
            raw_topic=topic,
            raw_partition=partition,
            raw_offset=offset,
            received_at=now_ms,
        )
        if item is not None:
            item.owe()
        self._produce(topics.QUARANTINED, where.encode(), record, item, [("event-type", "")])

    def hold(self, item: Held, key: HeldKey, delivery: Delivery, then: Callable[[int], None]) -> None:
        """Write a delivery to `deliveries.held`; `then` is called with its offset once Kafka has it, by `settle_written`."""
        metrics.HOLDS.inc()
        item.owe()
        self._produce(
            topics.HELD, key.encode(), delivery, item, [("event-type", delivery.event_type)], partition=item.partition, then=then
        )

    def forget(self, partition: int, key: HeldKey) -> None:
        """Delete a record of `deliveries.held`: nothing of it can be lost any more."""
        self._send(topics.HELD, key.encode(), None, None, [], partition=partition)

    def configure(self, config: EndpointConfig) -> None:
        """Change an endpoint's configuration, as its receiver asked for."""
        self._produce(topics.ENDPOINTS, config.id.encode(), config, None, [])

    def stand(self, standing: EndpointStanding) -> None:
        """Say how an endpoint is doing."""
        self._produce(topics.STANDINGS, standing.id.encode(), standing, None, [])

    def tell(self, notice: WebhookReceived) -> None:
        """Publish an event of the hub's own; it is routed like every other."""
        key = f"{notice.tenant}/{notice.source}/{notice.object_id}"
        self._produce(topics.RECEIVED, key.encode(), notice, None, [("event-type", notice.topic)])

    def finish(self, item: Held) -> None:
        """Nothing more will come of this item: done as soon as Kafka has what did."""
        item.finished = True
        item.settle()

    def poll(self, timeout_s: float = 0) -> None:
        """Take acknowledgements."""
        self._producer.poll(timeout_s)
        while self._written:
            then, offset = self._written.popleft()
            then(offset)

    @property
    def waiting(self) -> int:
        """Records not acknowledged yet."""
        return len(self._producer)

    def _write(self, item: Held, topic: Topic[Record], key: str, record: Record, event_type: str) -> None:
        item.owe()
        self._produce(topic, key.encode(), record, item, [("event-type", event_type)])

    def _produce(
        self,
        topic: Topic[Record],
        key: bytes,
        record: Record,
        item: Held | None,
        headers: Headers,
        *,
        partition: int = BY_KEY,
        then: Callable[[int], None] | None = None,
    ) -> None:
        self._send(topic, key, self._codec.encode(record), item, headers, partition=partition, then=then)

    def _send(
        self,
        topic: Topic[Record],
        key: bytes,
        value: bytes | None,
        item: Held | None,
        headers: Headers,
        *,
        partition: int = BY_KEY,
        then: Callable[[int], None] | None = None,
    ) -> None:
        while True:
            try:
                self._producer.produce(
                    self._names[topic],
                    value,
                    key,
                    partition,
                    lambda error, message: self._acknowledged(error, message, item, then),
                    headers=headers,
                )
            except BufferError:
                self._producer.poll(0.05)  # full: Kafka is slower than we are, so wait for it here
            else:
                return

    def _acknowledged(
        self, error: KafkaError | None, message: Message, item: Held | None, then: Callable[[int], None] | None
    ) -> None:
        if error is not None:
            log.critical("a record could not be written, ending the process", extra={"error": str(error)})
            os._exit(70)
        if item is not None:
            item.acknowledged()
        if then is not None:  # not from here: a poll can come in the middle of anything that writes
            self._written.append((then, message.offset() or 0))
