"""What one endpoint's trouble does and does not do: breaker, limits, batches, being disabled. Real Kafka, real receivers."""

from __future__ import annotations

import json
import threading
import time

import pytest
from standardwebhooks import Webhook

from delivery.breaker import OPENS_AFTER
from schemas import operational, topics
from tests.deliveries import delivery, send
from tests.lab import SECRET
from tests.receiver import Answer, receiving

pytestmark = pytest.mark.integration


def told(lab) -> list[tuple[str, dict]]:
    """Type and data of the events the hub told of itself."""
    return [(r.topic, json.loads(r.body)) for r in lab.read(topics.RECEIVED)]


def test_a_dead_endpoint_costs_no_attempts_and_gets_its_backlog_when_it_is_back(start):
    lab, go = start(retry_schedule=(600.0,) * 3)
    down = threading.Event()
    down.set()
    with receiving(lambda *_: Answer(status=503 if down.is_set() else 200)) as receiver:
        lab.endpoint("ep", receiver.url + "/hook", max_in_flight=4)
        worker = go()
        send(lab, *(delivery(i, "ep") for i in range(300)))
        receiver.wait(OPENS_AFTER)
        lab.until(lambda: len(lab.read(topics.HELD)) >= 280)
        tried = len(receiver.arrivals)
        assert tried <= OPENS_AFTER + 4, "an open breaker let attempts through"
        assert {(d.attempt, d.step) for d in lab.read(topics.HELD)} == {(1, 0)}
        (standing, *_) = reversed(lab.read(topics.STANDINGS))
        assert (standing.breaker, standing.failures >= OPENS_AFTER, standing.last_status) == ("open", True, 503)
        down.clear()
        send(lab, delivery(0, "ep"))  # a person's retry is a probe
        lab.until(lambda: probed(worker))
        receiver.wait(300, timeout=30)
        lab.until(lambda: lab.read(topics.STANDINGS)[-1].breaker == "closed")
        assert lab.read(topics.STANDINGS)[-1].failing_from_at is None
    kinds = [kind for kind, _ in told(lab)]
    assert kinds == [operational.FAILING, operational.RECOVERED]


def probed(worker) -> bool:
    """Let the open breaker's time come."""
    for receiver in worker._engine._roster:
        receiver.breaker.probe_now(0)
        worker._engine._set_alarm(0, receiver)
    return True


def test_a_restart_finds_an_unordered_backlog(start):
    lab, go = start()
    with receiving() as receiver:
        config = lab.endpoint("ep", receiver.url + "/hook", state="paused")
        first = go()
        send(lab, *(delivery(i, "ep") for i in range(500)))
        lab.until(lambda: len(lab.read(topics.HELD)) == 500)
        assert first.stop()
        assert lab.committed("delivery", topics.DELIVERIES) == 500
        second = go()
        time.sleep(1)
        assert receiver.arrivals == []
        lab.endpoint("ep", config.url, state="active")
        receiver.wait(500, timeout=30)
        lab.until(lambda: sum(value is None for _, value in lab.entries(topics.HELD)) == 500)
        assert second.stop()
        go()
        time.sleep(2)
    ids = [a.headers["webhook-id"] for a in receiver.arrivals]
    assert len(ids) == len(set(ids)) == 500


def test_weak_spot_3_the_rate_limit_is_kept_and_spends_no_attempts(start):
    lab, go = start()
    with receiving() as receiver:
        lab.endpoint("slow", receiver.url + "/slow", rate_limit=40.0)
        lab.endpoint("free", receiver.url + "/free")
        go()
        send(lab, *(delivery(i, name) for i in range(200) for name in ("slow", "free")))
        free = receiver.wait(200, "/free")
        arrivals = receiver.wait(200, "/slow", timeout=20)
        attempts = lab.read(topics.ATTEMPTS, 400)
    took = arrivals[-1].at - arrivals[0].at
    assert 199 / took == pytest.approx(40, rel=0.05)
    assert max(a.at for a in free) - arrivals[0].at < 2
    assert {(a.attempt, a.state) for a in attempts} == {(1, "delivered")}


def test_a_batch_is_one_signed_request_and_every_event_has_its_id(start):
    lab, go = start()
    with receiving() as receiver:
        lab.endpoint("ep", receiver.url + "/hook", batch_max=50, batch_wait_ms=200)
        go()
        send(lab, *(delivery(i, "ep") for i in range(120)))
        lab.until(lambda: sum(len(events(a)) for a in list(receiver.arrivals)) == 120)
        attempts = lab.read(topics.ATTEMPTS, 120)
    assert 3 <= len(receiver.arrivals) <= 12
    found = [event for arrival in receiver.arrivals for event in events(arrival)]
    assert {e["webhook_id"]: e["event"]["n"] for e in found} == {f"msg_ep_{n}": n for n in range(120)}
    assert {a.batch_id for a in attempts} == {a.headers["webhook-id"] for a in receiver.arrivals}
    assert {a.state for a in attempts} == {"delivered"}


def events(arrival) -> list[dict]:
    """What a batch holds, its signature verified."""
    return Webhook(SECRET).verify(arrival.body, arrival.headers)["data"]["events"]


def test_a_batch_that_fails_is_tried_again_and_nothing_of_it_changes_its_id(start):
    lab, go = start(retry_schedule=(0.3, 0.3))
    with receiving(lambda _path, earlier: Answer(status=500 if earlier < 2 else 200)) as receiver:
        lab.endpoint("ep", receiver.url + "/hook", batch_max=10, batch_wait_ms=100)
        go()
        send(lab, *(delivery(i, "ep") for i in range(10)))
        lab.until(lambda: sum(a.state == "delivered" for a in lab.read(topics.ATTEMPTS)) == 10)
    found = [e for arrival in receiver.arrivals for e in events(arrival)]
    assert {e["webhook_id"] for e in found} == {f"msg_ep_{n}" for n in range(10)}


def test_weak_spot_9_nothing_but_failures_disables_it_and_what_comes_after_is_kept(start):
    lab, go = start(retry_schedule=(0.2,) * 30, disable_after_s=0.3)
    with receiving(lambda *_: Answer(status=500)) as receiver:
        lab.endpoint("ep", receiver.url + "/hook")
        go()
        send(lab, *(delivery(i, "ep") for i in range(3)))
        lab.until(lambda: lab.read(topics.ENDPOINTS)[-1].state == "disabled")
        config = lab.read(topics.ENDPOINTS)[-1]
        assert (config.disabled_by, "failures" in config.state_reason) == ("hub", True)
        send(lab, delivery(7, "ep"))
        dead = lab.read(topics.DEAD, 4)
        before = len(receiver.arrivals)
        time.sleep(1)
        assert len(receiver.arrivals) == before
    assert {d.cause for d in dead} == {"endpoint_disabled"}
    kinds = [kind for kind, _ in told(lab)]
    assert kinds.count(operational.DISABLED) == 1
    assert operational.FAILING in kinds
    data = dict(told(lab))[operational.DISABLED]
    assert (data["endpoint_id"], data["state"], data["last_status"]) == ("ep", "disabled", 500)


def test_an_exhausted_delivery_is_told_and_one_that_tells_is_not(start):
    lab, go = start(retry_schedule=())
    with receiving(lambda *_: Answer(status=500)) as receiver:
        lab.endpoint("ep", receiver.url + "/hook")
        go()
        send(lab, delivery(1, "ep"), delivery(2, "ep", event_type=operational.EXHAUSTED))
        lab.read(topics.DEAD, 2)
        lab.until(lambda: told(lab))
        time.sleep(0.5)
    ((kind, data),) = told(lab)
    assert (kind, data["delivery_id"], data["cause"], data["attempts"]) == (operational.EXHAUSTED, "dlv_ep_1", "exhausted", 1)


def test_many_that_hang_leave_half_the_worker_to_the_others(start):
    lab, go = start(max_requests=40)
    with receiving(lambda path, _: Answer(delay=8 if path.startswith("/hang") else 0)) as receiver:
        for n in range(20):
            lab.endpoint(f"hang{n}", f"{receiver.url}/hang{n}", timeout_s=10.0)
        for n in range(5):
            lab.endpoint(f"ok{n}", f"{receiver.url}/ok{n}")
        go()
        send(lab, *(delivery(i, f"hang{n}") for i in range(2) for n in range(20)))
        time.sleep(1.5)
        sent = time.monotonic()
        send(lab, *(delivery(i, f"ok{n}") for i in range(20) for n in range(5)))
        arrivals = [a for n in range(5) for a in receiver.wait(20, f"/ok{n}", timeout=20)]
    assert max(a.at for a in arrivals) - sent < 4
