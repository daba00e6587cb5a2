"""Kafka clients with the hub's settings: the only importer of confluent_kafka among the stages.

Producers are idempotent with acks=all. Consumers never commit by themselves. A Consumer belongs to one thread:
a call from a second one can starve for seconds (confluent-kafka 2.16; 2.15.1, pinned, does not).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runtime.settings import Settings
    from schemas.records import Record
    from schemas.topics import Topic

__all__ = [
    "OFFSET_BEGINNING",
    "OFFSET_END",
    "AdminClient",
    "Consumer",
    "Kafka",
    "KafkaError",
    "KafkaException",
    "Message",
    "PartitionsDifferError",
    "Producer",
    "TopicPartition",
]

MESSAGE_MAX = 4 * 1024 * 1024
_LOGGER = logging.getLogger("librdkafka")


class PartitionsDifferError(RuntimeError):
    """Two topics whose partitions belong together do not have as many."""


class Kafka:
    """Makes clients for one cluster and knows the deployment's topic prefix."""

    def __init__(self, settings: Settings) -> None:
        self.bootstrap = settings.bootstrap
        self.prefix = settings.topic_prefix
        self._instance = settings.instance

    def name(self, topic: Topic[Record]) -> str:
        """Full name of a topic."""
        return self.prefix + topic.name

    def producer(self, **overrides: Any) -> Producer:
        """An idempotent producer; a record is never given up unless `delivery.timeout.ms` is set."""
        return Producer(
            {
                "bootstrap.servers": self.bootstrap,
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 0,
                "delivery.timeout.ms": 0,
                "compression.type": "lz4",
                "message.max.bytes": MESSAGE_MAX,
                "queue.buffering.max.messages": 200_000,
                "queue.buffering.max.kbytes": 131_072,
                "reconnect.backoff.max.ms": 1000,
                **_dotted(overrides),
            },
            logger=_LOGGER,
        )

    def consumer(self, group: str, *, static_member: bool = False, **overrides: Any) -> Consumer:
        """A consumer that starts at the earliest offset and commits only when told to.

        `static_member` makes it keep its partitions over a quick restart, where the process knows its slot.
        """
        config: dict[str, Any] = {
            "bootstrap.servers": self.bootstrap,
            "group.id": self.prefix + group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": 30_000,
            "fetch.wait.max.ms": 500,
            "fetch.message.max.bytes": MESSAGE_MAX,
            "queued.max.messages.kbytes": 32_768,
            "reconnect.backoff.max.ms": 1000,
        }
        if static_member and self._instance:
            config["group.instance.id"] = f"{self.prefix}{group}-{self._instance}"
        return Consumer(config | _dotted(overrides), logger=_LOGGER)

    def admin(self) -> AdminClient:
        """An admin client."""
        return AdminClient({"bootstrap.servers": self.bootstrap}, logger=_LOGGER)

    def partitions(self, names: Iterable[str], client: Consumer | Producer | AdminClient) -> dict[str, list[int]]:
        """Partition numbers of topics that exist."""
        found = client.list_topics(timeout=10).topics
        return {n: sorted(found[n].partitions) for n in names if n in found}

    def check_beside(self, one: Topic[Record], other: Topic[Record], why: str) -> None:
        """Raises PartitionsDifferError unless two topics have as many partitions; `why` they must, in words."""
        names = [self.name(one), self.name(other)]
        found = self.partitions(names, self.admin())
        first, second = (len(found.get(name, [])) for name in names)
        if first != second:
            raise PartitionsDifferError(
                f"{names[0]} has {first} partitions and {names[1]} has {second}: {why}, so give both as many with kafka-topics --alter"
            )


def _dotted(overrides: dict[str, Any]) -> dict[str, Any]:
    """Keyword arguments to configuration names: linger_ms -> linger.ms."""
    return {k if k == "on_commit" else k.replace("_", "."): v for k, v in overrides.items()}
