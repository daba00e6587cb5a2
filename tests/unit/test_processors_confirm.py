"""The agent around the ledger: nothing is acknowledged early, a full producer is waited for, any failure ends the process."""

import asyncio
from dataclasses import dataclass, field

import pytest

from processors import confirm
from processors.app import create_faust
from processors.confirm import ConfirmedAgent
from processors.output import Output, Work
from runtime.clock import ManualClock
from runtime.settings import Settings
from schemas import topics


class EndedError(Exception):
    """Stands for the end of the process."""


@dataclass(eq=False)
class Message:
    offset: int
    generation_id: int = 1
    tp: tuple = ("t", 0)


class Consumer:
    """Faust's, as far as an agent sees it."""

    def __init__(self):
        self.unacked, self.acked = set(), []

    def ack(self, message):
        self.unacked.discard(message)
        self.acked.append(message.offset)


@dataclass
class Sender:
    """Confirms when told to."""

    waiting: list = field(default_factory=list)
    topics: list = field(default_factory=list)
    refuse: int = 0

    def send(self, topic, key, value, confirm, headers, partition):
        if self.refuse:
            self.refuse -= 1
            raise BufferError
        self.waiting.append(confirm)
        self.topics.append(topic.name)


class Refused:
    """A KafkaError."""

    def name(self):
        return "MSG_SIZE_TOO_LARGE"

    def str(self):
        return "too large"


class Bench:
    def __init__(self, home, transform=None):
        self.app = create_faust(Settings(home=home))
        self.app.consumer_generation_id = 1
        self.consumer = self.app.consumer = Consumer()
        self.app.flow_control.resume()
        self.sender = Sender()
        self.agent = ConfirmedAgent(
            app=self.app, topic="t", name="test", transform=transform or self.transform, sender=self.sender,
            clock=ManualClock(), fail=self.fail,
        )  # fmt: skip
        self.sizes = [10]

    async def transform(self, message):
        return Work([Output(topics.DELIVERIES, "k", b"x" * size, []) for size in self.sizes], "routed", 0)

    def fail(self, why):
        raise EndedError(why)

    async def take(self, *offsets):
        await self.agent._take([Message(offset) for offset in offsets])

    def confirm(self, number):
        self.sender.waiting[number](None, None)


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


async def test_a_lot_is_acknowledged_when_all_its_records_are_and_those_before_it(bench):
    await bench.take(1, 2)
    await bench.take(3)
    bench.confirm(2)
    bench.confirm(1)
    assert (bench.consumer.acked, bench.agent.under_way, len(bench.consumer.unacked)) == ([], 3, 3)
    bench.confirm(0)
    assert (bench.consumer.acked, bench.agent.under_way, len(bench.consumer.unacked)) == ([1, 2, 3], 0, 0)
    assert bench.agent.read_progress() == 3


async def test_an_event_that_makes_nothing_is_acknowledged_in_its_turn(bench):
    await bench.take(1)
    bench.sizes = []
    await bench.take(2)
    assert bench.consumer.acked == []
    bench.confirm(0)
    assert bench.consumer.acked == [1, 2]


async def test_the_records_of_a_topic_are_sent_together_in_their_order(tmp_path):
    async def transform(message):
        key = str(message.offset)
        return Work([Output(t, key, b"x", []) for t in (topics.ORDERS, topics.DELIVERIES)], "routed", 0)

    bench = Bench(tmp_path, transform)
    sent = []
    bench.sender.send = lambda topic, key, *_: sent.append((topic.name, key))
    await bench.take(1, 2)
    assert sent == [("commerce.orders", "1"), ("commerce.orders", "2"), ("deliveries", "1"), ("deliveries", "2")]


async def test_a_batch_is_taken_in_lots(bench, monkeypatch):
    monkeypatch.setattr(confirm, "LOT", 2)

    async def batches():
        yield [Message(offset) for offset in range(5)]

    lots = []
    monkeypatch.setattr(bench.agent, "_take", lambda lot: asyncio.sleep(0, lots.append([m.offset for m in lot])))
    await bench.agent._run(batches())
    assert lots == [[0, 1], [2, 3], [4]]


async def test_a_full_producer_is_waited_for(bench):
    bench.sender.refuse = 3
    await bench.take(1)
    bench.confirm(0)
    assert bench.consumer.acked == [1]


async def test_a_record_kafka_refuses_ends_the_process(bench):
    await bench.take(1)
    with pytest.raises(EndedError, match="test: Kafka did not take a record: MSG_SIZE_TOO_LARGE"):
        bench.sender.waiting[0](Refused(), None)
    assert bench.consumer.acked == []


async def test_an_error_of_our_own_ends_the_process_and_names_the_record(tmp_path):
    async def broken(message):
        raise RuntimeError("boom")

    with pytest.raises(EndedError, match=r"test failed at Message\(offset=7.*RuntimeError: boom"):
        await Bench(tmp_path, broken).take(7)


async def test_one_event_of_many_bytes_waits_until_some_are_confirmed(bench, monkeypatch):
    monkeypatch.setattr(bench.agent._ledger, "_max_bytes", 25)
    monkeypatch.setattr(confirm, "SEND_BYTES", 10)
    bench.sizes = [10] * 5
    taking = asyncio.ensure_future(bench.take(1))
    await asyncio.sleep(0.01)
    assert len(bench.sender.waiting) == 3
    for number in range(2):
        bench.confirm(number)
        await asyncio.sleep(0)
    await taking
    for number in range(2, 5):
        bench.confirm(number)
    assert bench.consumer.acked == [1]


async def test_no_more_than_so_many_events_are_under_way(bench, monkeypatch):
    monkeypatch.setattr(bench.agent._ledger, "_max_events", 2)
    await bench.take(1, 2)
    third = asyncio.ensure_future(bench.take(3))
    await asyncio.sleep(0.01)
    assert (bench.agent.under_way, len(bench.sender.waiting)) == (2, 2)
    bench.confirm(0)
    bench.confirm(1)
    await third
    assert bench.agent.under_way == 1


async def test_what_was_revoked_is_never_acknowledged(bench):
    await bench.take(1)
    bench.agent.revoke({("t", 0)})
    bench.confirm(0)
    assert (bench.consumer.acked, bench.agent.under_way) == ([], 0)


async def test_what_an_earlier_generation_took_is_never_acknowledged(bench):
    await bench.take(1)
    bench.app.consumer_generation_id = 2
    bench.confirm(0)
    assert (bench.consumer.acked, bench.agent.under_way, bench.agent.read_progress()) == ([], 0, 0)


@pytest.mark.parametrize("change", ["generation", "flow"])
async def test_what_still_lies_in_the_queue_when_partitions_move_is_left_alone(bench, change):
    if change == "generation":
        bench.app.consumer_generation_id = 2
    else:
        bench.app.flow_control.suspend()
    await bench.take(1)
    assert (bench.sender.waiting, bench.agent.under_way, bench.consumer.unacked) == ([], 0, set())
