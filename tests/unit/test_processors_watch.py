"""The watch over a consumer group: the lag it tells, and when it rings."""

import pytest

from runtime import lag, metrics
from runtime.clock import ManualClock
from runtime.health import Health
from runtime.kafka import KafkaError, KafkaException, TopicPartition
from schemas import topics

NAME = "p." + topics.RECEIVED.name


class Asked:
    """A consumer that knows what it is told."""

    def __init__(self):
        self.offsets, self.ends, self.away = {0: 5, 1: -1001}, {0: (0, 5), 1: (0, 0)}, False

    def committed(self, spots, timeout):
        if self.away:
            raise KafkaException(KafkaError(KafkaError._TRANSPORT))
        return [TopicPartition(s.topic, s.partition, self.offsets[s.partition]) for s in spots]

    def get_watermark_offsets(self, spot, timeout):
        return self.ends[spot.partition]


class Kafka:
    def name(self, topic):
        return "p." + topic.name

    def partitions(self, names, client):
        return {name: [0, 1] for name in names}


@pytest.fixture
def watch(monkeypatch):
    clock = ManualClock()
    monkeypatch.setattr(lag.time, "monotonic", clock.monotonic)
    rung, done = [], [0]
    found = lag.LagWatch(
        kafka=Kafka(), group="g", progress={topics.RECEIVED: lambda: done[0]}, owned=lambda: {(NAME, 0)},
        health=Health("test", clock), on_stall=rung.append,
    )  # fmt: skip
    found.clock, found.rung, found.done, found.asked = clock, rung, done, Asked()
    return found


def look(watch, seconds=0):
    watch.clock.advance(seconds)
    watch._look(watch.asked)


def told():
    return metrics.LAG.labels("g", topics.RECEIVED.name)._value.get()


def test_the_lag_is_what_is_not_committed_counting_from_the_first_record_there_is(watch):
    watch.asked.ends = {0: (2, 9), 1: (3, 10)}
    look(watch)
    assert told() == (9 - 5) + (10 - 3)
    assert watch._health.read() == (True, {"lag": "webhooks.received: 11 waiting"})


def test_it_rings_when_nothing_moved_for_a_minute_while_records_waited(watch):
    watch.asked.ends[0] = (0, 9)
    for _ in range(12):
        look(watch, 5)
    assert watch.rung == []
    look(watch, 5)
    assert watch.rung == ["g made no progress on webhooks.received for 60 s while 4 records wait"]


def test_it_does_not_ring_while_records_get_done(watch):
    watch.asked.ends[0] = (0, 9)
    for _ in range(40):
        watch.done[0] += 1
        look(watch, 5)
    assert watch.rung == []


def test_another_members_lag_is_its_own_alarm(watch):
    watch.asked.ends[1] = (0, 100)
    for _ in range(40):
        look(watch, 5)
    assert watch.rung == []
    assert told() == 100


def test_kafka_away_is_no_stall_but_is_said(watch):
    watch.asked.ends[0] = (0, 9)
    for _ in range(11):
        look(watch, 5)
    watch.asked.away = True
    look(watch, 60)
    well, words = watch._health.read()
    assert not well
    assert words["lag"].startswith("Kafka does not answer")
    watch.asked.away = False
    look(watch, 5)
    assert watch.rung == []
