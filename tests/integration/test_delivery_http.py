"""The HTTP client against receivers that no library would be: what is sent, what each failure is called, what is bounded."""

from __future__ import annotations

import itertools
import socket
import time

import pytest

from delivery.transfer import HEAD_CAP, HEADERS_CAP, Request, parse
from tests.raw import OK, answering, calling, once, raw

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def endless(first: bytes, more: bytes, pause: float = 0.0):
    def talk(one):
        one.request()
        one.send(first)
        while not pause or one.wait(pause):
            one.send(more)

    return talk


def resetting(answer: bytes):
    def talk(one):
        one.request()
        if answer:
            one.send(answer)
            time.sleep(0.05)
        one.reset()

    return talk


def test_a_connection_is_used_again():
    with raw(answering()) as server, calling() as caller:
        for _ in range(20):
            outcome = caller.post(server.url + "/hook", body=b"x" * 3000)
            assert (outcome.status, outcome.head, outcome.error_class) == (200, b"ok", None)
        assert server.connections == 1
        assert outcome.connect_ms == outcome.dns_ms == 0.0
        assert server.heads[0].startswith(b"POST /hook HTTP/1.1\r\nHost: 127.0.0.1")


def test_a_connection_the_other_side_ended_while_idle_is_replaced():
    with raw(once(OK)) as server, calling() as caller:
        for _ in range(5):
            assert caller.post(server.url).status == 200
            caller.client.run_once(0.1)
        assert server.connections == 5


def test_many_at_once_over_numbers_of_sockets_given_out_again():
    """Sockets are closed and their numbers come back all the time: none may be forgotten, none taken for another."""
    count = itertools.count()

    def talk(one):
        while one.request() is not None:
            one.send(OK)
            if next(count) % 3 == 0:
                return

    with raw(talk) as server, calling() as caller:
        requests = [Request(url=f"{server.url}/{i}", headers=["Expect:"], body=b"{}", timeout_s=10.0) for i in range(60)]
        for _ in range(8):
            outcomes = caller.all(requests)
            assert {o.status for o in outcomes} == {200}, [o.error for o in outcomes if o.status != 200]
            assert max(o.total_ms for o in outcomes) < 5000


def test_an_endless_head_is_cut_while_it_streams():
    with raw(endless(b"HTTP/1.1 200 OK\r\n", b"x-filler: " + b"y" * 90 + b"\r\n")) as server, calling() as caller:
        outcome = caller.post(server.url, timeout_s=20)
    assert (outcome.error_class, outcome.status) == ("protocol", 200)
    assert str(HEADERS_CAP) in outcome.error
    assert sum(len(k) + len(v) for k, v in outcome.headers.items()) <= HEADERS_CAP
    assert outcome.total_ms < 5000


def test_one_endless_header_line_is_cut():
    with raw(endless(b"HTTP/1.1 200 OK\r\nx-filler: ", b"y" * 4096)) as server, calling() as caller:
        outcome = caller.post(server.url, timeout_s=20)
    assert outcome.error_class == "protocol"
    assert outcome.total_ms < 5000


@pytest.mark.parametrize("interim", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"])
def test_a_flood_of_interim_answers_is_cut(interim):
    with raw(endless(interim, interim * 20)) as server, calling() as caller:
        outcome = caller.post(server.url, timeout_s=20)
    assert outcome.error_class == "protocol"
    assert outcome.total_ms < 5000


def test_interim_answers_are_not_the_answer():
    hints = b"HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n" * 3
    with raw(answering(hints + OK)) as server, calling() as caller:
        outcome = caller.post(server.url)
    assert (outcome.status, outcome.error_class, outcome.headers) == (200, None, {"content-length": "2"})


@pytest.mark.parametrize(
    "drip",
    [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", CHUNKED + b"1000\r\n", b"HTTP/1.1 200 "],
)
def test_a_slow_drip_does_not_outlive_the_deadline(drip):
    with raw(endless(drip, b"1", pause=0.05)) as server, calling() as caller:
        outcome = caller.post(server.url, timeout_s=0.6)
    assert outcome.error_class == "timeout"
    assert 500 < outcome.total_ms < 1500
    assert "answer not complete" in outcome.error


def test_a_receiver_that_takes_nothing_does_not_outlive_the_deadline():
    with raw(lambda one: one.wait(10)) as server, calling() as caller:
        outcome = caller.post(server.url, body=b"x" * 20_000_000, timeout_s=0.6)
    assert outcome.error_class == "timeout"
    assert outcome.total_ms < 1500


TRUNCATED = [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", CHUNKED + b"a\r\nabc", CHUNKED + b"3\r\nabc\r\n"]


@pytest.mark.parametrize("answer", TRUNCATED)
@pytest.mark.parametrize("talk", [once, resetting])
def test_an_answer_that_ends_early_is_no_answer(talk, answer):
    with raw(talk(answer)) as server, calling() as caller:
        outcome = caller.post(server.url)
    assert (outcome.error_class, outcome.status, outcome.head) == ("reset", 200, b"abc")
    assert not outcome.delivered


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 O", b"HTTP/1.1 200 OK\r\nX: y"])
def test_a_connection_that_ends_before_the_answer(answer):
    with raw(resetting(answer)) as server, calling() as caller:
        outcome = caller.post(server.url)
    assert outcome.error_class == "reset"
    assert outcome.error


JUNK = [
    b"SSH-2.0-OpenSSH_9.2\r\n", b"\x00" * 100, b"hello\r\n\r\n", b"HTTP/9.9 200 OK\r\n\r\n", b"HTTP/1.1 abc OK\r\n\r\n",
    CHUNKED + b"xyz\r\nabc\r\n0\r\n\r\n", CHUNKED + b"-1\r\nabc\r\n", CHUNKED + b"fffffffffffffffffff\r\nabc",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 30\r\n\r\nok", b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: what\r\n\r\nok",
]  # fmt: skip


@pytest.mark.parametrize("answer", JUNK, ids=lambda a: repr(a)[:60])
def test_what_is_no_http_is_called_so(answer):
    with raw(once(answer)) as server, calling() as caller:
        outcome = caller.post(server.url)
    assert outcome.error_class == "protocol", outcome
    assert not outcome.delivered


def test_an_answer_before_the_body_is_taken():
    """A receiver may refuse what is too large after the head; its answer counts, the connection is not used again."""

    def talk(one):
        one.socket.recv(1000)
        one.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno!")
        one.wait(0.3)

    with raw(talk) as server, calling() as caller:
        outcome = caller.post(server.url, body=b"x" * 30_000_000)
        assert outcome.status == 413
        assert outcome.error_class in {"status", "reset"}
        caller.post(server.url)
        assert server.connections == 2


def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with calling() as caller:
        assert caller.post(f"http://127.0.0.1:{port}/").error_class == "connect"


def test_a_name_that_is_none():
    with calling() as caller:
        outcome = caller.post("http://nobody.invalid/")
    assert outcome.error_class == "dns"
    assert "nobody.invalid" in outcome.error


def test_a_long_answer_is_cut_and_the_connection_dropped():
    with raw(answering(b"HTTP/1.1 500 No\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 9_000_000)) as server, calling() as caller:
        outcome = caller.post(server.url)
        assert (outcome.status, outcome.cut, len(outcome.head), outcome.error_class) == (500, True, HEAD_CAP, "status")
        caller.post(server.url)
        assert server.connections == 2


def test_a_body_at_the_limit_is_whole_and_the_connection_kept():
    with (
        raw(answering(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % HEAD_CAP + b"x" * HEAD_CAP)) as server,
        calling() as caller,
    ):
        for _ in range(2):
            outcome = caller.post(server.url)
            assert (outcome.cut, len(outcome.head)) == (False, HEAD_CAP)
        assert server.connections == 1


def test_compression_is_no_bomb():
    """Nothing asks for it, and what comes is kept as it is."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00"
    with raw(answering(answer)) as server, calling() as caller:
        assert caller.post(server.url).head == b"\x1f\x8b\x08\x00"
        assert b"accept-encoding" not in server.heads[0].lower()


def test_cookies_are_not_kept_and_alternative_services_not_followed():
    answer = OK.replace(
        b"\r\n\r\n", b'\r\nSet-Cookie: a=b\r\nAlt-Svc: h2="127.0.0.1:1"\r\nStrict-Transport-Security: max-age=9\r\n\r\n', 1
    )
    with raw(answering(answer)) as server, calling() as caller:
        assert [caller.post(server.url).status for _ in range(3)] == [200] * 3
        assert all(b"cookie" not in head.lower() for head in server.heads)


def test_the_environment_names_no_proxy(monkeypatch):
    with raw(answering()) as server, raw(answering()) as proxy, calling() as caller:
        for name in ("http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        assert caller.post(server.url).status == 200
        assert proxy.connections == 0


def test_one_hanging_receiver_beside_quick_ones():
    with raw(lambda one: one.wait(10)) as slow, raw(answering()) as quick, calling() as caller:
        urls = [slow.url if i % 4 == 0 else quick.url for i in range(80)]
        outcomes = caller.all([Request(url=u, headers=["Expect:"], body=b"{}", timeout_s=1.0) for u in urls])
    assert [o.error_class for o in outcomes] == ["timeout" if u == slow.url else None for u in urls]
    assert max(o.total_ms for o, u in zip(outcomes, urls, strict=True) if u == quick.url) < 900


def test_nobody_waits_to_share_the_connection_of_a_slow_one_on_the_same_host():
    """libcurl can be told to wait whether a connection will take several requests at once: one slow answer then holds all up."""

    def talk(one):
        while (request := one.request()) is not None:
            if b"/slow" in request[0]:
                one.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
                one.wait(10)
            one.send(OK)

    with raw(talk) as server, calling() as caller:
        urls = [server.url + ("/slow" if i == 0 else f"/quick/{i}") for i in range(20)]
        found = caller.all([Request(url=u, headers=["Expect:"], body=b"{}", timeout_s=1.0) for u in urls])
    assert [o.error_class for o in found] == ["timeout"] + [None] * 19
    assert max(o.total_ms for o in found[1:]) < 500


def test_headers_are_read_the_same_the_second_time():
    lines = [b"HTTP/1.1 200 OK\r\n", b"X-A:  b \r\n", b"x-a: c\r\n", b"junk\r\n", b"Y\xe9: \xff\r\n", b"E:\r\n", b"\r\n"]
    assert parse(lines) == parse(lines) == {"x-a": "c", "yé": "ÿ", "e": ""}
    assert parse([b"HTTP/1.1 100\r\n", b"A: 1\r\n", b"HTTP/1.1 200\r\n", b"B: 2\r\n"]) == {"b": "2"}
