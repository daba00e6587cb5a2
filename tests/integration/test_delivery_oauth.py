"""Access tokens: fetched once for many, kept, renewed on 401, never hammered for, never shown; through the egress guard."""

from __future__ import annotations

import base64
import json
import logging
import threading
import time

import pytest

from delivery import oauth
from delivery.authorize import Authorizer
from delivery.curl import CurlClient
from delivery.outcome import Outcome
from delivery.tls import Tls
from delivery.transfer import Request
from runtime.clock import SystemClock
from schemas.auth import OAuth2
from tests.authority import Authority
from tests.raw import OK, answering, calling, raw

SECRET = "s3cret+of/the client"


def json_answer(status: int, body: object) -> bytes:
    text = json.dumps(body).encode()
    return b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (status, len(text), text)


class Tokens:
    """A token endpoint: gives token-1, token-2 …; `answer` changes that."""

    def __init__(self, answer=None, delay: float = 0.0) -> None:
        self.asked: list[tuple[bytes, bytes]] = []
        self._answer, self._delay = answer, delay
        self._lock = threading.Lock()

    def __call__(self, one) -> None:
        while (request := one.request()) is not None:
            with self._lock:
                self.asked.append(request)
                number = len(self.asked)
            one.wait(self._delay)
            good = {"access_token": f"token-{number}", "token_type": "bearer", "expires_in": 3600}
            one.send(self._answer(number, request) if self._answer else json_answer(200, good))


class Guarded:
    """A receiver that takes only some tokens."""

    def __init__(self, *good: str) -> None:
        self.good = set(good)
        self.got: list[str] = []

    def __call__(self, one) -> None:
        while (request := one.request()) is not None:
            lines = [line for line in request[0].decode().split("\r\n") if line.lower().startswith("authorization:")]
            self.got += [line.split(" ", 2)[2] for line in lines]
            one.send(OK if self.got[-1] in self.good else json_answer(401, {"no": "way"}))


def request(server, tokens, tls: Tls | None = None, timeout_s: float = 5.0, scope: str | None = None, headers=()) -> Request:
    asked = OAuth2(token_url=tokens.url + "/token", client_id="the client:1", client_secret=SECRET, scope=scope)
    return Request(
        url=server.url + "/hook", headers=["Expect:", *headers], body=b"{}", timeout_s=timeout_s, tls=tls, oauth2=asked
    )


def test_one_token_for_many_at_once_and_for_those_after():
    endpoint, receiver = Tokens(delay=0.2), Guarded("token-1")
    with raw(endpoint) as tokens, raw(receiver) as server, calling() as caller:
        outcomes = caller.all([request(server, tokens, headers=["X-Shop: 1"])] * 50)
        assert {o.status for o in outcomes} == {200}
        assert {o.status for o in caller.all([request(server, tokens)] * 20)} == {200}
    assert len(endpoint.asked) == 1
    head, body = endpoint.asked[0]
    assert b"POST /token" in head
    credentials = next(line for line in head.split(b"\r\n") if line.startswith(b"Authorization: Basic "))[21:]
    assert base64.b64decode(credentials) == b"the+client%3A1:s3cret%2Bof%2Fthe+client"
    assert body == b"grant_type=client_credentials"
    assert receiver.got == ["token-1"] * 70


def test_the_scope_is_asked_for_and_other_credentials_have_their_own_token():
    endpoint = Tokens()
    with raw(endpoint) as tokens, raw(Guarded("token-1", "token-2")) as server, calling() as caller:
        caller.all([request(server, tokens, scope="write all")])
        caller.all([request(server, tokens)])
    assert [body for _, body in endpoint.asked] == [
        b"grant_type=client_credentials&scope=write+all",
        b"grant_type=client_credentials",
    ]


def test_a_token_is_renewed_once_when_the_receiver_says_401():
    endpoint, receiver = Tokens(), Guarded("token-1")
    with raw(endpoint) as tokens, raw(receiver) as server, calling() as caller:
        assert caller.all([request(server, tokens)])[0].status == 200
        receiver.good = {"token-2"}
        assert {o.status for o in caller.all([request(server, tokens)] * 10)} == {200}
        assert len(endpoint.asked) == 2


def test_a_receiver_that_always_says_401_does_not_make_us_hammer():
    endpoint, receiver = Tokens(), Guarded()
    with raw(endpoint) as tokens, raw(receiver) as server, calling() as caller:
        outcomes = [caller.all([request(server, tokens)])[0] for _ in range(30)]
    assert {(o.status, o.error_class) for o in outcomes} == {(401, "status")}
    assert len(endpoint.asked) <= 3


def test_an_expired_token_is_not_used():
    endpoint = Tokens(lambda n, _: json_answer(200, {"access_token": f"token-{n}", "token_type": "Bearer", "expires_in": 1}))
    with raw(endpoint) as tokens, raw(Guarded("token-1", "token-2")) as server, calling() as caller:
        for _ in range(2):
            assert caller.all([request(server, tokens)])[0].status == 200
            time.sleep(1.0)
    assert len(endpoint.asked) == 2


def test_a_token_endpoint_that_is_down_fails_attempts_without_being_hammered():
    endpoint = Tokens(lambda *_: json_answer(503, {"error": "temporarily_unavailable"}))
    with raw(endpoint) as tokens, raw(answering()) as server, calling() as caller:
        outcomes = [caller.all([request(server, tokens)] * 5)[i] for i in range(5)]
        assert {o.error_class for o in outcomes} == {"auth"}
        assert outcomes[0].error.startswith("no access token: the token endpoint answered 503 (temporarily_unavailable)")
        assert "asked again in" in outcomes[-1].error
        assert all(o.status is None for o in outcomes)
        assert len(endpoint.asked) == 1
        assert server.connections == 0
        endpoint._answer = None
        time.sleep(1.05)
        assert caller.all([request(server, tokens)])[0].status == 200


def test_a_server_that_wants_the_credentials_in_the_body():
    def picky(number, asked):
        if b"client_secret=" not in asked[1]:
            return json_answer(401, {"error": "invalid_client"})
        return json_answer(200, {"access_token": "token-1", "expires_in": "3600"})

    endpoint = Tokens(picky)
    with raw(endpoint) as tokens, raw(Guarded("token-1")) as server, calling() as caller:
        assert {o.status for o in caller.all([request(server, tokens)] * 3)} == {200}
    assert len(endpoint.asked) == 2
    assert b"client_id=the+client%3A1&client_secret=s3cret%2Bof%2Fthe+client" in endpoint.asked[1][1]
    assert b"Authorization" not in endpoint.asked[1][0]


BAD_ANSWERS = [
    (json_answer(200, {"access_token": "a\r\nX-Evil: 1"}), "fits in a header"),
    (json_answer(200, {"access_token": ""}), "fits in a header"),
    (json_answer(200, {"access_token": "a b"}), "fits in a header"),
    (json_answer(200, {"access_token": "a", "token_type": "mac"}), "bearer"),
    (json_answer(200, {"token": "a"}), "access_token"),
    (json_answer(200, ["a"]), "access_token"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", "no JSON"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\xff\xfe", "no JSON"),
    (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n", "redirects are not followed"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n" + b"x" * 90000, "no JSON"),
    (b"junk\r\n\r\n", "cannot be used"),
]


@pytest.mark.parametrize(("answer", "words"), BAD_ANSWERS)
def test_an_answer_that_is_no_token_is_said_to_be_none(answer, words):
    with raw(answering(answer)) as tokens, raw(answering()) as server, calling() as caller:
        outcome = caller.all([request(server, tokens)])[0]
        assert outcome.error_class == "auth"
        assert words in outcome.error
        assert server.connections == 0


def test_a_token_endpoint_that_hangs_ends_with_the_attempts_deadline():
    with raw(lambda one: one.wait(10)) as tokens, raw(answering()) as server, calling() as caller:
        began = time.monotonic()
        outcomes = caller.all([request(server, tokens, timeout_s=0.5)] * 3)
        assert time.monotonic() - began < 2
    assert {o.error_class for o in outcomes} == {"auth"}
    assert "timeout" in outcomes[0].error


def test_the_token_endpoint_is_behind_the_egress_guard_too():
    with raw(Tokens()) as tokens, raw(answering()) as server, calling(egress_allow=()) as caller:
        outcome = caller.all([request(server, tokens)])[0]
        assert outcome.error_class == "auth"
        assert "not a public address" in outcome.error
        assert tokens.connections == server.connections == 0


def test_the_endpoints_own_authority_is_trusted_for_its_token():
    authority = Authority()
    own = Tls(ca=authority.pem.encode())
    with (
        raw(Tokens(), authority.context()) as tokens,
        raw(Guarded("token-1"), authority.context()) as server,
        calling() as caller,
    ):
        assert caller.all([request(server, tokens, tls=own)])[0].status == 200
        assert caller.all([request(server, tokens)])[0].error_class == "auth"


def test_in_flight_counts_those_who_wait():
    with raw(lambda one: one.wait(10)) as tokens, raw(answering()) as server:
        client = Authorizer(CurlClient(clock=SystemClock()), SystemClock())
        for _ in range(4):
            client.start(request(server, tokens), lambda _: None)
        assert client.in_flight == 5
        client.close()


def test_no_secret_is_shown(caplog):
    caplog.set_level(logging.DEBUG)
    hostile = json_answer(400, {"error": "invalid_client", "error_description": f"{SECRET} is wrong"})
    quoting = json_answer(400, {"error": f"{SECRET} is wrong"})
    for answer in (hostile, quoting):
        with raw(answering(answer)) as tokens, raw(answering()) as server, calling() as caller:
            outcome = caller.all([request(server, tokens)])[0]
            assert outcome.error_class == "auth"
            shown = repr(outcome) + caplog.text + repr(request(server, tokens))
            assert SECRET not in shown
            assert "s3cret" not in shown
    assert "abc" not in repr(oauth.Token("abc", 1.0))


@pytest.mark.parametrize(
    ("expires_in", "used_for"),
    [
        (3600, 3540),
        (100, 90),
        (None, 270),
        ("120", 108),
        ("soon", 270),
        (-1, 0.9),
        (0, 0.9),
        (1e99, 86340),
        ("nan", 0.9),
        ("inf", 86340),
    ],
)
def test_how_long_a_token_is_used(expires_in, used_for):
    body = json.dumps({"access_token": "a", "expires_in": expires_in}).encode()
    found = oauth.read(Outcome(started_at=0, status=200, head=body))
    assert isinstance(found, oauth.Token)
    assert found.lasts_s == pytest.approx(used_for)


def test_pauses_grow_to_a_minute():
    assert [oauth.pause_s(n) for n in (0, 1, 2, 5, 6, 100)] == [1, 2, 4, 32, 60, 60]
