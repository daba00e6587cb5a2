"""Where webhook senders are known to break, over HTTP: each spot with real Kafka and a real receiver."""

from __future__ import annotations

import ipaddress
import itertools
import socket
import time

import pytest

from delivery.app import Worker
from schemas import topics
from tests.integration.test_delivery_worker import delivery, send
from tests.lab import Lab
from tests.raw import answering, once, raw
from tests.receiver import Answer, receiving

pytestmark = pytest.mark.integration
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


@pytest.fixture
def start(bootstrap, tmp_path):
    """start(settings…) -> (lab, go); go() starts the worker once the test has set the scene."""
    workers, labs = [], []

    def make(**settings):
        lab = Lab(bootstrap, tmp_path, **{"egress_allow": LOOPBACK, "retry_schedule": (), **settings})
        labs.append(lab)

        def go():
            workers.append(Worker(lab.process))
            workers[-1].start()

        return lab, go

    yield make
    for worker in workers:
        worker.stop()
    for lab in labs:
        lab.close()


def test_weak_spot_1_slow_body_does_not_outlive_the_timeout(start):
    """A receiver that answers 200 at once and drips its body for ever; others are served meanwhile."""
    lab, go = start()
    with receiving(lambda path, _: Answer(body=b"x" * 500, drip=0.1 if path == "/drip" else 0)) as receiver:
        lab.endpoint("drip", receiver.url + "/drip", timeout_s=1.0)
        lab.endpoint("quick", receiver.url + "/quick", timeout_s=1.0)
        go()
        send(lab, *(delivery(i, name) for i in range(4) for name in ("drip", "quick")))
        attempts = lab.read(topics.ATTEMPTS, 8)
    slow = [a for a in attempts if a.endpoint_id == "drip"]
    assert {(a.error_class, a.status, a.state) for a in slow} == {("timeout", 200, "dead")}
    assert all(900 < a.total_ms < 2500 for a in slow)
    assert {a.state for a in attempts if a.endpoint_id == "quick"} == {"delivered"}
    assert "answer not complete" in slow[0].error


def test_weak_spot_4_no_private_address_and_no_redirect_is_reached(start):
    """127.0.0.2 stands in for the public internet; everything else here is private, and has somebody listening."""
    lab, go = start(egress_allow=(ipaddress.ip_network("127.0.0.2/32"),))
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as private:
        private.settimeout(0.5)
        port = private.getsockname()[1]
        hosts = [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "localhost",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "0.0.0.0",
            "[::]",
        ]
        moved = f"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:{port}/\r\nContent-Length: 0\r\n\r\n".encode()
        with raw(answering(moved), address="127.0.0.2") as public:
            lab.endpoint("moved", f"http://127.0.0.2:{public.port}/hook")
            for i, host in enumerate(hosts):
                lab.endpoint(f"private-{i}", f"http://{host}:{port}/hook")
            go()
            send(lab, delivery(1, "moved"), *(delivery(1, f"private-{i}") for i in range(len(hosts))))
            attempts = {a.endpoint_id: a for a in lab.read(topics.ATTEMPTS, len(hosts) + 1)}
            assert public.connections == 1
        with pytest.raises(TimeoutError):
            private.accept()
    redirected = attempts.pop("moved")
    assert (redirected.error_class, redirected.status, redirected.state) == ("redirect", 307, "dead")
    assert "redirects are not followed" in redirected.error
    assert {a.error_class for a in attempts.values()} == {"refused_address"}
    assert all("HUB_EGRESS_ALLOW" in a.error for a in attempts.values())


def test_weak_spot_13_the_head_of_a_long_response_is_kept_and_marked_cut(start):
    """A stack trace of megabytes, with and without a length, ended properly or not: its head is what an operator needs."""
    lab, go = start()
    page = b"<html>Traceback: KeyError" + b"x" * 3_000_000
    answers = {
        "length": b"HTTP/1.1 500 Oh\r\nContent-Length: %d\r\n\r\n%b" % (len(page), page),
        "chunked": b"HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(page), page),
        "until-close": b"HTTP/1.1 500 Oh\r\nConnection: close\r\n\r\n" + page,
        "short": b"HTTP/1.1 500 Oh\r\nContent-Length: 5\r\n\r\n<htm>",
    }
    with (
        raw(once(answers["length"])) as a,
        raw(once(answers["chunked"])) as b,
        raw(once(answers["until-close"])) as c,
        raw(once(answers["short"])) as d,
    ):
        for name, server in zip(answers, (a, b, c, d), strict=True):
            lab.endpoint(name, server.url + "/hook")
        go()
        send(lab, *(delivery(1, name) for name in answers))
        attempts = {found.endpoint_id: found for found in lab.read(topics.ATTEMPTS, 4)}
    for name in ("length", "chunked", "until-close"):
        found = attempts[name]
        assert (found.status, found.error_class, found.response_cut) == (500, "status", True), name
        assert found.response_head == page[: 16 * 1024]
    assert (attempts["short"].response_head, attempts["short"].response_cut) == (b"<htm>", False)


def test_an_answer_without_end_in_head_or_interim_answers_costs_one_attempt_and_no_memory(start):
    lab, go = start()

    def flood(part):
        def talk(one):
            one.request()
            one.send(b"HTTP/1.1 200 OK\r\n" if part.startswith(b"x") else b"")
            for _ in itertools.count():
                one.send(part * 50)

        return talk

    with raw(flood(b"x-a: b\r\n")) as headers, raw(flood(b"HTTP/1.1 100 Continue\r\n\r\n")) as interim:
        lab.endpoint("headers", headers.url, timeout_s=20.0)
        lab.endpoint("interim", interim.url, timeout_s=20.0)
        go()
        began = time.monotonic()
        send(lab, delivery(1, "headers"), delivery(1, "interim"))
        attempts = lab.read(topics.ATTEMPTS, 2)
        assert time.monotonic() - began < 10
    assert {a.error_class for a in attempts} == {"protocol"}
    assert all(sum(len(k) + len(v) for k, v in a.response_headers.items()) <= 16 * 1024 for a in attempts)
