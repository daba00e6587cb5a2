"""The state store on a real compacted topic; records to a given partition; acknowledgements by a timer."""

import asyncio

import pytest

from processors.output import MADE_AT
from processors.state import Store
from runtime.sender import Sender
from schemas import topics
from tests.lab import Lab

pytestmark = pytest.mark.integration


@pytest.fixture
def lab(bootstrap, tmp_path):
    lab = Lab(bootstrap, tmp_path)
    yield lab
    lab.close()


@pytest.fixture
async def sender(lab):
    sender = Sender(lab.kafka)
    sender.start()
    yield sender
    assert await sender.close() == 0


async def put(sender, partition, *values):
    """Write (key, value, made at) to a partition and wait for all acknowledgements."""
    acks, done = [], asyncio.Event()
    for key, value, made_at in values:
        headers = [] if made_at is None else [(MADE_AT, str(made_at))]
        sender.send(
            topics.ORDER_STATES,
            key,
            value,
            lambda error, message: (acks.append((error, message)), len(acks) == len(values) and done.set()),
            headers,
            partition,
        )
    await asyncio.wait_for(done.wait(), 20)
    return acks


def store(lab):
    return Store(lab.kafka, topics.ORDER_STATES, merge=lambda one, other: one + b"+" + other, alive=lambda: None)


async def test_acknowledgements_come_by_the_timer_and_records_lie_where_they_were_put(sender):
    acks = await put(sender, 4, *((f"k{n}", b"v", None) for n in range(500)))
    assert {(error, message.partition()) for error, message in acks} == {(None, 4)}
    assert [message.offset() for _, message in acks] == list(range(500))


async def test_a_partition_is_read_to_its_end_the_last_value_counts_and_tombstones_do(lab, sender):
    await put(sender, 1, ("a", b"1", 1), ("b", b"1", 2), ("a", b"2", 3), ("b", None, 4), ("c", b"1", 5))
    await put(sender, 2, ("other", b"1", 1))
    found = store(lab)
    assert await found.part(1) == {"a": b"2", "c": b"1"}
    assert await found.part(3) == {}
    assert len(found) == 2


async def test_a_value_made_earlier_but_written_later_is_merged_not_believed(lab, sender):
    await put(sender, 0, ("a", b"new", 9), ("a", b"old", 7), ("b", b"new", 9), ("b", b"newer", 12))
    assert await store(lab).part(0) == {"a": b"new+old", "b": b"newer"}


async def test_what_was_dropped_is_read_again(lab, sender):
    found = store(lab)
    states = await found.part(0)
    states["mine"] = b"1"
    assert await found.part(0) is states
    found.drop([0])
    await put(sender, 0, ("theirs", b"2", 1))
    assert await found.part(0) == {"theirs": b"2"}


async def test_a_partition_revoked_while_it_was_read_is_not_kept(lab, sender):
    found = store(lab)
    reading = asyncio.ensure_future(found.part(0))
    await asyncio.sleep(0)
    found.drop([0])
    await reading
    await put(sender, 0, ("theirs", b"2", 1))
    assert await found.part(0) == {"theirs": b"2"}
