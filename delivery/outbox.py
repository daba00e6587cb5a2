"""Writes the worker's records and settles an item when Kafka has all of them.

Belongs to the engine's thread: `poll` runs the acknowledgements. The producer never gives a record up
(delivery.timeout.ms 0), so an error here is fatal to the process: the supervisor restarts it and nothing
was committed that was not written.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from runtime import metrics
from schemas import topics
from schemas.records import EventQuarantined

if TYPE_CHECKING:
    from delivery.item import Held, Item, Poison
    from runtime.kafka import Kafka, KafkaError
    from schemas.codec import Codec
    from schemas.records import Attempt, Delivery, EndpointConfig, Record
    from schemas.topics import Tier, Topic

log = logging.getLogger(__name__)


class Outbox:
    """The producer of a delivery worker."""

    def __init__(self, kafka: Kafka, codec: Codec) -> None:
        self._codec = codec
        self._producer = kafka.producer(linger_ms=5)
        self._names = {t: kafka.name(t) for t in topics.ALL}

    def warm(self) -> None:
        """Learn the topics and get the producer's id before the first record has to wait for them."""
        self._producer.list_topics(self._names[topics.ATTEMPTS], timeout=10)

    def attempted(self, item: Item, attempt: Attempt) -> None:
        """Record an attempt."""
        self._write(item, topics.ATTEMPTS, attempt.delivery_id, attempt, attempt.event_type)

    def wait_in(self, item: Item, tier: Tier, delivery: Delivery, why: str) -> None:
        """Let a delivery wait in a retry topic."""
        metrics.RETRIES.labels(tier.topic.name.rsplit(".", 1)[1], why).inc()
        self._write(item, tier.topic, delivery.endpoint_id, delivery, delivery.event_type)

    def bury(self, item: Item, delivery: Delivery) -> None:
        """Put a delivery among the dead."""
        metrics.DEAD.labels(delivery.cause or "unknown").inc()
        self._write(item, topics.DEAD, delivery.endpoint_id, delivery, delivery.event_type)

    def quarantine(self, poison: Poison, now_ms: int) -> None:
        """Set a record aside that is no delivery: only a foreign writer, or a newer one, makes such."""
        log.error("not a delivery", extra={"topic": poison.topic, "offset": poison.offset, "error": poison.detail})
        metrics.QUARANTINED.labels("undecodable").inc()
        where = f"{poison.topic}/{poison.partition}/{poison.offset}"
        record = EventQuarantined(
            id=where,
            tenant="",
            source="",
            provider="",
            topic="",
            cause="undecodable",
            detail=poison.detail,
            raw_topic=poison.topic,
            raw_partition=poison.partition,
            raw_offset=poison.offset,
            received_at=now_ms,
        )
        self._write(poison, topics.QUARANTINED, where, record, "")
        self.finish(poison)

    def configure(self, config: EndpointConfig) -> None:
        """Change an endpoint's configuration, as its receiver asked for."""
        self._produce(topics.ENDPOINTS, config.id, config, None, [])

    def finish(self, item: Held) -> None:
        """Nothing more will come of this item: done as soon as Kafka has what did."""
        item.finished = True
        item.settle()

    def poll(self, timeout_s: float = 0) -> None:
        """Take acknowledgements."""
        self._producer.poll(timeout_s)

    @property
    def waiting(self) -> int:
        """Records not acknowledged yet."""
        return len(self._producer)

    def _write(self, item: Held, topic: Topic[Record], key: str, record: Record, event_type: str) -> None:
        item.owed += 1
        self._produce(topic, key, record, item, [("event-type", event_type)])

    def _produce(
        self, topic: Topic[Record], key: str, record: Record, item: Held | None, headers: list[tuple[str, str | bytes | None]]
    ) -> None:
        value = self._codec.encode(record)
        while True:
            try:
                self._producer.produce(
                    self._names[topic],
                    value,
                    key.encode(),
                    headers=headers,
                    on_delivery=lambda e, _m: self._acknowledged(e, item),
                )
            except BufferError:
                self._producer.poll(0.05)  # full: Kafka is slower than we are, so wait for it here
            else:
                return

    def _acknowledged(self, error: KafkaError | None, item: Held | None) -> None:
        if error is not None:
            log.critical("a record could not be written, ending the process", extra={"error": str(error)})
            os._exit(70)
        if item is not None:
            item.acknowledged()
