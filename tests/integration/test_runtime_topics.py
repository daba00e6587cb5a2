"""`hub topics apply` and `check` against a real broker: idempotent, mending, and honest about what differs."""

import time
import uuid
from pathlib import Path

import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from runtime import topics as admin
from runtime.kafka import Kafka
from runtime.settings import Settings
from schemas import topics

pytestmark = pytest.mark.integration


@pytest.fixture
def kafka(bootstrap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kafka:
    """A deployment of its own with a catalogue of four topics: the whole one would only take longer."""
    few = (topics.RECEIVED, topics.REJECTED, topics.TIERS[0].topic, topics.SOURCES)
    monkeypatch.setattr(topics, "ALL", few)
    return Kafka(Settings(home=tmp_path, bootstrap=bootstrap, topic_prefix=f"t{uuid.uuid4().hex[:8]}."))


def test_apply_creates_what_is_missing_and_then_nothing(kafka: Kafka) -> None:
    names = [kafka.name(t) for t in topics.ALL]
    assert admin.check(kafka) == [f"{name} is missing" for name in names]
    assert admin.apply(kafka) == [
        f"created {kafka.name(t)} with {t.partitions} partition{'s' * (t.partitions > 1)}" for t in topics.ALL
    ]
    assert admin.check(kafka) == []
    assert admin.apply(kafka) == []
    found = kafka.partitions(names, kafka.admin())
    assert {name: len(partitions) for name, partitions in found.items()} == {kafka.name(t): t.partitions for t in topics.ALL}


def test_check_names_a_changed_setting_and_apply_mends_it(kafka: Kafka) -> None:
    admin.apply(kafka)
    change(kafka, topics.RECEIVED, "retention.ms", "60000")
    change(kafka, topics.SOURCES, "cleanup.policy", "delete")
    differences = [
        f"{kafka.name(topics.RECEIVED)}: retention.ms is 60000, want 604800000",
        f"{kafka.name(topics.SOURCES)}: cleanup.policy is delete, want compact",
    ]
    assert admin.check(kafka) == differences
    assert admin.apply(kafka) == differences
    assert admin.check(kafka) == []


def test_a_topic_with_too_few_partitions_grows(kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> None:
    small = topics.Topic(name="webhooks.received", key="k", record=topics.RECEIVED.record, partitions=2)
    with monkeypatch.context() as before:
        before.setattr(topics, "ALL", (small,))
        admin.apply(kafka)
    monkeypatch.setattr(topics, "ALL", (topics.RECEIVED,))
    grown = [f"{kafka.name(small)}: partitions is 2, want 6"]
    assert admin.check(kafka) == grown
    assert admin.apply(kafka) == grown
    assert admin.check(kafka) == []


def test_settings_of_a_topic_that_are_not_ours_stay(kafka: Kafka) -> None:
    admin.apply(kafka)
    change(kafka, topics.RECEIVED, "segment.ms", "7200000")
    change(kafka, topics.RECEIVED, "retention.ms", "1000")
    admin.apply(kafka)
    assert setting(kafka, topics.RECEIVED, "segment.ms") == "7200000"
    assert setting(kafka, topics.RECEIVED, "retention.ms") == str(topics.RECEIVED.retention_ms)


def change(kafka: Kafka, topic: topics.Topic, name: str, value: str) -> None:
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, kafka.name(topic), incremental_configs=[entry])
    client = kafka.admin()
    for future in client.incremental_alter_configs([resource]).values():
        future.result(10)
    deadline = time.monotonic() + 20
    while setting(kafka, topic, name) != value:  # the broker's own copy follows
        assert time.monotonic() < deadline
        time.sleep(0.02)


def setting(kafka: Kafka, topic: topics.Topic, name: str) -> str:
    resource = ConfigResource(ResourceType.TOPIC, kafka.name(topic))
    client = kafka.admin()
    return str(client.describe_configs([resource])[resource].result(10)[name].value)
