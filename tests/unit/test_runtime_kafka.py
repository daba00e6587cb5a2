"""Kafka clients: what every one of them is told, and what only some are. Read from what the client library was given."""

from typing import Any

import pytest

from runtime import kafka as module
from runtime.kafka import Kafka, PartitionsDifferError
from runtime.settings import Settings
from schemas import topics


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The configurations of the clients made, newest last."""
    configurations: list[dict[str, Any]] = []
    for client in ("Producer", "Consumer", "AdminClient"):
        monkeypatch.setattr(module, client, lambda config, **_: configurations.append(config))
    return configurations


def kafka(**settings: Any) -> Kafka:
    return Kafka(Settings(bootstrap="a:9092,b:9092", **settings))


def test_a_producer_gives_no_record_up_and_writes_none_twice(given: list[dict[str, Any]]) -> None:
    kafka().producer()
    assert given[0]["bootstrap.servers"] == "a:9092,b:9092"
    assert (given[0]["acks"], given[0]["enable.idempotence"], given[0]["delivery.timeout.ms"]) == ("all", True, 0)


def test_a_consumer_commits_only_when_told_to(given: list[dict[str, Any]]) -> None:
    kafka().consumer("delivery")
    assert (given[0]["enable.auto.commit"], given[0]["enable.auto.offset.store"]) == (False, False)
    assert given[0]["auto.offset.reset"] == "earliest"


def test_the_prefix_is_before_topics_and_groups(given: list[dict[str, Any]]) -> None:
    prefixed = kafka(topic_prefix="eu.")
    prefixed.consumer("delivery")
    assert prefixed.name(topics.DELIVERIES) == "eu.deliveries"
    assert given[0]["group.id"] == "eu.delivery"


@pytest.mark.parametrize(
    ("instance", "static", "member"),
    [("2", True, "eu.delivery-2"), ("2", False, None), (None, True, None), ("", True, None)],
)
def test_a_member_is_static_only_where_the_slot_is_known(
    given: list[dict[str, Any]], instance: str | None, static: bool, member: str | None
) -> None:
    """An empty id would be one and the same member for all of them."""
    kafka(topic_prefix="eu.", instance=instance).consumer("delivery", static_member=static)
    assert given[0].get("group.instance.id") == member


def test_a_caller_may_set_what_it_needs(given: list[dict[str, Any]]) -> None:
    kafka().producer(linger_ms=5, delivery_timeout_ms=8000)
    kafka().consumer("delivery", fetch_wait_max_ms=10)
    assert (given[0]["linger.ms"], given[0]["delivery.timeout.ms"], given[0]["acks"]) == (5, 8000, "all")
    assert given[1]["fetch.wait.max.ms"] == 10


def test_a_setting_nobody_knows_is_refused_by_the_library() -> None:
    with pytest.raises(module.KafkaException, match="No such configuration property"):
        kafka().producer(linger_milliseconds=5)


def test_topics_that_belong_together_have_as_many_partitions(monkeypatch):
    kafka = Kafka(Settings(topic_prefix="p."))
    counts = {"p.deliveries": [0, 1], "p.deliveries.held": [0, 1]}
    monkeypatch.setattr(Kafka, "partitions", lambda *_: counts)
    kafka.check_beside(topics.DELIVERIES, topics.HELD, "they lie side by side")
    counts["p.deliveries.held"] = [0]
    with pytest.raises(PartitionsDifferError, match=r"p\.deliveries has 2 partitions and p\.deliveries\.held has 1: they lie"):
        kafka.check_beside(topics.DELIVERIES, topics.HELD, "they lie side by side")
