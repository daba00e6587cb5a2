"""Straight to the Kafka of a running hub, past its API: what takes too long through it, or what only Kafka can tell."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Self

from confluent_kafka import ConsumerGroupTopicPartitions

from runtime import process
from runtime.kafka import TopicPartition
from runtime.settings import Settings
from schemas import topics
from tests.lab import endpoint_config

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from schemas.records import Record
    from schemas.topics import Topic
    from tests.bench.hub import Hub

_TIMEOUT_S = 30.0


class Wire:
    """Knows a hub by its folder. `close` it, or use it as a context manager."""

    def __init__(self, home: Path) -> None:
        state = json.loads((home / "run" / "hub.json").read_bytes())
        self.home, self.bootstrap, self.registry_url = home, state["bootstrap"], state["registry_url"]
        self._parts = process.build("trial", Settings(home=home, bootstrap=self.bootstrap, registry_url=self.registry_url))
        self._kafka, self._codec = self._parts.kafka, self._parts.codec
        self._producer = self._kafka.producer(linger_ms=20)
        self._admin = self._kafka.admin()
        self._reader = self._kafka.consumer("trial")

    @classmethod
    def of(cls, hub: Hub) -> Wire:
        """To a hub of a trial."""
        return cls(Path(hub.home))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave: nothing is committed, no group was joined."""
        self._reader.close()
        self._parts.ids.close()

    # --- write

    def put(self, topic: Topic[Record], records: Iterable[tuple[str, Record]]) -> int:
        """Write records by key as fast as Kafka takes them; how many. Returns when all are acknowledged."""
        name, count, failed = self._kafka.name(topic), 0, []

        def report(error: object, _message: object) -> None:
            if error is not None:
                failed.append(error)

        for key, record in records:
            data = self._codec.encode(record)
            while True:
                try:
                    self._producer.produce(name, data, key.encode(), on_delivery=report)
                    break
                except BufferError:
                    self._producer.poll(0.1)
            count += 1
            if not count % 1000:
                self._producer.poll(0)
        left = self._producer.flush(120)
        if left or failed:
            raise RuntimeError(f"{left + len(failed)} of {count} records for {name} were not acknowledged: {failed[:1]}")
        return count

    def endpoints(self, made: Iterable[tuple[str, str, dict[str, object]]]) -> int:
        """Write endpoints, each as (id, url, other fields); how many."""
        box = self._parts.box
        return self.put(topics.ENDPOINTS, ((name, endpoint_config(box, name, url, **fields)) for name, url, fields in made))

    # --- ask

    def ends(self, chosen: Iterable[Topic[Record]]) -> dict[str, int]:
        """Records ever written, by topic name without prefix."""
        return {topic.name: sum(end for _, end in self._ends(topic)) for topic in chosen}

    def lag(self, group: str, topic: Topic[Record]) -> int:
        """Records of a topic that a group has not committed."""
        name = self._kafka.name(topic)
        ends = dict(self._ends(topic))
        asked = ConsumerGroupTopicPartitions(self._kafka.prefix + group, [TopicPartition(name, p) for p in ends])
        (future,) = self._admin.list_consumer_group_offsets([asked]).values()
        committed = {spot.partition: max(spot.offset, 0) for spot in future.result(_TIMEOUT_S).topic_partitions}
        return sum(end - committed.get(partition, 0) for partition, end in ends.items())

    def owners(self, group: str, topic: Topic[Record]) -> dict[int, str]:
        """Which member of a group has which partition: by the slot it was started with."""
        prefix, name = f"{self._kafka.prefix}{group}-", self._kafka.name(topic)
        (future,) = self._admin.describe_consumer_groups([self._kafka.prefix + group]).values()
        return {
            spot.partition: (member.group_instance_id or member.member_id).removeprefix(prefix)
            for member in future.result(_TIMEOUT_S).members
            for spot in member.assignment.topic_partitions
            if spot.topic == name
        }

    def _ends(self, topic: Topic[Record]) -> Iterator[tuple[int, int]]:
        name = self._kafka.name(topic)
        for partition in range(topic.partitions):
            yield partition, self._reader.get_watermark_offsets(TopicPartition(name, partition), timeout=_TIMEOUT_S)[1]


def partition_of(key: str, topic: Topic[Record]) -> int:
    """Where librdkafka's default partitioner puts a key."""
    return zlib.crc32(key.encode()) % topic.partitions


def name_for(partition: int, topic: Topic[Record], stem: str) -> str:
    """A key beginning with `stem` that lies in that partition."""
    return next(name for n in range(10_000) if partition_of(name := f"{stem}{n}", topic) == partition)
