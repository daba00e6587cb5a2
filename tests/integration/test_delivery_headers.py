"""Headers as they are on the wire: a socket shows what was really sent, whatever a configuration or a record said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from delivery.request import RequestBuilder
from runtime.config import Endpoint, Secret
from schemas.auth import Basic, Bearer
from tests.lab import SECRET
from tests.raw import answering, calling, raw
from tests.unit.test_delivery_request import config, request

CORPUS = json.loads((Path(__file__).parents[1] / "vectors" / "headers.json").read_text())
OURS = {
    "host", "content-type", "content-length", "user-agent", "accept", "webhook-id", "webhook-timestamp", "webhook-signature",
    "x-hookstream-event", "x-hookstream-delivery", "x-hookstream-attempt", "x-hookstream-sequence",
}  # fmt: skip


def sent(server, caller, url, headers=None, auth=None, **fields) -> list[tuple[str, str]]:
    """What came over the wire, line by line."""
    made = RequestBuilder(Endpoint(config(url=url), (Secret("s1", SECRET),), headers or {}, auth))
    before = len(server.heads)
    found = request(made, **fields)
    outcome = caller.post(url, found.headers, found.body)
    assert outcome.status == 200, outcome
    assert len(server.heads) == before + 1, "one request was made two"
    first, *rest = server.heads[-1].decode("ascii").split("\r\n")
    assert first == "POST /hook HTTP/1.1"
    assert all(": " in line or line.endswith(":") for line in rest)
    return [(name.lower(), value.removeprefix(" ")) for name, _, value in (line.partition(":") for line in rest)]


@pytest.fixture
def wire():
    with raw(answering()) as server, calling() as caller:
        yield lambda *args, **fields: sent(server, caller, server.url + "/hook", *args, **fields)


def test_nothing_but_what_is_documented(wire):
    found = wire()
    assert {name for name, _ in found} == OURS
    assert len(found) == len(OURS)
    assert dict(found)["content-length"] == str(len(b'{"n":1}'))


@pytest.mark.parametrize(("name", "value"), CORPUS["accepted"])
def test_an_accepted_header_is_one_line_more(wire, name, value):
    found = wire({name: value})
    assert len(found) == len(OURS) + 1
    assert dict(found)[name.lower()].strip() == value.strip()


HOSTILE = [value for _, value in CORPUS["refused"] if len(value) > 1] + [name for name, _ in CORPUS["refused"] if len(name) > 1]


def test_what_records_say_cannot_add_a_line(wire):
    for text in HOSTILE:
        found = wire(webhook_id=text, event_type=text, delivery_id=text, replay_id=text)
        assert [name for name, _ in found if name not in OURS] == ["x-hookstream-replay"], text
        assert len(found) == len(OURS) + 1
        assert all(value.isascii() and value.isprintable() and value for _, value in found)


def test_credentials_are_one_line(wire):
    for auth in (Basic(username="u", password="p" * 3000), Bearer(token="t" * 3000)):
        found = wire(auth=auth)
        assert [name for name, _ in found if name not in OURS] == ["authorization"]


@pytest.mark.parametrize(("name", "value"), CORPUS["refused"])
def test_what_is_refused_never_makes_a_request(name, value):
    with pytest.raises(ValueError, match="headers"):
        RequestBuilder(Endpoint(config(), (Secret("s1", SECRET),), {name: value}))
