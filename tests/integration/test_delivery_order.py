"""Order of one object's deliveries, against real Kafka and a real receiver."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections import defaultdict

import msgspec
import pytest

from schemas import topics
from tests.deliveries import delivery, send
from tests.receiver import Answer, receiving

pytestmark = pytest.mark.integration


def of(key: str, number: int, endpoint: str = "ep", **fields: object):
    payload = json.dumps({"key": key, "n": number}).encode()
    return delivery(number, endpoint, object_key=key, payload=payload, **fields)


def first_arrivals(receiver) -> dict[str, list[int]]:
    """Numbers by key, each at its first arrival."""
    seen: dict[str, list[int]] = defaultdict(list)
    for arrival in receiver.arrivals:
        body = json.loads(arrival.body)
        if body["n"] not in seen[body["key"]]:
            seen[body["key"]].append(body["n"])
    return seen


def still_held(lab) -> set[str]:
    """Ids of what lies in deliveries.held and is not deleted."""
    alive = dict(lab.entries(topics.HELD))
    return {lab.codec.decode(value, topics.HELD.record).id for value in alive.values() if value is not None}


def test_a_failing_object_holds_back_itself_and_nobody_else(start):
    lab, go = start(retry_schedule=(0.3, 0.3, 0.3))
    failures = itertools.count()

    def judge(arrival):
        return Answer(status=500 if b"order/a" in arrival.body and next(failures) < 3 else 200)

    with receiving(judge=judge) as receiver:
        lab.endpoint("ep", receiver.url + "/hook", ordering="key", max_in_flight=4)
        worker = go()
        send(lab, *(of(f"order/{key}", n * 10 + i) for n in range(10) for i, key in enumerate("abc")))
        receiver.wait(33, timeout=20)
        attempts = lab.read(topics.ATTEMPTS, 33)
        assert worker.stop()
        assert lab.committed("delivery", topics.DELIVERIES) == 30
    arrivals = first_arrivals(receiver)
    assert {key: numbers == sorted(numbers) for key, numbers in arrivals.items()} == dict.fromkeys(arrivals, True)
    assert {len(numbers) for numbers in arrivals.values()} == {10}
    others = [a.at for a in receiver.arrivals if json.loads(a.body)["key"] != "order/a"]
    assert max(others) - min(others) < 1.0, "the other objects waited"
    assert sum(a.state == "retrying" for a in attempts) == 3
    assert still_held(lab) == set()


def test_a_restart_finds_everything_that_waits_and_keeps_the_order(start):
    lab, go = start(retry_schedule=(5.0, 0.2, 0.2))
    down = threading.Event()
    down.set()
    with receiving(lambda *_: Answer(status=503 if down.is_set() else 200)) as receiver:
        lab.endpoint("ep", receiver.url + "/hook", ordering="key")
        first = go()
        send(lab, *(of("order/a", n) for n in range(50)))
        receiver.wait(1)
        lab.until(lambda: len(still_held(lab)) == 50)
        assert first.stop()
        assert lab.committed("delivery", topics.DELIVERIES) == 50
        down.clear()
        go()
        send(lab, *(of("order/a", n) for n in range(50, 60)))
        receiver.wait(61, timeout=30)
        lab.until(lambda: not still_held(lab))
    assert first_arrivals(receiver)["order/a"] == list(range(60))
    assert len(receiver.arrivals) == 61
    assert {a.headers["webhook-id"] for a in receiver.arrivals} == {f"msg_ep_{n}" for n in range(60)}


def test_exhausted_makes_way_for_the_next(start):
    lab, go = start(retry_schedule=(0.1,))
    with receiving(lambda *_: Answer(status=500)) as receiver:
        lab.endpoint("ep", receiver.url + "/hook", ordering="key")
        go()
        send(lab, *(of("order/a", n) for n in range(3)))
        dead = lab.read(topics.DEAD, 3)
    assert [d.sequence for d in dead] == [0, 1, 2]
    assert [json.loads(a.body)["n"] for a in receiver.arrivals] == [0, 0, 1, 1, 2, 2]


def test_latest_sends_the_newest_level_and_counts_the_others_as_superseded(start):
    lab, go = start(retry_schedule=(1.0, 0.3))
    down = threading.Event()
    down.set()
    with receiving(lambda *_: Answer(status=503 if down.is_set() else 200)) as receiver:
        lab.endpoint("ep", receiver.url + "/hook", ordering="latest")
        go()
        send(lab, of("sku/1", 1))
        receiver.wait(1)
        send(lab, *(of("sku/1", n) for n in range(2, 10)), of("sku/1", 5, id="dlv_late", webhook_id="msg_late"))
        down.clear()
        receiver.wait(2)
        attempts = lab.read(topics.ATTEMPTS, 11)
        lab.until(lambda: not still_held(lab))
    assert [json.loads(a.body)["n"] for a in receiver.arrivals] == [1, 9]
    superseded = {a.delivery_id for a in attempts if a.state == "superseded"}
    assert superseded == {f"dlv_ep_{n}" for n in range(1, 9)} | {"dlv_late"}
    assert [a.delivery_id for a in attempts if a.state == "delivered"] == ["dlv_ep_9"]


def test_a_person_can_skip_the_head_and_a_follower(start):
    lab, go = start(retry_schedule=(60.0,))
    with receiving(judge=lambda arrival: Answer(status=500 if b'"n": 0' in arrival.body else 200)) as receiver:
        lab.endpoint("ep", receiver.url + "/hook", ordering="key")
        go()
        waiting = [of("order/a", n) for n in range(4)]
        send(lab, *waiting)
        lab.until(lambda: len(still_held(lab)) == 4)
        send(lab, msgspec.structs.replace(waiting[2], command="skip"))
        dead = lab.read(topics.DEAD, 1)
        assert [(d.id, d.cause) for d in dead] == [(waiting[2].id, "skipped")]
        assert len(receiver.arrivals) == 1
        send(lab, msgspec.structs.replace(waiting[0], command="skip"))
        receiver.wait(3)
        assert {d.id for d in lab.read(topics.DEAD, 2)} == {waiting[0].id, waiting[2].id}
        lab.until(lambda: not still_held(lab))
    assert [json.loads(a.body)["n"] for a in receiver.arrivals] == [0, 1, 3]


def test_a_person_can_retry_the_head_at_once_and_park_it_until_then(start):
    lab, go = start(retry_schedule=(0.5, 60.0))
    down = threading.Event()
    down.set()
    with receiving(lambda *_: Answer(status=500 if down.is_set() else 200)) as receiver:
        lab.endpoint("ep", receiver.url + "/hook", ordering="key")
        first = go()
        waiting = [of("order/a", n) for n in range(3)]
        send(lab, *waiting)
        lab.until(lambda: len(still_held(lab)) == 3)
        send(lab, msgspec.structs.replace(waiting[0], command="park"))
        time.sleep(1.0)
        down.clear()
        parked_at = len(receiver.arrivals)
        assert parked_at <= 2
        assert first.stop()
        go()
        time.sleep(2.0)
        assert len(receiver.arrivals) == parked_at, "a parked head was tried"
        send(lab, waiting[0])
        receiver.wait(parked_at + 3, timeout=10)
        lab.until(lambda: not still_held(lab))
    assert [json.loads(a.body)["n"] for a in receiver.arrivals][parked_at:] == [0, 1, 2]


def test_two_workers_come_and_go_and_nothing_overtakes(start):
    lab, go = start(retry_schedule=(0.2,) * 20)
    calls = itertools.count()
    with receiving(lambda *_: Answer(status=500 if next(calls) % 7 == 0 else 200)) as receiver:
        for name in "xyz":
            lab.endpoint(name, f"{receiver.url}/{name}", ordering="key")
        one = go()
        expected = {f"{name}/{key}": list(range(40)) for name in "xyz" for key in range(5)}
        batches = [[of(f"{name}/{key}", n, name) for name in "xyz" for key in range(5)] for n in range(40)]
        for batch in batches[:15]:
            send(lab, *batch)
        two = go()
        for batch in batches[15:30]:
            send(lab, *batch)
        receiver.wait(200, timeout=30)
        assert one.stop()
        for batch in batches[30:]:
            send(lab, *batch)
        lab.until(lambda: all(len(first_arrivals(receiver)[key]) == 40 for key in expected), timeout=60)
        assert two
    assert dict(first_arrivals(receiver)) == expected
