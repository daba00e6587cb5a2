"""Creates the topics and registers their schemas, idempotently; says what differs from the catalogue."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # the package re-exports without saying so
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)

from runtime.registry import ConfigCompatibilityLevel, SchemaRegistryClient, ServerConfig
from schemas import topics
from schemas.records import NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Future

    from confluent_kafka.admin import AdminClient

    from runtime.kafka import Kafka
    from runtime.settings import Settings
    from schemas.codec import Codec

TIMEOUT_S: Final = 30.0
CANONICAL: Final = frozenset(topics.COMMERCE)


def apply(kafka: Kafka, replication: int = -1) -> list[str]:
    """Create what is missing, grow partitions, mend configuration. Answers what was changed, in words.

    Returns once the cluster shows it. `replication` -1 takes the broker's default. Raises KafkaException, TimeoutError.
    """
    admin = kafka.admin()
    existing = set(admin.list_topics(timeout=TIMEOUT_S).topics)
    missing = [t for t in topics.ALL if kafka.name(t) not in existing]
    changes = _create(admin, kafka, missing, replication)
    for difference in _differences(kafka, admin):
        changes.append(difference.words)
        difference.mend(admin)
    if changes:
        _wait_until_shown(kafka, admin)
    return changes


def check(kafka: Kafka) -> list[str]:
    """What differs from the catalogue, in words; empty when nothing does."""
    return _check(kafka, kafka.admin())


def _wait_until_shown(kafka: Kafka, admin: AdminClient) -> None:
    """A broker answers from its copy of the metadata, which follows what the controller confirmed."""
    deadline = time.monotonic() + TIMEOUT_S
    while differences := _check(kafka, admin):
        if time.monotonic() > deadline:
            raise TimeoutError(f"changed, but the broker still says after {TIMEOUT_S:g} s: {'; '.join(differences)}")
        time.sleep(0.05)


def _check(kafka: Kafka, admin: AdminClient) -> list[str]:
    existing = set(admin.list_topics(timeout=TIMEOUT_S).topics)
    missing = [f"{kafka.name(t)} is missing" for t in topics.ALL if kafka.name(t) not in existing]
    return missing + [d.words for d in _differences(kafka, admin)]


def register(settings: Settings, codec: Codec) -> None:
    """Set each subject's compatibility level and register every schema.

    Canonical events are FULL_TRANSITIVE, internal records BACKWARD. Raises RegistryUnavailable, IncompatibleSchema.
    """
    records = dict.fromkeys(t.record for t in topics.ALL)
    codec.prepare(*records)
    client = SchemaRegistryClient({"url": settings.registry_url, "timeout": 5.0})
    for record in records:
        level = ConfigCompatibilityLevel.FULL_TRANSITIVE if record in CANONICAL else ConfigCompatibilityLevel.BACKWARD
        client.set_config(f"{NAMESPACE}.{record.__name__}", ServerConfig(compatibility=level))


def _create(admin: AdminClient, kafka: Kafka, missing: list[topics.Topic], replication: int) -> list[str]:  # type: ignore[type-arg]
    if not missing:
        return []
    wanted = [
        NewTopic(kafka.name(t), num_partitions=t.partitions, replication_factor=replication, config=t.config) for t in missing
    ]
    for future in admin.create_topics(wanted, operation_timeout=TIMEOUT_S).values():
        try:
            future.result(TIMEOUT_S)
        except KafkaException as e:
            if e.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:  # another process was quicker
                raise
    return [f"created {kafka.name(t)} with {t.partitions} partition{'s' * (t.partitions > 1)}" for t in missing]


class _Difference:
    """One way in which a topic is not as the catalogue says."""

    def __init__(self, name: str, setting: str, is_: str, wanted: str) -> None:
        self.name, self.setting, self.wanted = name, setting, wanted
        self.words = f"{name}: {setting} is {is_}, want {wanted}"

    def mend(self, admin: AdminClient) -> None:
        if self.setting == "partitions":
            _await(admin.create_partitions([NewPartitions(self.name, int(self.wanted))]))
        else:
            entry = ConfigEntry(self.setting, self.wanted, incremental_operation=AlterConfigOpType.SET)
            resource = ConfigResource(ResourceType.TOPIC, self.name, incremental_configs=[entry])
            _await(admin.incremental_alter_configs([resource]))


def _await(futures: Mapping[Any, Future[Any]]) -> None:
    for future in futures.values():
        future.result(TIMEOUT_S)


def _differences(kafka: Kafka, admin: AdminClient) -> list[_Difference]:
    found = admin.list_topics(timeout=TIMEOUT_S).topics
    present = {kafka.name(t): t for t in topics.ALL if kafka.name(t) in found}
    if not present:
        return []
    differences = [
        _Difference(name, "partitions", str(len(found[name].partitions)), str(topic.partitions))
        for name, topic in present.items()
        if len(found[name].partitions) < topic.partitions
    ]
    described = admin.describe_configs([ConfigResource(ResourceType.TOPIC, name) for name in present])
    for resource, future in described.items():
        entries = future.result(TIMEOUT_S)
        for setting, wanted in present[resource.name].config.items():
            is_ = str(entries[setting].value)
            if is_ != wanted:
                differences.append(_Difference(resource.name, setting, is_, wanted))
    return differences
