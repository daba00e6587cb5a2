"""The catalogue of topics: complete, legal for Kafka, and fit for what each stage does with it."""

import re
from itertools import pairwise

import pytest

from runtime.durations import parse, parse_schedule
from runtime.kafka import MESSAGE_MAX
from runtime.settings import STANDARD_SCHEDULE, Settings
from schemas import records, topics
from schemas.topics import ALL, TIERS, Topic


def test_every_topic_of_the_module_is_in_the_catalogue_once() -> None:
    made = [t for t in vars(topics).values() if isinstance(t, Topic)] + [tier.topic for tier in TIERS]
    assert sorted(t.name for t in made) == sorted(t.name for t in ALL)
    assert len({t.name for t in ALL}) == len(ALL)


@pytest.mark.parametrize("topic", ALL, ids=lambda t: t.name)
class TestTopic:
    def test_has_a_name_kafka_takes_with_a_prefix(self, topic: Topic) -> None:
        assert re.fullmatch(r"[a-z0-9.]{1,100}", topic.name)
        assert "_" not in topic.name, "Kafka cannot tell . and _ apart in metric names"

    def test_carries_a_record_and_says_its_key(self, topic: Topic) -> None:
        assert issubclass(topic.record, records.Record)
        assert topic.key

    def test_takes_every_message_the_producer_may_send(self, topic: Topic) -> None:
        assert int(topic.config["max.message.bytes"]) == MESSAGE_MAX
        assert 2 * Settings().body_cap < MESSAGE_MAX, "a body fits its topic with room for headers and a mapping's growth"

    def test_is_either_compacted_or_kept_for_a_time(self, topic: Topic) -> None:
        if topic.compacted:
            assert topic.config["cleanup.policy"] == "compact"
            assert "retention.ms" not in topic.config
        else:
            assert topic.config["cleanup.policy"] == "delete"
            assert int(topic.config["retention.ms"]) == topic.retention_ms > 0

    def test_has_partitions(self, topic: Topic) -> None:
        assert 1 <= topic.partitions <= topics.PARTITIONS


def test_configuration_has_one_partition_for_a_view_reads_one() -> None:
    assert {t.name: t.partitions for t in ALL if t.name.startswith("config.")} == {"config.sources": 1, "config.endpoints": 1}


def test_order_facts_and_their_state_are_partitioned_alike() -> None:
    assert topics.ORDER_FACTS.partitions == topics.ORDER_STATES.partitions
    assert topics.ORDER_FACTS.key == topics.ORDER_STATES.key


def test_each_kind_of_event_has_its_topic() -> None:
    assert {record: topic.record for record, topic in topics.COMMERCE.items()} == {record: record for record in topics.COMMERCE}
    assert set(topics.COMMERCE) == set(records.Event.__args__)


def test_tiers_ascend_and_are_named_by_their_delay() -> None:
    assert all(a.delay_s < b.delay_s for a, b in pairwise(TIERS))
    for tier in TIERS:
        assert parse(tier.topic.name.removeprefix("deliveries.retry.")) == tier.delay_s
        assert tier.topic.record is records.Delivery


def test_a_record_outlives_every_delay_it_may_wait_for() -> None:
    longest_ms = max(parse_schedule(STANDARD_SCHEDULE)) * 1000
    for tier in TIERS:
        assert tier.topic.retention_ms > 2 * longest_ms


def test_every_delay_of_the_standard_schedule_is_a_sum_of_hops() -> None:
    for delay in parse_schedule(STANDARD_SCHEDULE):
        left = delay
        while left > 0:
            left -= max(t.delay_s for t in TIERS if t.delay_s <= left)
        assert left == 0, f"{delay} s"
