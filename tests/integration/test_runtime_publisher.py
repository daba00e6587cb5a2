"""The Publisher against a real broker: every record gets one acknowledgement, on the loop, in batches."""

import asyncio
import threading
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runtime import topics as admin
from runtime.kafka import Kafka
from runtime.publisher import Ack, Publisher, PublishError
from runtime.settings import Settings
from schemas import topics

pytestmark = pytest.mark.integration
CLOSED_PORT = "127.0.0.1:9"


@pytest.fixture
def kafka(bootstrap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kafka:
    monkeypatch.setattr(topics, "ALL", (topics.RECEIVED, topics.REJECTED))
    kafka = Kafka(Settings(home=tmp_path, bootstrap=bootstrap, topic_prefix=f"t{uuid.uuid4().hex[:8]}."))
    admin.apply(kafka)
    return kafka


@pytest.fixture
async def publisher(kafka: Kafka) -> AsyncIterator[Publisher]:
    publisher = Publisher(kafka)
    publisher.start()
    yield publisher
    assert await publisher.close() == 0


async def until(condition, timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s} s"
        await asyncio.sleep(0.01)


async def test_an_acknowledgement_says_where_the_record_lies(kafka: Kafka, publisher: Publisher) -> None:
    await publisher.warm([topics.REJECTED])
    acks = [await publisher.publish(topics.REJECTED, "shop", b"%d" % i, [("event-type", "a.b")]) for i in range(3)]
    assert acks == [Ack(None, 0, 0), Ack(None, 0, 1), Ack(None, 0, 2)]
    messages = read(kafka, 3)
    assert [(m.key(), m.value(), m.headers()) for m in messages] == [
        (b"shop", b"%d" % i, [("event-type", b"a.b")]) for i in range(3)
    ]


async def test_acknowledgements_come_on_the_loop_each_once_and_in_order(publisher: Publisher) -> None:
    acks: list[tuple[int, Ack]] = []
    threads: set[int] = set()

    def done(number: int, ack: Ack) -> None:
        acks.append((number, ack))
        threads.add(threading.get_ident())

    for number in range(5000):
        publisher.send(topics.REJECTED, "k", b"v", lambda ack, number=number: done(number, ack))
    assert publisher.waiting > 0
    await until(lambda: len(acks) == 5000)
    assert [(number, ack.offset) for number, ack in acks] == [(n, n) for n in range(5000)]
    assert threads == {threading.get_ident()}
    assert publisher.waiting == 0


async def test_many_acknowledgements_wake_the_loop_few_times(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    wakes, deliver = [], publisher._deliver
    monkeypatch.setattr(publisher, "_deliver", lambda: (wakes.append(1), deliver()))
    done: list[Ack] = []
    for _ in range(5000):
        publisher.send(topics.RECEIVED, uuid.uuid4().hex, b"v" * 100, done.append)
    await until(lambda: len(done) == 5000)
    assert len(wakes) < 1000


async def test_one_callers_fault_does_not_cost_the_others(publisher: Publisher, caplog: pytest.LogCaptureFixture) -> None:
    done: list[Ack] = []

    def broken(_: Ack) -> None:
        raise RuntimeError("no place for it")

    for callback in (done.append, broken, done.append):
        publisher.send(topics.REJECTED, "k", b"v", callback)
    await until(lambda: len(done) == 2)
    await until(lambda: "no place for it" in caplog.text)


async def test_a_record_too_large_is_refused_at_once(publisher: Publisher) -> None:
    with pytest.raises(PublishError, match="MSG_SIZE_TOO_LARGE"):
        await publisher.publish(topics.REJECTED, "k", b"v" * 5_000_000)


async def test_a_topic_that_does_not_exist_is_an_error_not_a_wait(kafka: Kafka) -> None:
    publisher = Publisher(kafka, topic_metadata_propagation_max_ms=500)  # 30 s by default: it may be on its way
    publisher.start()
    with pytest.raises(PublishError, match=r"UNKNOWN_TOPIC|UNKNOWN_PARTITION"):
        await asyncio.wait_for(publisher.publish(topics.DEAD, "k", b"v"), 20)
    assert await publisher.close() == 0


async def test_without_a_broker_a_deadline_ends_the_wait(tmp_path: Path) -> None:
    publisher = Publisher(Kafka(Settings(home=tmp_path, bootstrap=CLOSED_PORT)), delivery_timeout_ms=500)
    publisher.start()
    started = time.monotonic()
    with pytest.raises(PublishError, match="_MSG_TIMED_OUT"):
        await publisher.publish(topics.REJECTED, "k", b"v")
    assert time.monotonic() - started < 5
    assert await publisher.close() == 0


async def test_a_full_queue_is_an_error_the_caller_can_answer(tmp_path: Path) -> None:
    publisher = Publisher(Kafka(Settings(home=tmp_path, bootstrap=CLOSED_PORT)), queue_buffering_max_messages=1)
    publisher.start()
    publisher.send(topics.REJECTED, "k", b"v", lambda _: None)
    with pytest.raises(PublishError, match="queue is full"):
        await publisher.publish(topics.REJECTED, "k", b"v")
    assert await publisher.close(timeout_s=0.1) == 1


async def test_close_delivers_what_is_under_way(kafka: Kafka) -> None:
    publisher = Publisher(kafka, linger_ms=200)
    publisher.start()
    done: list[Ack] = []
    for _ in range(10):
        publisher.send(topics.REJECTED, "k", b"v", done.append)
    assert done == []
    assert await publisher.close() == 0
    assert [ack.offset for ack in done] == list(range(10))


async def test_one_that_was_never_started_can_be_closed(kafka: Kafka) -> None:
    assert await Publisher(kafka).close(timeout_s=1) == 0


def read(kafka: Kafka, count: int) -> list:
    consumer = kafka.consumer(f"test-{uuid.uuid4()}")
    consumer.subscribe([kafka.name(topics.REJECTED)])
    messages: list = []
    deadline = time.monotonic() + 20
    while len(messages) < count and time.monotonic() < deadline:
        messages += consumer.consume(count, 0.2)
    consumer.close()
    return messages
