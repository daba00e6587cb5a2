"""A deployment of its own for one test: topic prefix, topics, codec, ways to write and read any topic."""

from __future__ import annotations

import os
import time
import uuid
from typing import TYPE_CHECKING, TypeVar

import msgspec

from hub.probe import quiet_admin
from runtime import process
from runtime import topics as topic_admin
from runtime.kafka import OFFSET_BEGINNING, Consumer, Kafka, KafkaException, TopicPartition
from runtime.settings import Settings
from schemas import codec, topics
from schemas.records import EndpointConfig, Record, SecretValue

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runtime.secrets import SecretBox
    from schemas.topics import Topic
from tests.kafka_fixture import delete_topics

R = TypeVar("R", bound=Record)
SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def fixed_codec() -> codec.Codec:
    types = dict.fromkeys(t.record for t in topics.ALL)
    return codec.Codec(codec.FixedIds({i: codec.schema_text(t) for i, t in enumerate(types, 1)}))


def endpoint_config(box: SecretBox, endpoint_id: str, url: str, **fields: object) -> EndpointConfig:
    """An endpoint that takes everything, but for the fields named."""
    secret = SecretValue(id="s1", ciphertext=box.encrypt(SECRET), created_at=0)
    values = {
        "tenant": "default", "description": "", "event_types": ["*"], "channels": [], "headers": {}, "secrets": [secret], "timeout_s": 5.0,
        "max_in_flight": 32, "retry_schedule": [], "state": "active", "created_at": 0, "updated_at": 0,
    }  # fmt: skip
    return EndpointConfig(id=endpoint_id, url=url, **{**values, **fields})


class Reader:
    """Reads whole topics."""

    def __init__(self, kafka: Kafka, codec: codec.Codec) -> None:
        self.kafka, self.codec = kafka, codec

    def read(self, topic: Topic[R], count: int | None = None, timeout: float = 15) -> list[R]:
        """Every record of a topic, by write time: all there is, or at least `count`, waiting for them."""
        return [record for _, _, record in self.placed(topic, count, timeout)]

    def placed(self, topic: Topic[R], count: int | None = None, timeout: float = 15) -> list[tuple[int, int, R]]:
        """The same with partition and offset."""
        name = self.kafka.name(topic)
        consumer = self.kafka.consumer(f"lab-{uuid.uuid4().hex}")
        try:
            partitions = self.kafka.partitions([name], consumer)[name]
            ends = {p: self._end(consumer, TopicPartition(name, p)) for p in partitions}
            consumer.assign([TopicPartition(name, p, OFFSET_BEGINNING) for p in partitions])
            found: list[tuple[int, int, int, R]] = []
            position = dict.fromkeys(partitions, 0)
            deadline = time.monotonic() + timeout
            while len(found) < count if count is not None else any(position[p] < ends[p] for p in partitions):
                assert time.monotonic() < deadline, f"{len(found)} of {count} records in {topic.name} within {timeout} s"
                message = consumer.poll(0.1)
                if message is None or message.error():
                    continue
                position[message.partition()] = message.offset() + 1
                if message.value() is not None:
                    record = self.codec.decode(message.value(), topic.record)
                    found.append((message.timestamp()[1], message.partition(), message.offset(), record))
            return [placed for _, *placed in sorted(found, key=lambda one: one[:3])]
        finally:
            consumer.close()

    def entries(self, topic: Topic[R]) -> list[tuple[bytes, bytes | None]]:
        """Keys and raw values of all there is, deletions included, each partition in its order."""
        name = self.kafka.name(topic)
        consumer = self.kafka.consumer(f"lab-{uuid.uuid4().hex}")
        try:
            found = []
            for p in self.kafka.partitions([name], consumer)[name]:
                end, reached = self._end(consumer, TopicPartition(name, p)), 0
                consumer.assign([TopicPartition(name, p, OFFSET_BEGINNING)])
                while reached < end:
                    message = consumer.poll(0.1)
                    if message is not None and message.error() is None:
                        found.append((message.key(), message.value()))
                        reached = message.offset() + 1
            return found
        finally:
            consumer.close()

    def until(self, true: Callable[[], bool], timeout: float = 20) -> None:
        """Wait for a condition; fails when it does not come about."""
        deadline = time.monotonic() + timeout
        while not true():
            assert time.monotonic() < deadline, f"not within {timeout} s"
            time.sleep(0.1)

    def _end(self, consumer: Consumer, partition: TopicPartition) -> int:
        """End of a partition that may have been made a moment ago: its leader may not know yet that it is."""
        deadline = time.monotonic() + 10
        while True:
            try:
                return consumer.get_watermark_offsets(partition, timeout=10)[1]
            except KafkaException:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
                consumer.list_topics(partition.topic, 5)  # ask anew who leads


class Lab(Reader):
    """`process` has the parts every stage is built from. Schema ids come from a table unless a registry is named."""

    def __init__(self, bootstrap: str, home: Path, registry_url: str | None = None, **settings: object) -> None:
        if registry_url:
            settings["registry_url"] = registry_url
        self.settings = Settings(
            home=home, bootstrap=bootstrap, topic_prefix=f"t{uuid.uuid4().hex[:8]}.", ingress_port=0, console_port=0,
            processors_port=0, delivery_port=0, **settings,
        )  # fmt: skip
        parts = process.build("test", self.settings)
        self.process = parts if registry_url else msgspec.structs.replace(parts, codec=fixed_codec())
        super().__init__(self.process.kafka, self.process.codec)
        topic_admin.apply(self.kafka)
        self._producer = self.kafka.producer()

    def close(self) -> None:
        """Leave nothing behind on a shared broker."""
        self.process.ids.close()
        delete_topics(quiet_admin(self.settings.bootstrap), self.settings.topic_prefix)

    def environment(self) -> dict[str, str]:
        """What a process of this deployment has to be started with."""
        settings = self.settings
        return os.environ | {
            "HUB_HOME": str(settings.home),
            "KAFKA_BOOTSTRAP_SERVERS": settings.bootstrap,
            "SCHEMA_REGISTRY_URL": settings.registry_url,
            "HUB_TOPIC_PREFIX": settings.topic_prefix,
            "HUB_EGRESS_ALLOW": ",".join(map(str, settings.egress_allow)),
            "HUB_RETRY_SCHEDULE": ",".join(map(str, settings.retry_schedule)),
            **{f"HUB_{name}_PORT": "0" for name in ("INGRESS", "CONSOLE", "PROCESSORS", "DELIVERY")},
        }

    def write(self, topic: Topic, key: str, value: Record | bytes | None, at_ms: int = 0) -> None:
        """One record, written at a time of the test's choice or now."""
        data = self.codec.encode(value) if isinstance(value, Record) else value
        self._producer.produce(self.kafka.name(topic), data, key.encode(), timestamp=at_ms)

    def flush(self) -> None:
        assert self._producer.flush(10) == 0

    def endpoint(self, endpoint_id: str, url: str, **fields: object) -> EndpointConfig:
        """Register an endpoint."""
        config = endpoint_config(self.process.box, endpoint_id, url, **fields)
        self.write(topics.ENDPOINTS, endpoint_id, config)
        self.flush()
        return config

    def committed(self, group: str, topic: Topic) -> int:
        """Sum of a group's committed offsets."""
        name = self.kafka.name(topic)
        consumer = self.kafka.consumer(group)
        try:
            spots = [TopicPartition(name, p) for p in self.kafka.partitions([name], consumer)[name]]
            return sum(max(s.offset, 0) for s in consumer.committed(spots, timeout=10))
        finally:
            consumer.close()
