"""Lag of consumer groups, as `hub status` shows it."""

from __future__ import annotations

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import NewTopic

from hub.lag import by_group
from hub.probe import quiet_admin

pytestmark = pytest.mark.integration


def test_counts_what_is_not_committed_by_group_of_this_deployment(bootstrap: str, topic_prefix: str) -> None:
    admin = quiet_admin(bootstrap)
    topic = f"{topic_prefix}numbers"
    admin.create_topics([NewTopic(topic, 2, 1)])[topic].result(10)
    producer = Producer({"bootstrap.servers": bootstrap})
    for number in range(10):
        producer.produce(topic, b"x", partition=number % 2)
    assert producer.flush(10) == 0
    commit(bootstrap, f"{topic_prefix}behind", [TopicPartition(topic, 0, 2), TopicPartition(topic, 1, 5)])
    commit(bootstrap, f"{topic_prefix}done", [TopicPartition(topic, 0, 5), TopicPartition(topic, 1, 5)])
    commit(bootstrap, f"other{topic_prefix}", [TopicPartition(topic, 0, 0)])
    assert by_group(admin, topic_prefix) == {"behind": 3, "done": 0}


def test_a_member_that_committed_nothing_yet_is_behind_by_all(bootstrap: str, topic_prefix: str) -> None:
    admin = quiet_admin(bootstrap)
    topic = f"{topic_prefix}numbers"
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(10)
    producer = Producer({"bootstrap.servers": bootstrap})
    for _ in range(4):
        producer.produce(topic, b"x")
    assert producer.flush(10) == 0
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": f"{topic_prefix}new", "enable.auto.commit": False})
    consumer.subscribe([topic])
    for _ in range(200):
        consumer.poll(0.1)
        if consumer.assignment():
            break
    assert by_group(admin, topic_prefix) == {"new": 4}
    consumer.close()


def commit(bootstrap: str, group: str, offsets: list[TopicPartition]) -> None:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    consumer.commit(offsets=offsets, asynchronous=False)
    consumer.close()
