"""The delivery worker against real Kafka and real HTTP receivers."""

from __future__ import annotations

import itertools
import time

import pytest
from standardwebhooks import Webhook

from schemas import topics
from tests.deliveries import delivery, send
from tests.lab import SECRET
from tests.receiver import Answer, receiving

pytestmark = pytest.mark.integration


def test_delivered_signed_recorded_and_committed(start):
    lab, go = start()
    with receiving() as receiver:
        lab.endpoint("ep", receiver.url + "/hook")
        worker = go()
        send(lab, *(delivery(i, "ep") for i in range(50)))
        for arrival in receiver.wait(50):
            verified = Webhook(SECRET).verify(arrival.body, arrival.headers)
            assert arrival.headers["webhook-id"] == f"msg_ep_{verified['n']}"
            assert arrival.headers["x-hookstream-attempt"] == "1"
            assert arrival.headers["x-hookstream-event"] == "order.created"
            assert arrival.headers["content-type"] == "application/json"
        attempts = lab.read(topics.ATTEMPTS, 50)
        assert {a.state for a in attempts} == {"delivered"}
        assert all(a.status == 200 and a.response_head == b"ok" and a.total_ms > 0 for a in attempts)
        assert worker.stop()
        assert lab.committed("delivery", topics.DELIVERIES) == 50


def test_fails_three_times_then_succeeds_on_the_fourth_on_schedule_with_one_id(start):
    lab, go = start(retry_schedule=(0.4, 0.8, 0.4))
    with receiving(lambda _path, earlier: Answer(status=503 if earlier < 3 else 200)) as receiver:
        lab.endpoint("ep", receiver.url + "/hook")
        go()
        send(lab, delivery(1, "ep"))
        arrivals = receiver.wait(4)
        attempts = lab.read(topics.ATTEMPTS, 4)
    assert {a.headers["webhook-id"] for a in arrivals} == {"msg_ep_1"}
    assert [a.headers["x-hookstream-attempt"] for a in arrivals] == ["1", "2", "3", "4"]
    assert [a.state for a in attempts] == ["retrying"] * 3 + ["delivered"]
    assert attempts[0].next_attempt_at is not None
    assert attempts[3].next_attempt_at is None
    gaps = [b.at - a.at for a, b in itertools.pairwise(arrivals)]
    for gap, wanted in zip(gaps, (0.4, 0.8, 0.4), strict=True):
        assert 0.8 * wanted - 0.02 <= gap <= 1.2 * wanted + 0.5, gaps


def test_one_that_always_fails_ends_among_the_dead_with_its_attempts(start):
    lab, go = start(retry_schedule=(0.1, 0.1))
    with receiving(lambda *_: Answer(status=500, body=b"<h1>Oh no</h1>")) as receiver:
        lab.endpoint("ep", receiver.url + "/hook")
        go()
        send(lab, delivery(1, "ep"))
        (dead,) = lab.read(topics.DEAD, 1)
        attempts = lab.read(topics.ATTEMPTS, 3)
    assert (dead.cause, dead.last_status, dead.id, dead.payload) == ("exhausted", 500, "dlv_ep_1", delivery(1, "ep").payload)
    assert [a.state for a in attempts] == ["retrying", "retrying", "dead"]
    assert attempts[-1].response_head == b"<h1>Oh no</h1>"
    assert len(receiver.arrivals) == 3


def test_410_kills_the_delivery_and_disables_the_endpoint(start):
    lab, go = start()
    with receiving(lambda *_: Answer(status=410)) as receiver:
        lab.endpoint("ep", receiver.url + "/hook")
        go()
        send(lab, delivery(1, "ep"))
        (dead,) = lab.read(topics.DEAD, 1)
        configs = lab.read(topics.ENDPOINTS, 2)
        assert dead.cause == "gone"
        assert (configs[-1].id, configs[-1].state) == ("ep", "disabled")
        assert "410" in configs[-1].state_reason
        send(lab, delivery(2, "ep"))
        causes = {d.id: d.cause for d in lab.read(topics.DEAD, 2)}
    assert causes == {"dlv_ep_1": "gone", "dlv_ep_2": "endpoint_disabled"}


def test_a_delivery_to_an_unknown_endpoint_is_dead_not_lost(start):
    lab, go = start()
    go()
    send(lab, delivery(1, "nobody"))
    assert lab.read(topics.DEAD, 1)[0].cause == "endpoint_deleted"


def test_paused_holds_back_without_spending_attempts_and_resumes(start):
    lab, go = start()
    with receiving() as receiver:
        config = lab.endpoint("ep", receiver.url + "/hook", state="paused", updated_at=int(time.time() * 1000))
        go()
        send(lab, delivery(1, "ep"))
        waiting = lab.read(topics.HELD, 1)
        assert (waiting[0].attempt, waiting[0].step) == (1, 0)
        assert receiver.arrivals == []
        lab.endpoint("ep", config.url, state="active")
        assert receiver.wait(1)[0].headers["x-hookstream-attempt"] == "1"


def test_one_endpoint_hangs_and_the_others_get_everything_at_once(start):
    lab, go = start(window=400)
    with receiving(lambda path, _: Answer(delay=20 if path == "/hang" else 0)) as receiver:
        lab.endpoint("hang", receiver.url + "/hang", timeout_s=10.0, max_in_flight=8)
        for name in "abc":
            lab.endpoint(name, f"{receiver.url}/{name}")
        go()
        send(lab, *(delivery(i, name) for i in range(500) for name in ("hang", "a", "b", "c")))
        for name in "abc":
            receiver.wait(500, f"/{name}", timeout=15)
        assert len(receiver.at("/hang")) == 8
        spilled = lab.read(topics.HELD)
        assert spilled
        assert {(d.endpoint_id, d.attempt) for d in spilled} == {("hang", 1)}


def test_slow_body_does_not_outlive_the_deadline(start):
    """Weak spot 1: a receiver that answers 200 and drips its body."""
    lab, go = start(retry_schedule=())
    with receiving(lambda *_: Answer(body=b"x" * 100, drip=0.2)) as receiver:
        lab.endpoint("ep", receiver.url + "/hook", timeout_s=1.0)
        go()
        send(lab, delivery(1, "ep"))
        (attempt,) = lab.read(topics.ATTEMPTS, 1)
    assert attempt.error_class == "timeout"
    assert 900 < attempt.total_ms < 2500


def test_a_flood_is_cut_and_the_head_kept(start):
    """Weak spot 13: the head of a long answer is what an operator wants."""
    lab, go = start()
    with receiving(lambda *_: Answer(body=b"<html>" + b"x" * 5_000_000)) as receiver:
        lab.endpoint("ep", receiver.url + "/hook")
        go()
        send(lab, delivery(1, "ep"))
        (attempt,) = lab.read(topics.ATTEMPTS, 1)
    assert (attempt.state, attempt.status, attempt.response_cut) == ("delivered", 200, True)
    assert len(attempt.response_head) == 16 * 1024
    assert attempt.response_head.startswith(b"<html>")


def test_redirects_are_failures(start):
    """Weak spot 4: nothing is followed."""
    lab, go = start(retry_schedule=())
    with receiving() as target, receiving(lambda *_: Answer(status=302, headers={"Location": target.url})) as receiver:
        lab.endpoint("ep", receiver.url + "/hook")
        go()
        send(lab, delivery(1, "ep"))
        (attempt,) = lab.read(topics.ATTEMPTS, 1)
        assert (attempt.state, attempt.error_class) == ("dead", "redirect")
        assert target.arrivals == []


def test_a_private_address_is_never_called(start):
    lab, go = start(retry_schedule=(), egress_allow=())
    with receiving() as receiver:
        lab.endpoint("ep", receiver.url + "/hook")
        lab.endpoint("named", receiver.url.replace("127.0.0.1", "localhost") + "/hook")
        go()
        send(lab, delivery(1, "ep"), delivery(1, "named"))
        attempts = lab.read(topics.ATTEMPTS, 2)
        assert {a.error_class for a in attempts} == {"refused_address"}
        assert receiver.arrivals == []


def test_poison_is_quarantined_and_the_rest_goes_on(start):
    lab, go = start()
    with receiving() as receiver:
        lab.endpoint("ep", receiver.url + "/hook")
        worker = go()
        for junk in (b"", b"junk", b"\x00\x00\x00\x00\x01short", b"\x00\x7f\xff\xff\xffunknown id"):
            lab.write(topics.DELIVERIES, "ep", junk)
        send(lab, delivery(1, "ep"))
        receiver.wait(1)
        assert {q.cause for q in lab.read(topics.QUARANTINED, 4)} == {"undecodable"}
        assert worker.stop()
        assert lab.committed("delivery", topics.DELIVERIES) == 5


def test_the_replay_lane_says_so(start):
    lab, go = start()
    with receiving() as receiver:
        lab.endpoint("ep", receiver.url + "/hook")
        go()
        lab.write(topics.REPLAY, "ep", delivery(1, "ep", lane="replay", replay_id="rpl_1"))
        lab.flush()
        (arrival,) = receiver.wait(1)
    assert arrival.headers["x-hookstream-replay"] == "rpl_1"
    assert arrival.headers["webhook-id"] == "msg_ep_1"


def test_a_stop_in_the_middle_loses_nothing_and_repeats_nothing(start):
    lab, go = start()
    with receiving(lambda *_: Answer(delay=0.02)) as receiver:
        lab.endpoint("ep", receiver.url + "/hook")
        first = go()
        send(lab, *(delivery(i, "ep") for i in range(1500)))
        receiver.wait(300)
        assert first.stop()
        assert len(receiver.arrivals) < 1500
        go()
        receiver.wait(1500, timeout=30)
        lab.read(topics.ATTEMPTS, 1500)
        ids = [a.headers["webhook-id"] for a in receiver.arrivals]
    assert len(set(ids)) == len(ids) == 1500
