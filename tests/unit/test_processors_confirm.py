"""The agent around the ledger: nothing is acknowledged early, a full producer is waited for, any failure ends the process."""

import asyncio
from dataclasses import dataclass, field

import pytest

from processors.app import create_faust
from processors.confirm import ConfirmedAgent
from processors.output import Output, Work
from runtime.clock import ManualClock
from runtime.publisher import Ack
from runtime.settings import Settings
from schemas import topics

OK = Ack(None, 0, 1)


class EndedError(Exception):
    """Stands for the end of the process."""


@dataclass
class Message:
    offset: int
    generation_id: int = 1
    tp: tuple = ("t", 0)


@dataclass
class Event:
    message: Message
    acked: bool = False

    def ack(self):
        self.acked = True


@dataclass
class Producer:
    """A publisher that confirms when told to."""

    waiting: list = field(default_factory=list)
    refuse: int = 0

    def send(self, topic, key, value, done, headers, partition):
        if self.refuse:
            self.refuse -= 1
            raise BufferError
        self.waiting.append(done)


class Bench:
    def __init__(self, home, transform=None):
        self.app = create_faust(Settings(home=home))
        self.app.consumer_generation_id = 1
        self.producer = Producer()
        self.agent = ConfirmedAgent(
            app=self.app, topic="t", name="test", transform=transform or self.transform, publisher=self.producer,
            clock=ManualClock(), fail=self.fail,
        )  # fmt: skip
        self.sizes = [10]

    async def transform(self, message):
        return Work([Output(topics.DELIVERIES, "k", b"x" * size, []) for size in self.sizes], "routed", 0)

    def fail(self, why):
        raise EndedError(why)

    async def take(self, *offsets):
        events = [Event(Message(offset)) for offset in offsets]
        for event in events:
            await self.agent._take(event)
        return events


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


async def test_an_event_is_acknowledged_when_all_its_records_are_and_those_before_it(bench):
    bench.sizes = [10, 10]
    first, second = await bench.take(1, 2)
    one, two, three, four = bench.producer.waiting
    three(OK)
    four(OK)
    one(OK)
    assert (first.acked, second.acked, bench.agent.under_way) == (False, False, 2)
    two(OK)
    assert (first.acked, second.acked, bench.agent.under_way) == (True, True, 0)
    assert bench.agent.read_progress() == 2


async def test_an_event_that_makes_nothing_is_acknowledged_in_its_turn(bench):
    (first,) = await bench.take(1)
    bench.sizes = []
    (second,) = await bench.take(2)
    assert not second.acked
    bench.producer.waiting[0](OK)
    assert first.acked
    assert second.acked


async def test_a_full_producer_is_waited_for(bench):
    bench.producer.refuse = 3
    (event,) = await bench.take(1)
    bench.producer.waiting[0](OK)
    assert event.acked


async def test_a_record_kafka_refuses_ends_the_process(bench):
    (event,) = await bench.take(1)
    with pytest.raises(EndedError, match="test: Kafka did not take a record: MSG_SIZE_TOO_LARGE"):
        bench.producer.waiting[0](Ack("MSG_SIZE_TOO_LARGE", -1, -1))
    assert not event.acked


async def test_an_error_of_our_own_ends_the_process_and_names_the_record(tmp_path):
    async def broken(message):
        raise RuntimeError("boom")

    class Stream:
        def noack(self):
            return self

        async def events(self):
            yield Event(Message(7))

    with pytest.raises(EndedError, match=r"test failed at Message\(offset=7.*RuntimeError: boom"):
        await Bench(tmp_path, broken).agent._run(Stream())


async def test_one_event_of_many_bytes_waits_until_some_are_confirmed(bench, monkeypatch):
    monkeypatch.setattr(bench.agent._ledger, "_max_bytes", 25)
    bench.sizes = [10] * 5
    taking = asyncio.ensure_future(bench.take(1))
    await asyncio.sleep(0.01)
    assert len(bench.producer.waiting) == 3
    for _ in range(2):
        bench.producer.waiting.pop(0)(OK)
        await asyncio.sleep(0)
    (event,) = await taking
    for done in bench.producer.waiting:
        done(OK)
    assert event.acked


async def test_no_more_than_so_many_events_are_under_way(bench, monkeypatch):
    monkeypatch.setattr(bench.agent._ledger, "_max_events", 2)
    await bench.take(1, 2)
    third = asyncio.ensure_future(bench.take(3))
    await asyncio.sleep(0.01)
    assert (bench.agent.under_way, len(bench.producer.waiting)) == (2, 2)
    bench.producer.waiting[0](OK)
    await third
    assert bench.agent.under_way == 2


async def test_what_was_revoked_is_never_acknowledged(bench):
    (event,) = await bench.take(1)
    bench.agent.revoke({("t", 0)})
    bench.producer.waiting[0](OK)
    assert (event.acked, bench.agent.under_way) == (False, 0)


async def test_what_an_earlier_generation_took_is_never_acknowledged(bench):
    (event,) = await bench.take(1)
    bench.app.consumer_generation_id = 2
    bench.producer.waiting[0](OK)
    assert (event.acked, bench.agent.under_way, bench.agent.read_progress()) == (False, 0, 0)
