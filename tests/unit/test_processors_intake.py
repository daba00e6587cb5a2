"""The intake: what a fetch brought goes to each agent as one batch, once, with the holes between offsets noted."""

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka.structs import ConsumerRecord
from faust.types import TP

from processors.app import create_faust
from runtime.settings import Settings

A0, A1, B0 = TP("a", 0), TP("a", 1), TP("b", 0)


def records(tp, *offsets):
    return [ConsumerRecord(tp.topic, tp.partition, o, 1000, 0, b"k", b"v", None, 1, 1, ()) for o in offsets]


@pytest.fixture
async def consumer(tmp_path):
    app = create_faust(Settings(home=tmp_path))
    handed = []

    async def callback(batch):
        handed.append(batch)

    consumer = app.transport.create_consumer(callback, on_partitions_revoked=None, on_partitions_assigned=None)
    app.consumer = consumer
    app.consumer_generation_id = 1
    consumer.handed = handed
    yield consumer
    consumer._thread.thread_loop.close()  # made with the consumer, for a thread that was never started


def spots(batch):
    return [(m.tp.topic, m.tp.partition, m.offset) for m in batch]


async def test_the_records_of_a_topic_are_one_batch_in_the_order_of_each_partition(consumer):
    await consumer._hand_over({A0: records(A0, 1, 2), B0: records(B0, 7), A1: records(A1, 4)}, {A0, A1, B0})
    assert [spots(batch) for batch in consumer.handed] == [[("a", 0, 1), ("a", 0, 2), ("a", 1, 4)], [("b", 0, 7)]]
    assert {m.generation_id for batch in consumer.handed for m in batch} == {1}


async def test_partitions_that_are_not_to_be_read_are_left_out(consumer):
    await consumer._hand_over({A0: records(A0, 1), A1: records(A1, 4)}, {A1})
    assert [spots(batch) for batch in consumer.handed] == [[("a", 1, 4)]]


async def test_what_lies_before_the_place_read_to_is_not_handed_over_again(consumer):
    consumer._read_offset[A0] = 5
    await consumer._hand_over({A0: records(A0, 3, 4, 5, 6)}, {A0})
    assert [spots(batch) for batch in consumer.handed] == [[("a", 0, 5), ("a", 0, 6)]]
    assert consumer._read_offset[A0] == 6


async def test_commits_pass_holes_but_not_what_follows_them(consumer):
    consumer._committed_offset[A0] = consumer._read_offset[A0] = 5
    consumer.app.topics._acking_topics.add("a")
    await consumer._hand_over({A0: records(A0, 5, 9, 10)}, {A0})
    five, nine, _ = consumer.handed[0]
    consumer.ack(five)
    assert consumer._new_offset(A0) == 6
    consumer._committed_offset[A0] = 6
    consumer.ack(nine)
    assert consumer._new_offset(A0) == 10


@pytest.mark.parametrize("change", ["generation", "flow"])
async def test_nothing_more_is_handed_over_once_partitions_move(consumer, change):
    async def rebalance(batch):
        consumer.handed.append(batch)
        if change == "generation":
            consumer.app.consumer_generation_id = 2
        else:
            consumer.flow_active = False

    consumer.callback = rebalance
    await consumer._hand_over({A0: records(A0, 1), B0: records(B0, 1)}, {A0, B0})
    assert len(consumer.handed) == 1


async def test_an_agent_that_takes_nothing_holds_the_fetcher_until_partitions_move(consumer):
    async def full(_):
        await asyncio.Event().wait()

    consumer.callback = full
    handing = asyncio.ensure_future(consumer._hand_over({A0: records(A0, 1)}, {A0}))
    await asyncio.sleep(0.01)
    assert not handing.done()
    consumer.stop_flow()
    await asyncio.wait_for(handing, 5)


async def test_the_batch_goes_to_the_agent_of_its_topic(tmp_path):
    app = create_faust(Settings(home=tmp_path))
    conductor = app.topics
    app.flow_control.resume()
    queues = {tp: asyncio.Queue() for tp in (A0, B0)}
    conductor._tp_index = {tp: {SimpleChannel(queue)} for tp, queue in queues.items()}
    conductor._update_callback_map()
    batch = [SimpleNamespace(tp=B0)]
    await conductor.on_message(batch)
    assert (queues[A0].qsize(), queues[B0].get_nowait()) == (0, batch)


class SimpleChannel:
    def __init__(self, queue):
        self.queue = queue
